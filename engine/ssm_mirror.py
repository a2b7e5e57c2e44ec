"""What AWS Systems Manager answers about an execution, as our own state and the events that say what changed. Pure.

Source: SSM API reference, AutomationExecution and StepExecution; EventBridge spells Cancelled as Canceled.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from audit.events import SYSTEM, Actor, Event
from engine.document import Document
from engine.execution import FINAL, Change, Execution, Status, StepExecution
from engine.signals import SignalType
from infra.canonical import Json

BY_AWS: Final = Actor("system", "aws:ssm", "AWS Systems Manager")
GATES: Final[Mapping[str, tuple[SignalType, ...]]] = {
    "aws:approve": (SignalType.APPROVE, SignalType.REJECT),
    "aws:pause": (SignalType.RESUME,),
}
"""What a Waiting step of an action waits for."""
_STATUSES: Final[Mapping[str, Status]] = {
    "Approved": Status.IN_PROGRESS,
    "PendingApproval": Status.WAITING,
    "Scheduled": Status.PENDING,
    "RunbookInProgress": Status.IN_PROGRESS,
    "PendingChangeCalendarOverride": Status.WAITING,
    "ChangeCalendarOverrideApproved": Status.IN_PROGRESS,
    "ChangeCalendarOverrideRejected": Status.FAILED,
    "CompletedWithSuccess": Status.SUCCESS,
    "CompletedWithFailure": Status.FAILED,
    "Rejected": Status.FAILED,
    "Canceled": Status.CANCELLED,
}
"""AWS's statuses beyond the nine that executions and steps share."""


def status_of(name: str) -> Status:
    """One of AWS's statuses as ours; what AWS may add later counts as running, never as over."""
    known = _STATUSES.get(name)
    if known is not None:
        return known
    try:
        return Status(name)
    except ValueError:
        return Status.IN_PROGRESS


def mirrored(state: Execution, answer: Mapping[str, Any], document: Document, now: datetime) -> Change:
    """The state as AWS tells it, with an event for each thing that has happened since.

    `answer` is GetAutomationExecution's AutomationExecution with times as ISO 8601. An answer that is older than what
    is known (AWS is eventually consistent) changes nothing: a final status stays, a step that ended stays ended.
    """
    if state.is_over:
        return Change(state)
    steps = tuple(_steps(state, answer))
    events = [event for step in steps for event in _step_events(state, step)]
    status = status_of(str(answer.get("AutomationExecutionStatus") or "InProgress"))
    if status is Status.CANCELLING and state.status is not Status.CANCELLING and state.cancelled_by is None:
        events.append(Event("execution.cancelling", state.id, BY_AWS))
    if state.status is Status.CANCELLING and status not in FINAL:
        status = Status.CANCELLING
    seen = replace(state, steps=steps, status=status, current=_current(steps), **_plan(answer, status))
    if events:
        seen = replace(seen, notice="")
    if status in FINAL:
        seen, ended = _ended(seen, answer, document, now)
        events.append(ended)
    return Change(seen, tuple(events))


def _plan(answer: Mapping[str, Any], status: Status) -> dict[str, Any]:
    phase = "over" if status in FINAL else "signal" if status is Status.WAITING else "polling"
    version = str(answer.get("DocumentVersion") or "")
    return {"phase": phase, **({"document_version": version} if version else {})}


def _ended(state: Execution, answer: Mapping[str, Any], document: Document, now: datetime) -> tuple[Execution, Event]:
    outputs = {name: _value(found) for name, found in (answer.get("Outputs") or {}).items()}
    outputs = {name: value for name, value in outputs.items() if name in document.outputs or not document.outputs}
    message = str(answer.get("FailureMessage") or "")
    ended_at = moment(answer.get("ExecutionEndTime")) or now
    state = replace(
        state, current=None, upcoming=None, ended_at=ended_at, outputs=outputs, due_at=None, failure_message=message
    )
    data: dict[str, Json] = {"status": str(state.status), "message": message, "outputs": outputs}
    return state, Event("execution.ended", state.id, BY_AWS, data)


# -- steps


