"""Answers through the waist: who may give one, when it counts, and that it counts once."""

import threading
from datetime import timedelta
from typing import Any, Literal

import pytest

from infra.db import Database
from playbooks.operations import NoLongerOpen, NotAllowed, Refused
from playbooks.people import Identity
from playbooks.story import sentence
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import KIM, LEE, PAUSE, SAM, STRANGER, Waist, gate
from tests.playbooks.worlds import alarm


def test_an_approval_lets_the_step_go_on(database: Database, clock: ManualClock) -> None:
    """Decided, then told to the engine, then done: who, when and why stay on the facts."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    waist.operations.decide(waist.question().id, SAM, "Approve", "go")
    waist.settle()

    facts = waist.facts(execution_id)
    assert facts.approval is not None
    assert facts.approval.status == "Approved"
    (decision,) = facts.approval.decisions
    assert (decision.actor.id, decision.verdict, decision.comment, decision.at) == (SAM.id, "Approve", "go", clock())
    assert [(step.name, step.status) for step in facts.steps] == [("ask", "Success"), ("nap", "InProgress")]
    waist.later(seconds=1)
    assert waist.facts(execution_id).status == "Success"


def test_a_rejection_fails_the_step_with_its_reason(database: Database, clock: ManualClock) -> None:
    """One *Reject* is enough; the failure names who and why."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    waist.operations.decide(waist.question().id, SAM, "Reject", "not during the sale")
    waist.settle()

    facts = waist.facts(execution_id)
    assert facts.status == "Failed"
    assert "Sam" in facts.failure_message
    assert "not during the sale" in facts.failure_message
    assert facts.steps[1].status == "Pending"


@pytest.mark.parametrize("verdict", ["Approve", "Reject"])
def test_a_stranger_decides_nothing(
    database: Database, clock: ManualClock, verdict: Literal["Approve", "Reject"]
) -> None:
    """Whoever is on no list is refused in words, audited, and the question stays open."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    with pytest.raises(NotAllowed, match="not among the people"):
        waist.operations.decide(waist.question().id, STRANGER, verdict)

    (noted,) = waist.trail("approval.refused")
    assert (noted.event.subject, noted.event.actor.id) == (execution_id, STRANGER.id)
    assert noted.event.data["verdict"] == verdict
    assert sentence(noted.event).startswith(f"may not {verdict.lower()}: You are not among the people")
    assert waist.question().decisions == ()


def test_nobody_approves_what_they_started(database: Database, clock: ManualClock) -> None:
    """Four eyes: the starter may not approve; it is audited."""
    waist = Waist(database, clock, gate())
    waist.run(by=LEE)

    with pytest.raises(NotAllowed, match="somebody else has to approve"):
        waist.operations.decide(waist.question().id, LEE, "Approve")

    (noted,) = waist.trail("approval.refused")
    assert sentence(noted.event).startswith("may not approve: You started this")
    assert waist.question().decisions == ()


def test_whoever_may_decide_is_not_said_to_have_no_right(database: Database, clock: ManualClock) -> None:
    """They pressed twice: the story says that the second time did not count, and why."""
    waist = Waist(database, clock, gate(minimum_approvals=2))
    waist.run(by=LEE)
    request_id = waist.question().id
    waist.operations.decide(request_id, SAM, "Approve")

    with pytest.raises(Refused, match="counted already"):
        waist.operations.decide(request_id, SAM, "Approve")

    (noted,) = waist.trail("approval.refused")
    assert sentence(noted.event) == "tried to approve, not counted: Your answer has been counted already."


def test_one_person_with_two_accounts_is_one_person(database: Database, clock: ManualClock) -> None:
    """Lee at the terminal is Lee of Slack: still their own request."""
    people = Identity("person:lee", "Lee", frozenset({"lee", "group:responders"}))
    waist = Waist(database, clock, gate())
    waist.run(by=LEE)

    with pytest.raises(NotAllowed, match="somebody else"):
        waist.operations.decide(waist.question().id, people, "Approve")


def test_the_starter_may_reject_their_own(database: Database, clock: ManualClock) -> None:
    """Calling it off needs nobody else."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run(by=LEE)

    waist.operations.decide(waist.question().id, LEE, "Reject")
    waist.settle()

    assert waist.facts(execution_id).status == "Failed"


