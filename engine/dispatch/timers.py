"""When executions are due: a heap of near moments, refilled from rows, and the sweep that finds what was lost."""

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

HORIZON = timedelta(minutes=10)
"""Moments further away stay in their rows until the heap is refilled."""
SWEEP = timedelta(seconds=2)
OVERDUE = timedelta(seconds=5)
"""What is due for longer and held by nobody was lost on its way, and is handed over again."""
AT_ONCE = 500
BEHIND = 20
"""The same while work waits in a queue: most of what is overdue then waits there, and would only be sent twice."""


def _nothing_waits() -> int:
    return 0


class Timers:
    """Hands executions over when they are due. `hand_over` must not block and may be repeated."""

    def __init__(
        self, db: Database, store: ExecutionStore, clock: Clock, hand_over: Callable[[str], None],
        *, waiting: Callable[[], int] = _nothing_waits,
    ) -> None:  # fmt: skip
        """`waiting` says how much was handed over and not yet taken up."""
        self._db, self._store, self._clock, self._hand_over = db, store, clock, hand_over
        self._waiting = waiting
        self._heap: list[tuple[datetime, str]] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Fill the heap from the rows, then follow the clock."""
        self._stopping.clear()
        for loop in (self._follow, self._sweep_for_ever):
            thread = threading.Thread(target=loop, name=f"timers-{loop.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Hand nothing over any more."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(10)
        self._threads.clear()

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Hand this execution over at that moment."""
        now = self._clock()
        if due_at <= now:
            self._hand_over(execution_id)
            return
        if due_at > now + HORIZON:
            return
        with self._changed:
            heapq.heappush(self._heap, (due_at, execution_id))
            self._changed.notify()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                now = self._clock()
                if not self._heap or self._heap[0][0] > now:
                    self._changed.wait((self._heap[0][0] - now).total_seconds() if self._heap else None)
                    continue
                _, execution_id = heapq.heappop(self._heap)
            self._hand_over(execution_id)

    def _sweep_for_ever(self) -> None:
        refill_at = self._clock()
        while True:
            now = self._clock()
            try:
                if now >= refill_at:
                    self.refill()
                    refill_at = now + HORIZON / 2
                self.sweep()
            except DatabaseUnavailable as error:
                log.warning("database unavailable, the next sweep tries again", error=str(error))
            except Exception:  # a thread that ended here would end every recovery, and nobody would see it
                log.exception("sweep failed")
            if self._stopping.wait(SWEEP.total_seconds()):
                return

    def refill(self) -> None:
        """Take up every moment before the horizon from the rows."""
        now = self._clock()
        with self._db.reading() as connection:
            due = self._store.due(connection, before=now + HORIZON, now=now)
        for execution_id, due_at in due:
            self.wake(execution_id, due_at)

    def sweep(self) -> None:
        """Hand over again what is overdue and held by no living carrier."""
        now = self._clock()
        with self._db.reading() as connection:
            if not self._store.due(connection, before=now - OVERDUE, now=now, limit=1):
                return
        limit = BEHIND if self._waiting() else AT_ONCE
        with self._db.transaction() as tx:
            overdue = self._store.postpone_overdue(tx, before=now - OVERDUE, now=now, limit=limit)
        for execution_id in overdue:
            self._hand_over(execution_id)
