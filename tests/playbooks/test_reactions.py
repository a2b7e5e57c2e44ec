"""What follows from what happened: asked once, told once, withdrawn in time, whatever is delivered again."""

from datetime import timedelta
from typing import Any

import pytest

from approvals.request import RequestStatus
from infra.db import Database, DatabaseUnavailable
from playbooks.expiry import Expiry
from playbooks.operations import Order
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import GATE, KIM, LEE, PAUSE, SAM, Waist, gate

TWICE = (
    GATE
    + """\
  - {name: askAgain, action: "aws:approve", inputs: {Approvers: ["{{ Approvers }}"]}}
"""
)
LOOP = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
  Approvers: {type: StringList}
mainSteps:
  - name: each
    action: aws:loop
    inputs:
      Iterators: [one, two]
      Steps:
        - {name: ask, action: "aws:approve", inputs: {Approvers: ["{{ Approvers }}"]}}
"""


def test_a_waiting_step_asks_with_what_people_need(database: Database, clock: ManualClock) -> None:
    """The question shows the resolved message, who may answer, until when, and is bound to what was shown."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(hours=2)))
    execution_id = waist.run()

    request = waist.question()
    assert request.message == "Restart i-0b7d1c44e9f2a6d35?"
    assert (request.execution_id, request.step_name, request.minimum) == (execution_id, "ask", 1)
    assert request.expires_at == clock() + timedelta(hours=1)
    assert (request.approvers, request.starter) == (("<@U02SAM>", "<@U03KIM>"), "<@U01LEE>")
    (asked,) = waist.trail("approval.asked")
    assert asked.event.data["digest"]


def test_the_question_is_bound_to_what_was_shown(database: Database, clock: ManualClock) -> None:
    """Other parameters are another plan; the same ones are the same."""
    waist = Waist(database, clock, gate(lock=()))
    for instance in ("i-0b7d1c44e9f2a6d35", "i-0b7d1c44e9f2a6d35", "i-0b7d1c44e9f2a6d36"):
        waist.run(InstanceId=instance)

    first, second, third = (entry.event.data["digest"] for entry in waist.trail("approval.asked"))
    assert first == second != third


def test_every_event_may_come_twice(database: Database, clock: ManualClock) -> None:
    """A relay that lost its place delivers everything again: one question, one answer, one effect."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    waist.again()
    waist.settle()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.again()
    waist.settle()
    waist.again()
    waist.later(seconds=1)
    waist.again()
    waist.settle()

    assert waist.facts(execution_id).status == "Success"
    assert len(waist.facts(execution_id).approvals) == 1
    names = [entry.event.name for entry in waist.trail()]
    assert [names.count(name) for name in ("approval.asked", "approval.decided", "signal.received")] == [1, 1, 1]


def test_an_answer_is_told_after_a_restart(database: Database, clock: ManualClock) -> None:
    """The process dies after the decision is saved and before the engine hears of it: the next one tells it."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve", "go")
    assert waist.facts(execution_id).steps[0].status == "Waiting"

    reborn = Waist(database, clock, gate())
    reborn.settle()

    assert reborn.facts(execution_id).steps[0].status == "Success"
    assert len(reborn.trail("signal.received")) == 1


def test_a_question_is_asked_after_a_restart(database: Database, clock: ManualClock) -> None:
    """The process dies after the step began to wait and before anybody was asked: the next one asks."""
    waist = Waist(database, clock, gate())
    waist.relay.pump()
    execution_id = waist.operations.start(Order("gate", {"InstanceId": "i-0b7d1c44e9f2a6d35"}), LEE)
    waist.engine.carry(execution_id)
    assert waist.queries.open_approvals() == []

    reborn = Waist(database, clock, gate())
    reborn.settle()

    assert reborn.question().execution_id == execution_id


def test_a_second_gate_asks_anew(database: Database, clock: ManualClock) -> None:
    """The answer to the first question is not one to the second."""
    waist = Waist(database, clock, gate(runbook=TWICE))
    execution_id = waist.run()
    first = waist.question()
    waist.operations.decide(first.id, SAM, "Approve")
    waist.settle()
    waist.later(seconds=1)

    second = waist.question()
    assert second.id != first.id
    assert (second.step_name, second.decisions) == ("askAgain", ())
    waist.again("approval.concluded")
    waist.settle()
    assert waist.facts(execution_id).steps[2].status == "Waiting"


def test_a_gate_in_a_loop_asks_each_time(database: Database, clock: ManualClock) -> None:
    """One name, two questions; news of the first one's end that comes again does not close the second."""
    waist = Waist(database, clock, gate(runbook=LOOP))
    execution_id = waist.run()
    waist.operations.decide(waist.question().id, SAM, "Approve")
    waist.settle()
    second = waist.question()

    waist.again("step.ended")
    waist.settle()

    assert waist.question().id == second.id
    waist.operations.decide(second.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).status == "Success"


