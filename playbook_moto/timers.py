"""Timers without waiting: when nothing else can happen, the clock jumps to the next moment that something will."""

import heapq
import itertools
import threading
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

MOST_JUMPS: Final = 100_000
"""A runbook that is still not at rest after so many never will be."""


class VirtualClock:
    """The real time, plus everything that was jumped over."""

    def __init__(self) -> None:
        self._jumped = timedelta(0)

    def __call__(self) -> datetime:
        """The moment it is for executions."""
        return datetime.now(UTC) + self._jumped

    def jump_to(self, moment: datetime) -> None:
        """Let it be that moment; never backwards."""
        self._jumped += max(moment - self(), timedelta(0))


class Agenda:
    """A dispatcher that works when it is told to settle, in the thread that tells it."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._timers: list[tuple[datetime, int, str]] = []
        self._numbers = itertools.count()
        self._lock = threading.RLock()

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Note it down."""
        with self._lock:
            heapq.heappush(self._timers, (due_at, next(self._numbers), execution_id))

    def settle(self, carry: Callable[[str], None], held: Callable[[], Collection[str]]) -> None:
        """Carry what is due, and jump ahead for the rest; not for what waits for people (`held`), though."""
        with self._lock:
            kept: list[tuple[datetime, int, str]] = []
            for _ in range(MOST_JUMPS):
                if not self._timers:
                    break
                timer = heapq.heappop(self._timers)
                if timer[0] > self._clock():
                    if timer[2] in held():
                        kept.append(timer)
                        continue
                    self._clock.jump_to(timer[0])
                carry(timer[2])
            for timer in kept:
                heapq.heappush(self._timers, timer)

    def advance(self, by: timedelta, carry: Callable[[str], None]) -> None:
        """Let time pass, also for what waits for people."""
        with self._lock:
            end = self._clock() + by
            while self._timers and self._timers[0][0] <= end:
                due, _, execution_id = heapq.heappop(self._timers)
                self._clock.jump_to(due)
                carry(execution_id)
            self._clock.jump_to(end)
