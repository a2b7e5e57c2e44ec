"""The audit tables on both databases: appended last, read back as hashed, and every tampering is named."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import delete, insert, select, update

from audit.events import Actor, Event
from audit.store import AuditStore, cursor_table, event_table, head_table
from audit.trail import Verdict
from infra.db import Database
from tests.audit.strategies import trails
from tests.fakes.clock import NIGHT, ManualClock

KEEP_DATABASE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
"""Examples share one database: the chain just grows."""


def append(db: Database, *events: Event, store: AuditStore | None = None) -> None:
    """One transaction with these events."""
    with db.transaction() as tx:
        (store or AuditStore()).append(tx, events, NIGHT)


def verdict(db: Database, store: AuditStore | None = None) -> Verdict:
    """What a check of the whole trail finds."""
    with db.reading() as connection:
        return (store or AuditStore()).verify(connection)


def subjects(db: Database) -> list[str]:
    """Whom the events are about, in order."""
    with db.reading() as connection:
        return [entry.event.subject for entry in AuditStore().entries(connection)]


def started(number: int) -> Event:
    """One event of many."""
    return Event("execution.started", f"ex-{number}", Actor("person", "person:lee"), {"number": number})


@given(trail=trails)
@KEEP_DATABASE
def test_whatever_happened_can_be_kept_and_verified(database: Database, trail: list[Event]) -> None:
    """Any text, any data: both databases give back exactly what was hashed."""
    append(database, *trail)

    assert verdict(database).is_valid


def test_an_event_is_read_back(database: Database, clock: ManualClock) -> None:
    """Everything it says, at its place."""
    event = Event("approval.decided", "ex-1", Actor("person", "person:lee", "Lee"), {"verdict": "Approve", "n": 2.5})
    append(database, event)
    with database.reading() as connection:
        (entry,) = AuditStore().entries(connection)

    assert (entry.seq, entry.at, entry.event) == (1, clock(), event)


def test_an_unknown_name_is_refused(database: Database) -> None:
    """An event that nobody has defined is a programming error, and nothing is saved."""
    with pytest.raises(ValueError, match=r"unknown event names \['oops'\]; add them"):
        append(database, Event("oops", ""))

    assert verdict(database).events == 0


def test_events_of_one_transaction_keep_their_order(database: Database) -> None:
    """Several appends, one chain, in the order of the calls."""
    store = AuditStore()
    with database.transaction() as tx:
        store.append(tx, [started(1), started(2)], NIGHT)
        store.append(tx, [], NIGHT)
        store.append(tx, [started(3)], NIGHT + timedelta(seconds=1))
    append(database, started(4))

    assert subjects(database) == ["ex-1", "ex-2", "ex-3", "ex-4"]
    assert verdict(database).is_valid


def test_events_die_with_their_transaction(database: Database) -> None:
    """What did not happen is not in the trail, and leaves no gap in it."""
    append(database, started(1))
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        AuditStore().append(tx, [started(2)], NIGHT)
        raise ZeroDivisionError
    append(database, started(3))

    assert subjects(database) == ["ex-1", "ex-3"]
    assert verdict(database).is_valid


def test_events_of_one_execution_can_be_read_alone(database: Database) -> None:
    """By subject, and after a number."""
    append(database, *(started(number % 2) for number in range(6)))
    store = AuditStore()
    with database.reading() as connection:
        assert [entry.seq for entry in store.entries(connection, subject="ex-1")] == [2, 4, 6]
        assert [entry.seq for entry in store.entries(connection, subject="ex-1", after=2)] == [4, 6]
        assert [entry.seq for entry in store.batch(connection, after=1, limit=2)] == [2, 3]
        assert list(store.batch(connection, after=0, limit=9, names={"bot.started"})) == []


def test_names_that_are_too_long_are_cut(database: Database) -> None:
    """Whoever sends a request chooses its sender's name: it must not decide whether the refusal is recorded."""
    append(database, Event("request.refused", "s" * 5000, Actor("alarm", "a" * 5000, "n" * 5000)))
    with database.reading() as connection:
        (entry,) = AuditStore().entries(connection)

    assert (len(entry.event.subject), len(entry.event.actor.id), len(entry.event.actor.name)) == (512, 512, 5000)
    assert verdict(database).is_valid


def test_concurrent_appends_make_one_chain(database: Database) -> None:
    """Threads that append at once, the very first event included: no gap, no fork, nothing lost."""
    ready = threading.Barrier(6)

    def work(thread: int) -> None:
        ready.wait()
        for number in range(10):
            append(database, started(100 * thread + number), started(100 * thread + number))

    run_all([threading.Thread(target=work, args=(thread,)) for thread in range(6)])

    assert verdict(database).is_valid
    assert sorted(subjects(database)) == sorted(f"ex-{100 * t + n}" for t in range(6) for n in range(10) for _ in "ab")


def test_processes_that_append_at_once_make_one_chain(postgres_database: Database) -> None:
    """As above, with a pool of connections each, as several processes have."""
    url = postgres_database.url.render_as_string(hide_password=False)
    others = [Database(url) for _ in range(4)]
    ready = threading.Barrier(4)

    def work(db: Database) -> None:
        ready.wait()
        for number in range(15):
            append(db, started(number))

    run_all([threading.Thread(target=work, args=(db,)) for db in others])

    assert verdict(postgres_database).is_valid
    assert verdict(postgres_database).events == 60
    for db in others:
        db.close()


