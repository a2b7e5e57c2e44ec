"""Running one wanted call outside any transaction: the action, its AWS, and the events of what it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from audit.events import Event
from engine.action import Action, ActionContext, AwsApi, ChildResult, Failed, FailureType, Outcome, Stage
from engine.attachments import Attachments
from engine.conductor import Call
from engine.document import Document
from engine.execution import Execution, Status
from engine.expressions import Scope, resolve
from engine.guarded_aws import AwsCallRecord, GuardedAws, RecordingAws
from engine.rules import Rules, system_values
from engine.wire import NO_OUTPUT
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json
from infra.clock import Clock

log = structlog.get_logger()


AwsFor = Callable[[Execution], RecordingAws]
MayAct = Callable[[], bool]


class Abandoned(Exception):
    """The lease ran out while the action worked: others may do the step now, so AWS must not be called any more."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        super().__init__()
        self.events = tuple(events)


def _always() -> bool:
    return True


def _make_sure(may_act: MayAct) -> None:
    if not may_act():
        raise Abandoned


@dataclass(frozen=True, slots=True)
class Performer:
    """Runs calls. `aws_for` opens AWS in the execution's account and Region, as its role."""

    actions: Mapping[str, Action[Any]]
    aws_for: AwsFor
    clock: Clock
    poll: timedelta = timedelta(seconds=5)
    services: Mapping[str, Any] = field(default_factory=dict)
    attachments: Attachments | None = None

    def perform(
        self,
        state: Execution,
        document: Document,
        call: Call,
        *,
        may_have_run: bool,
        child: ChildResult | None,
        children: tuple[ChildResult, ...] = (),
        may_act: MayAct = _always,
    ) -> tuple[Outcome | None, list[Event]]:
        """Run the action (or tell it that it is cancelled): its outcome and the events of its AWS calls.

        Raises Abandoned, with the events so far, where `may_act` says no before a call.
        """
        try:
            aws = self.aws_for(state)
            guarded = GuardedAws(aws, lambda: _make_sure(may_act))
            context = self._context(
                state, document, call, guarded, may_have_run=may_have_run, child=child, children=children
            )  # fmt: skip
        except (AwsRefused, AwsUnreachable) as error:
            return (None if call.kind == "cancel" else refused_by_aws(error)), []
        action = self.actions[call.step.action]
        outcome: Outcome | None = None
        try:
            inputs = action.Inputs.model_validate(dict(call.step.inputs))
            if call.kind == "cancel":
                action.cancel(inputs, context)
            else:
                outcome = action.run(inputs, context)
        except (AwsRefused, AwsUnreachable) as error:
            outcome = None if call.kind == "cancel" else refused_by_aws(error)
        except Abandoned:
            raise Abandoned([_called(state, call, record) for record in aws.drain()]) from None
        except Exception:  # the loop must go on: an action's defect is its step's failure, and is logged
            log.exception("action failed unexpectedly", execution=state.id, step=call.step.name)
            outcome = None if call.kind == "cancel" else Failed("Internal Server Error", type=FailureType.INTERNAL)
        return outcome, [_called(state, call, record) for record in aws.drain()]

    def _context(
        self,
        state: Execution,
        document: Document,
        call: Call,
        aws: AwsApi,
        *,
        may_have_run: bool,
        child: ChildResult | None,
        children: tuple[ChildResult, ...],
    ) -> ActionContext:
        now = self.clock()
        spec = document.step(call.step.name)
        return ActionContext(
            now=now,
            execution_id=state.id,
            step_name=call.step.name,
            step_execution_id=call.step.id,
            token=call.token,
            memo=call.step.memo,
            may_have_run=may_have_run,
            aws=aws,
            system=system_values(state, now),
            variable_types={name: variable.type for name, variable in document.variables.items()},
            child=child,
            children=children,
            timeout=_left(state, Rules(document, self.actions, now).timeout(spec) if spec else None, now),
            poll=self.poll,
            services=self.services,
            files=self._files(document, call),
        )

    def _files(self, document: Document, call: Call) -> Mapping[str, bytes]:
        """The attachment that a script names. Raises AwsRefused when the file is another one."""
        name = call.step.inputs.get("Attachment")
        if not isinstance(name, str) or self.attachments is None:
            return {}
        content = self.attachments.read(document, name)
        return {} if content is None else {name: content}


def _left(state: Execution, timeout: timedelta | None, now: datetime) -> timedelta | None:
    """How long a call may take: what the step allows, and what is left for a chain of onCancel."""
    if state.cancel_deadline_at is None:
        return timeout
    left = max(state.cancel_deadline_at - now, timedelta(seconds=1))
    return left if timeout is None else min(left, timeout)


def _called(state: Execution, call: Call, record: AwsCallRecord) -> Event:
    return Event("aws.called", state.id, data={"step": call.step.name, **record.facts()})


def refused_by_aws(error: AwsRefused | AwsUnreachable) -> Failed:
    """An AWS error that no action has translated, as a step's failure."""
    if isinstance(error, AwsUnreachable):
        return Failed(str(error), type=FailureType.INTERNAL)
    kind = FailureType.PERMISSION if error.is_denied else FailureType.ACTION
    kind = FailureType.THROTTLING if error.is_throttling else kind
    return Failed(str(error), Stage.INVOCATION, kind)


def assumed_role(document: Document, parameters: Mapping[str, Json], system: Mapping[str, Json]) -> str:
    """The role a document asks for with these parameters; "" = run as the caller."""
    if not document.assume_role:
        return ""
    role = resolve(document.assume_role, Scope(parameters=parameters, outputs={}, variables={}, system=system))
    return role.strip() if isinstance(role, str) else ""


def child_result(child: Execution, document: Document) -> ChildResult:
    """What a parent's step sees of its child: the values of its declared outputs, in order."""
    outputs: list[Json] = []
    for name in document.outputs:
        found = child.outputs.get(name, NO_OUTPUT)
        outputs += found if isinstance(found, list) else [found]
    status = str(child.status) if child.is_over else None
    message = child.failure_message if child.status is not Status.SUCCESS else ""
    return ChildResult(child.id, status, tuple(outputs), message)
