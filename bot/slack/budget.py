"""How fast Slack may be written to: buckets per method and per channel, and pauses Slack asks for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

POST: Final = "chat.postMessage"
EDIT: Final = "chat.update"
HOME: Final = "views.publish"
DELETE: Final = "chat.delete"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls a second, after so many at once; `for_edits` of these are left by posts."""

    per_second: float
    burst: float
    for_edits: float = 0


RATES: Final[Mapping[str, Rate]] = {
    POST: Rate(4.0, 20.0),
    EDIT: Rate(38 / 60, 12.0),
    HOME: Rate(80 / 60, 20.0),
}
"""Of the whole workspace, by method: burst and a minute's refill stay within Slack's tier."""
POSTS_OF_CHANNEL: Final = Rate(1.0, 4.0)
"""As Slack wants it."""
WRITES_OF_CHANNEL: Final = Rate(45 / 60, 15.0, for_edits=5)
"""Posts and edits together: at most sixty a minute, as people read there, too. A card that somebody has answered does
not wait for a storm of other cards."""
UNKNOWN_RATE: Final = Rate(1 / 4, 5.0)


@dataclass(slots=True)
class _Bucket:
    """Tokens that refill with time. A clock that is set back costs waiting, never tokens."""

    rate: Rate
    tokens: float
    at: datetime

    def ready_at(self, method: str, now: datetime) -> datetime:
        """When there are tokens enough for a call."""
        since = max((now - self.at).total_seconds(), 0.0)
        self.tokens = min(self.rate.burst, self.tokens + since * self.rate.per_second)
        self.at = now
        needed = 1 + (self.rate.for_edits if method == POST else 0)
        return now if self.tokens >= needed else now + timedelta(seconds=(needed - self.tokens) / self.rate.per_second)


@dataclass
class Budget:
    """Says when a call may be made. Used by one thread."""

    _buckets: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _paused: dict[str, datetime] = field(default_factory=dict)

    def ready_at(self, method: str, channel: str, now: datetime) -> datetime:
        """The moment from which a call is within the budget; `now` when it is already."""
        moments = [bucket.ready_at(method, now) for bucket in self._of(method, channel, now)]
        return max(now, self._paused.get(method, now), *moments)

    def spend(self, method: str, channel: str, now: datetime) -> None:
        """A call was made."""
        for bucket in self._of(method, channel, now):
            bucket.ready_at(method, now)
            bucket.tokens -= 1

    def pause(self, method: str, until: datetime) -> None:
        """Slack said Retry-After."""
        self._paused[method] = max(until, self._paused.get(method, until))

    def _of(self, method: str, channel: str, now: datetime) -> list[_Bucket]:
        found = [self._bucket((method, ""), RATES.get(method, UNKNOWN_RATE), now)]
        if method == POST:
            found.append(self._bucket(("posts", channel), POSTS_OF_CHANNEL, now))
        if method in (POST, EDIT):
            found.append(self._bucket(("writes", channel), WRITES_OF_CHANNEL, now))
        return found

    def _bucket(self, key: tuple[str, str], rate: Rate, now: datetime) -> _Bucket:
        return self._buckets.setdefault(key, _Bucket(rate, rate.burst, now))
