"""A question to people and their answers, as plain data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from audit.events import Actor, Event
from infra.canonical import Json, digest

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
    """One person's answer, the groups it counts for, and the account by which it was given."""

    actor: Actor
    verdict: Verdict
    at: datetime
    comment: str = ""
    groups: tuple[int, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True)
class ApproverGroup:
    """Some people, and how many of them must agree. A person counts for one group only."""

    names: tuple[str, ...]
    minimum: int = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class Escalation:
    """From `at` on these people may answer for the group, too."""

    at: datetime
    group: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delegation:
    """One approver has handed their answer to somebody else."""

    by: Actor
    to: Actor
    at: datetime
    groups: tuple[int, ...] = ()


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
    groups: tuple[ApproverGroup, ...] = ()
    """Each must reach its own minimum; none = whoever is on every list counts."""
    barred: tuple[tuple[str, str], ...] = ()
    """(person, account or entry of a list; why) who may never approve this."""
    rejection: Literal["first", "quorum"] = "first"
    """Whether one rejection ends it, or as many as an approval needs."""
    needs_reason: bool = False
    """Whether a rejection counts only with a reason."""
    at_expiry: Literal["reject", "approve"] = "reject"
    reminders: tuple[datetime, ...] = ()
    """When those who may answer are reminded; past ones are taken out."""
    escalations: tuple[Escalation, ...] = ()
    """Those to come."""
    delegates: tuple[str, ...] = ()
    """To whom an approver may hand over."""
    delegations: tuple[Delegation, ...] = ()
    breakers: tuple[str, ...] = ()
    """Who may break the glass: decide alone, with a reason, and be reviewed."""
    revision: int = 1
    """Counts the questions of one step: a plan that has changed is asked about anew."""
    seal: str = ""
    """Digest of the question's own words and rules, as they were shown; "" = asked before there were seals."""
    look_at: datetime | None = None
    """When it is to be looked whether this is still needed, and what would be lost."""
    review_at: datetime | None = None
    """The glass was broken and nobody has reviewed it: when that is said again."""
    hold_until: datetime | None = None
    """It is decided, but who decided must be looked at once more before the step goes on."""

    @property
    def is_open(self) -> bool:
        """Whether it still waits for an answer."""
        return self.status is RequestStatus.WAITING

    @property
    def due_at(self) -> datetime | None:
        """When something has to be done about it by itself."""
        if not self.is_open:
            return min((each for each in (self.hold_until, self.review_at) if each is not None), default=None)
        moments = [*self.reminders[:1], *(each.at for each in self.escalations[:1])]
        moments += [each for each in (self.expires_at, self.look_at) if each is not None]
        return min(moments, default=None)


def seal_of(request: ApprovalRequest) -> str:
    """Digest of what a reader of the question sees, and of the rules by which it is decided."""
    groups = [[each.names, each.minimum, each.title] for each in request.groups]
    rules = [request.rejection, request.needs_reason, request.at_expiry, request.may_approve_own, request.barred]
    words = [request.message, request.title, request.step_name, request.minimum, request.facts.get("shown")]
    more = [request.delegates, request.breakers, request.expires_at]
    to_come = [[[each.at, each.group, each.names] for each in request.escalations]] if request.escalations else []
    return digest([words, request.approver_lists, groups, rules, more, *to_come])


def reworded(request: ApprovalRequest) -> str:
    """That the question is not the one that was shown, in words; "" where it is."""
    is_other = bool(request.seal) and seal_of(request) != request.seal
    return "the question is not worded as it was shown" if is_other else ""


@dataclass(frozen=True, slots=True)
class ApprovalChange:
    """A request as it is now, and the events that say why."""

    state: ApprovalRequest
    events: tuple[Event, ...] = ()
