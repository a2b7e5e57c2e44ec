"""The conductor: what has happened becomes a new state, and what the state wants done next. Pure.

`advance`, `report`, `receive` and `stop` say what has happened; `wants` says which call should be in flight now.
A host starts what is wanted and reports how it ended; a report that is no longer wanted changes nothing, so
whatever is delivered twice, late or by a dead worker is harmless. Flow: reference tables of SSM Automation
("Automation actions: properties shared by all actions", "Handling timeouts", "Branching").
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from audit.events import Actor
from engine.action import ChildResult, Failed, Outcome, Stage
from engine.execution import Change, Execution, Status, StepExecution
from engine.rules import Rules, effect_token
from engine.run import Run
from engine.signals import Signal, SignalRefused, SignalType
from infra.canonical import Json

STEPS_AT_ONCE = 50
"""How many steps without a side effect one transaction may take; the rest follow in the next."""


DEEPEST = 5
"""Levels of nested automations (SSM quota)."""


class InvalidStatus(Exception):
    """The execution is already over, or cannot be completed in its mode."""


@dataclass(frozen=True, slots=True)
class Call:
    """An action to run now, outside any transaction. `id` names the effect; `token` is AWS's ClientToken."""

    id: str
    kind: Literal["run", "cancel"]
    step: StepExecution
    token: str


def start(state: Execution, rules: Rules, *, actor: Actor) -> Change:
    """The first event of a new execution, and everything that can happen at once."""
    run = Run(replace(state, created_at=rules.now, due_at=rules.now), rules)
    run.say(
        "execution.started",
        actor=actor,
        document=state.document_name,
        document_version=state.document_version,
        document_sha256=state.document_digest,
        parameters=dict(state.parameters),
        region=state.region,
        account=state.account,
        mode=state.mode,
        assume_role=state.assume_role,
        parent=state.parent_id,
        **state.context,
    )
    return run.change()


def refuse(state: Execution, why: str, rules: Rules) -> Change:
    """The end of an execution that must not begin: it has failed before its first step."""
    run = Run(state, rules)
    run.finish(Status.FAILED, why)
    return run.change()


def wants(state: Execution) -> Call | None:
    """The call that should be in flight now."""
    step = state.step
    if step is None or state.phase not in ("calling", "cancelling"):
        return None
    kind: Literal["run", "cancel"] = "cancel" if state.phase == "cancelling" else "run"
    return Call(f"{step.id}.{step.attempt}.{step.calls}.{kind}", kind, step, effect_token(state.id, step))


def advance(state: Execution, rules: Rules) -> Change:
    """Do everything that is due and needs nobody: begin steps, evaluate pure ones, fire timers."""
    run = Run(state, rules)
    for _ in range(STEPS_AT_ONCE):
        if not run.move():
            break
    return run.change()


def report(state: Execution, call_id: str, outcome: Outcome | None, rules: Rules) -> Change:
    """How a call ended; None is the end of a cancelling call. Stale answers change nothing."""
    wanted = wants(state)
    if wanted is None or wanted.id != call_id:
        return Change(state)
    run = Run(state, rules)
    if wanted.kind == "cancel" or outcome is None:
        run.stopped()
    else:
        run.take(outcome)
    return run.change()


def recover(state: Execution, rules: Rules) -> Change:
    """A call was wanted and nobody works on it: a process died. Say so; the next run will look before it repeats."""
    step = state.step
    if step is None or state.phase != "calling":
        return Change(state)
    run = Run(state, rules)
    run.say("step.recovered", step=step.name, attempt=step.attempt)
    return run.change()


def child_ended(state: Execution, child: ChildResult, rules: Rules) -> Change:
    """A child execution is over: its parent's step looks at it. Repeated news changes nothing."""
    step = state.step
    if step is None or step.child_id != child.execution_id or state.phase != "child":
        return Change(state)
    run = Run(state, rules)
    run.wake()
    return run.change()


def children_ended(state: Execution, ended: int, rules: Rules) -> Change:
    """So many children of a fan-out are over: its step looks at them. Repeated news changes nothing."""
    if not awaits_children(state, ended):
        return Change(state)
    run = Run(state, rules)
    run.wake()
    return run.change()


