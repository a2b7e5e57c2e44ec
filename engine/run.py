"""One decision in the making: a state that moves, and the events that say why. Used by the conductor only. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from audit.events import SYSTEM, Actor, Event
from engine import loops, stopping
from engine.action import Action, ActionContext, ActionInputs, Failed, FailureType, Outcome, Stage, Succeeded, Waiting
from engine.document import ABORT, CONTINUE, MISSING, Missing, Step
from engine.execution import Change, Execution, LoopFrame, Status, StepExecution
from engine.expressions import CoercionError, Unknown, coerce, resolve
from engine.rules import Rules, child_execution_id, effect_token, scope_of, step_execution_id, system_values
from engine.selectors import SelectorError, select
from engine.unreachable_aws import NoAws
from infra.canonical import Json

KEEPS_ABSENT: Final[Mapping[str, frozenset[str]]] = {
    "aws:executeScript": frozenset({"InputPayload", "Script"}),
    "aws:invokeLambdaFunction": frozenset({"InputPayload", "Payload"}),
}
"""Inputs in which a reference without a value stays as it is written, `{{ step.Output }}`.

AWS's own scripts ask for it: AWSSupport-ContainEC2Instance, say, tells an instance without an Auto Scaling group by
`asg_name.startswith("{")`. Elsewhere such an input is left out (reference/ssm-automation.md §4.3).
"""
GUIDE = "Please refer to Automation Service Troubleshooting Guide for more diagnosis details."


class Run:
    """Moves one execution. Every method leaves `state` consistent; `change` closes the decision."""

    def __init__(self, state: Execution, rules: Rules) -> None:
        self.state = state
        self.rules = rules
        self.events: list[Event] = []

    def say(self, name: str, *, actor: Actor = SYSTEM, **data: Json) -> None:
        """Add an event of this execution."""
        self.events.append(Event(name, self.state.id, actor, data))

    def change(self) -> Change:
        """The state, with the moment it must be looked at next, and its events."""
        return Change(replace(self.state, due_at=self._due()), tuple(self.events))

    def _due(self) -> datetime | None:
        state = self.state
        match state.phase:
            case "over" | "held":
                return None
            case "ready" if self._is_held_back:
                return None
            case "ready" | "calling" | "cancelling":
                return self.rules.now
            case "backoff":
                moments = (state.wake_at, state.cancel_deadline_at)
            case _:
                moments = (state.wake_at, state.deadline_at, state.cancel_deadline_at)  # type: ignore[assignment]
        return min((moment for moment in moments if moment is not None), default=None)

    # -- time

    def move(self) -> bool:
        """Take one step that is due and needs nobody; False when there is none."""
        state, now = self.state, self.rules.now
        if state.is_over or state.phase in ("calling", "cancelling"):
            return False
        if state.cancel_deadline_at is not None and now >= state.cancel_deadline_at:
            stopping.cut_off(self)
            return True
        if state.phase == "ready" and self._is_held_back:
            self._hold_back()
            return False
        if state.phase == "ready":
            self._begin()
            return True
        if state.phase in ("polling", "signal", "child") and state.deadline_at is not None and now >= state.deadline_at:
            stopping.begin(self, "timeout", SYSTEM)
            return True
        if state.phase in ("polling", "backoff") and state.wake_at is not None and now >= state.wake_at:
            if state.phase == "polling":
                self.wake()
            else:
                self.state = replace(state, phase="ready")
            return True
        return False

    @property
    def _is_held_back(self) -> bool:
        """Whether no step may begin; what is being cancelled cleans up all the same."""
        return bool(self.rules.hold) and self.state.status is not Status.CANCELLING

    def _hold_back(self) -> None:
        """Stay between two steps, and say why once."""
        if self.state.notice == self.rules.hold:
            return
        status = Status.IN_PROGRESS if self.state.status is Status.WAITING else self.state.status
        self.state = replace(self.state, notice=self.rules.hold, status=status)
        self.say("execution.paused", because=self.rules.hold)

    def wake(self) -> None:
        """Let the current step's action be run again."""
        step = self.current()
        step = self.update(step, calls=step.calls + 1)
        self.state = replace(self.state, wake_at=None)
        self._run_or_call(self.rules.actions[step.action], step)

    # -- beginning

    def current(self) -> StepExecution:
        """The running step."""
        step = self.state.step
        if step is None:
            raise LookupError(f"no step of execution {self.state.id} is running")
        return step

    def update(self, step: StepExecution, **fields: object) -> StepExecution:
        """Replace a step of the state by an altered copy, and return it."""
        altered = replace(step, **fields)  # type: ignore[arg-type]  # fields are checked by the dataclass
        steps = tuple(altered if other.id == step.id else other for other in self.state.steps)
        self.state = replace(self.state, steps=steps)
        return altered

    def _begin(self) -> None:
        self.state = replace(self.state, notice="")
        if self.state.current is not None:
            self._attempt(self.current())
            return
        if self.state.upcoming is None:
            self.state = replace(self.state, upcoming=self.rules.document.steps[0].name)
        if self.state.mode == "Interactive" and self.state.status is Status.PENDING:
            self.hold(self.state.upcoming)
            return
        self._enter(self.rules.step(self.state.upcoming or ""))

    def _enter(self, spec: Step) -> None:
        state, now, frame = self.state, self.rules.now, self.state.loop
        step = StepExecution(
            id=step_execution_id(state.id, len(state.steps)),
            name=spec.name,
            action=spec.action,
            status=Status.IN_PROGRESS,
            started_at=now,
            parent_id=frame.step_execution_id if frame else "",
            iteration=frame.iteration if frame else 0,
            iterator_value=loops.value_of(frame) if frame else None,
        )
        status = Status.CANCELLING if state.status is Status.CANCELLING else Status.IN_PROGRESS
        self.state = replace(
            state, status=status, current=len(state.steps), steps=(*state.steps, step), upcoming=None, phase="ready"
        )
        self._attempt(step)

    def _attempt(self, step: StepExecution) -> None:
        spec = self.rules.step(step.name)
        inputs = step.inputs if step.attempt > 1 else self._resolved(spec)
        step = self.update(step, inputs=inputs, attempt_at=self.rules.now, memo={}, say="", signals=(), child_id="")
        timeout = self.rules.timeout(spec)
        deadline = self.rules.now + timeout if timeout is not None else None
        self.state = replace(self.state, deadline_at=deadline, wake_at=None)
        self.say("step.started", step=step.name, action=step.action, attempt=step.attempt, inputs=dict(step.inputs))
        action = self.rules.actions.get(step.action)
        if action is None:
            self.failed_for_good(Failed(f"The action {step.action} is not available here.", Stage.INPUT_VALIDATION))
            return
        if step.action == "aws:loop":
            loops.start(self, step, spec)
            return
        self._run_or_call(action, step)

    def _resolved(self, spec: Step) -> dict[str, Json]:
        scope = scope_of(self.state, self.rules)
        keeping = replace(scope, keeps_absent=True)
        kept = KEEPS_ABSENT.get(spec.action, frozenset())
        found: dict[str, Json] = {}
        for key, raw in spec.inputs.items():
            value = MISSING if key == "LoopCondition" else resolve(raw, keeping if key in kept else scope)
            if not isinstance(value, Missing):
                found[key] = value
        return found

    def _run_or_call(self, action: Action, step: StepExecution) -> None:  # type: ignore[type-arg]  # any inputs
        try:
            inputs = action.Inputs.model_validate(dict(step.inputs))
        except ValidationError as error:
            self.failed_for_good(Failed(explain(error), Stage.INPUT_VALIDATION))
            return
        if not action.is_pure:
            self.state = replace(self.state, phase="calling")
            return
        self.take(_outcome(action, inputs, self._pure_context(step)))

    def _pure_context(self, step: StepExecution) -> ActionContext:
        state = self.state
        return ActionContext(
            now=self.rules.now,
            execution_id=state.id,
            step_name=step.name,
            step_execution_id=step.id,
            token=effect_token(state.id, step),
            memo=step.memo,
            may_have_run=False,
            aws=NoAws(state.region, state.account, state.partition),
            system=system_values(state, self.rules.now),
            variable_types={name: variable.type for name, variable in self.rules.document.variables.items()},
        )

    # -- outcomes

    def take(self, outcome: Outcome, *, is_answer: bool = False) -> None:
        """How an attempt stands now."""
        if isinstance(outcome, Waiting):
            self._wait(outcome, is_answer=is_answer)
        elif isinstance(outcome, Succeeded):
            self._succeed(outcome)
        else:
            self._attempt_failed(outcome)

    def _wait(self, waiting: Waiting, *, is_answer: bool) -> None:
        step = self.current()
        is_signal = bool(waiting.signals)
        status = Status.WAITING if is_signal else Status.IN_PROGRESS
        step = self.update(
            step,
            status=status,
            memo=dict(waiting.memo),
            signals=tuple(sorted(str(signal) for signal in waiting.signals)),
            say=waiting.say,
            outputs={**step.outputs, **waiting.outputs},
            child_id=child_execution_id(self.state.id, step) if waiting.child else step.child_id,
        )
        phase = "child" if waiting.child or waiting.children is not None else "signal" if is_signal else "polling"
        whole = Status.CANCELLING if self.state.status is Status.CANCELLING else status
        self.state = replace(self.state, phase=phase, status=whole, wake_at=waiting.until)  # type: ignore[arg-type]
        if is_signal and not is_answer:
            self.say(
                "step.waiting",
                step=step.name,
                action=step.action,
                step_execution_id=step.id,
                signals=list(step.signals),
                inputs=dict(step.inputs),
                expires_at=self.state.deadline_at.isoformat() if self.state.deadline_at else None,
            )

    def _succeed(self, outcome: Succeeded) -> None:
        step = self.current()
        spec = self.rules.step(step.name)
        outputs = {**step.outputs, **outcome.outputs}
        root = outcome.outputs if outcome.root is MISSING else outcome.root
        try:
            for output in spec.outputs:
                value = select(output.selector, root)
                if value is not MISSING:
                    outputs[output.name] = coerce(value, output.type)
        except (SelectorError, CoercionError) as error:
            self._attempt_failed(
                Failed(f'Output "{output.name}": {error}', Stage.POST_VERIFICATION, FailureType.VERIFICATION)
            )
            return
        self.state = replace(self.state, variables={**self.state.variables, **outcome.variables})
        step = self.update(step, outputs=outputs, response=outcome.response, response_code=outcome.response_code)
        self.end_step(step, Status.SUCCESS)
        self.go(self._planned() or outcome.next_step or self.onward(spec))

    def _planned(self) -> str | None:
        """The next of the steps to take before the document's own flow, taken off their list."""
        if not self.state.first:
            return None
        target, *rest = self.state.first
        self.state = replace(self.state, first=tuple(rest))
        return target

    def onward(self, spec: Step) -> str | None:
        """Where a step leads by itself; None is the end of the list."""
        return None if spec.is_end else spec.next_step or self.rules.following(spec.name)

    def end_step(self, step: StepExecution, status: Status, **why: str) -> None:
        """Close a step, and say so."""
        step = self.update(step, status=status, ended_at=self.rules.now, say="", signals=())
        facts = {key: value for key, value in why.items() if value}
        told: dict[str, Json] = {
            "step": step.name,
            "action": step.action,
            "status": str(status),
            "attempt": step.attempt,
        }
        self.events.append(Event("step.ended", self.state.id, SYSTEM, {**told, **facts}))

    # -- failure

    def _attempt_failed(self, failed: Failed) -> None:
        step, now = self.current(), self.rules.now
        began = step.attempt_at or now
        if failed.type is FailureType.THROTTLING and now - began < self.rules.throttling_limit:
            self._again(step, failed, attempt=step.attempt)
            return
        if not failed.is_final and step.attempt < self.rules.step(step.name).max_attempts:
            self._again(step, failed, attempt=step.attempt + 1)
            return
        self.failed_for_good(failed)

    def _again(self, step: StepExecution, failed: Failed, *, attempt: int) -> None:
        self.say("step.retried", step=step.name, attempt=step.attempt, message=failed.message)
        is_throttled = attempt == step.attempt
        calls = step.calls + 1 if is_throttled else 0
        pause = self.rules.backoff(calls if is_throttled else step.attempt)
        self.update(step, attempt=attempt, calls=calls, say=failed.message, memo={}, signals=())
        phase = "polling" if is_throttled else "backoff"
        self.state = replace(self.state, phase=phase, wake_at=self.rules.now + pause)  # type: ignore[arg-type]

    def failed_for_good(self, failed: Failed) -> None:
        """The last attempt failed: the step is Failed, and onFailure decides."""
        message = f"Step fails when it is {failed.while_doing}. {failed.message.rstrip('.')}. {GUIDE}"
        step = self.update(
            self.current(),
            outputs={**self.current().outputs, **failed.outputs},
            failure_message=message,
            failure_stage=str(failed.stage),
            failure_type=str(failed.type),
            response=failed.response,
            response_code=failed.response_code,
        )
        self.fail(step, Status.FAILED, message)

    def fail(self, step: StepExecution, status: Status, message: str) -> None:
        """Close a step that failed, timed out or was stopped, and follow its onFailure."""
        spec = self.rules.step(step.name)
        self.end_step(self.update(step, failure_message=message), status, message=message)
        if spec.on_failure == ABORT:
            self.finish(status, message)
            return
        if spec.is_critical and self.state.bad is None:
            bad = status if status is not Status.CANCELLED else Status.FAILED
            self.state = replace(self.state, bad=bad, failure_message=message)
        if spec.on_failure == CONTINUE:
            self.go(self._planned() or self.onward(spec))
            return
        self.state = replace(self.state, first=())
        self.go(spec.on_failure.removeprefix("step:"))

    # -- flow

    def go(self, target: str | None) -> None:
        """Continue at `target`; None is the end of the list."""
        if self.state.loop is not None:
            target = loops.follow(self, target)
        if self.state.is_over:
            return
        if target is None and self.state.mode == "Auto":
            self.finish()
        elif self.state.mode == "Interactive" and self.state.loop is None:
            self.hold(target)
        else:
            self.proceed(target)

    def proceed(self, target: str | None) -> None:
        """Make `target` the step to begin."""
        self.state = replace(
            self.state, current=None, upcoming=target, phase="ready", wake_at=None, deadline_at=None, stopping=""
        )

    def hold(self, target: str | None) -> None:
        """Interactive mode: wait for an operator before `target`."""
        self.proceed(target)
        self.state = replace(self.state, phase="held", status=Status.WAITING)
        self.say("execution.held", step=target)

    def finish(self, status: Status | None = None, message: str = "") -> None:
        """End the execution. `status` is that of a step that aborted it; else what has been accumulated."""
        state = self.state
        if state.loop is not None:
            loops.abandon(self, status or Status.EXITED)
        if state.status is Status.CANCELLING or status is Status.CANCELLED:
            final = Status.CANCELLED
        else:
            final = status or state.bad or Status.SUCCESS
        outputs = self._document_outputs()
        self.proceed(None)
        failure = "" if final in (Status.SUCCESS, Status.CANCELLED) else message or state.failure_message
        self.state = replace(
            self.state,
            status=final,
            phase="over",
            ended_at=self.rules.now,
            outputs=outputs,
            failure_message=failure,
            cancel_deadline_at=None,
        )
        self.say("execution.ended", status=str(final), message=failure, outputs=outputs)

    def _document_outputs(self) -> dict[str, Json]:
        scope = scope_of(self.state, self.rules)
        found: dict[str, Json] = {}
        for name in self.rules.document.outputs:
            value = scope.lookup(name)
            if not isinstance(value, (Missing, Unknown)):
                found[name] = value
        return found

    # -- operators

    def release(self, name: str) -> None:
        """StartStep: an operator lets the held step (or the named one) run."""
        stopping.require_held(self, name)
        target = name or self.state.upcoming
        if target != self.state.upcoming:
            self.state = replace(self.state, first=())
        self.proceed(target)
        self._enter(self.rules.step(target or ""))

    def resume_all(self) -> None:
        """Resume on a held execution: run on without holding."""
        stopping.require_held(self, "")
        self.proceed(self.state.upcoming)
        self.state = replace(self.state, mode="Auto")

    def cancel(self, actor: Actor) -> None:
        """Stop everything, with the running step's onCancel chain."""
        stopping.cancel(self, actor)

    def begin_stopping(self, reason: stopping.Reason, actor: Actor) -> None:
        """Stop the running step alone."""
        stopping.begin(self, reason, actor)

    def stopped(self) -> None:
        """The cancelling call is done."""
        stopping.stopped(self)

    def enter_loop(self, frame: LoopFrame | None) -> None:
        """Set or drop the frame of the running loop."""
        self.state = replace(self.state, loop=frame)


def _outcome(action: Action, inputs: ActionInputs, context: ActionContext) -> Outcome:  # type: ignore[type-arg]
    """Of a pure action; its defect is its step's failure, as that of any other action (engine/performing.py)."""
    try:
        return action.run(inputs, context)
    except Exception as error:  # noqa: BLE001 - nobody could do anything about this execution any more
        return Failed(f"Internal Server Error ({type(error).__name__})", type=FailureType.INTERNAL)


def explain(error: ValidationError) -> str:
    """Pydantic's findings in one sentence."""
    parts = []
    for finding in error.errors():
        place = ".".join(str(part) for part in finding["loc"]) or "inputs"
        parts.append(f"{place}: {finding['msg'].lower()}")
    return f"The inputs are not valid ({'; '.join(parts)})"
