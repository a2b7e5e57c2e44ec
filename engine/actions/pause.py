"""aws:pause: wait until somebody resumes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import ConfigDict

from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded, Waiting
from engine.signals import Signal, SignalType
from infra.canonical import Json


class PauseInputs(ActionInputs):
    """Inputs of aws:pause: none by the guide, a Message in AWS's own documents."""

    model_config = ConfigDict(extra="allow")


class Pause(Action[PauseInputs]):
    """Hold until Resume."""

    name: ClassVar[str] = "aws:pause"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = PauseInputs

    def run(self, inputs: PauseInputs, context: ActionContext) -> Outcome:
        """Begin to wait."""
        return Waiting(signals=frozenset({SignalType.RESUME}), say="paused")

    def receive(self, inputs: PauseInputs, memo: Mapping[str, Json], signal: Signal, now: datetime) -> Outcome:
        """Go on."""
        return Succeeded()
