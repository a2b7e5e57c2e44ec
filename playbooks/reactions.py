"""What follows from what happened: a step that waits asks people; an answered question signals the engine.

Called by the relay with each event, once or more, in the transaction that moves its cursor. Repetition is harmless:
a question exists once per step execution, and a signal that no longer fits is dropped.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import structlog

from approvals import policy
from approvals.request import ApprovalRequest, RequestStatus, Verdict
from approvals.store import ApprovalStore
from audit.events import SYSTEM
from audit.trail import Entry
from engine.execution import Execution, Status, StepExecution
from engine.protocol import Engine, ExecutionNotFound
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from infra.canonical import Json, digest
from infra.clock import Clock
from infra.db import Transaction
from playbooks.operations import Shelf
from playbooks.playbook import Playbook

log = structlog.get_logger()

APPROVE = "aws:approve"


def _watch_nothing(_request_id: str, _expires_at: datetime) -> None:
    """Used where nobody closes questions whose time is up."""


class Reactions:
    """The consequences that cross from one core to the other."""

    def __init__(
        self,
        *,
        executions: ExecutionStore,
        approvals: ApprovalStore,
        engine: Engine,
        catalog: Shelf,
        clock: Clock,
        new_id: Callable[[], str],
        watch: Callable[[str, datetime], None] = _watch_nothing,
        speaks_as: Collection[str] = (),
    ) -> None:
        self._executions, self._approvals, self._engine = executions, approvals, engine
        self._catalog, self._clock, self._new_id, self._watch = catalog, clock, new_id, watch
        self._speaks_as = frozenset(speaks_as)
        self._handlers: Mapping[str, Callable[[Transaction, Entry], None]] = {
            "step.waiting": self._ask,
            "approval.asked": self._have_expire,
            "step.ended": self._withdraw,
            "execution.ended": self._withdraw_all,
            "approval.concluded": self._tell_engine,
        }

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """React to one event."""
        handler = self._handlers.get(entry.event.name)
        if handler is not None:
            handler(tx, entry)

    def _ask(self, tx: Transaction, entry: Entry) -> None:
        if entry.event.data.get("action") != APPROVE:
            return
        step_execution_id = str(entry.event.data["step_execution_id"])
        state = self._executions.get(tx, entry.event.subject)
        step = state.step if state else None
        if state is None or step is None or step.id != step_execution_id or not step.signals:
            return
        self.question(tx, state, step)

    def question(self, tx: Transaction, state: Execution, step: StepExecution) -> ApprovalRequest:
        """The question of a waiting step; it is asked now, if it was not before."""
        asked = self._approvals.of_step(tx, step.id)
        if asked is not None:
            return asked
        request = self._request(tx, state, step)
        self._approvals.add(tx, policy.ask(request), self._clock())
        return request

    def _is_from_api(self, tx: Transaction, state: Execution) -> bool:
        """Whether the execution, or the one at the top of it, came through SSM's API, where no four eyes are asked."""
        while state.parent_id:
            parent = self._executions.get(tx, state.parent_id)
            if parent is None:
                break
            state = parent
        return state.context.get("door") == "api"

    def _request(self, tx: Transaction, state: Execution, step: StepExecution) -> ApprovalRequest:
        playbook = self._catalog.get(str(state.context.get("playbook", "")))
        lists = self._lists(state, step, playbook)
        required = int(str(step.inputs.get("MinRequiredApprovals") or 1))
        return ApprovalRequest(
            id=self._new_id(),
            execution_id=state.id,
            step_execution_id=step.id,
            step_name=step.name,
            message=str(step.inputs.get("Message") or ""),
            approver_lists=tuple(lists),
            minimum=max(required, playbook.minimum_approvals if playbook else 1),
            requested_by=state.started_by,
            asked_at=self._clock(),
            digest=plan_digest(state, step),
            may_approve_own=playbook.may_approve_own if playbook else self._is_from_api(tx, state),
            expires_at=_earlier(state.deadline_at, step, playbook.approval_expiry if playbook else None),
            playbook=str(state.context.get("playbook", "")),
            title=str(state.context.get("title", "") or state.document_name),
        )

    def _lists(self, state: Execution, step: StepExecution, playbook: Playbook | None) -> list[tuple[str, ...]]:
        """Who may answer: the step's own list and the playbook's, and a person must be on both.

        On AWS a step lists the identities that may signal. Where the bot is one of them it speaks for the people of
        the playbook, so that their list alone counts, and an empty one means nobody.
        """
        own = _names(step.inputs.get("Approvers"))
        ours = playbook.approvers if playbook is not None else ()
        if state.engine == "ssm" and self._speaks_as & set(own):
            return [ours]
        return [own, ours] if ours else [own]

    def _have_expire(self, tx: Transaction, entry: Entry) -> None:
        expires_at = entry.event.data.get("expires_at")
        if expires_at:
            request_id, moment = str(entry.event.data["request_id"]), datetime.fromisoformat(str(expires_at))
            tx.on_commit(lambda: self._watch(request_id, moment))

    def _withdraw(self, tx: Transaction, entry: Entry) -> None:
        """Close what a step that waits no more has asked; by its state now, for the event may come again, and late."""
        if entry.event.data.get("action") != APPROVE:
            return
        state = self._executions.get(tx, entry.event.subject)
        steps = {step.id: step for step in state.steps} if state else {}
        for request in self._approvals.of_execution(tx, entry.event.subject):
            step = steps.get(request.step_execution_id)
            if request.is_open and (step is None or not step.signals):
                status = _ENDED.get(step.status, RequestStatus.CANCELLED) if step else RequestStatus.CANCELLED
                self._approvals.save(tx, policy.withdraw(request, status), self._clock())

    def _withdraw_all(self, tx: Transaction, entry: Entry) -> None:
        for request in self._approvals.of_execution(tx, entry.event.subject):
            if request.is_open:
                self._approvals.save(tx, policy.withdraw(request, RequestStatus.CANCELLED), self._clock())

    def _tell_engine(self, tx: Transaction, entry: Entry) -> None:
        """Give each counted answer to the waiting step, in order."""
        request = self._approvals.get(tx, str(entry.event.data["request_id"]))
        if request is None:
            return
        for signal in self._signals(tx, request):
            try:
                self._engine.signal(tx, request.execution_id, signal)
            except (SignalRefused, ExecutionNotFound) as error:
                log.info("signal no longer fits", execution=request.execution_id, reason=str(error))
                return

    def _signals(self, tx: Transaction, request: ApprovalRequest) -> list[Signal]:
        """What the step has to hear of a closed question."""
        step_id = request.step_execution_id
        if request.status is RequestStatus.TIMED_OUT and not self._ends_by_itself(tx, request):
            limit = request.expires_at - request.asked_at if request.expires_at else timedelta(0)
            comment = {"Comment": f"nobody answered within {_in_words(limit)}"}
            return [Signal(SignalType.REJECT, SYSTEM, step_id, comment)]
        verdict = _DECISIVE.get(request.status)
        counted = [decision for decision in request.decisions if decision.verdict == verdict]
        return [
            Signal(_SIGNALS[each.verdict], each.actor, step_id, {"Comment": each.comment} if each.comment else {})
            for each in counted
        ]

    def _ends_by_itself(self, tx: Transaction, request: ApprovalRequest) -> bool:
        """Whether the step waits no more, or is over its own time, of which the engine takes care."""
        state = self._executions.get(tx, request.execution_id)
        step = state.step if state else None
        if state is None or step is None or step.id != request.step_execution_id or not step.signals:
            return True
        return state.deadline_at is not None and state.deadline_at <= self._clock()


