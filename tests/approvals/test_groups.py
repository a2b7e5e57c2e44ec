"""The rule where there is more of it: groups, objections, reminders, escalation, silence, taking back, handing over."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals import policy
from approvals.quorum import is_reached, missing
from approvals.request import (
    ApprovalRequest,
    ApproverGroup,
    Decision,
    Escalation,
    RequestStatus,
    seal_of,
)
from audit.events import Actor
from tests.approvals.strategies import KIM, LEE, NOON, PEOPLE, SAM, request

SRE, SECURITY = ApproverGroup(("sam", "kim"), 1, "SRE"), ApproverGroup(("kim",), 1, "Security")
TWO = (SRE, SECURITY)


def grouped(**fields: Any) -> ApprovalRequest:
    """One of SRE and one of Security."""
    return request(**{"groups": TWO, "minimum": 2, "approver_lists": (("*",),), **fields})


def says(found: ApprovalRequest, by: Actor, *groups: int, verdict: Any = "Approve", **more: Any) -> ApprovalRequest:
    """The question after an answer that counts for these groups."""
    return policy.decide(found, by, verdict, is_listed=True, now=NOON, groups=groups, **more).state


def test_one_of_each_is_one_of_each() -> None:
    """Sam for SRE and Kim for Security are enough."""
    after = says(says(grouped(), SAM, 0), KIM, 0, 1)

    assert after.status is RequestStatus.APPROVED


def test_one_person_fills_one_seat() -> None:
    """Kim is in both groups: alone she is one of two, and it is said which group lacks one."""
    after = says(grouped(), KIM, 0, 1)

    assert after.is_open
    assert sum(missing(after)) == 1


def test_two_of_one_group_are_none_of_the_other() -> None:
    """However many of SRE agree, Security has to agree, too."""
    after = says(says(grouped(), SAM, 0), LEE_LIKE, 0)

    assert after.is_open
    assert missing(after) == (0, 1)


LEE_LIKE = Actor("person", "person:max", "Max")


def brute(found: ApprovalRequest, verdict: str) -> bool:
    """The same by trying every way of seating people."""
    given_answers = [each for each in found.decisions if each.verdict == verdict]
    seats = [number for number, group in enumerate(found.groups) for _ in range(group.minimum)]

    def fill(rest: list[int], people: list[Decision]) -> bool:
        if not rest:
            return True
        return any(
            rest[0] in person.groups and fill(rest[1:], people[:at] + people[at + 1 :])
            for at, person in enumerate(people)
        )

    return len(given_answers) >= found.minimum and fill(seats, given_answers)


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
    st.lists(st.sets(st.integers(0, 2), max_size=3), max_size=4),
    st.integers(0, 4),
)
def test_seating_is_as_good_as_trying_everything(minima: list[int], answers: list[set[int]], minimum: int) -> None:
    """The quorum is reached exactly when people can be seated so that every group has its number."""
    groups = tuple(ApproverGroup(("x",), each, f"g{number}") for number, each in enumerate(minima))
    decisions = tuple(
        Decision(person, "Approve", NOON, groups=tuple(sorted(each)))
        for person, each in zip(PEOPLE, answers, strict=False)
    )
    found = request(groups=groups, minimum=minimum, decisions=decisions)

    assert is_reached(found, "Approve") == brute(found, "Approve")


def test_a_rejection_may_wait_for_a_quorum() -> None:
    """With `rejection: quorum` one objection is noted, as many as an approval needs end it."""
    once = says(request(minimum=2, rejection="quorum"), SAM, verdict="Reject")
    twice = says(once, KIM, verdict="Reject")

    assert once.is_open
    assert twice.status is RequestStatus.REJECTED


def test_a_rejection_may_need_a_reason() -> None:
    """Spaces are none, and whoever may not reject hears nothing of it."""
    found = request(needs_reason=True)

    with pytest.raises(policy.ReasonMissing, match="say why"):
        policy.decide(found, SAM, "Reject", is_listed=True, now=NOON, comment="  ")
    with pytest.raises(policy.NotAnApprover):
        policy.decide(found, SAM, "Reject", is_listed=False, now=NOON)
    assert says(found, SAM, verdict="Reject", comment="not now").status is RequestStatus.REJECTED


def test_who_is_barred_may_object_but_not_approve() -> None:
    """The sentence says why."""
    with pytest.raises(policy.OwnRequest, match="You edited"):
        policy.decide(request(), SAM, "Approve", is_listed=True, now=NOON, bar="You edited this runbook.")
    after = policy.decide(request(), SAM, "Reject", is_listed=True, now=NOON, bar="You edited this runbook.").state

    assert after.status is RequestStatus.REJECTED


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, RequestStatus.TIMED_OUT),
        ({"at_expiry": "approve"}, RequestStatus.APPROVED),
        (
            {
                "at_expiry": "approve",
                "rejection": "quorum",
                "minimum": 2,
                "decisions": (Decision(SAM, "Reject", NOON),),
            },
            RequestStatus.TIMED_OUT,
        ),
    ],
)
def test_silence_rejects_unless_the_policy_says_otherwise(fields: Any, status: RequestStatus) -> None:
    """By default nobody's answer is no; where silence approves, one objection is enough against it."""
    after = policy.tend(request(expires_at=NOON, **fields), NOON).state

    assert after.status is status


