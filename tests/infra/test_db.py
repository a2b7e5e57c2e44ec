"""The Database on SQLite and PostgreSQL: all or nothing, told only when durable, trouble named as what it is."""

import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from infra.db import LOCK_TIMEOUT_SECONDS, Database, DatabaseUnavailable, Instant, Transaction, TransactionOver

note = Table("note", MetaData(), Column("id", Integer, primary_key=True), Column("text", String(64), unique=True))


@pytest.fixture
def db(database: Database) -> Database:
    """A database with one table of our own."""
    note.create(database.engine)
    return database


def write(db: Database, *texts: str) -> None:
    """One transaction with a row for each text."""
    with db.transaction() as tx:
        for text_ in texts:
            tx.execute(insert(note).values(text=text_))


def written(db: Database) -> list[str]:
    """The texts that are there, in the order of writing."""
    with db.reading() as connection:
        return list(connection.execute(select(note.c.text).order_by(note.c.id)).scalars())


def test_rows_are_saved_together(db: Database) -> None:
    """What one transaction wrote is there after it."""
    write(db, "a", "b")

    assert written(db) == ["a", "b"]


def test_an_error_saves_nothing(db: Database) -> None:
    """A block that raises leaves no row behind, and the next one works."""
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute(insert(note).values(text="a"))
        _ = 1 / 0
    write(db, "b")

    assert written(db) == ["b"]


def test_a_transaction_inside_another_is_refused(db: Database) -> None:
    """The second would wait for the first for ever, so it is a programming error at once."""
    with db.transaction(), pytest.raises(RuntimeError, match="already open on this thread"), db.transaction():
        pass

    write(db, "still works")


def test_callbacks_run_once_the_rows_are_durable(db: Database) -> None:
    """`on_commit` sees the rows through another connection."""
    seen: list[list[str]] = []
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="a"))
        tx.on_commit(lambda: seen.append(written(db)))

        assert seen == []

    assert seen == [["a"]]


def test_callbacks_of_a_failed_transaction_never_run(db: Database) -> None:
    """Nobody is told of what did not happen."""
    told: list[str] = []
    db.listen(lambda: told.append("listener"))
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute(insert(note).values(text="a"))
        tx.on_commit(lambda: told.append("callback"))
        _ = 1 / 0

    assert told == []


def test_listeners_hear_only_of_changes(db: Database) -> None:
    """A loop that is woken by commits and finds nothing to do must not wake itself."""
    told: list[str] = []
    db.listen(lambda: told.append("woken"))
    with db.transaction() as tx:
        tx.execute(select(note))
        tx.execute(update(note).where(note.c.id == 1).values(text="nobody has this id"))
    written(db)

    assert told == []
    write(db, "a")
    assert told == ["woken"]


def test_a_failing_callback_does_not_deny_the_commit(db: Database) -> None:
    """The rows are saved, so the caller is not told otherwise, and the other callbacks are called."""
    told: list[str] = []

    def broken() -> None:
        raise ZeroDivisionError

    db.listen(broken)
    db.listen(lambda: told.append("woken"))
    write(db, "a")

    assert written(db) == ["a"]
    assert told == ["woken"]


def test_a_listener_may_care_for_one_table(db: Database) -> None:
    """What was committed elsewhere does not wake it; `wake` does."""
    told: list[str] = []
    for name in (note.name, "other"):
        db.listen(partial(told.append, name), table=name)
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="a"))

    assert told == [note.name]
    db.wake()
    assert told == [note.name, note.name, "other"]


def test_wake_calls_the_listeners(db: Database) -> None:
    """At the end of the process every loop is woken to see that it shall stop."""
    told: list[str] = []
    db.listen(lambda: told.append("woken"))
    db.wake()

    assert told == ["woken"]


