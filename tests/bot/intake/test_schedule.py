"""Jobs at a time of day."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.intake.schedule import Schedule

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    """A schedule that runs."""
    made = Schedule()
    made.start()
    yield made
    made.stop()


def test_a_daily_job_waits_for_its_hour_in_its_zone(schedule: Schedule) -> None:
    """Within a day, at that time of that zone; and once at the start, as its hour may just have passed."""
    called = threading.Event()
    schedule.daily("digest", time(8, 30), BERLIN, called.set)

    assert called.wait(20)
    due = schedule.next_times()["digest"]
    assert due.astimezone(BERLIN).time() == time(8, 30)
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(hours=25)


def test_a_job_that_fails_stays(schedule: Schedule) -> None:
    """Tomorrow it is called again."""
    failed = threading.Event()

    def job() -> None:
        failed.set()
        raise RuntimeError("today it does not work")

    schedule.daily("digest", time(8, 30), BERLIN, job)
    assert failed.wait(20)

    assert "digest" in schedule.next_times()


def test_stopping_twice_is_harmless() -> None:
    """A start that failed half-way is taken down like any other."""
    schedule = Schedule()
    schedule.stop()
    schedule.start()
    schedule.stop()
    schedule.stop()


def test_a_weekly_job_waits_for_its_day(schedule: Schedule) -> None:
    """Within a week, on that day at that time of that zone; and once at the start, as its day may have passed."""
    called = threading.Event()
    schedule.weekly("report", "friday", time(15), BERLIN, called.set)

    assert called.wait(20)
    due = schedule.next_times()["report"].astimezone(BERLIN)
    assert (due.isoweekday(), due.time()) == (5, time(15))
    assert timedelta(0) < due - datetime.now(UTC) <= timedelta(days=7, hours=1)