def _in_words(limit: timedelta) -> str:
    minutes = round(limit.total_seconds() / 60)
    return f"{minutes} minutes" if minutes != 1 else "a minute"


_ENDED: Mapping[Status, RequestStatus] = {
    Status.TIMED_OUT: RequestStatus.TIMED_OUT,
    Status.SUCCESS: RequestStatus.APPROVED,
    Status.FAILED: RequestStatus.REJECTED,
}
"""What became of a question whose step has ended without our answer: somebody decided it in AWS's own console."""
_DECISIVE: Mapping[RequestStatus, Verdict] = {RequestStatus.APPROVED: "Approve", RequestStatus.REJECTED: "Reject"}
"""A rejected question has had approvals, too, of which the step must not hear."""
_SIGNALS: Mapping[Verdict, SignalType] = {"Approve": SignalType.APPROVE, "Reject": SignalType.REJECT}


def _names(value: Json) -> tuple[str, ...]:
    return tuple(str(name) for name in value) if isinstance(value, list) else ((str(value),) if value else ())


def _earlier(deadline: datetime | None, step: StepExecution, expiry: timedelta | None) -> datetime | None:
    """The sooner of the step's own time-out and the playbook's expiry."""
    if expiry is None or step.started_at is None:
        return deadline
    limit = step.started_at + expiry
    return limit if deadline is None else min(deadline, limit)


def plan_digest(state: Execution, step: StepExecution) -> str:
    """What an answer is bound to: the document, the parameters, the step and its resolved inputs."""
    return digest([state.document_digest, dict(state.parameters), step.name, step.attempt, dict(step.inputs)])