def test_what_is_kept_for_the_end_runs_last_and_once_per_key(db: Database) -> None:
    """A later callback of the same key replaces the earlier; one that is added at the end still runs."""
    order: list[str] = []

    def at_the_end(tx: Transaction) -> None:
        order.append("audit")
        tx.at_end("late", lambda: order.append("late"))

    with db.transaction() as tx:
        tx.at_end("audit", lambda: order.append("replaced"))
        tx.at_end("audit", lambda: at_the_end(tx))
        order.append("body")

    assert order == ["body", "audit", "late"]


def test_a_swallowed_error_ends_the_transaction(db: Database) -> None:
    """PostgreSQL would silently roll back such a transaction and call it committed; here both databases say so."""
    write(db, "a")
    with pytest.raises(TransactionOver), db.transaction() as tx:
        tx.execute(insert(note).values(text="b"))
        with pytest.raises(IntegrityError):
            tx.execute(insert(note).values(text="a"))

    assert written(db) == ["a"]


def test_nothing_runs_after_a_failed_statement(db: Database) -> None:
    """The rule is the same on SQLite, which would have gone on."""
    write(db, "a")
    with pytest.raises(TransactionOver), db.transaction() as tx:
        with pytest.raises(IntegrityError):
            tx.execute(insert(note).values(text="a"))
        tx.execute(insert(note).values(text="c"))

    assert written(db) == ["a"]


def test_an_attempt_may_fail(db: Database) -> None:
    """What stands in an attempt is undone alone; the transaction goes on."""
    write(db, "a")
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="b"))
        with pytest.raises(IntegrityError), tx.attempt():
            tx.execute(insert(note).values(text="c"))
            tx.execute(insert(note).values(text="a"))
        tx.execute(insert(note).values(text="d"))
        with tx.attempt():
            tx.execute(insert(note).values(text="e"))

    assert written(db) == ["a", "b", "d", "e"]


def test_reading_sees_one_moment(db: Database) -> None:
    """Two queries of one block agree, whatever is committed between them."""
    write(db, "a")
    count = select(func.count()).select_from(note)
    with db.reading() as connection:
        before = connection.execute(count).scalar()
        in_another_thread(lambda: write(db, "b"))
        after = connection.execute(count).scalar()

    assert (before, after) == (1, 1)
    assert written(db) == ["a", "b"]


def test_reading_cannot_write(db: Database) -> None:
    """A reader that writes is a mistake that shows at once."""
    with pytest.raises((DBAPIError, DatabaseUnavailable)), db.reading() as connection:
        connection.execute(insert(note).values(text="a"))

    assert written(db) == []


def test_trouble_is_told_from_data(db: Database) -> None:
    """A refused row whose text speaks of lost connections is still a refused row."""
    rumour = "connection lost, disk is locked"
    write(db, rumour)

    with pytest.raises(IntegrityError):
        write(db, rumour)


def test_many_threads_lose_and_double_nothing(db: Database) -> None:
    """Every transaction that returned is there, every one that raised is not, and as many were told."""
    told: list[str] = []

    def work(number: int) -> None:
        for turn in range(15):
            fails = (number + turn) % 4 == 0
            try:
                with db.transaction() as tx:
                    tx.execute(insert(note).values(text=f"{number}/{turn}"))
                    tx.on_commit(partial(told.append, f"{number}/{turn}"))
                    if fails:
                        raise ZeroDivisionError
            except ZeroDivisionError:
                assert fails

    in_threads(work, 8)
    expected = {f"{number}/{turn}" for number in range(8) for turn in range(15) if (number + turn) % 4}

    assert set(written(db)) == set(told) == expected
    assert len(told) == len(expected)


def in_threads(work: Callable[[int], None], count: int) -> None:
    """Run `work(0)` … `work(count - 1)` at the same time; raise what the first of them raised."""
    errors: list[BaseException] = []
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            ready.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def in_another_thread(work: Callable[[], None]) -> None:
    """Run `work` beside a transaction of this thread."""
    in_threads(lambda _: work(), 1)


