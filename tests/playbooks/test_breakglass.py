"""The weekly report of break-glass: what it tells, and that each week is told once."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.db import Database
from playbooks.breakglass import WEEK, NoSuchWeek, Week, last_week, week_named
from playbooks.reporting import Reporting
from tests.fakes.clock import ManualClock
from tests.playbooks.test_deciding import ruled
from tests.playbooks.waist import KIM, LEE, SAM, Waist

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from([BERLIN, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")])
TARGET = "gate"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), ZONES)
def test_the_last_week_is_over_and_whole(moment: datetime, zone: ZoneInfo) -> None:
    """Monday to Sunday of the zone, over by now and less than a week ago; its name leads back to it."""
    now = moment.replace(tzinfo=UTC)
    week = last_week(now, zone)

    assert week.until <= now.astimezone(zone)
    assert now < week.until.astimezone(UTC) + WEEK + timedelta(hours=1)
    assert (week.since.isoweekday(), week.since.hour, week.until.isoweekday()) == (1, 0, 1)
    assert week_named(week.name, zone) == week


@pytest.mark.parametrize("name", ["", "2026-48", "2026-W54", "2026-W00", "W48", "2026-W4", "next"])
def test_what_is_no_week_is_said_so(name: str) -> None:
    """With how it should be written."""
    with pytest.raises(NoSuchWeek, match="should be written as 2026-W48"):
        week_named(name, UTC)


def broken(database: Database, clock: ManualClock) -> tuple[Waist, str]:
    """A glass that was broken now, and the question of it."""
    waist = Waist(database, clock, ruled(breakers=("kim",)))
    waist.run(by=LEE)
    request_id = waist.question().id
    waist.operations.break_glass(request_id, KIM, "customers are down", TARGET)
    waist.settle()
    return waist, request_id


def reporting(waist: Waist, **fields: bool) -> Reporting:
    """As one process has it."""
    return Reporting(waist.db, waist.audit, waist.queries.breakglass, waist.clock, UTC, "C1", **fields)


def this_week(clock: ManualClock) -> Week:
    """The one that runs."""
    return last_week(clock() + WEEK, UTC)


def test_the_report_tells_who_where_why_what_came_of_it_and_its_review(database: Database, clock: ManualClock) -> None:
    """All of a week; a review that comes later stands in it, too."""
    waist, request_id = broken(database, clock)
    waist.later(seconds=1)
    week = this_week(clock)

    (line,) = waist.queries.breakglass(week).lines
    assert (line.actor.name, line.reason, line.target) == ("Kim", "customers are down", TARGET)
    assert (line.title, line.place, line.outcome) == ("A nap", "402715938824/eu-west-1", "Success")
    assert line.review == "not reviewed"
    assert "once in" in waist.queries.breakglass(week).headline
    assert waist.queries.breakglass(week).headline.endswith("1 still to be reviewed")

    clock.advance(WEEK)
    (earlier,) = waist.queries.breakglass(this_week(clock)).earlier
    assert earlier.request_id == request_id
    waist.operations.review(request_id, SAM, "the rota was wrong")
    assert waist.queries.breakglass(this_week(clock)).is_quiet
    (line,) = waist.queries.breakglass(week).lines
    assert line.review == "reviewed by Sam: the rota was wrong"
    assert waist.queries.breakglass(week).headline.endswith("all reviewed")


def test_each_week_is_told_once_whoever_comes_when(database: Database, clock: ManualClock) -> None:
    """Six processes at one moment, and one that comes up days later: one event; the next week there is another."""
    waist, _ = broken(database, clock)
    assert not reporting(waist).report(), "the week is not over"
    clock.advance(WEEK)
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(reporting(waist).report())) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [False] * 5 + [True]

    clock.advance(timedelta(days=3) if clock().isoweekday() <= 4 else timedelta(0))
    assert not reporting(waist).report()
    (told,) = waist.trail("breakglass.reported")
    assert (told.event.data["used"], told.event.data["not_reviewed"], told.event.data["channel"]) == (1, 1, "C1")

    clock.advance(WEEK)
    assert reporting(waist).report(), "what waits for its review is told every week"
    assert waist.trail("breakglass.reported")[1].event.data["used"] == 0


def test_a_quiet_week_is_told_where_the_settings_say_so(database: Database, clock: ManualClock) -> None:
    """Else nobody reads it any more."""
    waist = Waist(database, clock, ruled())

    assert not reporting(waist).report()
    assert reporting(waist, is_told_when_quiet=True).report()
    assert not reporting(waist, is_told_when_quiet=True).report()
    assert waist.queries.breakglass(last_week(clock(), UTC)).headline.startswith("Nobody broke the glass in")


def test_the_morning_tells_of_it_until_it_is_reviewed(database: Database, clock: ManualClock) -> None:
    """Every day, with the run it was in; once somebody has reviewed it, its line is gone."""
    waist, request_id = broken(database, clock)
    clock.advance(timedelta(days=3))
    (line,) = waist.queries.digest(clock()).reviews
    waist.operations.review(request_id, SAM, "the rota was wrong")

    assert (line.actor.name, line.reason) == ("Kim", "customers are down")
    assert line.execution == waist.queries.approval(request_id).execution_id
    assert waist.queries.digest(clock()).reviews == ()
