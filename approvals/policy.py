"""The rule of an answer: who may give it, when it counts, and when the question is closed. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from approvals.quorum import is_reached
from approvals.request import (
    ApprovalChange,
    ApprovalRequest,
    ApproverGroup,
    Decision,
    Delegation,
    RequestStatus,
    Verdict,
    reworded,
    seal_of,
)
from audit.events import SYSTEM, Actor, Event
from infra.canonical import Json

ACCOUNTS: Final = "delegators"
"""The fact that keeps by which accounts answers were handed over."""
BREAKER: Final = "breaker"
"""The fact that keeps who broke the glass, for its review."""
REVIEW_EVERY: Final = timedelta(days=1)
"""How often it is said that a break-glass waits for its review."""


class DecisionRefused(Exception):
    """The answer does not count; the message is a sentence for the person who gave it."""


class Closed(DecisionRefused):
    """The question had been answered, or had expired, before this answer came."""


class NotAnApprover(DecisionRefused):
    """The person is on no list of those who may answer."""


class OwnRequest(DecisionRefused):
    """The person started what they would approve, or is barred from it for another reason."""


class ReasonMissing(DecisionRefused):
    """A rejection of this question counts only with a reason."""


def ask(request: ApprovalRequest) -> ApprovalChange:
    """Put the question."""
    data: dict[str, Json] = {
        "request_id": request.id,
        "step": request.step_name,
        "approvers": [[*names] for names in request.approver_lists],
        "minimum": request.minimum,
        "message": request.message,
        "digest": request.digest,
        "expires_at": request.expires_at.isoformat() if request.expires_at else None,
    }
    if request.groups:
        data["groups"] = [[each.title, [*each.names], each.minimum] for each in request.groups]
    if request.barred:
        data["barred"] = [[*each] for each in request.barred]
    if request.revision > 1:
        data["revision"] = request.revision
    return ApprovalChange(request, (Event("approval.asked", request.execution_id, SYSTEM, data),))


def decide(
    request: ApprovalRequest,
    actor: Actor,
    verdict: Verdict,
    *,
    is_listed: bool,
    now: datetime,
    comment: str = "",
    groups: tuple[int, ...] = (),
    bar: str = "",
    account: str = "",
) -> ApprovalChange:
    """Count one person's answer, for the groups it may count for; `bar` is why they may never approve this.

    Raises NotAnApprover, OwnRequest, Closed, ReasonMissing. The order matters: somebody without the right learns
    nothing else.
    """
    check_open(request, is_listed=is_listed, now=now, is_objection=verdict == "Reject")
    is_own = actor.id == request.requested_by.id and not request.may_approve_own
    if verdict == "Approve" and is_own:
        raise OwnRequest("You started this, so somebody else has to approve it.")
    if verdict == "Approve" and bar:
        raise OwnRequest(bar)
    if any(decision.actor.id == actor.id for decision in request.decisions):
        raise Closed("Your answer has been counted already.")
    if verdict == "Reject" and request.needs_reason and not comment.strip():
        raise ReasonMissing("Please say why: this question is rejected only with a reason.")
    return _counted(request, Decision(actor, verdict, now, comment, groups, account))


def check_open(request: ApprovalRequest, *, is_listed: bool, now: datetime, is_objection: bool = False) -> None:
    """Whether somebody may do anything to the question. Raises NotAnApprover, Closed.

    Where silence approves, an objection counts for as long as silence has not been taken for an answer.
    """
    if not is_listed:
        raise NotAnApprover("You are not among the people who may decide this.")
    if not request.is_open:
        raise Closed(_closed(request))
    may_object_yet = is_objection and request.at_expiry == "approve"
    if request.expires_at is not None and now >= request.expires_at and not may_object_yet:
        raise Closed("This request has expired. Nothing was decided.")


def _closed(request: ApprovalRequest) -> str:
    if not request.decisions:
        return f"This request is closed already ({request.status})."
    last = request.decisions[-1]
    return f"This was decided already: {request.status} by {last.actor.name or last.actor.id}."


def _counted(request: ApprovalRequest, decision: Decision) -> ApprovalChange:
    request = replace(request, decisions=(*request.decisions, decision))
    data: dict[str, Json] = {
        "request_id": request.id,
        "step": request.step_name,
        "verdict": decision.verdict,
        "digest": request.digest,
    }
    if decision.comment:
        data["comment"] = decision.comment
    if decision.account and decision.account != decision.actor.id:
        data["account"] = decision.account
    counted = Event("approval.decided", request.execution_id, decision.actor, data)
    if decision.verdict == "Reject" and (request.rejection == "first" or is_reached(request, "Reject")):
        return _concluded(request, RequestStatus.REJECTED, counted)
    if is_reached(request, "Approve"):
        return _concluded(request, RequestStatus.APPROVED, counted)
    return ApprovalChange(request, (counted,))


def _concluded(request: ApprovalRequest, status: RequestStatus, *before: Event, because: str = "") -> ApprovalChange:
    data: dict[str, Json] = {
        "request_id": request.id,
        "step": request.step_name,
        "step_execution_id": request.step_execution_id,
        "status": str(status),
        "by": [decision.actor.id for decision in request.decisions],
    }
    if because:
        data["because"] = because
    concluded = Event("approval.concluded", request.execution_id, SYSTEM, data)
    return ApprovalChange(replace(request, status=status), (*before, concluded))


def withdraw(request: ApprovalRequest, status: RequestStatus, because: str = "") -> ApprovalChange:
    """Close a question whose step no longer waits (timed out, cancelled). An answered one stays as it is."""
    return _concluded(request, status, because=because) if request.is_open else ApprovalChange(request)


def void(request: ApprovalRequest, because: str) -> ApprovalChange:
    """Take back a question, answered or not, of which the step has not heard: it has to be asked anew."""
    event = _event(request, "approval.voided", SYSTEM, {"because": because})
    if not request.is_open:
        request = replace(request, hold_until=None)
    return _concluded(request, RequestStatus.CANCELLED, event, because=because)


def tend(request: ApprovalRequest, now: datetime) -> ApprovalChange:
    """Do what is due by itself: end it, hand it on to the next people, remind those who may answer."""
    if not request.is_open:
        return ApprovalChange(request)
    if because := reworded(request):
        return void(request, because)
    if request.expires_at is not None and now >= request.expires_at:
        return _expired(request)
    events: list[Event] = []
    while request.escalations and request.escalations[0].at <= now:
        step, groups = request.escalations[0], list(request.groups)
        groups[step.group] = replace(groups[step.group], names=(*groups[step.group].names, *step.names))
        request = replace(request, groups=tuple(groups), escalations=request.escalations[1:])
        request = replace(request, seal=seal_of(request) if request.seal else "")
        to: dict[str, Json] = {"to": [*step.names], "group": groups[step.group].title}
        events.append(_event(request, "approval.escalated", SYSTEM, to))
    due = [moment for moment in request.reminders if moment <= now]
    if due:
        request = replace(request, reminders=request.reminders[len(due) :])
        events += [] if events else [_event(request, "approval.reminded", SYSTEM, {})]
    return ApprovalChange(request, tuple(events))


def _expired(request: ApprovalRequest) -> ApprovalChange:
    """By silence nothing is approved, unless the policy says so and nobody objected."""
    is_objected = any(each.verdict == "Reject" for each in request.decisions)
    if request.at_expiry == "approve" and not is_objected:
        return _concluded(request, RequestStatus.APPROVED, because="nobody objected in time")
    return _concluded(request, RequestStatus.TIMED_OUT)


def revoke(request: ApprovalRequest, actor: Actor, *, now: datetime) -> ApprovalChange:
    """Take back one's own answer; a question that it had closed is open again. Raises NotAnApprover, Closed.

    Where the glass was broken, that goes with it: nobody's answer is as it was when they broke it. Whoever calls this
    makes sure that the step has not heard of the answer.
    """
    mine = [each for each in request.decisions if each.actor.id == actor.id]
    if not mine:
        raise NotAnApprover("You have given no answer here that could be taken back.")
    if request.status not in (RequestStatus.WAITING, RequestStatus.APPROVED, RequestStatus.REJECTED):
        raise Closed(_closed(request))
    if request.is_open and request.expires_at is not None and now >= request.expires_at:
        raise Closed("This request has expired, so nothing can be taken back.")
    gone = {actor.id} | ({request.decisions[-1].actor.id} if is_broken(request) else set())
    revoked = _event(request, "approval.revoked", actor, {"verdict": mine[0].verdict})
    return ApprovalChange(_open_again(without(request, gone)), (revoked,))


def delegate(
    request: ApprovalRequest, by: Actor, to: Actor, *, groups: tuple[int, ...], now: datetime, account: str = ""
) -> ApprovalChange:
    """Hand one's answer to somebody else, who then answers instead. Raises Closed."""
    if any(each.actor.id in (by.id, to.id) for each in request.decisions):
        raise Closed("That answer has been counted already.")
    handed = Delegation(by, to, now, groups)
    event = _event(request, "approval.delegated", by, {"to": to.id, "name": to.name})
    known = request.facts.get(ACCOUNTS)
    accounts: dict[str, Json] = {**(known if isinstance(known, Mapping) else {}), by.id: account or by.id}
    facts = {**request.facts, ACCOUNTS: accounts}
    return ApprovalChange(replace(request, delegations=(*request.delegations, handed), facts=facts), (event,))


