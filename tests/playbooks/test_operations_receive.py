"""Alarms through the waist: recorded once, and answered as the playbooks say."""

import contextlib
import threading
from datetime import timedelta
from typing import Any

import pytest

from infra.db import Database
from playbooks.alarm import Alarm
from playbooks.operations import Received
from playbooks.playbook import AlarmTrigger
from playbooks.store import AlarmStore
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import Waist, gate
from tests.playbooks.worlds import INSTANCE, NOON, alarm, metric, playbook


def other_road(**fields: Any) -> Alarm:
    """The same transition, as another road tells it: a little later, and by EventBridge."""
    return alarm(changed_at=NOON + timedelta(milliseconds=600), source="eventbridge", **fields)


def test_an_automatic_playbook_starts_with_the_alarms_values(database: Database, clock: ManualClock) -> None:
    """The alarm's instance becomes the parameter; the actor, account, Region and channel are the alarm's."""
    waist = Waist(database, clock, gate(start="auto"))

    received = waist.operations.receive(alarm())

    assert received.verdict == "started"
    state = waist.state(received.executions[0])
    assert state.parameters["InstanceId"] == INSTANCE
    assert state.parameters["Approvers"] == ["group:responders"]
    assert (state.region, state.account) == ("eu-west-1", "402715938824")
    assert (state.started_by.kind, state.started_by.name) == ("alarm", "web-1-cpu")
    assert state.context["channel"] == "C01"
    assert [entry.event.name for entry in waist.trail()][:2] == ["alarm.received", "execution.started"]


def test_the_same_message_twice_starts_once(database: Database, clock: ManualClock) -> None:
    """A repeated delivery is a duplicate; it leaves no event."""
    waist = Waist(database, clock, gate(start="auto"))
    waist.operations.receive(alarm())

    again = waist.operations.receive(alarm())

    assert again.verdict == "duplicate"
    assert len(waist.queries.executions()) == 1
    assert len(waist.trail("alarm.received")) == 1


def test_two_roads_start_once(database: Database, clock: ManualClock) -> None:
    """The same transition, told with another fraction of the second, is known."""
    waist = Waist(database, clock, gate(start="auto"))
    waist.operations.receive(alarm())

    assert waist.operations.receive(other_road()).verdict == "duplicate"
    assert len(waist.queries.executions()) == 1