class TestSqlite:
    def test_a_lock_that_ends_in_time_is_waited_for(self, sqlite_database: Database) -> None:
        """Another process holds the database for a while: the transaction is late, not lost."""
        note.create(sqlite_database.engine)
        other = lock(sqlite_database)
        release = threading.Timer(0.3, other.close)
        release.start()
        write(sqlite_database, "late")
        release.join()

        assert written(sqlite_database) == ["late"]
        assert LOCK_TIMEOUT_SECONDS > 10  # a database that is locked for ten seconds loses nothing

    def test_a_lock_that_stays_is_named(self, sqlite_database: Database) -> None:
        """Nothing was saved, and the error says so; afterwards all is well."""
        note.create(sqlite_database.engine)
        impatient = Database(str(sqlite_database.url), patience=0.2)
        other = lock(sqlite_database)
        with pytest.raises(DatabaseUnavailable, match="locked"):
            write(impatient, "lost")
        other.close()
        write(impatient, "saved")

        assert written(impatient) == ["saved"]
        impatient.close()

    def test_a_lock_stops_reading_never(self, sqlite_database: Database) -> None:
        """Cards and lists can be shown while somebody writes."""
        note.create(sqlite_database.engine)
        write(sqlite_database, "a")
        other = lock(sqlite_database)

        assert written(sqlite_database) == ["a"]
        other.close()

    def test_a_folder_that_is_missing_is_named(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """A path that cannot be opened is trouble with the database, not a crash."""
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('gone')}/no/such/folder/bot.db")
        with pytest.raises(DatabaseUnavailable, match="unable to open"):
            write(database, "a")
        with pytest.raises(DatabaseUnavailable, match="unable to open"), database.reading():
            pass
        database.close()

    def test_a_full_disk_is_named_and_survived(self, sqlite_database: Database) -> None:
        """When SQLite cannot grow, the transaction fails as a whole; once there is room, the next works."""
        note.create(sqlite_database.engine)
        with sqlite_database.transaction() as tx:
            pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
            tx.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatabaseUnavailable, match="full"):
            write(sqlite_database, *(f"{number:060}" for number in range(500)))
        with sqlite_database.transaction() as tx:
            tx.connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        write(sqlite_database, "saved")

        assert written(sqlite_database) == ["saved"]

    def test_a_database_in_memory_works_alike(self) -> None:
        """Writing, reading and rolling back need no file."""
        database = Database("sqlite://")
        note.create(database.engine)
        told: list[str] = []
        database.listen(lambda: told.append("woken"))
        write(database, "a")

        assert written(database) == ["a"]
        assert told == ["woken"]
        database.close()


