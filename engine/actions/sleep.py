"""aws:sleep: wait for a while, or until a moment."""

import re
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field, model_validator

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Stage, Succeeded, Waiting

LONGEST = timedelta(seconds=604_799)
DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


def duration(text: str) -> timedelta:
    """An ISO 8601 duration (`PT10M`, `P1DT2H`). Raises ValueError with a sentence."""
    match = DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groupdict().values()):
        raise ValueError(f'"{text}" is not an ISO 8601 duration such as PT10M')
    try:
        return timedelta(**{unit: float(value) for unit, value in match.groupdict().items() if value})
    except OverflowError as error:
        raise ValueError(f'"{text}" is too long') from error


def moment(text: str) -> datetime:
    """An ISO 8601 moment with a zone. Raises ValueError with a sentence."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f'"{text}" is not an ISO 8601 moment such as 2026-01-31T03:00:00Z') from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class SleepInputs(ActionInputs):
    """Inputs of aws:sleep: exactly one of the two."""

    duration: str | None = None
    timestamp: str | None = Field(default=None, validation_alias=AliasChoices("Timestamp", "TimeStamp"))

    @model_validator(mode="after")
    def _exactly_one(self) -> "SleepInputs":
        if (self.duration is None) == (self.timestamp is None):
            raise ValueError("give exactly one of Duration and Timestamp")
        return self


class Sleep(Action[SleepInputs]):
    """A timer; nothing is held meanwhile."""

    name: ClassVar[str] = "aws:sleep"
    impact: ClassVar[Literal["NonMutating"]] = "NonMutating"
    is_pure: ClassVar[bool] = True
    default_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]] = SleepInputs

    def run(self, inputs: SleepInputs, context: ActionContext) -> Outcome:
        """Wait, or be done."""
        until = context.memo.get("until")
        if isinstance(until, str):
            return Succeeded()
        try:
            span = duration(inputs.duration) if inputs.duration else moment(inputs.timestamp or "") - context.now
        except ValueError as error:
            return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True)
        if span > LONGEST:
            return Failed("a sleep lasts at most 604799 seconds", Stage.INPUT_VALIDATION, is_final=True)
        if span <= timedelta(0):
            return Succeeded()
        end = context.now + span
        return Waiting(until=end, memo={"until": end.isoformat()}, say=f"until {end:%F %T} UTC")