def account_of(request: ApprovalRequest, by: Actor) -> str:
    """The account by which somebody has handed their answer over."""
    known = request.facts.get(ACCOUNTS)
    return str(known.get(by.id, by.id)) if isinstance(known, Mapping) else by.id


def is_broken(request: ApprovalRequest) -> bool:
    """Whether it was decided by break-glass: by the last of the answers."""
    return bool(request.facts.get("broken")) and bool(request.decisions)


def breaker(request: ApprovalRequest) -> Actor:
    """Who broke the glass, also where that was taken back."""
    known = request.facts.get(BREAKER)
    if isinstance(known, Mapping):
        return Actor("person", str(known.get("id")), str(known.get("name")))
    return request.decisions[-1].actor if request.decisions else SYSTEM


def break_glass(
    request: ApprovalRequest, actor: Actor, reason: str, target: str, *, now: datetime, account: str = ""
) -> ApprovalChange:
    """Approve alone, in an emergency. Whoever calls this has checked that they may, the reason and the target."""
    decision = Decision(actor, "Approve", now, reason, tuple(range(len(request.groups))), account)
    facts: dict[str, Json] = {**request.facts, "broken": True, BREAKER: {"id": actor.id, "name": actor.name}}
    decisions = (*without(request, (actor.id,)).decisions, decision)
    request = replace(request, decisions=decisions, facts=facts, review_at=now + REVIEW_EVERY)
    data: dict[str, Json] = {"reason": reason, "target": target, "account": account}
    broken = _event(request, "breakglass.used", actor, data)
    return _concluded(request, RequestStatus.APPROVED, broken, because="break-glass")


