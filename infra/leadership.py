"""One process among several does a thing: a lease in the database, renewed while its holder lives, fenced by a term.

A leader that cannot renew stops by itself before anybody else may begin: its own clock runs out sooner than the lease.
"""

import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

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

LEASE: Final = timedelta(seconds=8)
"""A leader that has not renewed for this long is taken for dead."""
RENEW: Final = timedelta(seconds=2)
SAFETY: Final = timedelta(seconds=2)
"""So much earlier a leader that cannot renew stops, whatever the database's clock says."""

Loop = Callable[[threading.Event], object]


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
            self._lead(stop, loop, wake)
        try:
            self.resign()
        except DatabaseUnavailable as error:
            log.warning("leadership not given up, it ends by itself", what=self._name, error=str(error))

    def _lead(self, stop: threading.Event, loop: Loop, wake: Callable[[], object]) -> None:
        """Run the loop in a thread, and end it when the lease cannot be kept."""
        ended = threading.Event()
        worker = threading.Thread(target=loop, args=(ended,), name=self._name, daemon=True)
        worker.start()
        while worker.is_alive() and not stop.wait(RENEW.total_seconds()):
            if not self._try() and not self.is_held:
                log.warning("no longer leading", what=self._name)
                break
        ended.set()
        wake()
        worker.join(LEASE.total_seconds())

    def _try(self) -> bool:
        try:
            return self.acquire()
        except DatabaseUnavailable as error:
            log.warning("leadership not renewed", what=self._name, error=str(error))
            return False


def is_anybody_leading(connection: Connection | Transaction, now: datetime) -> bool:
    """Whether some process leads something now."""
    table = leadership_table.c
    return connection.execute(select(table.name).where(table.until > now).limit(1)).first() is not None
