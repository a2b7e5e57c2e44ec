"""Budgets: within any minute no more calls than Slack's tiers, whatever is asked for and whatever the clock does."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from bot.slack.budget import EDIT, HOME, POST, Budget
from tests.fakes.clock import NIGHT

TIERS = {EDIT: 50, HOME: 100}


def made(budget: Budget, method: str, channels: list[str], gaps: list[float]) -> list[tuple[datetime, str]]:
    """Ask again and again with these pauses; each call is made when the budget allows it."""
    now, calls = NIGHT, []
    for number, gap in enumerate(gaps):
        now += timedelta(seconds=gap)
        channel = channels[number % len(channels)]
        now = max(now, budget.ready_at(method, channel, now))
        # The moment is rounded to microseconds, and a token may be a rounding short of whole.
        while budget.ready_at(method, channel, now) > now:
            now += timedelta(microseconds=1)
        budget.spend(method, channel, now)
        calls.append((now, channel))
    return calls


gaps = some.lists(some.floats(0, 5), min_size=60, max_size=200)


@pytest.mark.parametrize("method", [EDIT, HOME])
@given(gaps)
def test_no_minute_has_more_calls_than_the_tier(method: str, gaps: list[float]) -> None:
    """Bursts included."""
    calls = [at for at, _ in made(Budget(), method, [""], gaps)]

    for first, last in zip(calls, calls[TIERS[method] :], strict=False):
        assert last - first >= timedelta(seconds=59.9)


@given(gaps)
def test_a_channel_gets_a_post_a_second_after_a_short_burst(gaps: list[float]) -> None:
    """Five posts to one channel take at least a second, whatever other channels do."""
    calls = made(Budget(), POST, ["C1", "C2"], gaps)

    for channel in ("C1", "C2"):
        mine = [at for at, where in calls if where == channel]
        for first, last in zip(mine, mine[5:], strict=False):
            assert last - first >= timedelta(seconds=1.99)


@given(gaps, some.lists(some.sampled_from([POST, EDIT]), min_size=1, max_size=7))
def test_a_channel_is_written_to_sixty_times_a_minute(gaps: list[float], methods: list[str]) -> None:
    """Posts and edits together, bursts included, whatever other channels do."""
    budget, now, calls = Budget(), NIGHT, []
    for number, gap in enumerate(gaps):
        method, channel = methods[number % len(methods)], f"C{number % 2}"
        now += timedelta(seconds=gap / 10)
        while (at := budget.ready_at(method, channel, now)) > now:
            now = at
        budget.spend(method, channel, now)
        calls.append((now, channel))

    for channel in ("C0", "C1"):
        mine = [at for at, where in calls if where == channel]
        for first, last in zip(mine, mine[60:], strict=False):
            assert last - first >= timedelta(seconds=59.9)


def test_a_storm_of_posts_leaves_room_for_an_edit() -> None:
    """A card that somebody has answered is repainted at once, however many posts wait for the same channel."""
    budget, now = Budget(), NIGHT
    for _ in range(40):
        while (at := budget.ready_at(POST, "C1", now)) > now:
            now = at
        budget.spend(POST, "C1", now)

    for _ in range(4):
        assert budget.ready_at(EDIT, "C1", now) == now
        budget.spend(EDIT, "C1", now)
    assert budget.ready_at(POST, "C1", now) > now


def test_many_channels_together_stay_within_the_workspace() -> None:
    """Three hundred posts a minute, however many channels they go to."""
    calls = [at for at, _ in made(Budget(), POST, [f"C{number}" for number in range(400)], [0.0] * 400)]

    assert calls[300] - calls[0] >= timedelta(seconds=60)


def test_a_pause_that_slack_asks_for_is_kept() -> None:
    """A shorter pause does not shorten a longer one; other methods go on."""
    budget = Budget()
    budget.pause(POST, NIGHT + timedelta(seconds=30))
    budget.pause(POST, NIGHT + timedelta(seconds=5))

    assert budget.ready_at(POST, "C1", NIGHT) == NIGHT + timedelta(seconds=30)
    assert budget.ready_at(EDIT, "C1", NIGHT) == NIGHT
    later = NIGHT + timedelta(seconds=31)
    assert budget.ready_at(POST, "C1", later) == later


def test_a_clock_that_is_set_back_costs_no_tokens() -> None:
    """An hour back is no reason to wait an hour."""
    budget = Budget()
    budget.spend(EDIT, "", NIGHT)
    back = NIGHT - timedelta(hours=1)

    assert budget.ready_at(EDIT, "", back) == back


def test_a_method_nobody_thought_of_is_slow() -> None:
    """An unknown method gets Slack's smallest tiers, not none."""
    budget = Budget()
    for _ in range(5):
        budget.spend("chat.delete", "", NIGHT)

    assert budget.ready_at("chat.delete", "", NIGHT) > NIGHT
