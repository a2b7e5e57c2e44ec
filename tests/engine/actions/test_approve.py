"""aws:approve: distinct people are counted; one no is a no."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from audit.events import Actor
from engine.action import Outcome, Stage
from engine.actions import BY_NAME
from engine.actions.approve import Approve, ApproveInputs
from engine.signals import Signal, SignalType
from tests.engine.actions.rig import NOON, answering, context_of, failed, succeeded, waiting

ACTION = Approve()
LEE, KIM = Actor("person", "person:lee", "Lee"), Actor("person", "person:kim", "Kim")


def inputs(**given: Any) -> ApproveInputs:
    """Three people, two of whom must agree, unless said otherwise."""
    plain = {"Approvers": ["lee", "kim", "ana"], "MinRequiredApprovals": 2}
    return ApproveInputs.model_validate({**plain, **given})


def answer(wish: ApproveInputs, *signals: Signal) -> Outcome:
    """The outcome after these answers, in order."""
    outcome = ACTION.run(wish, context_of(answering()))
    for signal in signals:
        outcome = ACTION.receive(wish, waiting(outcome).memo, signal, NOON)
    return outcome


def yes(actor: Actor, comment: str = "") -> Signal:
    """An approval."""
    return Signal(SignalType.APPROVE, actor, "", {"Comment": comment} if comment else {})


def no(actor: Actor, comment: str = "") -> Signal:
    """A rejection."""
    return Signal(SignalType.REJECT, actor, "", {"Comment": comment} if comment else {})


def test_it_waits_for_people() -> None:
    """Approve and Reject are what it listens to; how many have agreed is told."""
    outcome = waiting(answer(inputs()))

    assert outcome.signals == {SignalType.APPROVE, SignalType.REJECT}
    assert outcome.outputs == {"ApprovalStatus": "Waiting", "ApproverDecisions": []}
    assert outcome.say == "0 of 2 approvals"


def test_enough_people_approve() -> None:
    """Who decided what, when, with which comment, is an output."""
    assert waiting(answer(inputs(), yes(LEE))).say == "1 of 2 approvals"

    outcome = succeeded(answer(inputs(), yes(LEE, "go"), yes(KIM)))

    moment = NOON.isoformat()
    assert outcome.outputs == {
        "ApprovalStatus": "Approved",
        "ApproverDecisions": [
            {"Approver": "person:lee", "ApprovalStatus": "Approve", "ApprovalDecisionTime": moment, "Comment": "go"},
            {"Approver": "person:kim", "ApprovalStatus": "Approve", "ApprovalDecisionTime": moment},
        ],
    }


def test_one_person_counts_once() -> None:
    """However often they click, and whatever they click afterwards."""
    assert waiting(answer(inputs(), yes(LEE), yes(LEE), no(LEE))).say == "1 of 2 approvals"


def test_one_rejection_ends_it() -> None:
    """For good: maxAttempts does not ask again."""
    outcome = failed(answer(inputs(), yes(LEE), no(KIM, "not on a Friday")))

    assert outcome.message == 'Rejected by Kim: "not on a Friday"'
    assert outcome.is_final
    assert outcome.outputs["ApprovalStatus"] == "Rejected"


def test_more_approvals_than_people_cannot_come() -> None:
    """Waiting seven days for a third of two people helps nobody."""
    outcome = failed(answer(inputs(Approvers=["lee", "lee", "kim"], MinRequiredApprovals="3")))

    assert outcome.message == "MinRequiredApprovals is 3, but there are only 2 approvers"
    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)


@pytest.mark.parametrize(
    "given", [{"Approvers": []}, {"Approvers": ["a"] * 11}, {"MinRequiredApprovals": 0}, {"Message": "x" * 4097}]
)
def test_inputs_beyond_the_limits_are_refused(given: dict[str, Any]) -> None:
    """Ten approvers, a positive number, 4,096 characters."""
    with pytest.raises(ValidationError):
        inputs(**given)


def test_a_lone_approver_needs_no_list() -> None:
    """A parameter that holds one name is enough."""
    succeeded(answer(inputs(Approvers="lee", MinRequiredApprovals=None), yes(LEE)))


def test_seven_days_unless_said_otherwise_thirty_at_most() -> None:
    """SSM's limits."""
    action = BY_NAME["aws:approve"]

    assert (action.default_timeout, action.max_timeout) == (timedelta(days=7), timedelta(days=30))
    assert action.is_pure
