"""The digest comes once each morning, from whichever process is there."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from bot.slack.mornings import LATE, Mornings, latest
from bot.slack.store import SlackStore, message_table
from infra.db import Database, DatabaseUnavailable
from tests.bot.slack.rig import Rig
from tests.fakes.clock import ManualClock

BERLIN = ZoneInfo("Europe/Berlin")
EARLY = time(8, 30)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from([BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), UTC]),
)
def test_the_last_morning_is_at_most_a_day_ago(moment: datetime, zone: ZoneInfo) -> None:
    """A local day: 23 to 25 hours."""
    now = moment.replace(tzinfo=UTC)
    last = latest(now, EARLY, zone)

    assert timedelta(0) <= now - last.astimezone(UTC) <= timedelta(hours=25)
    assert last.astimezone(zone).time() == EARLY


def mornings(database: Database, clock: Callable[[], datetime]) -> Mornings:
    """One process's."""
    return Mornings(database, SlackStore(), clock, EARLY, BERLIN, "C1")


def wanted(database: Database) -> int:
    """How many digests are wanted."""
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(message_table)).scalar_one()


def test_of_two_processes_one_has_it_sent(database: Database) -> None:
    """Both want it, the row is one; the next day there is another."""
    clock = ManualClock(datetime(2026, 3, 1, 7, 30, tzinfo=UTC))
    other = Database(database.url.render_as_string(hide_password=False))
    try:
        for _ in range(2):
            mornings(database, clock).pump()
            mornings(other, clock).pump()
        assert wanted(database) == 1

        clock.now += timedelta(days=1)
        mornings(other, clock).pump()
        assert wanted(database) == 2
    finally:
        other.close()


@pytest.mark.parametrize(("late", "count"), [(timedelta(0), 1), (LATE, 1), (LATE + timedelta(seconds=1), 0)])
def test_who_comes_up_late_still_tells_it(sqlite_database: Database, late: timedelta, count: int) -> None:
    """For a while; in the evening nobody wants the morning's."""
    clock = ManualClock(datetime(2026, 3, 1, 7, 30, tzinfo=UTC) + late)
    mornings(sqlite_database, clock).pump()

    assert wanted(sqlite_database) == count


def test_it_waits_for_a_database_that_is_away(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The morning's digest is not lost to a short outage."""
    clock = ManualClock(datetime(2026, 3, 1, 7, 30, tzinfo=UTC))
    found = Mornings(sqlite_database, SlackStore(), clock, EARLY, BERLIN, "C1", pause=lambda _: monkeypatch.undo())

    def away() -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(sqlite_database, "transaction", away)
    found.tell()

    assert wanted(sqlite_database) == 1


def test_it_is_posted_with_what_the_day_brought(rig: Rig) -> None:
    """A message of its own in the channel, from the facts at its hour."""
    rig.started("run nap")
    now = rig.clock()
    at = (now + timedelta(minutes=1)).time().replace(second=0, microsecond=0)
    clock = ManualClock(datetime.combine((now + timedelta(minutes=1)).date(), at, UTC))
    found = Mornings(rig.service.db, rig.store, clock, at, ZoneInfo("UTC"), rig.slack.identity.channel)
    found.pump()
    rig.clock_on()
    rig.settle()

    [message] = [each for each in rig.slack.messages() if str(each["text"]).startswith("Since yesterday")]
    assert message["text"] == "Since yesterday: 1 run, 0 failed, 0 still open"
    assert "A nap" in str(message["blocks"])
