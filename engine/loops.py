"""aws:loop: walking a body of steps over items, or while a condition holds. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from engine.action import Failed, Stage
from engine.conditions import holds
from engine.execution import LoopFrame, Status
from engine.expressions import CoercionError, coerce, resolve
from engine.rules import scope_of

if TYPE_CHECKING:
    from engine.document import Step
    from engine.execution import StepExecution
    from engine.run import Run
    from infra.canonical import Json

MOST_ITERATIONS = 100


class _LoopRefused(Exception):
    """The loop's inputs make no sense; the message says why."""


def value_of(frame: LoopFrame) -> Json:
    """The item of the current iteration; None for a do-while."""
    return frame.items[frame.iteration - 1] if frame.items is not None else None


def start(run: Run, step: StepExecution, spec: Step) -> None:
    """Begin the first iteration, or fail on inputs that make no sense."""
    try:
        items, limit = _bounds(step.inputs, spec)
    except (_LoopRefused, CoercionError) as error:
        run.failed_for_good(Failed(str(error), Stage.INPUT_VALIDATION))
        return
    if items is not None and not items:
        _close(run, step, Status.SUCCESS)
        run.go(_after(run, spec))
        return
    run.enter_loop(LoopFrame(step.id, step.name, 0, items, limit))
    _iterate(run)


def _bounds(inputs: object, spec: Step) -> tuple[tuple[Json, ...] | None, int]:
    given = inputs if isinstance(inputs, dict) else {}
    limit = coerce(given.get("MaxIterations", MOST_ITERATIONS), "Integer")
    if not isinstance(limit, int) or not 1 <= limit <= MOST_ITERATIONS:
        raise _LoopRefused(f"MaxIterations must be between 1 and {MOST_ITERATIONS}, not {limit}")
    if "LoopCondition" in spec.inputs:
        return None, limit
    raw = given.get("Iterators")
    if raw is None:
        raise _LoopRefused("Iterators has no value")
    items = raw if isinstance(raw, list) else coerce(raw, "StringList")
    if not isinstance(items, list) or len(items) > MOST_ITERATIONS:
        raise _LoopRefused(f"Iterators may have at most {MOST_ITERATIONS} items")
    kind = str(given.get("IteratorDataType") or "String")
    return tuple(coerce(item, kind) for item in items), min(limit, len(items)) if items else limit


def _iterate(run: Run) -> None:
    frame = run.state.loop
    if frame is None:
        return
    frame = replace(frame, iteration=frame.iteration + 1)
    run.enter_loop(frame)
    step = _step_of(run, frame)
    outputs: dict[str, Json] = {**step.outputs, "CurrentIteration": frame.iteration}
    if frame.items is not None:
        outputs["CurrentIteratorValue"] = value_of(frame)
    run.update(step, outputs=outputs)
    run.proceed(run.rules.step(frame.step_name).steps[0].name)


def follow(run: Run, target: str | None) -> str | None:
    """Where an inner step's end leads: within the body, to the next iteration, or out of the loop."""
    frame = run.state.loop
    if frame is None:
        return target
    spec = run.rules.step(frame.step_name)
    if target is not None and any(inner.name == target for inner in spec.steps):
        return target
    if target is not None:
        abandon(run, Status.EXITED)
        return target
    if run.state.status is Status.CANCELLING:
        run.finish(Status.CANCELLED)  # the chain of onCancel ends with the body: nothing more is done
        return None
    if _goes_on(run, frame, spec):
        _iterate(run)
        return run.state.upcoming
    step = _step_of(run, frame)
    run.enter_loop(None)
    _close(run, step, Status.SUCCESS)
    return _after(run, spec)


def _goes_on(run: Run, frame: LoopFrame, spec: Step) -> bool:
    if frame.iteration >= frame.limit:
        return False
    if frame.items is not None:
        return True
    condition = resolve(spec.inputs["LoopCondition"], scope_of(run.state, run.rules))
    return isinstance(condition, dict) and holds(condition)


def abandon(run: Run, status: Status) -> None:
    """Leave the running loop before its end."""
    frame = run.state.loop
    if frame is None:
        return
    run.enter_loop(None)
    _close(run, _step_of(run, frame), status)


def _close(run: Run, step: StepExecution, status: Status) -> None:
    run.end_step(step, status)


def _after(run: Run, spec: Step) -> str | None:
    return None if spec.is_end else spec.next_step or run.rules.following(spec.name)


def _step_of(run: Run, frame: LoopFrame) -> StepExecution:
    return next(step for step in run.state.steps if step.id == frame.step_execution_id)