def test_a_stop_withdraws_the_question(database: Database, clock: ManualClock) -> None:
    """Nobody is asked about what was called off."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    waist.operations.stop(execution_id, LEE)
    waist.settle()

    assert [each.status for each in waist.facts(execution_id).approvals] == [RequestStatus.CANCELLED]
    (concluded,) = waist.trail("approval.concluded")
    assert concluded.event.data["status"] == "Cancelled"


def test_other_events_are_nobodys_business(database: Database, clock: ManualClock) -> None:
    """A step that waits for something else asks no one."""
    waist = Waist(database, clock, gate(name="pause", runbook=PAUSE, parameters={}, approvers=()))
    waist.run("pause")

    assert waist.trail("approval.asked") == []


# -- a playbook's own expiry


def expiring(waist: Waist) -> Expiry:
    """What closes the waist's questions."""
    return Expiry(waist.db, waist.approvals, waist.operations.expire, waist.clock)


def test_a_question_that_expires_ends_its_step(database: Database, clock: ManualClock) -> None:
    """The playbook's expiry comes before the runbook's: the question times out, and the execution says why it ended."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(minutes=15)))
    execution_id = waist.run()
    expiry = expiring(waist)
    assert expiry.pump() == timedelta(minutes=10)
    clock.advance(timedelta(minutes=14, seconds=59))
    assert expiry.pump() == timedelta(seconds=1)
    waist.settle()
    assert waist.facts(execution_id).status == "Waiting"

    clock.advance(timedelta(seconds=1))
    expiry.pump()
    waist.settle()

    facts = waist.facts(execution_id)
    assert (facts.status, facts.approvals[0].status) == ("Failed", "TimedOut")
    assert "nobody answered within 15 minutes" in facts.failure_message
    assert waist.queries.open_approvals() == []


def test_expiry_comes_once_and_never_against_an_answer(database: Database, clock: ManualClock) -> None:
    """A question that was answered in time does not expire, and one that expired does so once."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(minutes=15), lock=()))
    answered, forgotten = waist.run(), waist.run()
    first = next(each for each in waist.queries.open_approvals() if each.execution_id == answered)
    waist.operations.decide(first.id, SAM, "Approve")
    clock.advance(timedelta(minutes=15))

    for _ in range(2):
        expiring(waist).pump()
        waist.settle()
        waist.again()
        waist.settle()

    assert waist.facts(answered).steps[0].status == "Success"
    assert waist.facts(forgotten).status == "Failed"
    assert [entry.event.data["status"] for entry in waist.trail("approval.concluded")] == ["Approved", "TimedOut"]


def test_the_runbooks_own_time_stays_the_engines(database: Database, clock: ManualClock) -> None:
    """Where both end in the same moment the step times out as SSM says, whoever notices first."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(hours=1)))
    execution_id = waist.run()
    clock.advance(timedelta(hours=1))

    expiring(waist).pump()
    waist.relay.pump()
    waist.settle()

    facts = waist.facts(execution_id)
    assert (facts.status, facts.approvals[0].status) == ("TimedOut", "TimedOut")


def test_questions_are_watched_as_they_are_asked(database: Database, clock: ManualClock) -> None:
    """A question of after the start is known at once, without another look at the rows."""
    watched: list[Any] = []
    waist = Waist(database, clock, gate(approval_expiry=timedelta(minutes=15)))
    waist.reactions._watch = lambda *found: watched.append(found)
    waist.run()

    assert watched == [(waist.question().id, clock() + timedelta(minutes=15))]


def test_a_watched_question_shortens_the_pause(database: Database, clock: ManualClock) -> None:
    """The pause before the next look ends with the soonest question."""
    expiry = expiring(Waist(database, clock, gate()))
    assert expiry.pump() == timedelta(minutes=10)

    expiry.watch("request1", clock() + timedelta(minutes=3))

    assert expiry.pump() == timedelta(minutes=3)


def test_expiry_survives_a_database_that_is_away(database: Database, clock: ManualClock) -> None:
    """What could not be closed is found again from the rows."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(minutes=15)))
    execution_id = waist.run()
    is_away = [True]

    def expire(request_id: str) -> None:
        if is_away:
            is_away.pop()
            raise DatabaseUnavailable(request_id)
        waist.operations.expire(request_id)

    expiry = Expiry(database, waist.approvals, expire, clock)
    clock.advance(timedelta(minutes=15))
    with pytest.raises(DatabaseUnavailable):
        expiry.pump()

    expiry.pump()
    waist.settle()

    assert waist.facts(execution_id).approvals[0].status == "TimedOut"
