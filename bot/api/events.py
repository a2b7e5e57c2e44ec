"""Status changes as EventBridge events, in the shape of AWS's own Automation notifications. Pure.

Source: Systems Manager User Guide, "Monitoring Automation with EventBridge"; note the spelling Canceled there.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from audit.trail import Entry
from engine.execution import Execution, StepExecution
from playbooks.automation_targets import is_fan_out

NAMES: Final = ("execution.ended", "step.ended")
"""What the trail calls what AWS notifies of."""
SOURCE: Final = "aws.ssm"
NAMESPACE: Final = uuid.UUID("b1b9d5a2-6f0e-4f57-9a43-3f6f2b7c9d10")
STATUSES: Final = {"Success": "Success", "Failed": "Failed", "TimedOut": "TimedOut", "Cancelled": "Canceled"}
Notification = Mapping[str, Any]


def notification(entry: Entry, state: Execution, *, executed_by: str) -> Notification | None:
    """The event of one fact; None for a status that AWS does not notify of. Repetition gives the same id."""
    status, is_step = STATUSES.get(str(entry.event.data.get("status"))), entry.event.name == "step.ended"
    if status is None or (is_step and is_fan_out(state)):  # whose one step is ours: its targets tell of themselves
        return None
    step = _step(entry, state) if is_step else None
    if is_step and step is None:
        return None
    began, ended = (step.started_at, step.ended_at) if step else (state.created_at, state.ended_at)
    detail: dict[str, Any] = {
        "ExecutionId": state.id,
        "Definition": state.document_name,
        "DefinitionVersion": _number(state.document_version),
        "Status": status,
        "EndTime": _moment(ended or entry.at),
        "StartTime": _moment(began or entry.at),
        "Time": round(((ended or entry.at) - (began or entry.at)).total_seconds() * 1000, 1),
    }
    detail |= {"StepName": step.name, "Action": step.action} if step else {"ExecutedBy": executed_by}
    what = "Step" if step else "Execution"
    place = f"arn:{state.partition}:ssm:{state.region}:{state.account}"
    return {
        "version": "0",
        "id": str(uuid.uuid5(NAMESPACE, f"{entry.seq}:{entry.hash}")),
        "detail-type": f"EC2 Automation {what} Status-change Notification",
        "source": SOURCE,
        "account": state.account,
        "time": f"{entry.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "region": state.region,
        "resources": [
            f"{place}:automation-execution/{state.id}",
            f"{place}:automation-definition/{state.document_name}:{state.document_version}",
        ],
        "detail": detail,
    }


def _step(entry: Entry, state: Execution) -> StepExecution | None:
    """The run of the step that the fact is about: a loop's body has many of one name."""
    ended = [step for step in state.steps if step.name == entry.event.data.get("step") and step.ended_at is not None]
    return min(ended, key=lambda step: abs((step.ended_at or entry.at) - entry.at), default=None)


def _number(version: str) -> float | str:
    return float(version) if version.isdecimal() else version


def _moment(at: datetime) -> str:
    """As AWS writes it: Nov 29, 2016 7:43:25 PM."""
    at = at.astimezone(UTC)
    return f"{at:%b} {at.day}, {at.year} {at.hour % 12 or 12}:{at:%M:%S %p}"