def look(request: ApprovalRequest, situation: Mapping[str, Json], *, is_news: bool) -> ApprovalChange:
    """Keep what was seen; with `is_news` it is otherwise than the card says."""
    data: dict[str, Json] = {"is_news": is_news, "alarm": situation.get("alarm"), "states": situation.get("states")}
    facts = {"first_situation": dict(situation), **request.facts, "situation": dict(situation)}
    event = _event(request, "approval.looked", SYSTEM, data)
    return ApprovalChange(replace(request, facts=facts, look_at=None), (event,))


def nag(request: ApprovalRequest, now: datetime) -> ApprovalChange:
    """Say again that a break-glass waits for its review, if it is time to."""
    if request.review_at is None or now < request.review_at:
        return ApprovalChange(request)
    who = breaker(request)
    event = _event(request, "breakglass.reminded", SYSTEM, {"who": who.name or who.id})
    return ApprovalChange(replace(request, review_at=now + REVIEW_EVERY), (event,))


def check_review(request: ApprovalRequest, actor: Actor) -> None:
    """Whether there is a break-glass that this approver may review. Raises Closed, OwnRequest."""
    if request.review_at is None:
        raise Closed("There is nothing to review here, or it was reviewed already.")
    if actor.id == breaker(request).id:
        raise OwnRequest("You broke the glass, so somebody else has to review it.")


def review(request: ApprovalRequest, actor: Actor, note: str) -> ApprovalChange:
    """Close the review of a break-glass. Raises Closed, OwnRequest, ReasonMissing."""
    check_review(request, actor)
    if not note.strip():
        raise ReasonMissing("Say what the review has found.")
    event = _event(request, "breakglass.reviewed", actor, {"note": note.strip()})
    return ApprovalChange(replace(request, review_at=None), (event,))


def hold(request: ApprovalRequest, until: datetime, why: str = "") -> ApprovalChange:
    """Wait before the step hears of it, until nothing speaks against that; each reason is said once."""
    is_news = bool(why) and why != request.facts.get("held")
    events = (_event(request, "approval.held", SYSTEM, {"because": why}),) if is_news else ()
    facts = {**request.facts, "held": why} if why else request.facts
    return ApprovalChange(replace(request, hold_until=until, facts=facts), events)


def release(request: ApprovalRequest) -> ApprovalChange:
    """Let the step hear of it."""
    facts = {name: value for name, value in request.facts.items() if name != "held"}
    return ApprovalChange(replace(request, hold_until=None, facts=facts))


def reopen(request: ApprovalRequest, lost: Mapping[str, str]) -> ApprovalChange:
    """Take out the answers of people who may not answer any more (actor id -> why); the question is open again."""
    events = tuple(
        _event(request, "approval.invalidated", SYSTEM, {"whose": each, "because": why}) for each, why in lost.items()
    )
    return ApprovalChange(_open_again(without(request, lost)), events)


def _open_again(request: ApprovalRequest) -> ApprovalRequest:
    facts = {name: value for name, value in request.facts.items() if name not in ("broken", "held")}
    return replace(request, status=RequestStatus.WAITING, hold_until=None, facts=facts)


def without(request: ApprovalRequest, people: Collection[str]) -> ApprovalRequest:
    """The question as if these people had not answered."""
    return replace(request, decisions=tuple(each for each in request.decisions if each.actor.id not in people))


def group_titles(groups: tuple[ApproverGroup, ...]) -> tuple[str, ...]:
    """What the groups are called, numbered where they have no name."""
    return tuple(each.title or f"group {number}" for number, each in enumerate(groups, 1))


def _event(request: ApprovalRequest, name: str, actor: Actor, data: dict[str, Json]) -> Event:
    named: dict[str, Json] = {"request_id": request.id, "step": request.step_name}
    return Event(name, request.execution_id, actor, {**named, **data})
