"""Requests that must not count twice: the same signed bytes get the answer that they had."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bot.api.errors import ApiError
from bot.api.signature import SKEW
from infra.clock import Clock
from playbooks.documents.refusals import SsmRefused

ONCE: Final = frozenset({"SendAutomationSignal"})
"""A signal is for whatever waits now: repeated, it would answer the next question. Other operations either change
nothing more, or have a ClientToken for it, as on AWS."""
KEPT: Final = 2 * SKEW
"""So long a signature may be valid, from the first second to the last."""
MOST: Final = 10_000


@dataclass
class _First:
    at: datetime
    turn: threading.Lock = field(default_factory=threading.Lock)
    answer: bytes | None = None
    refusal: ApiError | SsmRefused | None = None


class Replays:
    """Remembers the answers of this process's last minutes. Safe to share between threads."""

    def __init__(self, clock: Clock, kept: timedelta = KEPT) -> None:
        self._clock, self._kept = clock, kept
        self._known: OrderedDict[str, _First] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, signature: str, answer: Callable[[], bytes]) -> bytes:
        """The answer, found out the first time. Raises what that raised; a defect or an outage is tried again."""
        first = self._first(signature)
        with first.turn:
            if first.refusal is not None:
                raise first.refusal
            if first.answer is None:
                try:
                    first.answer = answer()
                except (ApiError, SsmRefused) as error:
                    first.refusal = error
                    raise
            return first.answer

    def _first(self, signature: str) -> _First:
        now = self._clock()
        with self._lock:
            while self._known and (
                len(self._known) > MOST or abs(now - next(iter(self._known.values())).at) > self._kept
            ):
                self._known.popitem(last=False)
            return self._known.setdefault(signature, _First(now))
