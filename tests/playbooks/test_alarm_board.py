"""How an alarm went, read from its history; and which runs helped."""

from datetime import datetime, timedelta

from audit.events import Actor
from playbooks.alarm import Alarm, AlarmMetric
from playbooks.alarm_board import Run, course, judged, resources_of
from tests.fakes.clock import NIGHT


def history(*states: str) -> list[tuple[str, Alarm]]:
    """One change a minute, handed out newest first; keys count from 0."""
    found = [(str(number), _alarm(state, minute(number))) for number, state in enumerate(states)]
    return found[::-1]


def minute(number: int) -> datetime:
    """So many minutes into the night."""
    return NIGHT + timedelta(minutes=number)


def _alarm(state: str, at: datetime) -> Alarm:
    return Alarm("web-1", state, "1", "eu-west-1", at)  # type: ignore[arg-type]


def test_a_first_red_is_no_flap() -> None:
    """Red once, since then."""
    told = course(history("OK", "ALARM"), "1")

    assert (told.red_key, told.red_since, told.times_red, told.recovered_at) == ("1", minute(1), 1, None)


def test_reds_are_counted_from_the_cards_own_state_on() -> None:
    """What was before the card is not counted, and red that stays red counts once."""
    told = course(history("ALARM", "OK", "ALARM", "OK", "ALARM", "ALARM"), "2")

    assert (told.red_key, told.red_since, told.first_red_at, told.times_red) == ("5", minute(4), minute(2), 2)


def test_no_data_is_no_recovery() -> None:
    """An alarm without data is still the same red."""
    told = course(history("ALARM", "INSUFFICIENT_DATA", "ALARM"), "0")

    assert (told.red_since, told.times_red, told.recovered_at) == (minute(0), 1, None)


def test_a_recovery_is_the_last_ok() -> None:
    """With it nothing is red."""
    told = course(history("ALARM", "OK"), "0")

    assert (told.red_key, told.red_since, told.recovered_at) == ("0", None, minute(1))


def test_a_card_for_no_red_at_all() -> None:
    """A playbook may listen for other states, and a history may lack the card's own."""
    for first in ("0", "gone"):
        told = course(history("INSUFFICIENT_DATA"), first)
        assert (told.red_key, told.times_red, told.first_red_at) == (first, 1, None)


def test_a_run_helped_when_the_red_alarm_was_ok_within_the_hour() -> None:
    """Not a run on a healthy instance, nor one after which it took longer."""
    changes = [("ALARM", 0), ("OK", 10), ("ALARM", 100), ("OK", 200)]
    told = [(str(at), _alarm(state, minute(at))) for state, at in changes]
    runs = [Run(f"r{at}", "p", "t", "Success", Actor("person", "x"), minute(at)) for at in (5, 20, 110, 150)]

    assert [run.recovered_after for run in judged(runs, told)] == [
        timedelta(minutes=5), None, None, timedelta(minutes=50),
    ]  # fmt: skip
    assert judged(runs, [])[0].recovered_after is None


def test_the_resource_is_the_most_telling_dimension() -> None:
    """An instance before its group; dimensions that name nothing are none."""
    named = {"AutoScalingGroupName": "web", "InstanceId": "i-1", "Path": "/"}
    alarm = Alarm("a", "ALARM", "1", "eu-west-1", NIGHT, metrics=(AlarmMetric("m", dimensions=named),))

    assert resources_of(alarm) == ("i-1", "web")
    assert resources_of(_alarm("ALARM", NIGHT)) == ()
