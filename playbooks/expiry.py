"""When something is due about a question, such as its end: a heap of moments, filled from rows at the start."""

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from approvals.store import ApprovalStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

IDLE = timedelta(minutes=10)
"""How often the rows are looked at anyway, where this is the only process that asks questions."""
SHARED = timedelta(seconds=5)
"""The same where there are several: one of them may die with its heap."""
AGAIN = timedelta(seconds=1)


class Expiry:
    """Calls `expire` with each question about which something is due; repetition is harmless."""

    def __init__(self, db: Database, store: ApprovalStore, expire: Callable[[str], None], clock: Clock) -> None:
        self._db, self._store, self._expire, self._clock = db, store, expire, clock
        self._heap: list[tuple[datetime, str]] = []
        self._refill_at: datetime | None = None
        self.refill_every = IDLE
        self._lock = threading.Lock()
        self._news = threading.Event()

    def watch(self, request_id: str, expires_at: datetime) -> None:
        """A question was asked."""
        with self._lock:
            heapq.heappush(self._heap, (expires_at, request_id))
        self._news.set()

    def run(self, stop: threading.Event) -> None:
        """Close questions until `stop` is set."""
        while not stop.is_set():
            self._news.clear()
            try:
                pause = self.pump()
            except DatabaseUnavailable as error:
                log.warning("expiry waits for the database", error=str(error))
                pause = AGAIN
            except Exception:  # the thread must live until the defect is mended
                log.exception("expiry failed")
                pause = AGAIN
            self._news.wait(pause.total_seconds())

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def pump(self) -> timedelta:
        """Close what is due; returns how long nothing else will be. Raises DatabaseUnavailable."""
        now = self._clock()
        if self._refill_at is None or now >= self._refill_at:
            self._refill(now)
        while (request_id := self._due(now)) is not None:
            try:
                self._expire(request_id)
            except DatabaseUnavailable:
                self._refill_at = None
                raise
            except Exception:  # its own defect must not keep all others from their end
                log.exception("a question was not seen to", request=request_id)
            self._know_next(request_id, now)
        with self._lock:
            soonest = self._heap[0][0] if self._heap else now + self.refill_every
        return min(max(soonest - now, timedelta(0)), self.refill_every)

    def _refill(self, now: datetime) -> None:
        with self._db.reading() as connection:
            found = self._store.due(connection)
        with self._lock:
            self._heap = found
            heapq.heapify(self._heap)
        self._refill_at = now + self.refill_every

    def _know_next(self, request_id: str, now: datetime) -> None:
        """A question may have a next moment: after a reminder comes another, or the end."""
        with self._db.reading() as connection:
            request = self._store.get(connection, request_id)
        if request is not None and request.due_at is not None:
            # What is due still could not be done: not before the next second, so that nothing spins.
            with self._lock:
                heapq.heappush(self._heap, (max(request.due_at, now + AGAIN), request_id))

    def _due(self, now: datetime) -> str | None:
        with self._lock:
            return heapq.heappop(self._heap)[1] if self._heap and self._heap[0][0] <= now else None
