"""Rate control straight from the tables: percentages, the ramp, and when an error is one too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rate_control import Pace, Standing, is_over, pace_of, to_begin


@pytest.mark.parametrize(
    ("concurrency", "errors", "count", "pace"),
    [
        (None, None, 50, Pace(10, 0)),
        ("3", "2", 50, Pace(3, 2)),
        ("20%", "10%", 50, Pace(10, 5)),
        ("20%", "0", 20, Pace(4, 0)),
        ("1%", "1%", 50, Pace(1, 0)),
        ("100%", "100%", 7, Pace(7, 7)),
        ("33%", "33%", 10, Pace(3, 3)),
    ],
)
def test_bounds(concurrency: str | None, errors: str | None, count: int, pace: Pace) -> None:
    """A percentage is of the targets, rounded down; at least one runs."""
    assert pace_of(concurrency, errors, count) == pace


@pytest.mark.parametrize(("concurrency", "errors"), [("0", "0"), ("-1", "0"), ("101%", "0"), ("1", "x"), ("1", "1.5")])
def test_bounds_that_aws_refuses(concurrency: str, errors: str) -> None:
    """The API's own patterns."""
    with pytest.raises(ValueError, match="must be a number such as"):
        pace_of(concurrency, errors, 10)


@pytest.mark.parametrize(
    ("standing", "pace", "expected"),
    [
        (Standing(50, 0, 0, 0), Pace(10, 0), 1),
        (Standing(49, 0, 1, 0), Pace(10, 0), 2),
        (Standing(47, 1, 2, 0), Pace(10, 0), 3),
        (Standing(40, 0, 10, 0), Pace(10, 0), 10),
        (Standing(2, 0, 10, 0), Pace(10, 0), 2),
        (Standing(40, 9, 10, 0), Pace(10, 0), 1),
        (Standing(40, 0, 1, 1), Pace(10, 0), 0),
        (Standing(40, 0, 6, 5), Pace(10, 5), 10),
        (Standing(40, 0, 6, 6), Pace(10, 5), 0),
    ],
)
def test_the_ramp(standing: Standing, pace: Pace, expected: int) -> None:
    """One, then two for each that ends, up to the bound; the sixth error of 10 % of 50 begins no more."""
    assert to_begin(standing, pace) == expected


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 60), st.lists(st.booleans(), min_size=60, max_size=60))
def test_every_fan_out_comes_to_its_end(count: int, most: int, errors: int, fates: list[bool]) -> None:
    """Never more at once than allowed, no target twice, and over exactly when nothing runs and nothing may begin."""
    pace = Pace(most, errors)
    waiting, running, ended, bad = count, 0, 0, 0
    while not is_over(standing := Standing(waiting, running, ended, bad), pace):
        begin = to_begin(standing, pace)
        waiting, running = waiting - begin, running + begin
        assert 1 <= running <= most
        running, ended, bad = running - 1, ended + 1, bad + (not fates[ended])

    assert running == 0
    assert waiting == 0 or bad > errors
    assert ended == count - waiting