def _steps(state: Execution, answer: Mapping[str, Any]) -> Iterator[StepExecution]:
    """The steps that have begun, in the order in which they began; what ended stays as it is known."""
    known = {step.id: step for step in state.steps}
    told = [each for each in answer.get("StepExecutions") or () if _has_begun(each)]
    ids = {str(each["StepExecutionId"]) for each in told}
    found = [_seen(each, known.get(str(each["StepExecutionId"]))) for each in told]
    # AWS cuts long lists (StepExecutionsTruncated) and may forget for a moment: a step once seen is not lost.
    found += [step for step in state.steps if step.id not in ids]
    order = {step.id: number for number, step in enumerate(found)}
    yield from sorted(found, key=lambda step: (step.started_at is None, step.started_at or 0, order[step.id]))


def _has_begun(told: Mapping[str, Any]) -> bool:
    return bool(told.get("StepExecutionId")) and str(told.get("StepStatus") or "Pending") != "Pending"


def _seen(told: Mapping[str, Any], known: StepExecution | None) -> StepExecution:
    if known is not None and known.status in FINAL:
        return known
    status, action = status_of(str(told["StepStatus"])), str(told.get("Action") or "")
    details = told.get("FailureDetails") or {}
    parent = told.get("ParentStepDetails") or {}
    gates = GATES.get(action, ()) if status is Status.WAITING else ()
    return StepExecution(
        id=str(told["StepExecutionId"]),
        name=str(told.get("StepName") or ""),
        action=action,
        status=status,
        started_at=moment(told.get("ExecutionStartTime")),
        ended_at=moment(told.get("ExecutionEndTime")) if status in FINAL else None,
        inputs={name: _input(value) for name, value in (told.get("Inputs") or {}).items()},
        outputs={name: _value(value) for name, value in (told.get("Outputs") or {}).items()},
        failure_message=str(told.get("FailureMessage") or ""),
        failure_stage=str(details.get("FailureStage") or ""),
        failure_type=str(details.get("FailureType") or ""),
        response=str(told.get("Response") or ""),
        response_code=str(told.get("ResponseCode") or ""),
        signals=tuple(sorted(str(gate) for gate in gates)),
        say=known.say if known is not None and known.status is status else "",
        parent_id=str(parent.get("StepExecutionId") or ""),
        iteration=int(parent.get("Iteration") or 0),
    )


def _current(steps: Sequence[StepExecution]) -> int | None:
    """The step that runs: the latest one that has not ended, an inner one before its loop."""
    running = [number for number, step in enumerate(steps) if step.status not in FINAL]
    return running[-1] if running else None


def _step_events(state: Execution, step: StepExecution) -> Iterator[Event]:
    """What is new about one step."""
    before = next((known for known in state.steps if known.id == step.id), None)
    told: dict[str, Json] = {"step": step.name, "action": step.action}
    if before is None:
        data: dict[str, Json] = {**told, "attempt": step.attempt, "inputs": dict(step.inputs)}
        yield Event("step.started", state.id, BY_AWS, data)
    if step.status is Status.WAITING and (before is None or before.status is not Status.WAITING):
        signals: list[Json] = [*step.signals]
        data = {**told, "step_execution_id": step.id, "signals": signals, "inputs": dict(step.inputs)}
        yield Event("step.waiting", state.id, BY_AWS, {**data, "expires_at": None})
    if step.status in FINAL and (before is None or before.status not in FINAL):
        data = {**told, "status": str(step.status), "attempt": step.attempt}
        if step.failure_message:
            data["message"] = step.failure_message
        decisions = step.outputs.get("ApproverDecisions")
        if decisions:
            data["decisions"] = decisions
        yield Event("step.ended", state.id, BY_AWS, data)


# -- values on the wire


def moment(value: object) -> datetime | None:
    """A time of an answer: ISO 8601 text, or a datetime already."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def _input(value: object) -> Json:
    """A step's input: JSON text where it is JSON, else the text itself."""
    text = str(value)
    try:
        found: Json = json.loads(text)
    except ValueError:
        return text
    return found


def _value(value: object) -> Json:
    """An output: AWS's list of strings; a single one stands for itself."""
    items = [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    return items[0] if len(items) == 1 else [*items]


def lost(state: Execution, message: str, now: datetime) -> Change:
    """AWS does not know it (it was never started, or is older than AWS keeps): it ends as Failed, and says so."""
    if state.is_over:
        return Change(state)
    state = replace(
        state, status=Status.FAILED, phase="over", current=None, upcoming=None, ended_at=now, failure_message=message,
        notice="",
    )  # fmt: skip
    data: dict[str, Json] = {"status": str(state.status), "message": message, "outputs": {}}
    return Change(state, (Event("execution.ended", state.id, SYSTEM, data),))