def lock(database: Database) -> sqlite3.Connection:
    """What another process would do: take SQLite's write lock and keep it until `close`."""
    assert database.url.database
    connection = sqlite3.connect(database.url.database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    return connection


class TestPostgres:
    def test_connections_that_died_in_the_pool_are_replaced(self, postgres_database: Database) -> None:
        """A restart of the server between two transactions is not noticed."""
        note.create(postgres_database.engine)
        write(postgres_database, "before")
        kill_sessions(postgres_database)
        write(postgres_database, "after")

        assert written(postgres_database) == ["before", "after"]

    def test_a_connection_that_dies_in_between_is_named(self, postgres_database: Database) -> None:
        """Nothing of a transaction is saved whose connection was lost before the commit."""
        note.create(postgres_database.engine)
        with pytest.raises(DatabaseUnavailable), postgres_database.transaction() as tx:
            tx.execute(insert(note).values(text="lost"))
            kill_sessions(postgres_database)
            tx.execute(insert(note).values(text="lost, too"))

        assert written(postgres_database) == []

    def test_a_server_that_is_gone_is_named(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """No server: an error of our own that says so, for writers and readers."""
        database = Database(f"postgresql+psycopg://nobody@/bot?host={tmp_path_factory.mktemp('nothing')}")
        with pytest.raises(DatabaseUnavailable), database.transaction():
            pass
        with pytest.raises(DatabaseUnavailable), database.reading():
            pass
        database.close()

    def test_a_row_that_stays_locked_is_named(self, postgres_database: Database) -> None:
        """A process that stopped with a lock in its hand does not stop the others for ever."""
        note.create(postgres_database.engine)
        write(postgres_database, "a")
        impatient = Database(postgres_database.url.render_as_string(hide_password=False), patience=0.2)
        with postgres_database.transaction() as tx:
            tx.execute(select(note).with_for_update())
            with pytest.raises(DatabaseUnavailable, match="lock timeout"):
                in_another_thread(lambda: update_all(impatient))
        impatient.close()

    def test_options_of_the_url_win(self, postgres_database: Database) -> None:
        """A pooler that refuses start-up options can be served by giving them in the URL."""
        url = postgres_database.url.update_query_dict({"options": "-c lock_timeout=7000"})
        database = Database(url.render_as_string(hide_password=False))
        with database.reading() as connection:
            found = connection.execute(text("SHOW lock_timeout")).scalar()

        assert found == "7s"
        database.close()


def update_all(database: Database) -> None:
    """Touch every row, which needs every row's lock."""
    with database.transaction() as tx:
        tx.execute(update(note).values(text="b"))


def kill_sessions(database: Database) -> None:
    """What a restart of the server does to everybody who is connected."""
    other = Database(database.url.render_as_string(hide_password=False))
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    with other.engine.connect() as connection:
        connection.exec_driver_sql(query, (database.url.database,))
    other.close()


class TestInstant:
    @given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2150, 1, 1)), st.integers(-12, 14))
    def test_a_moment_survives_to_the_microsecond(self, naive: datetime, hours: int) -> None:
        """Whatever the zone, the same moment comes back, in UTC."""
        moment = naive.replace(tzinfo=timezone(timedelta(hours=hours)))
        dialect = sqlite.dialect()
        kept = Instant().process_bind_param(moment, dialect)
        back = Instant().process_result_value(kept, dialect)

        assert back == moment
        assert back is not None
        assert back.tzinfo is UTC

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        """It would mean another moment on another machine."""
        with pytest.raises(ValueError, match="no time zone"):
            Instant().process_bind_param(datetime(2026, 3, 1), sqlite.dialect())

    def test_nothing_stays_nothing(self) -> None:
        """NULL is no moment."""
        assert Instant().process_bind_param(None, sqlite.dialect()) is None
        assert Instant().process_result_value(None, sqlite.dialect()) is None

    def test_the_databases_keep_it_exactly(self, database: Database) -> None:
        """Both columns hold a double."""
        moments = [datetime(2026, 11, 24, 8, 13, 7, micro, UTC) for micro in (0, 1, 999_999, 123_457)]
        table = Table("moment", MetaData(), Column("id", Integer, primary_key=True), Column("at", Instant))
        table.create(database.engine)
        with database.transaction() as tx:
            tx.execute(insert(table), [{"at": moment} for moment in moments])
        with database.reading() as connection:
            assert list(connection.execute(select(table.c.at).order_by(table.c.id)).scalars()) == moments


def test_who_takes_the_same_turn_waits(database: Database) -> None:
    """Two transactions with one turn run one after the other; what one saw is still true when it writes."""
    first_has_it, order = threading.Event(), []

    def second() -> None:
        first_has_it.wait()
        with database.transaction() as tx:
            tx.take_turn("alarm", "a")
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with database.transaction() as tx:
        tx.take_turn("alarm", "a")
        tx.take_turn("alarm", "a")
        first_has_it.set()
        thread.join(0.2)
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


def test_different_turns_do_not_meet(postgres_database: Database) -> None:
    """On PostgreSQL another turn is free."""
    with postgres_database.transaction() as tx:
        tx.take_turn("alarm", "a")
        thread = threading.Thread(target=lambda: _take(postgres_database, "alarm", "b"))
        thread.start()
        thread.join(10)

        assert not thread.is_alive()


def _take(database: Database, *what: str) -> None:
    with database.transaction() as tx:
        tx.take_turn(*what)
