"""The clock of production is aware and in UTC; the one of the tests stands still."""

from datetime import UTC, timedelta

from infra.clock import utc_now
from tests.fakes.clock import ManualClock


def test_the_real_clock_is_aware() -> None:
    """A moment without a time zone would be read differently on another machine."""
    assert utc_now().tzinfo is UTC


def test_the_manual_clock_moves_only_when_told(clock: ManualClock) -> None:
    """Two looks give one moment; advancing gives a later one."""
    before = clock()

    assert clock() == before
    assert clock.advance(1.5) == before + timedelta(seconds=1.5) == clock()
