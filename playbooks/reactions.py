"""What follows from what happened: a step that waits asks people; an answered question signals the engine.

Called by the relay with each event, once or more, in the transaction that moves its cursor. Repetition is harmless:
a question exists once per step execution, and a signal that no longer fits is dropped.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from approvals import policy
from approvals.request import ApprovalRequest, Decision, RequestStatus, Verdict
from approvals.store import ApprovalStore
from audit.events import SYSTEM
from audit.trail import Entry
from engine.execution import Execution, Status, StepExecution
from engine.protocol import Engine, ExecutionNotFound
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Transaction
from playbooks.asking import Asking, is_waiting_for
from playbooks.deciding import AGAIN
from playbooks.shelf import Shelf
from playbooks.starters import Starters

log = structlog.get_logger()

APPROVE = "aws:approve"
PAUSED = timedelta(minutes=5)
"""How often it is looked at anyway whether a pause has ended."""


def _watch_nothing(_request_id: str, _expires_at: datetime) -> None:
    """Used where nobody closes questions whose time is up."""


def _react_no_further(_tx: Transaction, _entry: Entry) -> None:
    """Used where nothing holds starts back."""


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
        is_attested: Callable[[], bool] = lambda: False,
        looks: bool = False,
        starters: Starters | None = None,
        also: Callable[[Transaction, Entry], None] = _react_no_further,
        hold: Callable[[Connection], str] = lambda _connection: "",
    ) -> None:
        """`is_attested`: whether those who agreed are looked at once more before the step goes on, outside of here.

        `hold`: why no step may go on now, in a sentence; "" = they may.
        """
        self._executions, self._approvals, self._engine = executions, approvals, engine
        self._clock, self._watch = clock, watch
        self.asking = Asking(executions, catalog, clock, speaks_as=frozenset(speaks_as), new_id=new_id, looks=looks)
        self._is_attested, self._also, self._hold, self._starters = is_attested, also, hold, starters
        self._handlers: Mapping[str, Callable[[Transaction, Entry], None]] = {
            "step.waiting": self._ask,
            "approval.asked": self._have_expire,
            "approval.escalated": self._have_expire,
            "approval.reminded": self._have_expire,
            "approval.revoked": self._have_expire,
            "breakglass.used": self._have_expire,
            "breakglass.reminded": self._have_expire,
            "step.ended": self._withdraw,
            "execution.ended": self._withdraw_all,
            "approval.concluded": self._concluded,
            "bot.resumed": self._look_again,
        }

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """React to one event."""
        handler = self._handlers.get(entry.event.name)
        if handler is not None:
            handler(tx, entry)
        self._also(tx, entry)

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
        """The question of a waiting step; it is asked now, if it was not before, or if its plan has changed."""
        asked = self._approvals.of_step(tx, step.id)
        if asked is not None and asked.status is not RequestStatus.CANCELLED:
            changed = self.asking.change_since(asked, state)
            if not changed:
                return asked
            self._approvals.save(tx, policy.void(asked, changed), self._clock())
        request = self.asking.request(tx, state, step, revision=asked.revision + 1 if asked else 1)
        self._approvals.add(tx, policy.ask(request), self._clock())
        return request

    def _have_expire(self, tx: Transaction, entry: Entry) -> None:
        request = self._approvals.get(tx, str(entry.event.data["request_id"]))
        due_at = request.due_at if request else None
        if request is not None and due_at is not None:
            tx.on_commit(lambda: self._watch(request.id, due_at))

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

    def _concluded(self, tx: Transaction, entry: Entry) -> None:
        """Have the step hear of it; what was taken back while the step waits is asked anew."""
        found = self._approvals.get(tx, str(entry.event.data["request_id"]))
        if found is None:
            return
        claimed = self._executions.lock(tx, found.execution_id)
        request = self._approvals.lock(tx, found.id)
        state = claimed.execution if claimed else None
        if request is None or state is None or state.step is None or not is_waiting_for(request, state):
            return
        if request.status is RequestStatus.CANCELLED:
            if self._is_asked_again(tx, entry, request):
                self.question(tx, state, state.step)
        elif request.status is RequestStatus.APPROVED and self._is_attested():
            now = self._clock()
            self._approvals.save(tx, policy.hold(request, now), now)
            tx.on_commit(lambda: self._watch(request.id, now))
        else:
            self.tell(tx, request)

    def _look_again(self, tx: Transaction, _entry: Entry) -> None:
        """A pause has ended: what it held goes on now."""
        for _, request_id in self._approvals.due(tx.connection):
            tx.on_commit(partial(self._watch, request_id, self._clock()))

    def _is_asked_again(self, tx: Transaction, entry: Entry, request: ApprovalRequest) -> bool:
        latest = self._approvals.of_step(tx, request.step_execution_id)
        return bool(entry.event.data.get("because")) and latest is not None and latest.id == request.id

    def tell(self, tx: Transaction, request: ApprovalRequest) -> None:
        """Give each counted answer to the waiting step, in order; not if its plan has changed meanwhile.

        While everything is paused an approved question keeps its answers, so that they can still be taken back.
        """
        state, now = self._executions.get(tx, request.execution_id), self._clock()
        latest = self._approvals.get(tx, request.id) or request
        changed = self.asking.change_since(request, state)
        if changed:
            self._approvals.save(tx, policy.void(latest, changed), now)
            return
        is_going_on = request.status is RequestStatus.APPROVED and is_waiting_for(request, state)
        paused = self._hold(tx.connection) if is_going_on else ""
        why = paused or (self._why_not(tx, request) if is_going_on else "")
        if why:
            until = now + (PAUSED if paused else AGAIN)
            self._approvals.save(tx, policy.hold(latest, until, why), now)
            tx.on_commit(lambda: self._watch(request.id, until))
            return
        if latest.hold_until is not None:
            self._approvals.save(tx, policy.release(latest), now)
        for signal in self._signals(tx, request):
            try:
                self._engine.signal(tx, request.execution_id, signal)
            except (SignalRefused, ExecutionNotFound) as error:
                log.info("signal no longer fits", execution=request.execution_id, reason=str(error))
                return

    def _why_not(self, tx: Transaction, request: ApprovalRequest) -> str:
        """Why who started it may not have it go on. Who has to be asked for that, was asked before (Deciding.tend)."""
        if self._starters is None or self._is_attested() or policy.is_broken(request):
            return ""
        return self._starters.bar(self._starters.of(tx, request.execution_id))

    def tell_at_once(self, tx: Transaction, request: ApprovalRequest) -> None:
        """Have a step hear at once of a question that is closed, as AWS does, where no playbook asks for more than it.

        Before, it hears nothing, for an answer may be taken back. It is left to the relay where those who agreed are
        looked at once more, or everything is paused.
        """
        state = self._executions.get(tx, request.execution_id)
        is_approved = request.status is RequestStatus.APPROVED
        is_looked_at = is_approved and (self._is_attested() or bool(self._hold(tx.connection)))
        if request.is_open or request.playbook or not is_waiting_for(request, state) or is_looked_at:
            return
        self.tell(tx, request)

    def _signals(self, tx: Transaction, request: ApprovalRequest) -> list[Signal]:
        """What the step has to hear of a closed question."""
        step_id = request.step_execution_id
        if request.status is RequestStatus.TIMED_OUT and not self._ends_by_itself(tx, request):
            limit = request.expires_at - request.asked_at if request.expires_at else timedelta(0)
            comment = {"Comment": f"nobody answered within {_in_words(limit)}"}
            return [Signal(SignalType.REJECT, SYSTEM, step_id, comment)]
        if request.status is RequestStatus.APPROVED and not request.decisions:
            return [Signal(SignalType.APPROVE, SYSTEM, step_id, {"Comment": "nobody objected in time"})]
        verdict = _DECISIVE.get(request.status)
        counted = [decision for decision in request.decisions if decision.verdict == verdict]
        return [_signal(each, step_id) for each in counted]

    def _ends_by_itself(self, tx: Transaction, request: ApprovalRequest) -> bool:
        """Whether the step waits no more, or is over its own time, of which the engine takes care."""
        state = self._executions.get(tx, request.execution_id)
        step = state.step if state else None
        if state is None or step is None or step.id != request.step_execution_id or not step.signals:
            return True
        return state.deadline_at is not None and state.deadline_at <= self._clock()


def _signal(decision: Decision, step_id: str) -> Signal:
    comment = {"Comment": decision.comment} if decision.comment else {}
    return Signal(_SIGNALS[decision.verdict], decision.actor, step_id, comment)


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
