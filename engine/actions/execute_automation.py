"""aws:executeAutomation: run another runbook and wait for its end."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from engine.action import (
    Action,
    ActionContext,
    ActionInputs,
    ChildOrder,
    Failed,
    JsonObject,
    Outcome,
    Succeeded,
    Waiting,
)
from engine.expressions import render
from infra.canonical import Json


class ExecuteAutomationInputs(ActionInputs):
    """Inputs of aws:executeAutomation."""

    document_name: str
    document_version: str | None = None
    runtime_parameters: JsonObject | None = None
    max_concurrency: str | None = None
    max_errors: str | None = None
    tags: Annotated[list[dict[str, Any]], Field(max_length=5)] | None = None
    target_locations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)] | None = None
    target_maps: list[dict[str, Any]] | None = None
    target_parameter_name: str | None = None
    targets: list[dict[str, Any]] | None = None


class ExecuteAutomation(Action[ExecuteAutomationInputs]):
    """The child is an execution of its own; stopping the step stops it."""

    name: ClassVar[str] = "aws:executeAutomation"
    permissions: ClassVar[tuple[str, ...]] = ("ssm:StartAutomationExecution", "ssm:GetAutomationExecution")
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = ExecuteAutomationInputs

    def run(self, inputs: ExecuteAutomationInputs, context: ActionContext) -> Outcome:
        """Order the child (ordering it again finds it there), or judge it."""
        child = context.child
        if child is None or child.status is None:
            return _ordered(inputs)
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


def _ordered(inputs: ExecuteAutomationInputs) -> Waiting:
    names = ("TargetLocations", "TargetMaps", "TargetParameterName", "Targets", "MaxConcurrency", "MaxErrors")
    given = inputs.model_dump(by_alias=True)
    order = ChildOrder(
        inputs.document_name,
        inputs.document_version or "",
        {name: value for name, value in (inputs.runtime_parameters or {}).items() if value is not None},
        {name: given[name] for name in names if given.get(name) is not None},
    )
    return Waiting(child=order, memo={"ordered": True}, say=f"runs {inputs.document_name}")
