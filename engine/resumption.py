"""Going on from a failed step in a new execution: what is taken over, and when that is right. Pure.

The earlier execution stays as it is. The new one knows the outputs of the steps that were done, asks every question
anew that they had asked, and begins at the step that failed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from engine.document import Document
from engine.execution import Execution, Status, StepExecution
from engine.rules import step_execution_id
from infra.canonical import JsonMap

ASKING: Final = "aws:approve"
BAD: Final = frozenset({Status.FAILED, Status.TIMED_OUT, Status.CANCELLED})
LATEST: Final = timedelta(days=1)
"""After this long nobody should rely on what the earlier steps have found out."""


class CannotResume(Exception):
    """There is no going on from that step; the message is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a new execution takes over: done steps, variables, and the steps to take before the document's own flow."""

    of: str
    steps: tuple[StepExecution, ...]
    variables: JsonMap
    first: tuple[str, ...]
    """The questions that are asked again, then the step that failed."""
    bad: Status | None = None
    """How a critical step ended that failed before, and that the document went on after."""
    message: str = ""
    skipped: tuple[str, ...] = ()
    """Steps that were left out before."""

    @property
    def step(self) -> str:
        """The step that failed."""
        return self.first[-1]

    def taken_up(self, state: Execution) -> Execution:
        """A new execution with what is taken over."""
        ids = {step.id: step_execution_id(state.id, number) for number, step in enumerate(self.steps)}
        steps = tuple(replace(step, id=ids[step.id], parent_id=ids.get(step.parent_id, "")) for step in self.steps)
        return replace(
            state,
            steps=steps,
            variables=self.variables,
            upcoming=self.first[0],
            first=self.first[1:],
            bad=self.bad,
            failure_message=self.message,
            skipped=self.skipped,
        )


def resumption(state: Execution, document: Document, now: datetime) -> Resumption:
    """How to go on from where an execution failed. Raises CannotResume."""
    failed = _failed(state)
    if state.ended_at is not None and now - state.ended_at > LATEST:
        raise CannotResume("It failed more than a day ago, so what its earlier steps found may no longer be true.")
    if failed.parent_id:
        raise CannotResume(f"Step {failed.name} failed inside a loop, whose earlier rounds cannot be taken over.")
    if failed.action == ASKING:
        raise CannotResume(
            f"Step {failed.name} asked people and was not approved; a retry would ask past their answer."
        )
    done = state.steps[:-1]
    asked = tuple(dict.fromkeys(_gates(done, document)))
    bad = next((step for step in done if step.status in BAD and _is_critical(document, step.name)), None)
    status, message = (
        (Status.FAILED if bad.status is Status.CANCELLED else bad.status, bad.failure_message) if bad else (None, "")
    )
    first = (*asked, failed.name)
    return Resumption(state.id, done, dict(state.variables), first, status, message, state.skipped)


def _is_critical(document: Document, name: str) -> bool:
    spec = document.step(name)
    return spec is not None and spec.is_critical


def _failed(state: Execution) -> StepExecution:
    """The step that ended the execution. Raises CannotResume."""
    if not state.is_over:
        raise CannotResume("It still runs.")
    if state.status not in (Status.FAILED, Status.TIMED_OUT):
        raise CannotResume(f"It ended as {state.status}, so no step of it failed.")
    if state.engine != "embedded":
        raise CannotResume("AWS runs it, and AWS begins only at the first step.")
    if state.parent_id:
        raise CannotResume("Another execution started it; only that one can be retried.")
    last = state.steps[-1] if state.steps else None
    if last is None or last.status not in (Status.FAILED, Status.TIMED_OUT):
        which = f", {last.name} the last," if last else ""
        raise CannotResume(f"Steps{which} ran after the failed one, and may have taken back what the earlier ones did.")
    return last


def _gates(done: tuple[StepExecution, ...], document: Document) -> Iterator[str]:
    """The questions that were answered on the way. Raises CannotResume."""
    top = {step.name for step in document.steps}
    for step in done:
        if step.action == ASKING:
            if step.parent_id or step.name not in top:
                raise CannotResume(f"Step {step.name} asked people inside a loop, which cannot be asked again alone.")
            yield step.name
