"""The rule of an answer: who may give it, when it counts, and when the question is closed. Pure."""

from dataclasses import replace
from datetime import datetime

from approvals.request import ApprovalChange, ApprovalRequest, Decision, RequestStatus, Verdict
from audit.events import SYSTEM, Actor, Event
from infra.canonical import Json


class DecisionRefused(Exception):
    """The answer does not count; the message is a sentence for the person who gave it."""


class Closed(DecisionRefused):
    """The question had been answered, or had expired, before this answer came."""


class NotAnApprover(DecisionRefused):
    """The person is on no list of those who may answer."""


class OwnRequest(DecisionRefused):
    """The person started what they would approve."""


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
    return ApprovalChange(request, (Event("approval.asked", request.execution_id, SYSTEM, data),))


def decide(
    request: ApprovalRequest, actor: Actor, verdict: Verdict, *, is_listed: bool, now: datetime, comment: str = ""
) -> ApprovalChange:
    """Count one person's answer.

    Raises NotAnApprover, OwnRequest, Closed. The order matters: somebody without the right learns nothing else.
    """
    if not is_listed:
        raise NotAnApprover("You are not among the people who may decide this.")
    if not request.is_open:
        raise Closed(_closed(request))
    if request.expires_at is not None and now >= request.expires_at:
        raise Closed("This request has expired. Nothing was decided.")
    if actor.id == request.requested_by.id and not request.may_approve_own and verdict == "Approve":
        raise OwnRequest("You started this, so somebody else has to approve it.")
    if any(decision.actor.id == actor.id for decision in request.decisions):
        raise Closed("Your answer has been counted already.")
    return _counted(request, Decision(actor, verdict, now, comment))


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
    counted = Event("approval.decided", request.execution_id, decision.actor, data)
    approvals = sum(other.verdict == "Approve" for other in request.decisions)
    if decision.verdict == "Reject":
        return _concluded(request, RequestStatus.REJECTED, counted)
    if approvals >= request.minimum:
        return _concluded(request, RequestStatus.APPROVED, counted)
    return ApprovalChange(request, (counted,))


def _concluded(request: ApprovalRequest, status: RequestStatus, *before: Event) -> ApprovalChange:
    data: dict[str, Json] = {
        "request_id": request.id,
        "step": request.step_name,
        "step_execution_id": request.step_execution_id,
        "status": str(status),
        "by": [decision.actor.id for decision in request.decisions],
    }
    concluded = Event("approval.concluded", request.execution_id, SYSTEM, data)
    return ApprovalChange(replace(request, status=status), (*before, concluded))


def withdraw(request: ApprovalRequest, status: RequestStatus) -> ApprovalChange:
    """Close a question whose step no longer waits (timed out, cancelled). An answered one stays as it is."""
    return _concluded(request, status) if request.is_open else ApprovalChange(request)