def run_all(threads: list[threading.Thread]) -> None:
    """Start and join; a thread that hangs fails the test."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def test_a_trail_that_grows_can_be_verified(database: Database) -> None:
    """Rows that come while the check reads are not mistaken for a forgery."""
    append(database, started(1))
    store = AuditStore()
    with database.reading() as connection:
        head = store.head(connection)
        run_all([threading.Thread(target=append, args=(database, started(2)))])
        found = store.verify(connection)

    assert found.is_valid
    assert head == (found.events, found.head)
    assert verdict(database).events == 2


TAMPERINGS: dict[str, tuple[Any, int]] = {
    "altered data": (update(event_table).where(event_table.c.seq == 3).values(data={"number": 99}), 3),
    "altered name": (update(event_table).where(event_table.c.seq == 1).values(name="step.ended"), 1),
    "altered subject": (update(event_table).where(event_table.c.seq == 5).values(subject="ex-9"), 5),
    "altered actor": (update(event_table).where(event_table.c.seq == 2).values(actor_id="person:kim"), 2),
    "altered time": (update(event_table).where(event_table.c.seq == 4).values(at=NIGHT + timedelta(1)), 4),
    "removed": (delete(event_table).where(event_table.c.seq == 3), 3),
    "removed first": (delete(event_table).where(event_table.c.seq == 1), 1),
    "removed last": (delete(event_table).where(event_table.c.seq == 5), 5),
    "removed all": (delete(event_table), 1),
    "altered head": (update(head_table).values(seq=4), 6),
    "removed head": (delete(head_table), 6),
    "added": (insert(event_table).values(
        seq=6, at=NIGHT, name="step.ended", subject="", actor_kind="system", actor_id="", actor_name="", data={},
        previous="0" * 64, hash="0" * 64), 6),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_row_is_named(database: Database, name: str) -> None:
    """Whoever can write the tables is found out by `verify`."""
    statement, broken_at = TAMPERINGS[name]
    append(database, *(started(number) for number in range(5)))
    with database.transaction() as tx:
        tx.execute(statement)
    found = verdict(database)

    assert found.broken_at == broken_at
    assert found.reason


def test_swapped_rows_are_named(database: Database) -> None:
    """Two events exchange their places in the table."""
    append(database, *(started(number) for number in range(5)))
    with database.transaction() as tx:
        for old, new in ((2, 99), (4, 2), (99, 4)):
            tx.execute(update(event_table).where(event_table.c.seq == old).values(seq=new))

    assert verdict(database).broken_at == 2


@pytest.mark.parametrize("change", ["at = 1e300", "data = 'not json'", "data = '[1]'", "data = x'ff'", "name = x'ff'"])
def test_a_row_that_cannot_be_read_is_named(sqlite_database: Database, change: str) -> None:
    """SQLite lets anything be written into a column; the check must not stumble over it."""
    append(sqlite_database, *(started(number) for number in range(3)))
    with sqlite_database.transaction() as tx:
        tx.connection.exec_driver_sql(f"UPDATE event SET {change} WHERE seq = 2")

    assert verdict(sqlite_database).broken_at == 2


def test_a_keyed_trail_needs_its_key(database: Database) -> None:
    """The rows alone do not allow to continue the chain, nor to check it."""
    keyed = AuditStore(b"kept elsewhere")
    append(database, started(1), store=keyed)

    assert verdict(database, keyed).is_valid
    assert verdict(database).broken_at == 1
    append(database, started(2))
    assert verdict(database, keyed).broken_at == 2


def test_a_cursor_moves_with_its_transaction(database: Database) -> None:
    """A reader's place is saved with what it did, or not at all."""
    store = AuditStore()
    with database.reading() as connection:
        assert store.cursor(connection, "cards") is None
    with database.transaction() as tx:
        assert store.lock_cursor(tx, "cards") == 0
        store.move_cursor(tx, "cards", 7)
    with pytest.raises(ZeroDivisionError), database.transaction() as tx:
        store.move_cursor(tx, "cards", 8)
        raise ZeroDivisionError
    with database.reading() as connection:
        assert store.cursor(connection, "cards") == 7


def test_a_cursor_is_moved_by_one_process_at_a_time(postgres_database: Database) -> None:
    """Two processes that read under one name, the first time included: each step is taken once."""
    url = postgres_database.url.render_as_string(hide_password=False)
    others, ready, store = [Database(url) for _ in range(3)], threading.Barrier(3), AuditStore()

    def work(db: Database) -> None:
        ready.wait()
        for _ in range(10):
            with db.transaction() as tx:
                store.move_cursor(tx, "cards", store.lock_cursor(tx, "cards") + 1)

    run_all([threading.Thread(target=work, args=(db,)) for db in others])
    with postgres_database.reading() as connection:
        assert connection.execute(select(cursor_table.c.seq)).scalar() == 30
    for db in others:
        db.close()


def test_stores_of_one_transaction_write_one_chain(database: Database) -> None:
    """Two parts that each have a store of their own: their events are kept in the order in which they happened."""
    first, second = AuditStore(), AuditStore()
    with database.transaction() as tx:
        for number, store in enumerate((first, second, first)):
            store.append(tx, [started(number)], NIGHT)

    assert subjects(database) == ["ex-0", "ex-1", "ex-2"]
    assert verdict(database).is_valid
