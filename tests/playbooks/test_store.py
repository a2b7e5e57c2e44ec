"""The alarm table while old and new processes share it: what people did about an alarm is not lost, nor in the way."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from audit.events import Actor
from infra.db import Database
from playbooks.store import NO_CARE, AlarmRecord, AlarmStore, Care, alarm_table
from tests.fakes.clock import NIGHT
from tests.playbooks.worlds import alarm

CARE = Care(acknowledged_by=Actor("person", "sam", "Sam Reyes"), acknowledged_at=NIGHT, seen={"state": "running"})
KEY = "k1"


@pytest.fixture
def store(database: Database) -> AlarmStore:
    """With one alarm that somebody looks after."""
    made = AlarmStore()
    record = AlarmRecord(KEY, alarm(), NIGHT, "suggested", (("restart", "Restart it"),), "C1", "", ())
    with database.transaction() as tx:
        assert made.add(tx, record)
        made.conclude(tx, replace(record, care=CARE))
    return made


def row(database: Database) -> Any:
    """The row as it lies there."""
    with database.reading() as connection:
        return connection.execute(select(alarm_table)).mappings().one()


def care(database: Database, store: AlarmStore) -> Care:
    """What this code reads of it."""
    with database.reading() as connection:
        found = store.get(connection, KEY)
    assert found is not None
    return found.care


def wrote(database: Database, **values: str) -> None:
    """Another process writes columns of the row."""
    with database.transaction() as tx:
        tx.execute(update(alarm_table).values(**values))


def test_a_process_of_before_reads_what_it_knows(database: Database, store: AlarmStore) -> None:
    """It takes an outcome of five parts and would stumble over a sixth, or over a field of the alarm."""
    verdict, playbooks, channel, why, executions = json.loads(row(database)["outcome"])

    assert (verdict, playbooks, channel, why, executions) == ("suggested", [["restart", "Restart it"]], "C1", "", [])
    assert care(database, store) == CARE


def test_a_process_of_before_overwrites_no_care(database: Database, store: AlarmStore) -> None:
    """It writes what was started; that somebody looks after the alarm stays."""
    wrote(database, outcome=json.dumps(["suggested", [], "C1", "", ["run 1"]]))

    assert care(database, store) == CARE


def test_care_of_a_process_before_the_column_counts(database: Database, store: AlarmStore) -> None:
    """It was the outcome's last part; whoever writes it there wrote last."""
    actor = {"kind": "person", "id": "kim", "name": "Kim Bell"}
    taken = {"acknowledged_by": actor, "acknowledged_at": NIGHT.isoformat(), "muted_by": None, "muted_until": None}
    wrote(database, outcome=json.dumps(["suggested", [], "C1", "", [], {**taken, "seen": {}}]))

    found = care(database, store)
    assert found.acknowledged_by == Actor("person", "kim", "Kim Bell")
    with database.transaction() as tx:
        record = store.get(tx, KEY)
        assert record is not None
        store.conclude(tx, record)
    assert len(json.loads(row(database)["outcome"])) == 5
    assert care(database, store) == found


def test_fields_of_a_newer_process_are_passed_over(database: Database, store: AlarmStore) -> None:
    """Of the alarm, and of its metrics."""
    known = json.loads(row(database)["alarm"])
    metrics = [{**metric, "period": 60} for metric in known["metrics"]]
    wrote(database, alarm=json.dumps({**known, "metrics": metrics, "severity": "high"}))

    assert care(database, store) == CARE
    assert metrics


def test_nobodys_care_is_no_row_of_it(database: Database, store: AlarmStore) -> None:
    """When all of it is over, the column is empty again."""
    with database.transaction() as tx:
        record = store.get(tx, KEY)
        assert record is not None
        store.conclude(tx, replace(record, care=NO_CARE))

    assert row(database)["care"] is None
    assert care(database, store) == NO_CARE
