"""The rule of an answer, by examples and for every order of answers."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from approvals import policy
from approvals.request import ApprovalRequest, RequestStatus
from tests.approvals.strategies import KIM, LEE, NOON, SAM, answers, request, requests


def decide(found: ApprovalRequest, by: Any, verdict: Any = "Approve", **options: Any) -> ApprovalRequest:
    """The question after somebody's answer."""
    usual = {"is_listed": True, "now": NOON}
    return policy.decide(found, by, verdict, **{**usual, **options}).state


def play(found: ApprovalRequest, given_answers: Any) -> tuple[ApprovalRequest, list[Any], list[Any]]:
    """(the question after all answers, the events, the answers that counted)."""
    events: list[Any] = []
    counted: list[Any] = []
    for by, verdict, is_listed, comment in given_answers:
        try:
            change = policy.decide(found, by, verdict, is_listed=is_listed, now=NOON, comment=comment)
        except policy.DecisionRefused:
            continue
        found = change.state
        events += change.events
        counted.append((by, verdict))
    return found, events, counted


@given(requests, answers)
def test_it_is_approved_exactly_when_enough_people_agreed(found: ApprovalRequest, given_answers: Any) -> None:
    """Approved means: the minimum of distinct people, nobody said no. Rejected means: the last one said no."""
    after, _, counted = play(found, given_answers)
    people = [by.id for by, _ in counted]
    verdicts = [verdict for _, verdict in counted]

    assert len(people) == len(set(people))
    assert verdicts.count("Reject") <= 1
    if after.status is RequestStatus.APPROVED:
        assert verdicts == ["Approve"] * after.minimum
    elif after.status is RequestStatus.REJECTED:
        assert verdicts[-1] == "Reject"
    else:
        assert "Reject" not in verdicts
        assert len(verdicts) < after.minimum


@given(requests, answers)
def test_only_those_who_may_ever_count(found: ApprovalRequest, given_answers: Any) -> None:
    """Nobody who is not listed, nobody's own approval, nothing at or after the expiry."""
    after, _, counted = play(found, given_answers)
    listed = {(by.id, verdict) for by, verdict, is_listed, _ in given_answers if is_listed}

    assert all((by.id, verdict) in listed for by, verdict in counted)
    if not found.may_approve_own:
        assert (found.requested_by.id, "Approve") not in [(by.id, verdict) for by, verdict in counted]
    if found.expires_at is not None and found.expires_at <= NOON:
        assert after == found


@given(requests, answers)
def test_every_answer_is_one_event_and_the_end_is_one_more(found: ApprovalRequest, given_answers: Any) -> None:
    """The trail holds each counted answer with its person, and one conclusion if there was one, at the end."""
    after, events, counted = play(found, given_answers)
    names = [event.name for event in events]

    assert names.count("approval.decided") == len(counted)
    assert [event.actor for event in events if event.name == "approval.decided"] == [by for by, _ in counted]
    assert names.count("approval.concluded") == (not after.is_open)
    assert after.is_open or names[-1] == "approval.concluded"


@given(requests, answers)
def test_what_is_closed_stays_as_it_is(found: ApprovalRequest, given_answers: Any) -> None:
    """No answer and no withdrawal changes a question that was answered."""
    after, _, _ = play(found, given_answers)
    if after.is_open:
        after = policy.withdraw(after, RequestStatus.CANCELLED).state

    again, events, counted = play(after, given_answers)
    withdrawn = policy.withdraw(after, RequestStatus.TIMED_OUT)

    assert (again, events, counted) == (after, [], [])
    assert (withdrawn.state, withdrawn.events) == (after, ())


def test_asking_tells_who_may_answer_and_until_when() -> None:
    """The event holds the lists, the minimum, the message, the digest and the expiry."""
    (event,) = policy.ask(request(expires_at=NOON + timedelta(hours=1))).events

    assert (event.name, event.subject) == ("approval.asked", "e1")
    assert event.data == {
        "request_id": "r1",
        "step": "ask",
        "approvers": [["sam", "kim"]],
        "minimum": 1,
        "message": "Restart it?",
        "digest": "d1",
        "expires_at": "2026-03-01T13:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("fields", "by", "options", "error", "says"),
    [
        ({}, SAM, {"is_listed": False}, policy.NotAnApprover, "not among the people"),
        ({"status": RequestStatus.APPROVED}, SAM, {"is_listed": False}, policy.NotAnApprover, "not among the people"),
        ({}, LEE, {}, policy.OwnRequest, "somebody else has to approve"),
        ({"expires_at": NOON}, SAM, {}, policy.Closed, "expired"),
        ({"status": RequestStatus.CANCELLED}, SAM, {}, policy.Closed, "closed already (Cancelled)"),
    ],
)
def test_each_refusal_has_its_sentence(fields: Any, by: Any, options: Any, error: Any, says: str) -> None:
    """Who may not learns only that; everybody else learns what is in the way."""
    with pytest.raises(error) as refused:
        decide(request(**fields), by, **options)

    assert says in str(refused.value)


def test_a_late_answer_hears_who_was_first() -> None:
    """The name of whoever decided, or their id where there is no name."""
    after = decide(request(), SAM)

    with pytest.raises(policy.Closed, match="Approved by Sam"):
        decide(after, KIM)


def test_the_same_person_counts_once() -> None:
    """A second *Approve* of one person is no second person."""
    after = decide(request(minimum=2), SAM)

    with pytest.raises(policy.Closed, match="counted already"):
        decide(after, SAM)
    assert decide(after, KIM).status is RequestStatus.APPROVED


def test_a_moment_before_the_expiry_counts() -> None:
    """The expiry itself is too late, the moment before is not."""
    found = request(expires_at=NOON + timedelta(microseconds=1))

    assert decide(found, SAM).status is RequestStatus.APPROVED


def test_a_comment_is_kept_with_the_answer() -> None:
    """It is in the decision and in the event, and absent where none was given."""
    with_comment = policy.decide(request(), SAM, "Reject", is_listed=True, now=NOON, comment="not now")
    without = policy.decide(request(), SAM, "Approve", is_listed=True, now=NOON)

    assert with_comment.state.decisions[0].comment == with_comment.events[0].data["comment"] == "not now"
    assert "comment" not in without.events[0].data
