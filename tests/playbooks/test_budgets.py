"""Budgets: how many automatic starts count, and what is said when they are used up."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from playbooks.budgets import Budget, exhausted, in_words, spending, targets
from tests.playbooks.worlds import NOON

HOUR = Budget(2, timedelta(minutes=60))


def test_only_the_period_counts() -> None:
    """What is older than the period is free again."""
    past = [NOON - timedelta(minutes=minutes) for minutes in (90, 60, 59, 10)]

    found = spending("1/eu-west-1/ec2/i-0abc", past, HOUR, NOON)

    assert (found.used, found.is_spent) == (2, True)
    assert found.freed_at == NOON + timedelta(minutes=1)


def test_what_is_said_of_it() -> None:
    """The counter, when it may again, and that a person may now."""
    found = spending("1/eu-west-1/ec2/i-0abc", [NOON, NOON], HOUR, NOON)

    assert exhausted("reboot", found) == (
        "reboot did not start by itself on i-0abc: its budget is used up (2 of 2 automatic starts in 60 min). "
        "It may again after 13:00 UTC. A person may start it."
    )


@given(st.lists(st.integers(0, 7200), max_size=12), st.integers(1, 5), st.integers(60, 3600))
def test_it_is_free_when_it_says(ages: list[int], starts: int, within: int) -> None:
    """A budget that is used up has room at the moment that is told, and not a second before."""
    budget = Budget(starts, timedelta(seconds=within))
    past = [NOON - timedelta(seconds=age) for age in ages]
    found = spending("t", past, budget, NOON)
    if found.freed_at is None:
        assert not found.is_spent
        return

    assert found.is_spent
    assert not spending("t", past, budget, found.freed_at).is_spent
    assert spending("t", past, budget, found.freed_at - timedelta(seconds=1)).is_spent


def test_an_alarm_without_resources_is_a_target() -> None:
    """Two alarms are two targets; resources stand for themselves."""
    assert targets(("a/b/c/d",), "alarm") == ("a/b/c/d",)
    assert targets((), "one") != targets((), "other")


def test_durations_in_words() -> None:
    """In the unit that needs no fraction."""
    spoken = [in_words(timedelta(seconds=each)) for each in (45, 60, 3600, 5400, 7200, 172_800)]

    assert spoken == ["45 s", "1 min", "60 min", "90 min", "2 h", "2 d"]
