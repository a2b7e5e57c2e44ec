"""Checks side by side: one that hangs or breaks is a finding, and never hides the others."""

import threading
from datetime import UTC, datetime

import pytest

from infra.check import moment_in, side_by_side
from tests.fakes.clock import ManualClock


def test_a_look_that_hangs_is_a_finding() -> None:
    """Nobody waits for an answer that does not come; the finding says for how long one did."""
    never = threading.Event()
    results, (check,) = side_by_side({"AWS": never.wait}, seconds=0)
    never.set()

    assert results == {}
    assert (check.name, check.ok, check.detail) == ("AWS", False, "no answer within 0 s")
    assert "network" in check.fix


def test_a_look_that_breaks_is_a_finding() -> None:
    """A defect in one check is said in one sentence, beside what the others found."""

    def breaks() -> str:
        raise KeyError("team")

    results, (check,) = side_by_side({"one": lambda: "found", "two": breaks}, seconds=60)

    assert results == {"one": "found"}
    assert (check.name, check.ok) == ("two", False)
    assert check.detail == "the check broke: KeyError: 'team'"


@pytest.mark.parametrize("name", ["Date", "date"])
def test_the_time_of_an_answer(name: str, clock: ManualClock) -> None:
    """The Date header, in any spelling, beside our own clock at that moment."""
    (moment,) = moment_in({name: "Tue, 24 Nov 2026 03:00:00 GMT"}, "Slack", clock)

    assert moment.theirs == datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    assert moment.ours == clock()
    assert moment.seconds_ahead == (clock() - moment.theirs).total_seconds()


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": []}, {"Date": None}])
def test_an_answer_without_a_time(headers: dict[str, object], clock: ManualClock) -> None:
    """A header that is missing or makes no sense tells no time."""
    assert moment_in(headers, "AWS", clock) == ()