def test_a_playbook_may_allow_ones_own_approval(database: Database, clock: ManualClock) -> None:
    """`may_approve_own` lets a lone responder go on."""
    waist = Waist(database, clock, gate(may_approve_own=True))
    execution_id = waist.run(by=LEE)

    waist.operations.decide(waist.question().id, LEE, "Approve")
    waist.settle()

    assert waist.facts(execution_id).steps[0].status == "Success"


def test_an_alarm_is_nobodys_own_request(database: Database, clock: ManualClock) -> None:
    """What an alarm started any approver may approve."""
    waist = Waist(database, clock, gate(start="auto"))
    (execution_id,) = waist.operations.receive(alarm()).executions
    waist.settle()

    waist.operations.decide(waist.question().id, LEE, "Approve")
    waist.settle()

    assert waist.facts(execution_id).steps[0].status == "Success"


def test_two_people_are_needed_where_two_are_asked(database: Database, clock: ManualClock) -> None:
    """The quorum counts people: one person twice is one, and the engine hears nothing before it is reached."""
    waist = Waist(database, clock, gate(minimum_approvals=2))
    execution_id = waist.run()
    request = waist.question()
    assert request.minimum == 2

    waist.operations.decide(request.id, SAM, "Approve")
    with pytest.raises(NoLongerOpen, match="counted already"):
        waist.operations.decide(request.id, SAM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Waiting"
    assert waist.trail("signal.received") == []

    waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()
    assert waist.facts(execution_id).steps[0].status == "Success"


def test_a_rejection_ends_a_half_reached_quorum(database: Database, clock: ManualClock) -> None:
    """One yes and one no is no; only the no is told to the engine."""
    waist = Waist(database, clock, gate(minimum_approvals=2))
    execution_id = waist.run()
    request = waist.question()

    waist.operations.decide(request.id, SAM, "Approve")
    waist.operations.decide(request.id, KIM, "Reject")
    waist.settle()

    assert waist.facts(execution_id).status == "Failed"
    assert [entry.event.data["signal"] for entry in waist.trail("signal.received")] == ["Reject"]


def test_the_runbooks_quorum_counts_too(database: Database, clock: ManualClock) -> None:
    """Of the playbook's and the runbook's minimum the larger one is asked for, and the step goes on at once."""
    waist = Waist(
        database,
        clock,
        gate(
            parameters={
                "InstanceId": "{{ alarm.dimensions.InstanceId }}",
                "Approvers": ["lee", "sam", "kim"],
                "Minimum": 2,
            }
        ),
    )
    execution_id = waist.run()
    request = waist.question()
    assert request.minimum == 2

    waist.operations.decide(request.id, SAM, "Approve")
    waist.operations.decide(request.id, KIM, "Approve")
    waist.settle()

    assert waist.facts(execution_id).steps[0].status == "Success"


def test_both_lists_must_name_the_approver(database: Database, clock: ManualClock) -> None:
    """The runbook's approvers and the playbook's: whoever is on one only may not decide."""
    parameters = {"InstanceId": "{{ alarm.dimensions.InstanceId }}", "Approvers": ["sam"]}
    waist = Waist(database, clock, gate(parameters=parameters, approvers=("sam", "kim")))
    waist.run()
    request = waist.question()
    assert request.approvers == ("<@U02SAM>",)

    with pytest.raises(NotAllowed):
        waist.operations.decide(request.id, KIM, "Approve")
    waist.operations.decide(request.id, SAM, "Approve")


def test_a_question_that_nobody_can_answer_says_so(database: Database, clock: ManualClock) -> None:
    """Two lists without anybody in common: nobody may decide, and the facts say why."""
    parameters = {"InstanceId": "{{ alarm.dimensions.InstanceId }}", "Approvers": ["sam"]}
    waist = Waist(database, clock, gate(parameters=parameters, approvers=("kim",)))
    waist.run()

    assert waist.question().problem
    for each in (LEE, SAM, KIM):
        with pytest.raises(NotAllowed):
            waist.operations.decide(waist.question().id, each, "Approve")


def test_a_late_answer_learns_who_was_first(database: Database, clock: ManualClock) -> None:
    """After the decision a click changes nothing and names who decided."""
    waist = Waist(database, clock, gate())
    waist.run()
    request = waist.question()
    waist.operations.decide(request.id, SAM, "Approve")

    with pytest.raises(NoLongerOpen, match="Approved by Sam"):
        waist.operations.decide(request.id, KIM, "Reject")

    assert len(waist.trail("approval.decided")) == 1


def test_a_stranger_learns_nothing_of_the_outcome(database: Database, clock: ManualClock) -> None:
    """To somebody without the right a closed question looks like an open one."""
    waist = Waist(database, clock, gate())
    waist.run()
    request = waist.question()
    waist.operations.decide(request.id, SAM, "Approve")

    with pytest.raises(NotAllowed, match="not among the people"):
        waist.operations.decide(request.id, STRANGER, "Reject")


def test_an_unknown_question_decides_nothing(database: Database, clock: ManualClock) -> None:
    """A button of somewhere else is answered in words."""
    waist = Waist(database, clock, gate())

    with pytest.raises(NoLongerOpen, match="not known here"):
        waist.operations.decide("nothing", SAM, "Approve")


def test_an_expired_question_takes_no_answer(database: Database, clock: ManualClock) -> None:
    """At the very moment of its expiry an answer is too late, even before anything else has noticed."""
    waist = Waist(database, clock, gate(approval_expiry=timedelta(minutes=15)))
    waist.run()
    request = waist.question()
    assert request.expires_at == clock() + timedelta(minutes=15)
    clock.advance(timedelta(minutes=15))

    with pytest.raises(NoLongerOpen, match="expired"):
        waist.operations.decide(request.id, SAM, "Approve")

    assert waist.trail("approval.decided") == []


def test_a_step_that_times_out_closes_its_question(database: Database, clock: ManualClock) -> None:
    """When the runbook's own time is up the question is closed as timed out, and late answers are refused."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()
    request = waist.question()

    waist.later(hours=1)

    facts = waist.facts(execution_id)
    assert (facts.status, facts.approvals[0].status) == ("TimedOut", "TimedOut")
    assert waist.queries.open_approvals() == []
    with pytest.raises(NoLongerOpen, match="TimedOut"):
        waist.operations.decide(request.id, SAM, "Approve")


def test_ten_people_click_at_once(database: Database, clock: ManualClock) -> None:
    """Five questions, ten concurrent clicks on each: five decisions, everybody else hears who was first."""
    waist = Waist(database, clock, gate(approvers=("*",), parameters=PLAIN, lock=()))
    for _ in range(5):
        waist.run()
    requests = [each.id for each in waist.queries.open_approvals()]
    clickers = [Identity(f"slack:T01/U{number:02}", f"P{number}", frozenset({f"U{number:02}"})) for number in range(10)]
    ready, lock, outcomes = threading.Barrier(10), threading.Lock(), []

    def click(by: Identity) -> None:
        ready.wait()
        for request_id in requests:
            try:
                waist.operations.decide(request_id, by, "Approve")
            except NoLongerOpen:
                outcome = "late"
            else:
                outcome = "counted"
            with lock:
                outcomes.append(outcome)

    threads = [threading.Thread(target=click, args=(each,)) for each in clickers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (outcomes.count("counted"), outcomes.count("late")) == (5, 45)
    assert len(waist.trail("approval.decided")) == len(waist.trail("approval.concluded")) == 5


PLAIN: dict[str, Any] = {"InstanceId": "{{ alarm.dimensions.InstanceId }}", "Approvers": ["*"]}


# -- stop and resume


def test_the_starter_stops_their_execution(database: Database, clock: ManualClock) -> None:
    """It is cancelled by name, its question is withdrawn, and a late approval starts nothing."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run(by=LEE)
    request = waist.question()

    waist.operations.stop(execution_id, LEE)
    waist.settle()

    facts = waist.facts(execution_id)
    assert (facts.status, facts.approvals[0].status) == ("Cancelled", "Cancelled")
    assert facts.cancelled_by is not None
    assert facts.cancelled_by.id == LEE.id
    with pytest.raises(NoLongerOpen):
        waist.operations.decide(request.id, SAM, "Approve")


def test_a_decision_before_the_stop_cannot_revive_it(database: Database, clock: ManualClock) -> None:
    """Approved, then stopped before the engine heard of the answer: it stays stopped."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run(by=LEE)
    waist.operations.decide(waist.question().id, SAM, "Approve")

    waist.operations.stop(execution_id, LEE)
    waist.settle()

    facts = waist.facts(execution_id)
    assert facts.status == "Cancelled"
    assert facts.steps[1].status == "Pending"


@pytest.mark.parametrize("by", [SAM, KIM])
def test_an_approver_may_stop(database: Database, clock: ManualClock, by: Identity) -> None:
    """Whoever may approve or run the playbook may stop its executions."""
    waist = Waist(database, clock, gate(may_run=("lee", "kim"), approvers=("sam",)))
    execution_id = waist.run(by=LEE)

    waist.operations.stop(execution_id, by)
    waist.settle()

    assert waist.facts(execution_id).status == "Cancelled"


def test_a_stranger_may_not_stop(database: Database, clock: ManualClock) -> None:
    """Refused and noted under the execution."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run(by=LEE)

    with pytest.raises(NotAllowed, match="You may not stop"):
        waist.operations.stop(execution_id, STRANGER)

    (noted,) = waist.trail("access.refused")
    assert noted.event.subject == execution_id
    assert waist.facts(execution_id).status == "Waiting"


def test_stopping_twice_or_too_late_is_said(database: Database, clock: ManualClock) -> None:
    """An execution that is over cannot be stopped, and one that is not there neither."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run(by=LEE)
    waist.operations.stop(execution_id, LEE)
    waist.settle()

    with pytest.raises(Refused, match="over already"):
        waist.operations.stop(execution_id, LEE)
    with pytest.raises(Refused, match="There is no execution"):
        waist.operations.stop("nothing", LEE)


def test_a_paused_execution_goes_on_when_told(database: Database, clock: ManualClock) -> None:
    """aws:pause waits for Resume; the trail knows who gave it."""
    waist = Waist(database, clock, gate(name="pause", runbook=PAUSE, parameters={}, approvers=()))
    execution_id = waist.run("pause")
    assert waist.facts(execution_id).steps[0].status == "Waiting"
    assert waist.queries.open_approvals() == []

    waist.operations.resume(execution_id, SAM)
    waist.settle()

    assert [step.status for step in waist.facts(execution_id).steps] == ["Success", "InProgress"]
    (signal,) = waist.trail("signal.received")
    assert (signal.event.data["signal"], signal.event.actor.id) == ("Resume", SAM.id)


def test_what_is_not_paused_cannot_be_resumed(database: Database, clock: ManualClock) -> None:
    """A question is no pause, and Resume does not answer it."""
    waist = Waist(database, clock, gate())
    execution_id = waist.run()

    with pytest.raises(Refused, match="Nothing to resume"):
        waist.operations.resume(execution_id, SAM)

    assert waist.facts(execution_id).steps[0].status == "Waiting"


def test_a_stranger_may_not_resume(database: Database, clock: ManualClock) -> None:
    """Going on is a decision, too."""
    waist = Waist(database, clock, gate(name="pause", runbook=PAUSE, parameters={}, approvers=()))
    execution_id = waist.run("pause")

    with pytest.raises(NotAllowed, match="You may not resume"):
        waist.operations.resume(execution_id, STRANGER)
