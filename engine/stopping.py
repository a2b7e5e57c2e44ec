"""Cancelling, timing out and stopping steps: what happens between "enough" and "over". Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from engine import loops
from engine.action import Action
from engine.execution import Status
from engine.rules import ON_CANCEL_LIMIT
from engine.signals import SignalRefused

if TYPE_CHECKING:
    from audit.events import Actor
    from engine.execution import StepExecution
    from engine.run import Run

Reason = Literal["cancel", "timeout", "stop_step"]


def cancel(run: Run, actor: Actor) -> None:
    """Stop the execution: at once when nothing runs, else through the running step."""
    if run.state.current is None:
        run.finish(Status.CANCELLED)
        return
    run.state = replace(run.state, status=Status.CANCELLING)
    begin(run, "cancel", actor)


def begin(run: Run, reason: Reason, actor: Actor) -> None:  # noqa: ARG001 - the event of the request names the actor
    """Stop the running step; through a call where the action has something of its own to stop."""
    step = run.current()
    if reason != "timeout":
        step = run.update(step, status=Status.CANCELLING)
    run.state = replace(run.state, stopping=reason, wake_at=None)
    if _needs_call(run, step):
        run.update(step, calls=step.calls + 1)
        run.state = replace(run.state, phase="cancelling")
        return
    stopped(run)


def _needs_call(run: Run, step: StepExecution) -> bool:
    action = run.rules.actions.get(step.action)
    return bool(step.child_id) or (action is not None and type(action).cancel is not Action.cancel)


def stopped(run: Run) -> None:
    """The running step is stopped: decide by why it was."""
    step, reason = run.current(), run.state.stopping
    run.state = replace(run.state, stopping="")
    if reason == "timeout":
        _timed_out(run, step)
    elif reason == "stop_step":
        _stopped_alone(run, step)
    else:
        _cancelled(run, step)


def _stopped_alone(run: Run, step: StepExecution) -> None:
    """Step by step the operator goes on from here; else the step's onFailure decides."""
    message = f"Step {step.name} was stopped."
    if run.state.mode != "Interactive":
        run.fail(step, Status.CANCELLED, message)
        return
    run.end_step(run.update(step, failure_message=message), Status.CANCELLED, message=message)
    frame = run.state.loop
    if frame is not None:
        loops.abandon(run, Status.CANCELLED)
    run.hold(run.onward(run.rules.step(frame.step_name if frame else step.name)))


def _timed_out(run: Run, step: StepExecution) -> None:
    spec = run.rules.step(step.name)
    if step.attempt < spec.max_attempts and not step.signals:
        run.say("step.retried", step=step.name, attempt=step.attempt, message="timed out")
        run.update(step, attempt=step.attempt + 1, calls=0, memo={}, say="", child_id="")
        wake = run.rules.now + run.rules.backoff(step.attempt)
        run.state = replace(run.state, phase="backoff", wake_at=wake, deadline_at=None)
        return
    timeout = run.rules.timeout(spec)
    limit = f" within {timeout.total_seconds():.0f} seconds" if timeout is not None else ""
    doing = f" ({step.say})" if step.say else ""
    message = f"Step timed out while step is {step.name}: it did not end{limit}{doing}."
    run.fail(step, Status.TIMED_OUT, message)


def _cancelled(run: Run, step: StepExecution) -> None:
    spec = run.rules.step(step.name)
    run.end_step(step, Status.CANCELLED)
    is_in_chain = run.state.cancel_deadline_at is not None
    if is_in_chain or not spec.on_cancel.startswith("step:"):
        run.finish(Status.CANCELLED)
        return
    run.state = replace(run.state, cancel_deadline_at=run.rules.now + ON_CANCEL_LIMIT, mode="Auto", first=())
    run.go(spec.on_cancel.removeprefix("step:"))


def cut_off(run: Run) -> None:
    """The onCancel chain has used up its two minutes."""
    if run.state.current is None:
        run.finish(Status.CANCELLED)
        return
    begin(run, "cancel", run.state.cancelled_by or _nobody())


def _nobody() -> Actor:
    from audit.events import SYSTEM  # noqa: PLC0415 - keeps the type import above cheap and free of a circle

    return SYSTEM


def require_held(run: Run, name: str) -> None:
    """Refuse a StartStep that does not fit. Raises SignalRefused."""
    if run.state.phase != "held" or (run.state.upcoming is None and not name):
        raise SignalRefused("the execution does not wait for a step to be started")
    if name and run.rules.document.step(name) is None:
        raise SignalRefused(f'there is no step "{name}"')