def test_reminders_come_each_once() -> None:
    """What was missed while nobody looked comes as one."""
    moments = tuple(NOON + timedelta(minutes=number) for number in (1, 2, 3))
    found = request(reminders=moments)

    nothing = policy.tend(found, NOON)
    late = policy.tend(found, NOON + timedelta(minutes=2))

    assert (nothing.state, nothing.events) == (found, ())
    assert [event.name for event in late.events] == ["approval.reminded"]
    assert late.state.reminders == moments[2:]
    assert late.state.due_at == moments[2]


def test_escalation_lets_further_people_in_and_seals_it_anew() -> None:
    """The next ones join their group; the question's words are as they now stand."""
    found = grouped(escalations=(Escalation(NOON, 1, ("max",)),))
    found = replace(found, seal=seal_of(found))

    change = policy.tend(found, NOON)

    assert change.state.groups[1].names == ("kim", "max")
    assert change.state.seal == seal_of(change.state) != found.seal
    assert [event.name for event in change.events] == ["approval.escalated"]
    assert change.state.escalations == ()


def test_an_answer_can_be_taken_back() -> None:
    """The question is open again, others' answers stay, and it is in the trail by name."""
    closed = says(says(request(minimum=2), SAM), KIM)
    change = policy.revoke(closed, KIM, now=NOON)

    assert change.state.is_open
    assert [each.actor for each in change.state.decisions] == [SAM]
    assert [(event.name, event.actor) for event in change.events] == [("approval.revoked", KIM)]
    with pytest.raises(policy.NotAnApprover):
        policy.revoke(closed, LEE, now=NOON)


def test_what_was_withdrawn_cannot_be_taken_back() -> None:
    """A question that was closed over somebody's head stays closed."""
    gone = policy.withdraw(says(request(minimum=2), SAM), RequestStatus.CANCELLED).state

    with pytest.raises(policy.Closed):
        policy.revoke(gone, SAM, now=NOON)


def test_a_changed_plan_voids_what_was_decided() -> None:
    """Approved or not, it is cancelled, and the trail says why."""
    change = policy.void(says(request(), SAM), "other parameters")

    assert change.state.status is RequestStatus.CANCELLED
    assert [event.name for event in change.events] == ["approval.voided", "approval.concluded"]
    assert all(event.data["because"] == "other parameters" for event in change.events)


def test_the_seal_covers_words_and_rules() -> None:
    """Any of them changed is another seal; an answer does not change it."""
    found = grouped()
    changed: list[dict[str, Any]] = [
        {"message": "Restart them all?"}, {"minimum": 1}, {"groups": TWO[:1]}, {"barred": (("sam", "why"),)},
        {"approver_lists": (("max",),)}, {"rejection": "quorum"}, {"at_expiry": "approve"}, {"may_approve_own": True},
        {"expires_at": NOON}, {"breakers": ("max",)}, {"delegates": ("max",)}, {"title": "x"},
    ]  # fmt: skip

    assert len({seal_of(replace(found, **each)) for each in changed} | {seal_of(found)}) == len(changed) + 1
    assert seal_of(says(found, SAM, 0)) == seal_of(found)


def test_lost_approvers_open_it_again() -> None:
    """Their answers are taken out by name; the others stay."""
    closed = says(says(request(minimum=2), SAM), KIM)
    change = policy.reopen(closed, {KIM.id: "left the group"})

    assert change.state.is_open
    assert [each.actor for each in change.state.decisions] == [SAM]
    assert change.events[0].data["whose"] == KIM.id
