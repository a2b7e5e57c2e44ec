"""Time without waiting: every execution has its own, which jumps to the next moment when something happens in it."""

import heapq
import itertools
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final

MOST_JUMPS: Final = 100_000
"""A runbook that is still not at rest after so many never will be."""
_CURRENT: Final[ContextVar[str]] = ContextVar("the execution whose time it is", default="")


class VirtualClock:
    """The real time, plus what the execution at hand (with all that it has started) has jumped over."""

    def __init__(self) -> None:
        self._jumped: dict[str, timedelta] = {}
        self._passed = timedelta(0)

    def __call__(self) -> datetime:
        """The moment it is for the execution at hand."""
        return datetime.now(UTC) + self._jumped.get(_CURRENT.get(), self._passed)

    @contextmanager
    def of(self, root: str) -> Iterator[None]:
        """Inside the block it is this execution's time."""
        before = _CURRENT.set(root)
        try:
            yield
        finally:
            _CURRENT.reset(before)

    def jump_to(self, moment: datetime) -> None:
        """Let it be that moment for the execution at hand; never backwards."""
        root = _CURRENT.get()
        self._jumped[root] = self._jumped.get(root, self._passed) + max(moment - self(), timedelta(0))

    def pass_for_newcomers(self, by: timedelta) -> None:
        """Let time pass for executions that are still to be started."""
        self._passed += by


class Agenda:
    """A dispatcher that works when it is told to settle, in the thread that tells it. `root_of` finds the topmost."""

    def __init__(self, clock: VirtualClock, root_of: Callable[[str], str], carry: Callable[[str], None]) -> None:
        self._clock, self._root_of, self._carry = clock, root_of, carry
        self._timers: dict[str, list[tuple[datetime, int, str]]] = {}
        self._new: list[tuple[datetime, str]] = []
        self._numbers = itertools.count()
        self._lock = threading.RLock()

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Note it down."""
        with self._lock:
            self._new.append((due_at, execution_id))

    def _sort(self) -> None:
        """Put what is new to the execution it belongs to."""
        while self._new:
            due, execution_id = self._new.pop()
            timers = self._timers.setdefault(self._root_of(execution_id), [])
            heapq.heappush(timers, (due, next(self._numbers), execution_id))

    def settle(self, held: Callable[[], Collection[str]]) -> None:
        """Carry what is due, and jump ahead for the rest; not for what waits for people (`held`), though."""
        with self._lock:
            for _ in range(MOST_JUMPS):
                self._sort()
                root = self._next(held)
                if root is None:
                    return
                self._pop(root)

    def _next(self, held: Callable[[], Collection[str]]) -> str | None:
        """An execution in which something is to happen now."""
        later: list[str] = []
        for root, timers in self._timers.items():
            with self._clock.of(root):
                if timers and timers[0][0] <= self._clock():
                    return root
            later += [root] if timers else []
        waiting = held() if later else ()
        return next((root for root in later if root not in waiting), None)

    def _pop(self, root: str) -> None:
        due, _, execution_id = heapq.heappop(self._timers[root])
        with self._clock.of(root):
            self._clock.jump_to(due)
            self._carry(execution_id)

    def advance(self, by: timedelta) -> None:
        """Let time pass, also for what waits for people."""
        with self._lock:
            self._sort()
            for root in [*self._timers]:
                with self._clock.of(root):
                    end = self._clock() + by
                    while self._timers[root] and self._timers[root][0][0] <= end:
                        self._pop(root)
                        self._sort()
                    self._clock.jump_to(end)
            self._clock.pass_for_newcomers(by)
