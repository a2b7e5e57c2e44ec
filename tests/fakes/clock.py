"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

NIGHT = datetime(2026, 3, 1, 3, 2, 10, tzinfo=UTC)


class ManualClock:
    """Answers the same moment until `advance` or an assignment to `now`."""

    def __init__(self, now: datetime = NIGHT) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The moment the test has set."""
        return self.now

    def advance(self, delta: timedelta | float) -> datetime:
        """Move on by a timedelta, or by seconds; returns the new moment."""
        self.now += delta if isinstance(delta, timedelta) else timedelta(seconds=delta)
        return self.now
