"""Executions in the shape of SSM's API: GetAutomationExecution's AutomationExecution. Pure.

Source: SSM API reference, AutomationExecution and StepExecution; encodings as the AWS CLI's examples show them.
"""

import json
from typing import Any, Final

from engine.document import ABORT, CONTINUE, Document, Step
from engine.edges import Edge, EdgeKind, edges
from engine.execution import FINAL, Execution, Status, StepExecution
from engine.expressions import compact, render
from infra.canonical import Json

NO_OUTPUT: Final = "No output available yet because the step is not successfully executed"


def strings(value: Json) -> list[str]:
    """A value as the API's list of strings: one element per item, maps as JSON text."""
    items = value if isinstance(value, list) else [value]
    return [_text(item) for item in items]


def _text(value: Json) -> str:
    return compact(value) if isinstance(value, (list, dict)) else render(value)


def automation_execution(state: Execution, document: Document) -> dict[str, Any]:
    """The execution as GetAutomationExecution answers it; times are aware datetimes."""
    step = state.step
    found: dict[str, Any] = {
        "AutomationExecutionId": state.id,
        "DocumentName": state.document_name,
        "DocumentVersion": state.document_version,
        "ExecutionStartTime": state.created_at,
        "ExecutionEndTime": state.ended_at,
        "AutomationExecutionStatus": str(state.status),
        "StepExecutions": step_executions(state, document),
        "StepExecutionsTruncated": False,
        "Parameters": {name: strings(value) for name, value in state.parameters.items() if value is not None},
        "Outputs": _outputs(state, document),
        "FailureMessage": state.failure_message or None,
        "Mode": state.mode,
        "ParentAutomationExecutionId": state.parent_id or None,
        "ExecutedBy": state.started_by.id,
        "CurrentStepName": step.name if step else None,
        "CurrentAction": step.action if step else None,
        "ResolvedTargets": {"ParameterValues": [], "Truncated": False},
        "ProgressCounters": _counters(state, document),
        "Variables": {name: strings(value) for name, value in state.variables.items() if value is not None},
    }
    return {key: value for key, value in found.items() if value is not None}


def _outputs(state: Execution, document: Document) -> dict[str, list[str]]:
    return {name: strings(state.outputs[name]) if name in state.outputs else [NO_OUTPUT] for name in document.outputs}


def _counters(state: Execution, document: Document) -> dict[str, int]:
    statuses = [step.status for step in state.steps]
    return {
        "TotalSteps": len(document.steps),
        "SuccessSteps": statuses.count(Status.SUCCESS),
        "FailedSteps": statuses.count(Status.FAILED),
        "CancelledSteps": statuses.count(Status.CANCELLED),
        "TimedOutSteps": statuses.count(Status.TIMED_OUT),
    }


def step_executions(state: Execution, document: Document) -> list[dict[str, Any]]:
    """Steps in document order, those never reached as Pending; a loop is followed by its inner runs."""
    ways = edges(document) if state.mode == "Interactive" else ()
    found: list[dict[str, Any]] = []
    for spec in document.steps:
        runs = [step for step in state.steps if step.name == spec.name]
        if not runs:
            found.append(_pending(spec))
        for run in runs:
            found.append(_step(run, spec, state, ways))
            found += [_inner(step, document, state) for step in state.steps if step.parent_id == run.id]
    return found


def _inner(step: StepExecution, document: Document, state: Execution) -> dict[str, Any]:
    spec = document.step(step.name)
    return _step(step, spec or Step(step.name, step.action), state, ())


def _pending(spec: Step) -> dict[str, Any]:
    return {"StepName": spec.name, "Action": spec.action, "StepStatus": str(Status.PENDING), **_declared(spec)}


def _declared(spec: Step) -> dict[str, Any]:
    found: dict[str, Any] = {"MaxAttempts": spec.max_attempts, "IsEnd": spec.is_end, "IsCritical": spec.is_critical}
    if spec.on_failure != ABORT:
        found["OnFailure"] = spec.on_failure
    if spec.timeout is not None:
        found["TimeoutSeconds"] = int(spec.timeout.total_seconds())
    if spec.next_step is not None:
        found["NextStep"] = spec.next_step
    return found


def _step(step: StepExecution, spec: Step, state: Execution, ways: tuple[Edge, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "StepName": step.name,
        "Action": step.action,
        "StepStatus": str(step.status),
        "StepExecutionId": step.id,
        "ExecutionStartTime": step.started_at,
        "ExecutionEndTime": step.ended_at,
        "Inputs": {key: json.dumps(value, ensure_ascii=False) for key, value in step.inputs.items()},
        "Outputs": {key: strings(value) for key, value in step.outputs.items()},
        "Response": step.response or None,
        "ResponseCode": step.response_code or None,
        "FailureMessage": step.failure_message or None,
        "FailureDetails": _failure(step),
        "OverriddenParameters": {},
        "ParentStepDetails": _parent(step, state),
        "ValidNextSteps": _valid_next_steps(step, spec, state, ways) or None,
        **_declared(spec),
    }
    return {key: value for key, value in found.items() if value is not None}


def _failure(step: StepExecution) -> dict[str, Any] | None:
    if not step.failure_stage:
        return None
    details = {"Message": [step.failure_message]}
    return {"FailureStage": step.failure_stage, "FailureType": step.failure_type, "Details": details}


def _parent(step: StepExecution, state: Execution) -> dict[str, Any] | None:
    parent = next((other for other in state.steps if other.id == step.parent_id), None)
    if parent is None:
        return None
    found = {
        "StepExecutionId": parent.id,
        "StepName": parent.name,
        "Action": parent.action,
        "Iteration": step.iteration,
    }
    if step.iterator_value is not None:
        found["IteratorValue"] = render(step.iterator_value)
    return found


def _valid_next_steps(step: StepExecution, spec: Step, state: Execution, ways: tuple[Edge, ...]) -> list[str]:
    """What an operator may start after a finished step of an Interactive execution."""
    if state.mode != "Interactive" or state.is_over or step.status not in FINAL:
        return []
    if step.status is not Status.SUCCESS and spec.on_failure != CONTINUE:
        return [spec.on_failure.removeprefix("step:")] if spec.on_failure != ABORT else []
    onward = (EdgeKind.NEXT, EdgeKind.CHOICE, EdgeKind.DEFAULT)
    targets = [way.target for way in ways if way.source == step.name and way.kind in onward]
    return list(dict.fromkeys(target for target in targets if target is not None))
