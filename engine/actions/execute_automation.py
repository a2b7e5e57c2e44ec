"""aws:executeAutomation: run another runbook, or many runs of it on targets, and wait for the end.

With Targets, TargetMaps or TargetLocations the step is a fan-out under rate control (engine/rate_control.py): its memo
holds the targets and the ids of the children begun, and the children themselves say how they ended.
"""

import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from engine.action import (
    Action,
    ActionContext,
    ActionInputs,
    ChildOrder,
    ChildResult,
    Failed,
    JsonObject,
    Outcome,
    Stage,
    Succeeded,
    Waiting,
)
from engine.actions.failures import call_failed
from engine.expressions import render
from engine.rate_control import Pace, Standing, is_over, pace_of, to_begin
from engine.targets import Target, resolved
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

FAN_OUT: Final = ("TargetLocations", "TargetMaps", "Targets")
MOST_TOLD: Final = 5


class ExecuteAutomationInputs(ActionInputs):
    """Inputs of aws:executeAutomation."""

    document_name: str
    document_version: str | None = None
    runtime_parameters: JsonObject | None = None
    max_concurrency: str | None = None
    max_errors: str | None = None
    tags: Annotated[list[dict[str, Any]], Field(max_length=5)] | None = None
    target_locations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)] | None = None
    target_maps: Annotated[list[dict[str, Any]], Field(max_length=300)] | None = None
    target_parameter_name: str | None = None
    targets: list[dict[str, Any]] | None = None

    @property
    def parameters(self) -> dict[str, Json]:
        """What every child is started with."""
        return {name: value for name, value in (self.runtime_parameters or {}).items() if value is not None}

    @property
    def pace(self) -> tuple[str | None, str | None]:
        """MaxConcurrency and MaxErrors of the outermost fan-out: places where there are some, else targets."""
        if not self.target_locations:
            return self.max_concurrency, self.max_errors
        first = self.target_locations[0]
        return str(first.get("TargetLocationMaxConcurrency") or 1), str(first.get("TargetLocationMaxErrors") or 0)


class ExecuteAutomation(Action[ExecuteAutomationInputs]):
    """The child is an execution of its own; stopping the step stops it."""

    name: ClassVar[str] = "aws:executeAutomation"
    permissions: ClassVar[tuple[str, ...]] = ("ssm:StartAutomationExecution", "ssm:GetAutomationExecution")
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = ExecuteAutomationInputs

    def run(self, inputs: ExecuteAutomationInputs, context: ActionContext) -> Outcome:
        """Order the child or the next children (ordering one again finds it there), or judge them."""
        members = inputs.model_dump(by_alias=True, exclude_none=True)
        if any(members.get(name) for name in FAN_OUT):
            return _fan_out(inputs, members, context)
        child = context.child
        if child is None or child.status is None:
            order = ChildOrder(inputs.document_name, inputs.document_version or "", inputs.parameters)
            return Waiting(child=order, memo={"ordered": True}, say=f"runs {inputs.document_name}")
        return _judged(child)

    def cancel(self, inputs: ExecuteAutomationInputs, context: ActionContext) -> None:
        """Nothing but the children, which the engine stops."""


def _judged(child: ChildResult) -> Outcome:
    outputs: dict[str, Json] = {
        "ExecutionId": child.execution_id,
        "Status": child.status or "",
        "Output": [*child.outputs],
    }
    if child.status == "Success":
        return Succeeded(outputs)
    told = ", ".join(render(value) for value in child.outputs)
    found = f"{{Status=[{child.status}], Output=[{told}], ExecutionId=[{child.execution_id}]}}"
    text = f"Failed to run automation with executionId: {child.execution_id} Failed : {found}"
    return Failed(f"{text} {child.failure_message}".strip(), outputs=outputs)


# -- a fan-out


def _fan_out(inputs: ExecuteAutomationInputs, members: Mapping[str, Any], context: ActionContext) -> Outcome:
    try:
        kept = context.memo.get("targets")
        targets = [_read(each) for each in kept] if isinstance(kept, list) else resolved(members, context.aws)
        pace = pace_of(*inputs.pace, len(targets))
    except (AwsRefused, AwsUnreachable) as error:
        return call_failed(error, while_doing="resolving the targets")
    except ValueError as error:
        return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)
    if not targets:
        return Succeeded({"Status": "Success", "Output": []}, response="No target was found; nothing was run.")
    return _next(inputs, targets, pace, context)


def _next(inputs: ExecuteAutomationInputs, targets: list[Target], pace: Pace, context: ActionContext) -> Outcome:
    begun = context.memo.get("children")
    known: list[Json] = [*begun] if isinstance(begun, list) else []
    count = len(known)
    ended = [child for child in context.children if child.status is not None]
    errors = [child for child in ended if child.status != "Success"]
    standing = Standing(len(targets) - count, count - len(ended), len(ended), len(errors))
    if is_over(standing, pace):
        return _concluded(inputs, targets, pace, context)
    more = [_order(inputs, target, context) for target in targets[count : count + to_begin(standing, pace)]]
    memo: dict[str, Json] = {
        "targets": [_plain(target) for target in targets],
        "children": [*known, *(order.execution_id for order in more)],
        "ended": len(ended),
    }
    say = f"{len(ended)} of {len(targets)} targets are done, {len(errors)} of them with errors"
    return Waiting(children=tuple(more), memo=memo, say=say)


def _order(inputs: ExecuteAutomationInputs, target: Target, context: ActionContext) -> ChildOrder:
    return ChildOrder(
        inputs.document_name, inputs.document_version or "", {**inputs.parameters, **target.parameters},
        execution_id=str(uuid.uuid5(uuid.UUID(context.token), target.key)), account=target.account,
        region=target.region, role=target.role, fan_out=target.fan_out, label=target.key,
    )  # fmt: skip


def _concluded(inputs: ExecuteAutomationInputs, targets: list[Target], pace: Pace, context: ActionContext) -> Outcome:
    by_id = {child.execution_id: child for child in context.children}
    pairs = [(target, by_id.get(_order(inputs, target, context).execution_id)) for target in targets]
    ran = [(target, child) for target, child in pairs if child is not None]
    bad = [(target, child) for target, child in ran if child.status != "Success"]
    is_good = len(bad) <= pace.most_errors
    outputs: dict[str, Json] = {
        "ExecutionId": [child.execution_id for _, child in ran],
        "Status": "Success" if is_good else "Failed",
        "Output": [value for _, child in ran for value in child.outputs] if not inputs.target_locations else [],
    }
    if is_good:
        return Succeeded(outputs)
    told = "; ".join(
        f"{target.key}: {child.status} {child.failure_message}".strip() for target, child in bad[:MOST_TOLD]
    )
    more = f" and {len(bad) - MOST_TOLD} more" if len(bad) > MOST_TOLD else ""
    left = f"; {len(targets) - len(ran)} targets were not begun" if len(ran) < len(targets) else ""
    return Failed(f"{len(bad)} of {len(ran)} targets did not succeed ({told}{more}){left}", outputs=outputs)


def _plain(target: Target) -> Json:
    return [target.key, dict(target.parameters), target.account, target.region, target.role, dict(target.fan_out)]


def _read(kept: Any) -> Target:
    return Target(*kept)
