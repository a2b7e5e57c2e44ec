"""Timers outlive the defects of what they call, and find what was lost on its way."""

import threading
from datetime import timedelta

import pytest

from engine.dispatch import local, timers
from engine.dispatch.local import LeaseKeeper
from engine.dispatch.timers import BEHIND, OVERDUE, Timers
from engine.leases import LEASE
from infra.db import Database
from tests.engine.test_embedded import Counting, Host, scripted, succeed
from tests.fakes.clock import ManualClock


class Renewing:
    """A carrier whose renewals fail at first."""

    def __init__(self) -> None:
        self.tries, self.is_renewed = 0, threading.Event()

    def carry(self, execution_id: str) -> None:
        """Nothing to carry."""

    def renew_leases(self) -> None:
        """Fail twice, with a defect."""
        self.tries += 1
        if self.tries < 3:
            raise ZeroDivisionError
        self.is_renewed.set()


def test_a_defect_does_not_end_the_renewing_of_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that ended silently would have every carrier taken for dead."""
    monkeypatch.setattr(local, "RENEW", timedelta(milliseconds=1))
    carrier = Renewing()
    keeper = LeaseKeeper(carrier)
    keeper.start()

    assert carrier.is_renewed.wait(20)
    keeper.stop()


def test_a_defect_does_not_end_the_sweeps(
    sqlite_database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that ended silently would end every recovery."""
    monkeypatch.setattr(timers, "SWEEP", timedelta(milliseconds=1))
    host, is_swept, tries = Host(sqlite_database, clock, Counting(succeed)), threading.Event(), []
    made = Timers(sqlite_database, host.store, clock, lambda _: None)

    def sweep() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ZeroDivisionError
        is_swept.set()

    monkeypatch.setattr(made, "sweep", sweep)
    made.start()

    assert is_swept.wait(20)
    made.stop()


def test_a_dead_ones_step_is_handed_over_once_its_lease_has_ended(database: Database, clock: ManualClock) -> None:
    """Not while the lease holds; then by one sweep, and not by the next one as well."""
    handed: list[str] = []
    host = Host(database, clock, Counting(succeed))
    execution_id = host.start(scripted())
    with database.transaction() as tx:
        claimed = host.engine._take_up(tx, execution_id, "the dead one")
    assert claimed is not None
    first, second = (Timers(database, host.store, clock, handed.append) for _ in range(2))
    clock.advance(max(OVERDUE, LEASE).total_seconds() - 0.5)
    first.sweep()
    assert handed == []
    clock.advance(1)
    first.sweep()
    second.sweep()

    assert handed == [execution_id]


def test_a_long_queue_is_not_made_longer(database: Database, clock: ManualClock) -> None:
    """While work waits there, a sweep sends few again, and first those whose carrier is dead."""
    handed: list[str] = []
    host = Host(database, clock, Counting(succeed))
    for _ in range(BEHIND + 5):
        host.start(scripted())
    clock.advance(1)
    lost = host.start(scripted())
    with database.transaction() as tx:
        host.engine._take_up(tx, lost, "the dead one")
    clock.advance(max(OVERDUE, LEASE).total_seconds() + 1)
    Timers(database, host.store, clock, handed.append, waiting=lambda: 1).sweep()
    assert (handed[0], len(handed)) == (lost, BEHIND)
    Timers(database, host.store, clock, handed.append).sweep()

    assert len(set(handed)) == BEHIND + 6
