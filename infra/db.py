"""The database: the only place that opens connections and commits."""

import math
import select as select_
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    Float,
    MetaData,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.types import TypeDecorator

from infra.canonical import digest
from infra.clock import utc_now
from infra.group_commit import CommitFailed, GroupCommit, TurnNotReached

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the program. Constraints have names, so that a migration can speak of them."""
log = structlog.get_logger(__name__)
LOCK_TIMEOUT_SECONDS = 15
IDLE_SECONDS = 1.0
"""A connection that nobody has used for so long is asked whether it lives, before it is used."""
IDLE_TIMEOUT_SECONDS = 5
"""PostgreSQL ends a transaction whose process has stopped in the middle, so that its locks do not stop the others."""

CHANNEL = "playbook_bot"
"""Where processes on one PostgreSQL tell each other that something was committed."""

Listener = Callable[[], None]


class DatabaseUnavailable(Exception):
    """The database cannot be reached or stays locked; nothing was saved.

    Only when PostgreSQL is lost during the COMMIT itself may all of it have been saved: so repeat, do not assume.
    """


class TransactionOver(Exception):
    """A statement of this transaction failed before, so nothing more can be done in it, and nothing is saved."""


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime kept as epoch seconds, the same on SQLite and PostgreSQL, exact to the microsecond."""

    impl = Float(53)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:
        """Aware datetime to epoch seconds. Raises ValueError for a naive one: nobody knows what moment it means."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:
        """Epoch seconds to aware datetime."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


