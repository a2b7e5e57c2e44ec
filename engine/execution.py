"""The state of one run of a runbook, as plain data. Pure; kept as one row, changed only by the conductor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from audit.events import Actor, Event
from infra.canonical import Json


class Status(StrEnum):
    """SSM's AutomationExecutionStatus, for executions and steps."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    WAITING = "Waiting"
    SUCCESS = "Success"
    TIMED_OUT = "TimedOut"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    EXITED = "Exited"


FINAL = frozenset({Status.SUCCESS, Status.TIMED_OUT, Status.CANCELLED, Status.FAILED, Status.EXITED})


@dataclass(frozen=True, slots=True)
class StepExecution:
    """One run of one step. Times are aware UTC; `outputs` are native values."""

    id: str
    name: str
    action: str
    status: Status
    started_at: datetime | None = None
    ended_at: datetime | None = None
    inputs: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    attempt: int = 1
    attempt_at: datetime | None = None
    calls: int = 0
    """How often the action was run; numbers the effects, so that a late answer to an earlier one is known."""
    failure_message: str = ""
    failure_stage: str = ""
    failure_type: str = ""
    response: str = ""
    response_code: str = ""
    next_step: str | None = None
    memo: Mapping[str, Json] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    say: str = ""
    child_id: str = ""
    parent_id: str = ""
    iteration: int = 0
    iterator_value: Json = None


@dataclass(frozen=True, slots=True)
class LoopFrame:
    """A loop that is running: its step execution, the items it walks and where it is (iteration counts from 1)."""

    step_execution_id: str
    step_name: str
    iteration: int
    items: tuple[Json, ...] | None
    limit: int


Phase = Literal["ready", "calling", "polling", "signal", "child", "backoff", "held", "cancelling", "over"]
"""What the current step wants now:

ready      to begin (or begin its next attempt)
calling    its action to be run: the intent is committed
polling    its action to be run again at `due_at`
signal     people
child      a child execution to end
backoff    the next attempt at `due_at`
held       an operator to start it (Interactive mode)
cancelling its action to be told that it is cancelled
over       nothing
"""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run. `current` is the index in `steps` of the step that is running, or None."""

    id: str
    document_name: str
    document_version: str
    document_digest: str
    parameters: Mapping[str, Json]
    started_by: Actor
    region: str
    account: str
    partition: str = "aws"
    mode: Literal["Auto", "Interactive"] = "Auto"
    status: Status = Status.PENDING
    phase: Phase = "ready"
    upcoming: str | None = None
    """Name of the step to begin next while no step is current."""
    first: tuple[str, ...] = ()
    """Steps to take, each when the one before has succeeded, before the document's own flow (engine/resumption.py)."""
    skipped: tuple[str, ...] = ()
    """Steps that whoever goes step by step has left out."""
    steps: tuple[StepExecution, ...] = ()
    current: int | None = None
    loop: LoopFrame | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """Document outputs, collected at the end: "step.Name" -> native value; absent ones are not in it."""
    stopping: Literal["", "cancel", "timeout", "stop_step"] = ""
    """Why the current step is being cancelled, while `phase` is cancelling."""
    bad: Status | None = None
    failure_message: str = ""
    created_at: datetime | None = None
    ended_at: datetime | None = None
    wake_at: datetime | None = None
    """When the current step is looked at again (poll, next attempt)."""
    due_at: datetime | None = None
    """When a host must look at this execution; None while only people can move it."""
    deadline_at: datetime | None = None
    """When the current attempt times out."""
    cancel_deadline_at: datetime | None = None
    """While Cancelling: when the onCancel chain is cut off."""
    cancelled_by: Actor | None = None
    parent_id: str = ""
    parent_step_execution_id: str = ""
    depth: int = 1
    assume_role: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Json] = field(default_factory=dict)
    """What started it, for those above the engine (playbook, alarm, channel); the engine never reads it."""
    secrets: tuple[str, ...] = ()
    """Parameters whose values are told to nobody (engine/secrets.py)."""
    engine: Literal["embedded", "ssm"] = "embedded"
    """Who runs it: this program, or AWS Systems Manager, whose answers are mirrored."""
    aws_id: str = ""
    """AWS's own id of it, once AWS has accepted it."""
    notice: str = ""
    """What keeps it from being followed now (AWS does not answer, or refuses), in one sentence."""
    version: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self.status in FINAL

    @property
    def step(self) -> StepExecution | None:
        """The running step, if any."""
        return None if self.current is None else self.steps[self.current]


@dataclass(frozen=True, slots=True)
class Change:
    """What every decision returns: the state to keep and the events that say why."""

    state: Execution
    events: tuple[Event, ...] = ()
