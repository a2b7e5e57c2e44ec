"""The relay: hands events to a reader, in order, as often as needed and never twice, across crashes.

Where the reader is stands in the database and moves in the transaction of what the reader did, so a kill between the
two is impossible. What a reader does beyond the database must bear repetition.
"""

import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from audit.store import AuditStore, event_table
from audit.trail import Entry
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable, Transaction

log = structlog.get_logger(__name__)

Handle = Callable[[Transaction, Entry], None]
BATCH = 32
TURN_SECONDS = 0.02
"""So long one transaction hands events over at most: on SQLite a click waits for the one writer."""
SWEEP = timedelta(seconds=5)
"""Safety net for commits of other processes; our own wake the relay at once."""
TRIES = 5
"""Then an event that its reader cannot bear is skipped: one defect must not stop everything that comes after it."""
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(seconds=30)


class Relay:
    """One reader of the trail. `name` is its place in the database; one process at a time reads under it.

    With `names` only those events are read; the others cost it nothing. One that `gathers` lets so much time pass after
    each commit that the next ones are read along with it: what nobody waits for to the millisecond is cheaper so.
    """

    def __init__(
        self,
        db: Database,
        store: AuditStore,
        *,
        name: str,
        handle: Handle,
        clock: Clock,
        names: Collection[str] = (),
        gathers: timedelta = timedelta(0),
    ) -> None:
        self._db = db
        self._store = store
        self._name = name
        self._handle = handle
        self._clock = clock
        self._names, self._gathers = frozenset(names), gathers
        self._seen = 0
        """Nothing up to here is left to hand over; at most ahead of the cursor by events that nobody reads."""
        self._failing = 0
        self._tries = 0
        self._not_before: datetime | None = None
        self.skipped = 0
        """Events given up since the start."""

    def pump(self) -> int:
        """Hand over everything that is new; returns how many events. Stops at one that must be tried again later.

        Raises DatabaseUnavailable; nothing is lost by it.
        """
        count = 0
        while handled := self._next_batch():
            count += handled
        return count

    def run(self, stop: threading.Event) -> None:
        """Pump until `stop` is set, woken by commits; whoever sets `stop` calls `Database.wake` to be heard at once."""
        news = threading.Event()
        self._db.listen(news.set, table=event_table.name)
        while not stop.is_set():
            news.clear()
            try:
                self.pump()
            except DatabaseUnavailable as error:
                log.warning("relay waits for the database", relay=self._name, error=str(error))
            except Exception:
                # Not the reader's defect, that is dealt with below: the thread must live until it is mended.
                log.exception("relay failed", relay=self._name)
            if news.wait(self._pause().total_seconds()) and self._gathers:
                stop.wait(self._gathers.total_seconds())

    def lag(self) -> int:
        """How many events wait to be handed over."""
        with self._db.reading() as connection:
            after = max(self._store.cursor(connection, self._name) or 0, self._seen)
            return self._store.count(connection, after=after, names=self._names)

    def _pause(self) -> timedelta:
        if self._not_before is None:
            return SWEEP
        return min(SWEEP, max(self._not_before - self._clock(), timedelta(0)))

    def _next_batch(self) -> int:
        """Hand over some events in one transaction; 0 when there are none, or the next one has to wait."""
        if self._not_before is not None and self._clock() < self._not_before:
            return 0
        if not self._has_news():
            return 0
        # After a failure one at a time, so that only the event at fault is tried again.
        limit = 1 if self._failing else BATCH
        at = handled = 0
        try:
            with self._db.transaction(gives_way=True) as tx:
                cursor = max(self._store.lock_cursor(tx, self._name), self._seen)
                began = time.monotonic()
                for entry in self._store.batch(tx, after=cursor, limit=limit, names=self._names):
                    at = entry.seq
                    self._handle(tx, entry)
                    handled += 1
                    if tx.is_in_the_way() or time.monotonic() - began > TURN_SECONDS:
                        break
                if handled:
                    self._store.move_cursor(tx, self._name, at)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # The reader's own defect, whatever it is, must not end the relay.
            if not at:
                raise
            return self._failed(at, error, is_alone=limit == 1)
        self._seen = at or cursor
        if self._seen >= self._failing:
            self._forget_failure()
        return handled

    def _has_news(self) -> bool:
        with self._db.reading() as connection:
            end, _ = self._store.head(connection)
            if end > self._seen and (not self._names or self._reads_any(connection)):
                return True
        self._seen = max(self._seen, end)
        return False

    def _reads_any(self, connection: Connection) -> bool:
        return any(True for _ in self._store.batch(connection, after=self._seen, limit=1, names=self._names))

    def _failed(self, seq: int, error: Exception, *, is_alone: bool) -> int:
        if not is_alone:
            self._failing = seq
            return self._next_batch()
        self._tries = self._tries + 1 if seq == self._failing else 1
        self._failing = seq
        if self._tries >= TRIES:
            return self._skip(seq, error)
        self._not_before = self._clock() + min(FIRST_PAUSE * 2 ** (self._tries - 1), LONGEST_PAUSE)
        log.warning("event will be tried again", relay=self._name, seq=seq, tries=self._tries, exc_info=error)
        return 0

    def _skip(self, seq: int, error: Exception) -> int:
        log.error("event skipped", relay=self._name, seq=seq, tries=self._tries, exc_info=error)
        with self._db.transaction() as tx:
            if self._store.lock_cursor(tx, self._name) < seq:
                self._store.move_cursor(tx, self._name, seq)
        self.skipped += 1
        self._seen = seq
        self._forget_failure()
        return 1

    def _forget_failure(self) -> None:
        self._failing, self._tries, self._not_before = 0, 0, None
