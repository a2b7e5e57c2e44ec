"""What a decision may consult besides the state: the document, the actions, the moment. Pure."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from engine.action import Action
from engine.document import Document, Step
from engine.execution import Execution, StepExecution
from engine.expressions import Scope
from infra.canonical import Json

ON_CANCEL_LIMIT = timedelta(minutes=2)
"""An onCancel chain runs for at most this long (SSM: "onCancel")."""
THROTTLING_LIMIT = timedelta(minutes=10)
"""How long one attempt may be repeated for throttling before it counts as failed (SSM service setting: 0-3600 s)."""
LONGEST_BACKOFF = timedelta(seconds=30)
NAMESPACE = uuid.UUID("3d1f1b0c-5c55-4d0a-9d4c-8f1f6f0e7a51")


def exponential_backoff(attempt: int) -> timedelta:
    """Pause before the attempt after `attempt`: 2, 4, 8 … 30 s. AWS publishes no figure."""
    return min(timedelta(seconds=2 ** min(attempt, 5)), LONGEST_BACKOFF)


@dataclass(frozen=True, slots=True)
class Rules:
    """The surroundings of one decision."""

    document: Document
    actions: Mapping[str, Action]  # type: ignore[type-arg]  # one action per inputs type
    now: datetime
    backoff: Callable[[int], timedelta] = exponential_backoff
    throttling_limit: timedelta = THROTTLING_LIMIT
    steps: Mapping[str, Step] = field(default_factory=dict)
    hold: str = ""
    """Why no step may begin now, in a sentence; "" = they may. What runs or waits goes on to its end."""

    def step(self, name: str) -> Step:
        """The step of that name; the validator has made sure that it exists."""
        found = self.document.step(name)
        if found is None:
            raise LookupError(f"the document has no step {name}")
        return found

    def body_of(self, name: str) -> tuple[Step, ...]:
        """The list of steps that a step stands in: mainSteps, or the body of its loop."""
        for step in self.document.steps:
            if any(inner.name == name for inner in step.steps):
                return step.steps
        return self.document.steps

    def following(self, name: str) -> str | None:
        """The step after `name` in its list."""
        body = self.body_of(name)
        index = next(i for i, step in enumerate(body) if step.name == name)
        return body[index + 1].name if index + 1 < len(body) else None

    def timeout(self, step: Step) -> timedelta | None:
        """The time-out of one attempt, within the action's own limit."""
        action = self.actions.get(step.action)
        chosen = step.timeout if step.timeout is not None else (action.default_timeout if action else None)
        if action is not None and action.max_timeout is not None and chosen is not None:
            return min(chosen, action.max_timeout)
        return chosen


def effect_token(execution_id: str, step: StepExecution) -> str:
    """Idempotency key of one attempt: the same on every repetition of it."""
    return str(uuid.uuid5(NAMESPACE, f"{execution_id}/{step.id}/{step.attempt}"))


def step_execution_id(execution_id: str, number: int) -> str:
    """Id of the n-th step that an execution runs."""
    return str(uuid.uuid5(NAMESPACE, f"{execution_id}/step/{number}"))


def child_execution_id(execution_id: str, step: StepExecution) -> str:
    """Id of the child that an attempt starts: starting it twice finds it there."""
    return str(uuid.uuid5(NAMESPACE, f"{execution_id}/{step.id}/{step.attempt}/child"))


def system_values(state: Execution, now: datetime) -> dict[str, Json]:
    """`global:` and `automation:` values at this moment (SSM: "Automation system variables")."""
    return {
        "global:DATE": f"{now:%Y-%m-%d}",
        "global:DATE_TIME": f"{now:%Y-%m-%d_%H.%M.%S}",
        "global:REGION": state.region,
        "global:ACCOUNT_ID": state.account,
        "global:AWS_PARTITION": state.partition,
        "automation:EXECUTION_ID": state.id,
    }


def scope_of(state: Execution, rules: Rules) -> Scope:
    """What a reference may see now: the latest run of each step counts."""
    outputs: dict[str, dict[str, Json]] = {}
    for step in state.steps:
        outputs[step.name] = dict(step.outputs)
    return Scope(
        parameters=state.parameters,
        outputs=outputs,
        variables=state.variables,
        system=system_values(state, rules.now),
        steps=frozenset(step.name for step in rules.document.all_steps()),
        declared=frozenset(rules.document.variables),
    )
