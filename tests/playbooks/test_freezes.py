"""Freeze windows: when they hold, for whom, and until when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cron import parse_cron
from infra.settings_model import FreezeEntry
from playbooks.freezes import Freeze, freezes_of, frozen, why_frozen
from tests.playbooks.worlds import NOON, playbook

WEEKEND = Freeze("weekend", cron=parse_cron("0 18 * * fri"), lasts=timedelta(hours=62), timezone="Europe/Berlin")


def test_a_window_between_two_moments() -> None:
    """It holds from the first on, and no longer at the second."""
    window = Freeze("release", start=NOON, end=NOON + timedelta(hours=2))

    assert window.until(NOON - timedelta(seconds=1)) is None
    assert window.until(NOON) == NOON + timedelta(hours=2)
    assert window.until(NOON + timedelta(hours=2)) is None


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        (datetime(2026, 3, 6, 16, 59, tzinfo=UTC), False),  # Friday 17:59 in Berlin
        (datetime(2026, 3, 6, 17, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 8, 12, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 9, 6, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 9, 7, 0, tzinfo=UTC), False),  # Monday 08:00
        (datetime(2026, 7, 10, 16, 0, tzinfo=UTC), True),  # summer time: two hours ahead
    ],
)
def test_a_window_of_cron_is_of_its_own_zone(moment: datetime, holds: bool) -> None:  # noqa: FBT001 - a table
    """From Friday evening to Monday morning in Berlin, in winter as in summer."""
    assert (WEEKEND.until(moment) is not None) is holds


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 60 * 48), st.integers(0, 60 * 24 * 14))
def test_a_window_of_cron_holds_as_long_as_it_lasts(minute: int, hour: int, lasts: int, at: int) -> None:
    """It is frozen exactly while some beginning lies less than its length back."""
    window = Freeze("daily", cron=parse_cron(f"{minute} {hour} * * *"), lasts=timedelta(minutes=lasts))
    now = NOON + timedelta(minutes=at)
    midnight = now.replace(hour=hour, minute=minute, second=0)
    begun = [midnight - timedelta(days=back) for back in range(4)]
    expected = any(start <= now < start + timedelta(minutes=lasts) for start in begun)

    assert (window.until(now) is not None) is expected


def test_a_window_holds_what_it_names() -> None:
    """By name, glob or tag; without any of them everything."""
    tagged = playbook(name="restart-db", tags=("disruptive",))

    assert Freeze("all").concerns(None)
    assert Freeze("named", playbooks=("restart-*",)).concerns(tagged)
    assert Freeze("tagged", tags=("disruptive", "x")).concerns(tagged)
    assert not Freeze("other", playbooks=("stop-*",), tags=("x",)).concerns(tagged)
    assert not Freeze("named", playbooks=("*",)).concerns(None)


def test_the_last_end_is_told() -> None:
    """Of several windows that hold, the one that ends last; in the words of its zone."""
    short = Freeze("short", end=NOON + timedelta(hours=1))
    long = Freeze("long", end=NOON + timedelta(hours=3), timezone="Europe/Berlin", why="Black Friday")

    found = frozen((short, long), playbook(), NOON)

    assert found is not None
    assert why_frozen(*found) == "The freeze long (Black Friday) holds until 2026-03-14 16:00 CET."
    assert frozen((short,), playbook(), NOON + timedelta(hours=1)) is None


def test_entries_of_the_settings() -> None:
    """Moments without an offset are of the zone that is named."""
    entries = [
        FreezeEntry.model_validate(
            {"name": "a", "start": "2026-03-14T13:00:00", "end": "2026-03-14T15:00:00Z", "timezone": "Europe/Berlin"}
        ),
        FreezeEntry.model_validate({"name": "b", "cron": "0 18 * * fri", "lasts": "62h"}),
    ]

    first, second = freezes_of(entries)

    assert (first.start, first.end) == (NOON, NOON + timedelta(hours=3))
    assert second.lasts == timedelta(hours=62)
