"""The trail for other programs: JSON lines (complete, can be verified elsewhere) or CSV (for a spreadsheet)."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal

from audit.events import Actor, Event
from audit.trail import Entry
from infra.canonical import canonical

Format = Literal["jsonl", "csv"]
COLUMNS = ("seq", "at", "name", "subject", "actor_kind", "actor_id", "actor_name", "data", "previous", "hash")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportUnreadable(Exception):
    """A line of an exported trail is not one of ours; the message says which."""


def export(entries: Iterable[Entry], style: Format) -> Iterator[str]:
    """Lines of text, one per event, as the entries come: nothing is gathered in memory."""
    if style == "jsonl":
        yield from (_json_line(entry) for entry in entries)
        return
    yield _csv_line(COLUMNS)
    for entry in entries:
        yield _csv_line([_harmless(cell) for cell in _cells(entry)])


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """Entries of a JSON-lines export, for `trail.verify`. Raises ExportUnreadable."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ExportUnreadable(f"line {number} is not an event of an exported trail: {error!r}") from error


def _json_line(entry: Entry) -> str:
    event = entry.event
    fields = {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "name": event.name,
        "subject": event.subject,
        "actor": {"kind": event.actor.kind, "id": event.actor.id, "name": event.actor.name},
        "data": dict(event.data),
        "previous": entry.previous,
        "hash": entry.hash,
    }
    return json.dumps(fields) + "\n"


def _from_json(fields: dict[str, Any]) -> Entry:
    actor = Actor(fields["actor"]["kind"], fields["actor"]["id"], fields["actor"]["name"])
    event = Event(fields["name"], fields["subject"], actor, dict(fields["data"]))
    at = datetime.fromisoformat(fields["at"])
    return Entry(int(fields["seq"]), at, event, str(fields["previous"]), str(fields["hash"]))


def _cells(entry: Entry) -> list[str]:
    event, actor = entry.event, entry.event.actor
    place = [str(entry.seq), entry.at.isoformat(), event.name, event.subject, actor.kind, actor.id, actor.name]
    return [*place, canonical(dict(event.data)), entry.previous, entry.hash]


def _harmless(cell: str) -> str:
    """A name that begins like a formula would be run by the spreadsheet that opens it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
