"""What people and callers may tell a running execution."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from audit.events import Actor


class SignalType(StrEnum):
    """SSM's SendAutomationSignal types."""

    APPROVE = "Approve"
    REJECT = "Reject"
    RESUME = "Resume"
    START_STEP = "StartStep"
    STOP_STEP = "StopStep"
    REVOKE = "Revoke"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal by one actor. `step_execution_id` pins it to the gate it answers; `payload` is as SSM's."""

    type: SignalType
    actor: Actor
    step_execution_id: str = ""
    payload: Mapping[str, str] = field(default_factory=dict)


class SignalRefused(Exception):
    """The signal does not fit the state of the execution; nothing was changed."""