class Transaction:
    """One unit of work; handed out by `Database.transaction` and dead after it.

    A failed statement ends it, on SQLite as on PostgreSQL, unless it stood in an `attempt`.
    """

    def __init__(self, connection: Connection, is_in_the_way: Callable[[], bool] = lambda: False) -> None:
        self.connection = connection
        self.is_in_the_way = is_in_the_way
        """Whether somebody waits for this transaction's end, for whom it would have given way."""
        self.pending: dict[str, Any] = {}
        self.before_commit: dict[object, Listener] = {}
        self.after_commit: list[Listener] = []
        self.written: set[str] = set()
        """Names of the tables whose rows it has changed; "" where that is not known."""
        self.is_announced = False
        """Whether other processes will hear of the commit already."""
        self._is_over = False

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the single-writer dialect, where rows need no locks."""
        return self.connection.dialect.name == "sqlite"

    def execute(self, statement: Executable, rows: Any = None) -> CursorResult[Any]:
        """Run one statement inside this transaction."""
        if self._is_over:
            raise TransactionOver
        try:
            result = self.connection.execute(statement, rows)
        except DBAPIError:
            self._is_over = True
            raise
        if not getattr(statement, "is_select", False) and result.rowcount != 0:
            self.written.add(str(getattr(statement, "table", "")))
        return result

    def has_written(self, table: str = "") -> bool:
        """Whether it may have changed rows (of that table)."""
        return bool(self.written) and (not table or not self.written.isdisjoint({table, ""}))

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Statements that may fail (a key that is taken) without ending the transaction; they are undone then."""
        self.connection.exec_driver_sql("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.connection.exec_driver_sql("ROLLBACK TO SAVEPOINT attempt")
            self._is_over = False
            raise
        finally:
            self.connection.exec_driver_sql("RELEASE SAVEPOINT attempt")

    def take_turn(self, *what: str) -> None:
        """Until the end of this transaction nobody else takes the same turn; SQLite has one writer anyway.

        For what a unique key alone would only find out when it is too late.
        """
        if not self.is_sqlite:
            self.execute(select(func.pg_advisory_xact_lock(int(digest([*what])[:15], 16))))

    def at_end(self, key: object, callback: Listener) -> None:
        """Run `callback` once, as the last statements of this transaction; the same `key` replaces it."""
        self.before_commit[key] = callback

    def on_commit(self, callback: Listener) -> None:
        """Call `callback` once the rows are durable; never when the transaction fails."""
        self.after_commit.append(callback)

    def conclude(self) -> None:
        """Run what was kept for the end. Raises TransactionOver when an error was swallowed on the way."""
        while self.before_commit:
            self.before_commit.pop(next(iter(self.before_commit)))()
        if self._is_over:
            raise TransactionOver
        if self.has_written() and not self.is_sqlite and not self.is_announced:
            self.connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


class Database:
    """Opens transactions on SQLite or PostgreSQL and wakes whoever waits for a commit."""

    def __init__(self, url: str, *, patience: float = LOCK_TIMEOUT_SECONDS) -> None:
        """Prepare connections to `url`; a transaction waits at most `patience` seconds for others to let it in."""
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_memory = self.is_sqlite and self.url.database in (None, "", ":memory:")
        self.engine = self._open_sqlite() if self.is_sqlite else self._open_postgres(patience)
        self._readers = self._open_readers()
        self._group = GroupCommit(self._writing, patience=patience)
        self._listeners: list[tuple[str, Listener]] = []
        """(table or "" for any, whom to call)."""
        self._inside = threading.local()

    def _open_sqlite(self) -> Engine:
        engine = create_engine(
            self.url,
            poolclass=StaticPool if self.is_memory else QueuePool,
            connect_args={"check_same_thread": False, "timeout": LOCK_TIMEOUT_SECONDS},
        )
        event.listen(engine, "connect", _tune_sqlite)
        return engine

    def _open_postgres(self, patience: float) -> Engine:
        milliseconds = round(patience * 1000), IDLE_TIMEOUT_SECONDS * 1000
        options = "-c lock_timeout={} -c idle_in_transaction_session_timeout={}".format(*milliseconds)
        # A cut network is noticed within half a minute instead of the kernel's quarter of an hour.
        network = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
        arguments = {"options": options, "tcp_user_timeout": 30_000, **network}
        given = {name: value for name, value in arguments.items() if name not in self.url.query}
        engine = create_engine(self.url, pool_size=20, max_overflow=10, connect_args=given)
        event.listen(engine, "checkin", _note_the_time)
        event.listen(engine, "checkout", _ask_whether_it_lives)
        return engine

    def _open_readers(self) -> Engine:
        if not self.is_sqlite:
            return self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        if self.is_memory:
            return self.engine
        readers = create_engine(self.url, pool_size=20, max_overflow=20, connect_args={"check_same_thread": False})
        event.listen(readers, "connect", _forbid_writing)
        return readers

    def listen(self, callback: Listener, *, table: str = "") -> None:
        """Call `callback` after each commit that changed rows (of that table), on the committing thread.

        It may only wake something.
        """
        self._listeners.append((table, callback))

    def wake(self) -> None:
        """Call every listener as if something had been committed: loops look up, and see that they shall stop."""
        _call_all([callback for _, callback in self._listeners])

    @contextmanager
    def transaction(self, *, gives_way: bool = False) -> Iterator[Transaction]:
        """All rows of the block become durable together, or none do.

        One that `gives_way` lets others write first where there is one writer: nobody waits for an answer of it.
        Raises DatabaseUnavailable when the database is gone or stays locked.
        """
        with self._alone(), self._translated(), self._connection(gives_way=gives_way) as connection:
            tx = Transaction(connection, self._group.is_in_the_way)
            yield tx
            tx.conclude()
        _call_all(tx.after_commit)
        _call_all([callback for table, callback in self._listeners if tx.has_written(table)])

    @contextmanager
    def reading(self, *, patient: bool = False) -> Iterator[Connection]:
        """A connection for queries: they all see the one moment of the first, and cannot write.

        A `patient` one may pause between its rows for as long as it likes: its reader is a person, or a slow pipe.
        Raises DatabaseUnavailable when the database is gone.
        """
        if self.is_memory:
            with self._alone(), self._translated(), self._connection() as connection:
                yield connection
            return
        with self._translated(), self._readers.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            elif patient:
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            yield connection

    def server_time(self) -> datetime:
        """What time it is on the database's server, where there is one. Raises DatabaseUnavailable."""
        if self.is_sqlite:
            return utc_now()
        with self._translated(), self.engine.connect() as connection:
            seconds = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::float8").scalar_one()
        return datetime.fromtimestamp(seconds, UTC)

    def check_writable(self, *, patience: float = 1.0) -> None:
        """Find out whether something could be written now. Raises DatabaseUnavailable after about `patience` seconds.

        A locked SQLite file and a PostgreSQL standby can be read all the while.
        """
        with self._translated():
            if self.is_sqlite:
                with self._group.member(patience):
                    return
            with self.engine.connect() as connection:
                is_read_only = connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"
        if is_read_only:
            raise DatabaseUnavailable("the server takes no writes: it is a standby, or set to read only")

    def _connection(self, *, gives_way: bool = False) -> AbstractContextManager[Connection]:
        return self._group.member(gives_way=gives_way) if self.is_sqlite else self.engine.begin()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One transaction at a time on a thread: a second one would wait for the first for ever."""
        if getattr(self._inside, "busy", False):
            raise RuntimeError("a transaction is already open on this thread")
        self._inside.busy = True
        try:
            yield
        finally:
            self._inside.busy = False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not _is_unavailable(error):
                raise
            raise DatabaseUnavailable(str(error.orig)) from error
        except (PoolExhausted, TurnNotReached, CommitFailed) as error:
            raise DatabaseUnavailable(str(error)) from error

    def _writing(self) -> Connection:
        return self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def close(self) -> None:
        """Close every connection."""
        self._group.close()
        self._readers.dispose()
        self.engine.dispose()


def _call_all(callbacks: list[Listener]) -> None:
    """Call each one, whatever the others do. The rows are durable: an error must not look as if they were not."""
    for callback in callbacks:
        try:
            callback()
        except Exception:
            log.exception("callback after a commit failed")


def _tune_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Two processes may find a new file at once; for this lock alone SQLite does not wait by itself."""
    patience = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > patience:
                raise
            time.sleep(0.01)
        else:
            return


def _forbid_writing(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    # Text that somebody else has broken must be read to be found out, not stop the reading.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only=ON").close()


def _note_the_time(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ask_whether_it_lives(connection: Any, record: Any, _proxy: object) -> None:
    """One that has lain idle may be broken, and one to which the server has said something unasked; others live."""
    is_fresh = time.monotonic() - record.info.get("used_at", -math.inf) < IDLE_SECONDS
    if is_fresh and not _has_news(connection.fileno()):
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError(str(error)) from error


def _has_news(descriptor: int) -> bool:
    """Whether something came on a connection that asked for nothing: its end, most likely."""
    waiting = select_.poll()
    waiting.register(descriptor, select_.POLLIN)
    return bool(waiting.poll(0))


_SQLITE_TROUBLE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )
)


def _is_unavailable(error: DBAPIError) -> bool:
    """Whether the same statement may succeed later: told by class and code, for a text may quote anybody's data."""
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        code = getattr(error.orig, "sqlite_errorcode", 0)
        return isinstance(code, int) and code & 0xFF in _SQLITE_TROUBLE
    return isinstance(error, (OperationalError, InterfaceError))
