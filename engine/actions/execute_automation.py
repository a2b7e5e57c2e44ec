"""aws:executeAutomation: run another runbook, or many runs of it on targets, and wait for the end.

With Targets, TargetMaps or TargetLocations the step is a fan-out under rate control (engine/rate_control.py): its memo
holds the targets and the ids of the children begun, and the children themselves say how they ended.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
    def paces(self) -> list[tuple[str | None, str | None]]:
        """MaxConcurrency and MaxErrors of each group of targets: the places of one TargetLocation, else all of them."""
        if not self.target_locations:
            return [(self.max_concurrency, self.max_errors)]
        return [
            (str(each.get("TargetLocationMaxConcurrency") or 1), str(each.get("TargetLocationMaxErrors") or 0))
            for each in self.target_locations
        ]


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


@dataclass(frozen=True, slots=True)
class _Group:
    """Targets with one pace."""

    targets: list[Target]
    pace: Pace


def _fan_out(inputs: ExecuteAutomationInputs, members: Mapping[str, Any], context: ActionContext) -> Outcome:
    try:
        kept = context.memo.get("targets")
        targets = [_read(each) for each in kept] if isinstance(kept, list) else _resolved(members, context)
        groups = _groups(inputs, targets)
    except (AwsRefused, AwsUnreachable) as error:
        return call_failed(error, while_doing="resolving the targets")
    except ValueError as error:
        return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)
    if not targets:
        return Succeeded({"Status": "Success", "Output": []}, response="No target was found; nothing was run.")
    return _next(inputs, groups, context)


def _resolved(members: Mapping[str, Any], context: ActionContext) -> list[Target]:
    """Raises ValueError, AwsRefused, AwsUnreachable."""
    documents = context.services.get("documents")
    try:
        name, version = str(members["DocumentName"]), str(members.get("DocumentVersion") or "")
        document = documents.find(name, version) if documents is not None else None
    except LookupError as error:
        raise ValueError(str(error)) from error
    return resolved(members, context.aws, document)


def _groups(inputs: ExecuteAutomationInputs, targets: list[Target]) -> list[_Group]:
    found: list[_Group] = []
    for number, pace in enumerate(inputs.paces):
        ours = [target for target in targets if target.group == number]
        found.append(_Group(ours, pace_of(*pace, len(ours))))
    return found


def _next(inputs: ExecuteAutomationInputs, groups: list[_Group], context: ActionContext) -> Outcome:
    kept = context.memo.get("children")
    known = [str(each) for each in kept] if isinstance(kept, list) else []
    ended = {child.execution_id: child.status == "Success" for child in context.children if child.status is not None}
    more: list[Target] = []
    standings = [_standing(group, known, ended, context) for group in groups]
    if all(is_over(standing, group.pace) for group, standing in zip(groups, standings, strict=True)):
        return _concluded(inputs, groups, context)
    for group, standing in zip(groups, standings, strict=True):
        fresh = [target for target in group.targets if _child_id(target, context) not in known]
        more += fresh[: to_begin(standing, group.pace)]
    orders = [_order(inputs, target, context) for target in more]
    targets = [target for group in groups for target in group.targets]
    memo: dict[str, Json] = {
        "targets": [_plain(target) for target in targets],
        "children": [*known, *(order.execution_id for order in orders)],
        "ended": len(ended),
    }
    errors = sum(not is_good for is_good in ended.values())
    say = f"{len(ended)} of {len(targets)} targets are done, {errors} of them with errors"
    return Waiting(children=tuple(orders), memo=memo, say=say)


def _standing(group: _Group, known: Collection[str], ended: Mapping[str, bool], context: ActionContext) -> Standing:
    """`ended` says of each child that is over whether it succeeded."""
    ids = [_child_id(target, context) for target in group.targets]
    begun = [each for each in ids if each in known]
    over = [ended[each] for each in begun if each in ended]
    return Standing(len(ids) - len(begun), len(begun) - len(over), len(over), over.count(False))


def _child_id(target: Target, context: ActionContext) -> str:
    """The same on every repetition of the attempt."""
    return str(uuid.uuid5(uuid.UUID(context.token), target.key))


def _order(inputs: ExecuteAutomationInputs, target: Target, context: ActionContext) -> ChildOrder:
    return ChildOrder(
        inputs.document_name, inputs.document_version or "", {**inputs.parameters, **target.parameters},
        execution_id=_child_id(target, context), account=target.account,
        region=target.region, role=target.role, fan_out=target.fan_out, label=target.key, alarms=target.alarms,
    )  # fmt: skip


def _concluded(inputs: ExecuteAutomationInputs, groups: list[_Group], context: ActionContext) -> Outcome:
    by_id = {child.execution_id: child for child in context.children}
    ran: list[tuple[Target, ChildResult]] = []
    bad: list[tuple[Target, ChildResult]] = []
    is_good = True
    for group in groups:
        pairs = [(target, by_id.get(_child_id(target, context))) for target in group.targets]
        ours = [(target, child) for target, child in pairs if child is not None]
        wrong = [(target, child) for target, child in ours if child.status != "Success"]
        ran, bad, is_good = [*ran, *ours], [*bad, *wrong], is_good and len(wrong) <= group.pace.most_errors
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
    count = sum(len(group.targets) for group in groups)
    left = f"; {count - len(ran)} targets were not begun" if len(ran) < count else ""
    return Failed(f"{len(bad)} of {len(ran)} targets did not succeed ({told}{more}){left}", outputs=outputs)


def _plain(target: Target) -> Json:
    place: list[Json] = [target.account, target.region, target.role]
    return [target.key, dict(target.parameters), *place, dict(target.fan_out), dict(target.alarms), target.group]


def _read(kept: Any) -> Target:
    return Target(*kept)
