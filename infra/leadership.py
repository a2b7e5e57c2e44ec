"""One process among several does a thing: a lease in the database, renewed while its holder lives, fenced by a term.

A leader that cannot renew stops by itself before anybody else may begin: its own clock runs out sooner than the lease.
What a leader writes it writes fenced: `confirm` holds the lease's row until the transaction ends, so a process that
was stopped and woke up after its time finds out before it does anything, and its successor finds nothing half changed.
"""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import Column, Connection, Integer, String, Table, and_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable, Instant, Transaction, metadata

log = structlog.get_logger(__name__)

leadership_table = Table(
    "leadership",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    Column("term", Integer, nullable=False),
)

LEASE: Final = timedelta(seconds=6)
"""A leader that has not renewed for this long is taken for dead."""
RENEW: Final = timedelta(seconds=1.5)
SAFETY: Final = timedelta(seconds=2)
"""So much earlier a leader that cannot renew stops, whatever the database's clock says."""
LAST_WORK: Final = timedelta(seconds=10)
"""How long a process that shall stop waits for what its loop has begun; then the lease ends by itself."""

Loop = Callable[[threading.Event], object]


class Lead(Protocol):
    """Whether this process may act for all of them."""

    @property
    def is_held(self) -> bool:
        """By its own clock: asked right before something is done that cannot be undone."""

    def confirm(self, tx: Transaction) -> bool:
        """For certain, until the end of this transaction: asked before its result is written."""


class Alone:
    """The only process there is: nobody else could take anything over."""

    @property
    def is_held(self) -> bool:
        """Always."""
        return True

    def confirm(self, tx: Transaction) -> bool:
        """Always."""
        return True


class Term(threading.Event):
    """The stop event of a loop that leads: set, too, from the moment when the lease is not certain any more."""

    def __init__(self, lead: Lead) -> None:
        super().__init__()
        self._lead = lead

    def is_set(self) -> bool:
        """Whether the loop has to end."""
        return super().is_set() or not self._lead.is_held


class Leadership:
    """This process's claim to one name. `run` lets a loop work only while the claim holds."""

    def __init__(self, db: Database, name: str, clock: Clock, *, holder: str = "") -> None:
        self._db, self._name, self._clock = db, name, clock
        self.holder = holder or uuid.uuid4().hex[:16]
        self._valid_until = 0.0

    @property
    def is_held(self) -> bool:
        """Whether this process leads, by its own clock."""
        return time.monotonic() < self._valid_until

    def acquire(self) -> bool:
        """Take the lease, or renew it; False while somebody else has it. Raises DatabaseUnavailable."""
        began = time.monotonic()
        with self._db.transaction() as tx:
            is_mine = self._claim(tx)
        self._valid_until = began + (LEASE - SAFETY).total_seconds() if is_mine else 0.0
        return is_mine

    def confirm(self, tx: Transaction) -> bool:
        """Whether this process leads, for certain: nobody can take over before the transaction ends."""
        mine = and_(leadership_table.c.name == self._name, leadership_table.c.holder == self.holder)
        query = select(leadership_table.c.term).where(mine)
        is_mine = tx.execute(query if tx.is_sqlite else query.with_for_update(read=True)).first() is not None
        if not is_mine:
            self._valid_until = 0.0
        return is_mine

    def _claim(self, tx: Transaction) -> bool:
        now, table = self._clock(), leadership_table.c
        made: Any = sqlite.insert(leadership_table) if tx.is_sqlite else postgresql.insert(leadership_table)
        first = {"name": self._name, "holder": self.holder, "until": now + LEASE, "term": 1}
        tx.execute(made.values(first).on_conflict_do_nothing())
        mine = update(leadership_table).where(and_(table.name == self._name, table.holder == self.holder))
        if tx.execute(mine.values(until=now + LEASE)).rowcount == 1:
            return True
        free = and_(table.name == self._name, table.until <= now)
        taken = {"holder": self.holder, "until": now + LEASE, "term": table.term + 1}
        return tx.execute(update(leadership_table).where(free).values(taken)).rowcount == 1

    def resign(self) -> None:
        """Give the lease up, so that nobody has to wait for its end."""
        self._valid_until = 0.0
        mine = and_(leadership_table.c.name == self._name, leadership_table.c.holder == self.holder)
        with self._db.transaction() as tx:
            tx.execute(update(leadership_table).where(mine).values(until=self._clock()))

    def run(self, stop: threading.Event, loop: Loop, *, wake: Callable[[], object]) -> None:
        """Have `loop` run while this process leads; `wake` makes it look at its stop event."""
        while not stop.is_set():
            if not self._try():
                stop.wait(RENEW.total_seconds())
                continue
            log.info("leading", what=self._name)
            if not self._lead(stop, loop, wake):
                log.warning("leadership not given up, its work has not ended", what=self._name)
                return
        try:
            self.resign()
        except DatabaseUnavailable as error:
            log.warning("leadership not given up, it ends by itself", what=self._name, error=str(error))

    def _lead(self, stop: threading.Event, loop: Loop, wake: Callable[[], object]) -> bool:
        """Run the loop in a thread, and end it when the lease cannot be kept; False when it has not ended in time."""
        ended = Term(self)
        worker = threading.Thread(target=loop, args=(ended,), name=self._name, daemon=True)
        worker.start()
        while worker.is_alive() and not stop.wait(RENEW.total_seconds()):
            if not self._try() and not self.is_held:
                log.warning("no longer leading", what=self._name)
                break
        ended.set()
        wake()
        return self._await(worker, stop)

    def _await(self, worker: threading.Thread, stop: threading.Event) -> bool:
        """Let the loop finish what it has begun, still leading as long as that is possible."""
        last = time.monotonic() + LAST_WORK.total_seconds()
        while worker.is_alive() and not (stop.is_set() and time.monotonic() > last):
            if self.is_held:
                self._try()
            worker.join(RENEW.total_seconds())
        return not worker.is_alive()

    def _try(self) -> bool:
        try:
            return self.acquire()
        except DatabaseUnavailable as error:
            log.warning("leadership not renewed", what=self._name, error=str(error))
            return False


ALONE: Final = Alone()


def is_anybody_leading(connection: Connection | Transaction, now: datetime) -> bool:
    """Whether some process leads something now."""
    table = leadership_table.c
    return connection.execute(select(table.name).where(table.until > now).limit(1)).first() is not None
