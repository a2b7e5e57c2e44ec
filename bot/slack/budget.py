"""How fast Slack may be written to: buckets per method and per channel, and pauses Slack asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

POST: Final = "chat.postMessage"
EDIT: Final = "chat.update"
HOME: Final = "views.publish"

RATES: Final[Mapping[str, tuple[float, float]]] = {
    POST: (4.0, 20.0),
    EDIT: (38 / 60, 12.0),
    HOME: (80 / 60, 20.0),
}
"""method -> (calls per second, burst) of the whole workspace: burst and a minute's refill stay within Slack's tier."""
CHANNEL_RATE: Final = (54 / 60, 6.0)
"""The same for one channel, posts and edits together: at most sixty a minute, as people read there, too."""
UNKNOWN_RATE: Final = (1 / 4, 5.0)


@dataclass(slots=True)
class _Bucket:
    """Tokens that refill with time. A clock that is set back costs waiting, never tokens."""

    per_second: float
    burst: float
    tokens: float
    at: datetime

    def ready_at(self, now: datetime, needed: float = 1) -> datetime:
        """When so many tokens are there."""
        since = max((now - self.at).total_seconds(), 0.0)
        self.tokens = min(self.burst, self.tokens + since * self.per_second)
        self.at = now
        return now if self.tokens >= needed else now + timedelta(seconds=(needed - self.tokens) / self.per_second)


@dataclass
class Budget:
    """Says when a call may be made. Used by one thread."""

    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _paused: dict[str, datetime] = field(default_factory=dict)

    def ready_at(self, method: str, channel: str, now: datetime) -> datetime:
        """The moment from which a call is within the budget; `now` when it is already."""
        whole, *place = self._of(method, channel, now)
        # What people have just decided is an edit: a storm of posts leaves it a token.
        moments = [bucket.ready_at(now, 2 if method == POST else 1) for bucket in place]
        return max(now, self._paused.get(method, now), whole.ready_at(now), *moments)

    def spend(self, method: str, channel: str, now: datetime) -> None:
        """A call was made."""
        for bucket in self._of(method, channel, now):
            bucket.ready_at(now)
            bucket.tokens -= 1

    def pause(self, method: str, until: datetime) -> None:
        """Slack said Retry-After."""
        self._paused[method] = max(until, self._paused.get(method, until))

    def _of(self, method: str, channel: str, now: datetime) -> list[_Bucket]:
        found = [self._bucket((method, ""), RATES.get(method, UNKNOWN_RATE), now)]
        if method in (POST, EDIT):
            found.append(self._bucket(("", channel), CHANNEL_RATE, now))
        return found

    def _bucket(self, key: tuple[str, str], rate: tuple[float, float], now: datetime) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(rate[0], rate[1], rate[1], now)
        return bucket
