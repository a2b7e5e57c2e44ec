"""The question that a waiting step asks: who must agree to what, and what the answer is bound to."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from approvals.request import ApprovalRequest, reworded, seal_of
from engine.execution import Execution, StepExecution
from engine.secrets import masking_of
from engine.store import ExecutionStore
from infra.canonical import Json, digest
from infra.clock import Clock
from infra.db import Transaction
from playbooks.approval_policy import ApprovalPolicy
from playbooks.playbook import Playbook
from playbooks.shelf import Shelf
from playbooks.store import AlarmStore

OWNER_TAGS = ("owner", "team-owner", "owned-by")
"""Tags of an alarm by which somebody owns it, whatever their case."""
UNKNOWN_OWNER = "the alarm's owner, whom none of its tags names"
"""Stands among those who may not approve, so that a card does not keep silent about it."""


@dataclass(frozen=True)
class Asking:
    """Builds questions, and tells whether one still fits its step."""

    executions: ExecutionStore
    catalog: Shelf
    clock: Clock
    alarms: AlarmStore = field(default_factory=AlarmStore)
    speaks_as: frozenset[str] = frozenset()
    new_id: Callable[[], str] = str
    looks: bool = False
    """Whether somebody looks if it is still needed, as soon as it is asked."""

    def request(self, tx: Transaction, state: Execution, step: StepExecution, *, revision: int) -> ApprovalRequest:
        """The question of a waiting step, as it would be asked now."""
        top, now = top_of(self.executions, tx, state), self.clock()
        playbook = self.catalog.get(str(top.context.get("playbook", "")))
        policy = _policy_of(playbook, state, step)
        required = int(str(step.inputs.get("MinRequiredApprovals") or 1))
        expires_at = _earlier(state.deadline_at, step, policy.expires_in)
        is_free = playbook is None and top.context.get("door") == "api"
        request = ApprovalRequest(
            id=self.new_id(),
            execution_id=state.id,
            step_execution_id=step.id,
            step_name=step.name,
            message=masking_of(state).text(str(step.inputs.get("Message") or "")),
            approver_lists=tuple(self._lists(state, step, playbook, policy)),
            minimum=max(required, policy.minimum, sum(group.minimum for group in policy.groups)),
            requested_by=top.started_by,
            asked_at=now,
            digest=plan_digest(state, step, policy),
            may_approve_own=is_free or policy.may_approve_own,
            expires_at=expires_at,
            playbook=str(top.context.get("playbook", "")),
            title=_title(top, state),
            groups=policy.groups,
            barred=policy.bars(editors=playbook.edited_by if playbook else (), owners=self._owners(tx, top)),
            rejection=policy.rejection,
            needs_reason=policy.needs_reason,
            at_expiry=policy.at_expiry if required == 1 else "reject",
            reminders=policy.reminders(now, expires_at),
            escalations=policy.escalations(now),
            delegates=policy.delegates,
            breakers=policy.breakers,
            revision=revision,
            look_at=now if self.looks else None,
        )
        return replace(request, seal=seal_of(request))

    def change_since(self, request: ApprovalRequest, state: Execution | None) -> str:
        """What has changed since the question was put, in words; "" where it still fits."""
        step = state.step if state else None
        if state is None or step is None or step.id != request.step_execution_id or not step.signals:
            return ""
        if plan_digest(state, step, _policy_of(self.catalog.get(request.playbook), state, step)) != request.digest:
            return "what would run, or who must agree to it, is not what was shown"
        return reworded(request)

    def _owners(self, tx: Transaction, state: Execution) -> tuple[str, ...]:
        record = self.alarms.get(tx, str(state.context.get("alarm_key") or "")) if state.context else None
        if record is None:
            return ()
        tags = record.alarm.tags.items()
        return tuple(value for key, value in tags if key.casefold() in OWNER_TAGS and value) or (UNKNOWN_OWNER,)

    def _lists(
        self, state: Execution, step: StepExecution, playbook: Playbook | None, policy: ApprovalPolicy
    ) -> list[tuple[str, ...]]:
        """Who may answer: the step's own list and the playbook's, and a person must be on both.

        On AWS a step lists the identities that may signal. Where the bot is one of them it speaks for the people of
        the playbook, so that their list alone counts, and an empty one means nobody.
        """
        own = _names(step.inputs.get("Approvers"))
        ours = playbook.approvers if playbook is not None else ()
        if state.engine == "ssm" and self.speaks_as & set(own):
            return [ours]
        return [own, ours] if ours and not policy.groups else [own]


def top_of(executions: ExecutionStore, connection: Connection | Transaction, state: Execution) -> Execution:
    """The execution that a playbook or a person started, of which this one is a child, or it itself."""
    while state.parent_id and (parent := executions.get(connection, state.parent_id)) is not None:
        state = parent
    return state


def is_waiting_for(request: ApprovalRequest, state: Execution | None) -> bool:
    """Whether the step of the question still waits for its answer."""
    step = state.step if state else None
    return step is not None and step.id == request.step_execution_id and bool(step.signals)


def _policy_of(playbook: Playbook | None, state: Execution, step: StepExecution) -> ApprovalPolicy:
    """The playbook's policy; its policies of single steps name those of its own runbook, not of children's."""
    if playbook is None:
        return ApprovalPolicy()
    is_its_own = not state.parent_id or state.document_name == playbook.runbook.name
    return playbook.policy_of(step.name if is_its_own else "")


def _title(top: Execution, state: Execution) -> str:
    title = str(top.context.get("title") or top.document_name)
    return f"{title}: {state.document_name}" if state.parent_id else title


def _names(value: Json) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ((str(value),) if value else ())


def _earlier(deadline: datetime | None, step: StepExecution, expiry: timedelta | None) -> datetime | None:
    """The sooner of the step's own time-out and the playbook's expiry."""
    begun = step.attempt_at or step.started_at
    if expiry is None or begun is None:
        return deadline
    limit = begun + expiry
    return limit if deadline is None else min(deadline, limit)


def plan_digest(state: Execution, step: StepExecution, policy: ApprovalPolicy) -> str:
    """What an answer is bound to: the document, the parameters, the place, the step's attempt, its inputs, the rule."""
    plan: Collection[object] = [
        state.document_digest,
        dict(state.parameters),
        [state.account, state.region, state.assume_role],
        [step.name, step.attempt, dict(step.inputs)],
        policy,
    ]
    return digest(plan)
