"""The approval table: what comes back is what was saved, one question per step, one writer per version."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy.exc import IntegrityError

from approvals import policy
from approvals.request import ApprovalChange, ApprovalRequest, RequestStatus
from approvals.store import AlteredMeanwhile, ApprovalStore
from audit.store import AuditStore
from infra.db import Database
from tests.approvals.strategies import NOON, SAM, request, requests


@pytest.fixture
def store() -> ApprovalStore:
    """The store under test."""
    return ApprovalStore(AuditStore())


def added(db: Database, store: ApprovalStore, found: ApprovalRequest) -> ApprovalRequest:
    """Save a new question; it as it stands there."""
    with db.transaction() as tx:
        store.add(tx, policy.ask(found), found.asked_at)
    with db.reading() as connection:
        saved = store.get(connection, found.id)
    assert saved is not None
    return saved


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(requests)
def test_what_was_saved_comes_back(sqlite_database: Database, found: ApprovalRequest) -> None:
    """Every field survives, the moment of expiry to the microsecond."""
    store = ApprovalStore(AuditStore())
    with sqlite_database.transaction() as tx:
        tx.connection.exec_driver_sql("DELETE FROM approval")

    saved = added(sqlite_database, store, found)

    assert saved == replace(found, version=1)


def test_decisions_come_back_in_order(database: Database, store: ApprovalStore) -> None:
    """Answers with their person, moment and comment; the version counts the writes."""
    saved = added(database, store, request(minimum=2))
    change = policy.decide(
        saved, SAM, "Approve", is_listed=True, now=NOON + timedelta(seconds=1), comment="ok \U0001f44d"
    )
    with database.transaction() as tx:
        store.save(tx, change, NOON)

    with database.reading() as connection:
        again = store.of_step(connection, "s1")
    assert again is not None
    assert (again.decisions, again.version) == (change.state.decisions, 2)


def test_a_stale_change_is_refused_whole(database: Database, store: ApprovalStore) -> None:
    """Whoever decided on an old version saves nothing, no event either."""
    stale = added(database, store, request())
    with database.transaction() as tx:
        store.save(tx, policy.decide(stale, SAM, "Approve", is_listed=True, now=NOON), NOON)

    with pytest.raises(AlteredMeanwhile), database.transaction() as tx:
        store.save(tx, policy.withdraw(stale, RequestStatus.CANCELLED), NOON)

    with database.reading() as connection:
        now = store.get(connection, "r1")
        names = [entry.event.name for entry in AuditStore().entries(connection)]
    assert now is not None
    assert now.status is RequestStatus.APPROVED
    assert names == ["approval.asked", "approval.decided", "approval.concluded"]


def test_a_step_asks_once(database: Database, store: ApprovalStore) -> None:
    """A second question of one step is refused by the table itself."""
    added(database, store, request())

    with pytest.raises(IntegrityError), database.transaction() as tx:
        store.add(tx, policy.ask(request(id="r2")), NOON)

    with database.reading() as connection:
        assert store.get(connection, "r2") is None


def test_open_ones_are_listed_oldest_first(database: Database, store: ApprovalStore) -> None:
    """Closed ones are not there; counts and expiries speak of the same ones."""
    for number, minutes in enumerate((3, 1, 2)):
        asked_at = NOON + timedelta(minutes=minutes)
        expires_at = asked_at + timedelta(hours=1) if minutes != 2 else None
        found = request(id=f"r{number}", step_execution_id=f"s{number}", asked_at=asked_at, expires_at=expires_at)
        added(database, store, found)
    with database.reading() as connection:
        closed = store.get(connection, "r0")
    assert closed is not None
    with database.transaction() as tx:
        store.save(tx, policy.withdraw(closed, RequestStatus.CANCELLED), NOON)

    with database.reading() as connection:
        found_open = [each.id for each in store.open(connection)]
        count, expiring = store.open_count(connection), store.due(connection)
        all_of_it = [each.id for each in store.of_execution(connection, "e1")]
    assert (found_open, count) == (["r1", "r2"], 2)
    assert expiring == [(NOON + timedelta(hours=1, minutes=1), "r1")]
    assert all_of_it == ["r1", "r2", "r0"]


def test_what_is_not_there_is_none(database: Database, store: ApprovalStore) -> None:
    """An unknown id, an unknown step."""
    with database.transaction() as tx:
        assert store.lock(tx, "nothing") is None
        assert store.get(tx, "nothing") is None
        assert store.of_step(tx, "nothing") is None


def test_a_change_without_events_is_saved_too(database: Database, store: ApprovalStore) -> None:
    """Nothing to tell is no reason not to write."""
    saved = added(database, store, request())
    with database.transaction() as tx:
        store.save(tx, ApprovalChange(saved), NOON)

    with database.reading() as connection:
        again = store.get(connection, "r1")
    assert again is not None
    assert again.version == 2
