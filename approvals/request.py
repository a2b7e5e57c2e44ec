"""A question to people and their answers, as plain data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from audit.events import Actor, Event
from infra.canonical import Json

Verdict = Literal["Approve", "Reject"]


class RequestStatus(StrEnum):
    """SSM's ApprovalStatus, and the two ways a question can end without an answer."""

    WAITING = "Waiting"
    APPROVED = "Approved"
    REJECTED = "Rejected"
    TIMED_OUT = "TimedOut"
    CANCELLED = "Cancelled"


@dataclass(frozen=True, slots=True)
class Decision:
    """One person's answer."""

    actor: Actor
    verdict: Verdict
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One question: about one step of one execution, one attempt. `digest` binds it to what was shown."""

    id: str
    execution_id: str
    step_execution_id: str
    step_name: str
    message: str
    approver_lists: tuple[tuple[str, ...], ...]
    """A person must be named in every one of these lists (the runbook's, and the playbook's where it has one)."""
    minimum: int
    requested_by: Actor
    asked_at: datetime
    digest: str
    may_approve_own: bool = False
    expires_at: datetime | None = None
    playbook: str = ""
    title: str = ""
    status: RequestStatus = RequestStatus.WAITING
    decisions: tuple[Decision, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    version: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.status is RequestStatus.WAITING


@dataclass(frozen=True, slots=True)
class ApprovalChange:
    """A request as it is now, and the events that say why."""

    state: ApprovalRequest
    events: tuple[Event, ...] = ()
