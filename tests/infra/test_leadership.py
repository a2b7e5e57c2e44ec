"""One process leads; when it dies or loses its lease another one does, and never both."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import update

from infra.db import Database, DatabaseUnavailable
from infra.leadership import LEASE, SAFETY, Leadership, Term, is_anybody_leading, leadership_table
from tests.fakes.clock import ManualClock


def test_one_leads_and_the_others_wait(database: Database, clock: ManualClock) -> None:
    """The lease is the first one's, who may renew it."""
    one, other = Leadership(database, "outbox", clock), Leadership(database, "outbox", clock)

    assert (one.acquire(), other.acquire(), one.acquire()) == (True, False, True)
    assert (one.is_held, other.is_held) == (True, False)


def test_names_are_independent(database: Database, clock: ManualClock) -> None:
    """Leading one thing says nothing of another."""
    assert Leadership(database, "outbox", clock).acquire()
    assert Leadership(database, "alarms", clock).acquire()


def test_a_dead_leader_is_followed_when_its_lease_ends(database: Database, clock: ManualClock) -> None:
    """Not sooner, and within ten seconds."""
    one, other = Leadership(database, "outbox", clock), Leadership(database, "outbox", clock)
    one.acquire()
    clock.advance(LEASE.total_seconds() - 0.5)
    assert not other.acquire()
    clock.advance(1)

    assert other.acquire()
    assert not one.acquire()
    assert not one.is_held


def test_who_resigns_is_followed_at_once(database: Database, clock: ManualClock) -> None:
    """A deploy does not wait for a lease to end."""
    one, other = Leadership(database, "outbox", clock), Leadership(database, "outbox", clock)
    one.acquire()
    one.resign()

    assert other.acquire()


def test_whether_anybody_leads(database: Database, clock: ManualClock) -> None:
    """A process that comes up sees whether it is alone."""
    with database.reading() as connection:
        assert not is_anybody_leading(connection, clock())
    Leadership(database, "outbox", clock).acquire()

    with database.reading() as connection:
        assert is_anybody_leading(connection, clock())
        assert not is_anybody_leading(connection, clock() + LEASE)


def test_the_loop_runs_only_while_it_leads(
    sqlite_database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that another has taken ends the loop; the process waits for its turn again."""
    monkeypatch.setattr("infra.leadership.RENEW", timedelta(milliseconds=1))
    one, other = Leadership(sqlite_database, "outbox", clock), Leadership(sqlite_database, "outbox", clock)
    runs, stop, ended = [], threading.Event(), threading.Event()

    def loop(end: threading.Event) -> None:
        runs.append("began")
        with sqlite_database.transaction() as tx:
            tx.execute(update(leadership_table).values(holder=other.holder))
        end.wait(20)
        runs.append("ended")
        ended.set()

    leader = threading.Thread(target=one.run, args=(stop, loop), kwargs={"wake": lambda: None})
    leader.start()
    assert ended.wait(20)
    stop.set()
    leader.join(20)

    assert runs == ["began", "ended"]
    assert other.acquire()


def test_a_leader_without_its_database_stops_by_itself(
    sqlite_database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own clock ends the claim before the lease ends for the others."""
    one = Leadership(sqlite_database, "outbox", clock)
    one.acquire()
    later = time.monotonic() + (LEASE - SAFETY).total_seconds() + 0.1
    monkeypatch.setattr("infra.leadership.time.monotonic", lambda: later)

    def gone() -> None:
        raise DatabaseUnavailable("gone")

    monkeypatch.setattr(sqlite_database, "transaction", gone)

    assert not one._try()
    assert not one.is_held


def test_a_leader_that_slept_finds_out_before_it_writes(database: Database, clock: ManualClock) -> None:
    """Whatever its own clock says: the row says who leads, and stays so until the transaction ends."""
    one, other = Leadership(database, "outbox", clock), Leadership(database, "outbox", clock)
    one.acquire()
    with database.transaction() as tx:
        assert one.confirm(tx)
    clock.advance(60)
    other.acquire()
    assert one.is_held, "its own clock stood still"
    with database.transaction() as tx:
        assert not one.confirm(tx)

    assert not one.is_held


def test_the_stop_event_of_a_term_is_set_when_the_lease_is_not_certain(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that only looks at its stop event is fenced, too."""
    one = Leadership(database, "outbox", clock)
    one.acquire()
    term = Term(one)
    assert not term.is_set()
    later = time.monotonic() + LEASE.total_seconds()
    monkeypatch.setattr("infra.leadership.time.monotonic", lambda: later)

    assert term.is_set()


def test_who_cannot_end_its_work_does_not_resign(
    sqlite_database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is still on its way when the process goes down keeps the lease until it ends by itself."""
    monkeypatch.setattr("infra.leadership.RENEW", timedelta(milliseconds=1))
    monkeypatch.setattr("infra.leadership.LAST_WORK", timedelta(0))
    one, other = Leadership(sqlite_database, "outbox", clock), Leadership(sqlite_database, "outbox", clock)
    begun, answer, stop = threading.Event(), threading.Event(), threading.Event()

    def loop(_: threading.Event) -> None:
        begun.set()
        answer.wait(20)

    leader = threading.Thread(target=one.run, args=(stop, loop), kwargs={"wake": lambda: None})
    leader.start()
    assert begun.wait(20)
    stop.set()
    leader.join(20)

    assert not other.acquire()
    answer.set()
