"""Export: complete, one line per event, verifiable elsewhere, harmless in a spreadsheet."""

import csv
import json

import pytest
from hypothesis import given

from audit.events import Actor, Event
from audit.export import COLUMNS, ExportUnreadable, export, read
from audit.store import AuditStore, _keepable
from audit.trail import GENESIS, Entry, link, verify
from infra.db import Database
from tests.audit.strategies import trails
from tests.fakes.clock import NIGHT


def chained(*events: Event) -> list[Entry]:
    """A trail of these events, as the store would keep it."""
    return list(link(events, at=NIGHT, seq=0, head=GENESIS))


LEE = Actor("person", "person:lee", "Lee")


def test_a_line_says_everything() -> None:
    """Names, actor, data, moment and both hashes."""
    entries = chained(Event("approval.decided", "ex-1", LEE, {"verdict": "Approve"}))
    (line,) = export(entries, "jsonl")

    assert json.loads(line) == {
        "seq": 1,
        "at": "2026-03-01T03:02:10+00:00",
        "name": "approval.decided",
        "subject": "ex-1",
        "actor": {"kind": "person", "id": "person:lee", "name": "Lee"},
        "data": {"verdict": "Approve"},
        "previous": GENESIS,
        "hash": entries[0].hash,
    }


@given(trail=trails)
def test_an_exported_trail_verifies_elsewhere(trail: list[Event]) -> None:
    """What was kept can be read back from the file and checked without the database."""
    entries = chained(*(_keepable(event) for event in trail))
    back = list(read(export(entries, "jsonl")))

    assert back == entries
    assert verify(back, expected=(len(entries), entries[-1].hash)).is_valid


def test_an_altered_export_is_found_out() -> None:
    """A file is checked as the table is."""
    entries = chained(Event("approval.decided", "ex-1", LEE, {"verdict": "Approve"}), Event("execution.ended", "ex-1"))
    lines = [line.replace("Approve", "Reject") for line in export(entries, "jsonl")]

    assert verify(read(lines)).broken_at == 1


@pytest.mark.parametrize("line", ["{", "[]", '{"seq": 1}', '{"seq": "x"}', "null", '"text"'])
def test_a_line_that_is_not_ours_is_named(line: str) -> None:
    """By its number."""
    first = "".join(export(chained(Event("bot.started", "")), "jsonl"))
    with pytest.raises(ExportUnreadable, match="line 3 is not an event"):
        list(read([first, "\n", line]))


def test_csv_has_a_header_and_a_row_for_each_event() -> None:
    """Cells hold commas, quotes and line ends as they are."""
    entries = chained(Event("approval.decided", 'ex "1",\n2', LEE, {"comment": 'a, "b"'}))
    header, row = csv.reader(export(entries, "csv"))

    assert tuple(header) == COLUMNS
    assert row[3] == 'ex "1",\n2'
    assert json.loads(row[7]) == {"comment": 'a, "b"'}
    assert row[9] == entries[0].hash


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_runs_nothing(name: str) -> None:
    """A display name is chosen by whoever bears it."""
    entries = chained(Event("bot.started", "", Actor("person", "slack:T1/U1", name)))
    _, row = csv.reader(export(entries, "csv"))

    assert row[6] == f"'{name}"


def test_a_long_trail_is_exported_as_it_is_read(database: Database) -> None:
    """From the table, line by line; leaving in the middle leaves nothing open."""
    store = AuditStore()
    with database.transaction() as tx:
        store.append(tx, [Event("bot.started", str(number)) for number in range(1200)], NIGHT)
    with database.reading() as connection:
        lines = export(store.entries(connection), "jsonl")
        first = next(lines)
        del lines
        rest = list(export(store.entries(connection, after=1), "jsonl"))

    assert json.loads(first)["seq"] == 1
    assert len(rest) == 1199