def test_two_roads_at_the_same_moment_start_once(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked before either has written, with keys that differ by rounding: still one execution."""
    waist = Waist(database, clock, gate(start="auto"))
    both_looked = threading.Barrier(2, timeout=0.3)
    look = AlarmStore.is_known

    def look_together(self: AlarmStore, tx: Any, found: Alarm) -> bool:
        is_known = look(self, tx, found)
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one has to wait for us, as it should
            both_looked.wait()
        return is_known

    monkeypatch.setattr(AlarmStore, "is_known", look_together)
    answers: list[Received] = []
    roads = [
        threading.Thread(target=lambda each=each: answers.append(waist.operations.receive(each)))
        for each in (alarm(changed_at=NOON + timedelta(milliseconds=400)), other_road())
    ]
    for road in roads:
        road.start()
    for road in roads:
        road.join()

    assert sorted(each.verdict for each in answers) == ["duplicate", "started"]
    assert len(waist.queries.executions()) == 1


def test_the_next_transition_is_a_new_one(database: Database, clock: ManualClock) -> None:
    """Red again after a minute starts again."""
    waist = Waist(database, clock, gate(start="auto", lock=()))
    waist.operations.receive(alarm())

    assert waist.operations.receive(alarm(changed_at=NOON + timedelta(minutes=1))).verdict == "started"


def test_a_suggestion_starts_nothing(database: Database, clock: ManualClock) -> None:
    """`start: suggest` leaves it to people: the alarm, its playbooks and the channel are there to be shown."""
    waist = Waist(database, clock, gate(start="suggest"), gate(name="other", start="suggest"))

    received = waist.operations.receive(alarm())

    assert (received.verdict, received.executions) == ("suggested", ())
    assert waist.queries.executions() == []
    facts = waist.queries.suggestion(received.key)
    assert [name for name, _ in facts.playbooks] == ["gate", "other"]
    assert (facts.channel, facts.alarm.name, facts.started) == ("C01", "web-1-cpu", ())


def test_the_narrowest_automatic_playbook_starts(database: Database, clock: ManualClock) -> None:
    """Of several that match, one starts: the one whose trigger says most."""
    waist = Waist(
        database,
        clock,
        gate(name="any", start="auto"),
        gate(name="this", start="auto", trigger=AlarmTrigger(name="web-1-*")),
    )

    received = waist.operations.receive(alarm())

    assert [waist.facts(each).playbook for each in received.executions] == ["this"]


def test_a_playbook_that_is_off_is_not_even_suggested(database: Database, clock: ManualClock) -> None:
    """`start: off` only records the alarm."""
    waist = Waist(database, clock, gate(start="off"))

    assert waist.operations.receive(alarm()).verdict == "recorded"
    assert [entry.event.name for entry in waist.trail()] == ["alarm.received"]


@pytest.mark.parametrize("silence", [{"suppressed_by": "deploy-window"}, {"muted_by": "night-rule"}])
def test_a_silenced_alarm_starts_nothing(database: Database, clock: ManualClock, silence: dict[str, str]) -> None:
    """Suppressed and muted alarms are recorded with the reason."""
    waist = Waist(database, clock, gate(start="auto"))

    received = waist.operations.receive(alarm(**silence))

    assert received.verdict == "silenced"
    assert waist.queries.executions() == []
    (noted,) = waist.trail("playbook.suppressed")
    assert next(iter(silence.values())) in str(noted.event.data["why"])
    assert next(iter(silence.values())) in waist.queries.suggestion(received.key).why


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_a_recovery_is_recorded_and_shown(database: Database, clock: ManualClock, state: Any) -> None:
    """OK and INSUFFICIENT_DATA start nothing, but the execution that the red state started knows of them."""
    waist = Waist(database, clock, gate(start="auto"))
    started = waist.operations.receive(alarm()).executions[0]
    assert waist.facts(started).alarm_now == ""

    received = waist.operations.receive(alarm(state=state, changed_at=NOON + timedelta(minutes=1)))

    assert received.verdict == "recorded"
    assert waist.facts(started).alarm_now == state


def test_what_came_late_does_not_look_new(database: Database, clock: ManualClock) -> None:
    """A delayed OK of before the red state is recorded, and changes nothing that is shown."""
    waist = Waist(database, clock, gate(start="auto"))
    started = waist.operations.receive(alarm()).executions[0]

    waist.operations.receive(alarm(state="OK", changed_at=NOON - timedelta(minutes=1)))

    assert waist.facts(started).alarm_now == ""


def test_an_alarm_without_the_instance_is_suggested_and_says_why(database: Database, clock: ManualClock) -> None:
    """When a parameter cannot be filled nothing starts by itself, and a person reads what is missing."""
    waist = Waist(database, clock, gate(start="auto"))

    received = waist.operations.receive(alarm(metrics=(metric(LoadBalancer="app/web"),)))

    assert received.verdict == "suggested"
    why = waist.queries.suggestion(received.key).why
    assert "gate could not start by itself" in why
    assert "InstanceId" in why
    assert "LoadBalancer" in why


def test_values_that_break_the_runbooks_rules_are_suggested(database: Database, clock: ManualClock) -> None:
    """An alarm's value that the parameter would not take starts nothing; nothing half-done stays."""
    waist = Waist(database, clock, gate(start="auto"))

    received = waist.operations.receive(alarm(metrics=(metric(InstanceId="not-an-instance"),)))

    assert received.verdict == "suggested"
    assert "InstanceId" in waist.queries.suggestion(received.key).why
    assert waist.trail("execution.started") == []


def test_an_alarm_that_nobody_listens_for_is_recorded(database: Database, clock: ManualClock) -> None:
    """No playbook matches: one event."""
    waist = Waist(database, clock, playbook(AlarmTrigger(name="db-*"), start="auto"))

    assert waist.operations.receive(alarm()).verdict == "recorded"
    assert [entry.event.name for entry in waist.trail()] == ["alarm.received"]


def test_a_storm_is_received_by_many_threads(database: Database, clock: ManualClock) -> None:
    """Twenty alarms, each five times and from eight threads: twenty executions, twenty events."""
    waist = Waist(database, clock, gate(start="auto", lock=()))
    alarms = [alarm(name=f"host-{number}") for number in range(20) for _ in range(5)]
    lock, verdicts = threading.Lock(), []

    def deliver() -> None:
        while True:
            with lock:
                if not alarms:
                    return
                mine = alarms.pop()
            verdict = waist.operations.receive(mine).verdict
            with lock:
                verdicts.append(verdict)

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (verdicts.count("started"), verdicts.count("duplicate")) == (20, 80)
    assert len(waist.queries.executions(limit=100)) == 20
    assert len(waist.trail("alarm.received")) == 20


def test_the_default_channel_takes_what_no_playbook_claims(database: Database, clock: ManualClock) -> None:
    """A playbook without a channel goes to the settings' one."""
    waist = Waist(database, clock, gate(start="suggest", channel=""))

    received = waist.operations.receive(alarm())

    assert waist.queries.suggestion(received.key).channel == "C00"


@pytest.mark.parametrize(
    ("door", "name"), [("sns", "alarm.refused"), ("sqs", "alarm.refused"), ("slack", "request.refused")]
)
def test_a_refused_request_is_in_the_trail(database: Database, clock: ManualClock, door: str, name: str) -> None:
    """What was not accepted at a door leaves an event with the reason and the sender."""
    waist = Waist(database, clock)

    waist.operations.refuse_request(door, "the signature does not fit", sender="198.51.100.7")

    (noted,) = waist.trail(name)
    assert noted.event.data == {"door": door, "reason": "the signature does not fit", "sender": "198.51.100.7"}
