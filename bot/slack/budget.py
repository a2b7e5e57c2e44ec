"""How fast Slack may be written to: a bucket per method, one per channel for posts, and pauses Slack asks for. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class _Bucket:
    """Tokens that refill with time."""

    per_second: float
    burst: float
    tokens: float
    at: datetime

    def ready_at(self, now: datetime) -> datetime:
        """When one token is there."""
        self.tokens = min(self.burst, self.tokens + (now - self.at).total_seconds() * self.per_second)
        self.at = now
        return now if self.tokens >= 1 else now + timedelta(seconds=(1 - self.tokens) / self.per_second)


RATES: dict[str, tuple[float, float]] = {
    "chat.postMessage": (1.0, 4.0),
    "chat.update": (50 / 60, 12.0),
    "views.publish": (100 / 60, 10.0),
}
"""method -> (calls per second, burst); posts count per channel, the rest per workspace (Slack's tiers)."""
PER_CHANNEL = frozenset({"chat.postMessage"})


@dataclass
class Budget:
    """Says when a call may be made. Used by one thread."""

    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _paused: dict[str, datetime] = field(default_factory=dict)

    def ready_at(self, method: str, channel: str, now: datetime) -> datetime:
        """The moment from which a call is within the budget; `now` when it is already."""
        return max(self._bucket(method, channel, now).ready_at(now), self._paused.get(method, now))

    def spend(self, method: str, channel: str, now: datetime) -> None:
        """A call was made."""
        bucket = self._bucket(method, channel, now)
        bucket.ready_at(now)
        bucket.tokens -= 1

    def pause(self, method: str, until: datetime) -> None:
        """Slack said Retry-After."""
        self._paused[method] = until

    def _bucket(self, method: str, channel: str, now: datetime) -> _Bucket:
        key = (method, channel if method in PER_CHANNEL else "")
        bucket = self._buckets.get(key)
        if bucket is None:
            rate, burst = RATES.get(method, (1.0, 5.0))
            bucket = self._buckets[key] = _Bucket(rate, burst, burst, now)
        return bucket
