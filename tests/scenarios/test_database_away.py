"""The database is locked or gone while alarms and clicks arrive: nothing is lost, and everything goes on by itself."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.intake.sqs import SqsIntake
from infra.db import Database, DatabaseUnavailable
from tests.bot.intake.samples import sample
from tests.fakes.clock import ManualClock
from tests.fakes.postgres import PostgresServer
from tests.fakes.strict_slack import StrictSlack
from tests.scenarios.conftest import MakeWorld
from tests.scenarios.paths import Ledger, Reaper, World, library


@contextmanager
def gone(server: PostgresServer, name: str) -> Iterator[None]:
    """The server hangs up on everybody and takes nobody in: what a client sees of one that is stopped."""
    server._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    server._run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    try:
        yield
    finally:
        server._run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@pytest.fixture
def sqlite_world(
    sqlite_database: Database,
    strict_slack: StrictSlack,
    clock: ManualClock,
    tmp_path: Path,
    reaper: Reaper,
    ledger: Ledger,
) -> Iterator[World]:
    """A world on SQLite."""
    yield from _world(sqlite_database, strict_slack, clock, tmp_path, reaper)


@pytest.fixture
def postgres_world(
    postgres_database: Database,
    strict_slack: StrictSlack,
    clock: ManualClock,
    tmp_path: Path,
    reaper: Reaper,
    ledger: Ledger,
) -> Iterator[World]:
    """A world on PostgreSQL."""
    yield from _world(postgres_database, strict_slack, clock, tmp_path, reaper)


def _world(database: Database, slack: StrictSlack, clock: ManualClock, folder: Path, reaper: Reaper) -> Iterator[World]:
    url = database.url.render_as_string(hide_password=False)
    world = World(url, slack, clock, library(folder, start="auto"), reaper)
    yield world
    world.rig.close()


def test_while_postgresql_is_gone_nothing_is_lost(
    postgres_world: World, postgres_server: PostgresServer, ledger: Ledger
) -> None:
    """An alarm is left with SNS, a click is told that it may not have counted; both come again, and all ends well."""
    world, instance = postgres_world, postgres_world.instance()
    world.delivered(world.alarm(instance))
    world.live(world.is_asking)
    value = world.rig.buttons()["approve"]
    later = world.alarm(instance, state="OK", at="2026-03-01T03:05:00.000+0000")
    name = str(world.rig.service.db.url.database)

    with gone(postgres_server, name):
        assert world.deliver(later) == 503
        click = world.rig.click("approve", value, world.rig.sam)
        with pytest.raises(DatabaseUnavailable):
            world.rig.service.db.check_writable()
        with pytest.raises(DatabaseUnavailable):
            world.rig.relays[0].pump()
        with pytest.raises(DatabaseUnavailable):
            world.rig.outbox.pump()

    assert (click.status, len(world.rig.whispers())) == (200, 1)
    assert "database does not answer" in world.rig.whispers()[0]
    world.rig.service.db.check_writable()
    assert world.deliver(later) == 200
    world.rig.click("approve", value, world.rig.sam)
    world.live(lambda: world.status() == "Success" and world.rig.buttons() == {})
    assert world.facts().alarm_now == "OK"
    assert ledger.calls == ["StopInstances", "StartInstances"]
    assert world.names().count("approval.decided") == 1


def test_a_lock_delays_but_loses_nothing(sqlite_world: World, ledger: Ledger) -> None:
    """Another process holds SQLite's lock while alarms and a click come: each waits, and is answered when it ends."""
    world = sqlite_world
    instance = world.instance()
    world.delivered(world.alarm(instance))
    world.live(world.is_asking)
    value = world.rig.buttons()["approve"]
    later = [world.alarm(instance, state="OK", at=f"2026-03-01T03:1{number}:00.000+0000") for number in range(5)]
    statuses: list[int] = []

    def deliver(message: bytes) -> None:
        statuses.append(world.deliver(message))

    def click() -> None:
        statuses.append(world.rig.click("approve", value, world.rig.sam).status)

    waiting = [threading.Thread(target=deliver, args=(message,)) for message in later]
    waiting.append(threading.Thread(target=click))
    with closing(sqlite3.connect(str(world.rig.service.db.url.database))) as other:
        other.execute("BEGIN IMMEDIATE")
        for thread in waiting:
            thread.start()
        with pytest.raises(DatabaseUnavailable):
            world.rig.service.db.check_writable()
        assert statuses == []
        other.rollback()
    for thread in waiting:
        thread.join()

    assert statuses == [200] * 6
    world.live(lambda: world.status() == "Success" and world.rig.buttons() == {})
    assert world.names().count("alarm.received") == 6
    assert world.names().count("approval.decided") == 1
    assert ledger.calls == ["StopInstances", "StartInstances"]


def test_a_queues_message_is_deleted_after_the_commit_only(world_of: MakeWorld, reaper: Reaper) -> None:
    """Killed at the commit, the message is still on the queue; taken by the next process, it goes, and started once."""
    world = world_of("auto")
    instance = world.instance()
    body = sample("eventbridge_metric")
    body["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"] = {"InstanceId": instance}
    queue: dict[str, dict[str, Any]] = {"r1": {"ReceiptHandle": "r1", "Body": json.dumps(body)}}

    def delete(handle: str) -> None:
        del queue[handle]

    def pump() -> int:
        intake = SqsIntake(
            world.rig.service.operations,
            receive=lambda: list(queue.values()),
            delete=delete,
            queue="alarms",
        )
        return intake.pump()

    for when in ("before", "after"):
        reaper.begin(when, seed=0)
        reaper._chance.random = lambda: 0.0  # type: ignore[method-assign]  # at the very next commit
        assert world.do(pump) is None
        reaper.rest()
        assert list(queue) == ["r1"]

    assert world.do(pump) == 1
    assert queue == {}
    assert len(world.rig.service.queries.executions()) == 1
    assert world.names().count("alarm.received") == 1
