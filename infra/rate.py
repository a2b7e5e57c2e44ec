"""How fast something may be called: tokens that refill with time. Pure but for its own count."""

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass
class Rate:
    """`per_second` calls on average, `burst` at once. Safe to share between threads."""

    per_second: float
    burst: float
    _tokens: float | None = None
    _at: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, now: datetime) -> timedelta:
        """Count one call; returns how long to wait before it is made."""
        with self._lock:
            tokens = self.burst if self._tokens is None or self._at is None else self._refilled(now)
            self._tokens, self._at = tokens - 1, max(now, self._at or now)
            return timedelta(seconds=max(0.0, -self._tokens / self.per_second))

    def _refilled(self, now: datetime) -> float:
        since = max(0.0, (now - (self._at or now)).total_seconds())
        return min(self.burst, (self._tokens or 0.0) + since * self.per_second)