def awaits_children(state: Execution, ended: int) -> bool:
    """Whether the running step has a fan-out and does not know yet that so many of it are over."""
    step = state.step
    if step is None or state.phase != "child" or step.child_id:
        return False
    known = step.memo.get("ended")
    return isinstance(known, int) and ended > known


def receive(state: Execution, signal: Signal, rules: Rules) -> Change:
    """A signal from outside. Raises SignalRefused when it does not fit the state."""
    if state.is_over:
        raise SignalRefused(f"execution {state.id} is over ({state.status})")
    run, target = Run(state, rules), state.step.name if state.step else ""
    if signal.type is SignalType.START_STEP:
        target = signal.payload.get("StepName") or state.upcoming or ""
        _leave_out(run, target, signal.actor)
    payload: dict[str, Json] = dict(signal.payload)
    run.say("signal.received", actor=signal.actor, signal=str(signal.type), payload=payload, step=target)
    match signal.type:
        case SignalType.START_STEP:
            run.release(signal.payload.get("StepName", ""))
        case SignalType.STOP_STEP:
            _stop_step(run, signal)
        case SignalType.RESUME if state.phase == "held":
            run.resume_all()
        case _:
            _to_action(run, signal)
    return run.change()


def _leave_out(run: Run, target: str | None, actor: Actor) -> None:
    """Say which steps a person passes over by going on at one that comes later, or by calling it done (None).

    Where no success leads from the one to the other, only the step that was waited for is known to be left out.
    """
    name, passed = run.state.upcoming, list[str]()
    while name and name != target and name not in passed:
        passed.append(name)
        name = run.onward(run.rules.step(name))
    passed = passed if name == target else passed[:1]
    for each in passed:
        run.say("step.skipped", actor=actor, step=each)
    run.state = replace(run.state, skipped=(*run.state.skipped, *passed))


def _to_action(run: Run, signal: Signal) -> None:
    step = run.state.step
    if step is None or run.state.phase != "signal" or signal.type not in step.signals:
        raise SignalRefused(f"no step of execution {run.state.id} waits for {signal.type}")
    if signal.step_execution_id not in ("", step.id):
        raise SignalRefused(f"the signal is for another step than the one that waits ({step.name})")
    wanted = signal.payload.get("StepName")
    if wanted and wanted != step.name:
        raise SignalRefused(f'step "{wanted}" does not wait; "{step.name}" does')
    action = run.rules.actions[step.action]
    inputs = action.Inputs.model_validate(dict(step.inputs))
    run.take(action.receive(inputs, step.memo, signal, run.rules.now), is_answer=True)


def _stop_step(run: Run, signal: Signal) -> None:
    step = run.state.step
    if step is None or signal.payload.get("StepExecutionId") not in (None, step.id):
        raise SignalRefused("that step is not running")
    run.begin_stopping("stop_step", signal.actor)


def stop(state: Execution, actor: Actor, rules: Rules, *, kind: Literal["Cancel", "Complete"] = "Cancel") -> Change:
    """StopAutomationExecution. Raises InvalidStatus when the execution is over, or Complete does not apply."""
    if state.is_over:
        raise InvalidStatus(f"execution {state.id} is over ({state.status})")
    run = Run(state, rules)
    if kind == "Complete":
        if state.mode != "Interactive" or state.phase != "held":
            raise InvalidStatus("only an interactive execution that waits for its next step can be completed")
        _leave_out(run, None, actor)
        run.finish()
        return run.change()
    if state.status is Status.CANCELLING:
        return Change(state)
    run.state = replace(run.state, cancelled_by=actor)
    run.say("execution.cancelling", actor=actor)
    run.cancel(actor)
    return run.change()


def refused_child(error: Exception) -> Failed:
    """The outcome of a step whose child automation could not be started."""
    return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)


def is_due(state: Execution, now: datetime) -> bool:
    """Whether there is something to do now."""
    return state.due_at is not None and state.due_at <= now
