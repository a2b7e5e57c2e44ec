"""What a preview has found: the steps that would run, how sure that is, and how it would end. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from engine.consequence import Consequence
from engine.document import Document
from infra.canonical import Json


class Failing(IntEnum):
    """Whether a step fails."""

    NO = 0
    MAYBE = 1
    SURELY = 2


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that the run would make, and what it takes away."""

    service: str
    operation: str
    params: Mapping[str, Any]
    consequences: tuple[Consequence, ...] = ()

    @property
    def name(self) -> str:
        """`service:Operation`."""
        return f"{self.service}:{self.operation}"


class Reach(IntEnum):
    """How sure it is that a step runs."""

    ON_FAILURE = 1
    MAYBE = 2
    SURE = 3


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """One step that would or may run."""

    name: str
    action: str
    reach: Reach
    why: str
    """On what it depends, where it is not sure."""
    fails: Failing
    says: tuple[str, ...] = ()
    calls: tuple[Planned, ...] = ()
    outputs: Mapping[str, Json] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    loop: str = ""
    iteration: int = 0
    """Counted from 1; 0 = any."""
    child: "Preview | None" = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a start with these parameters would do."""

    document: Document
    parameters: Mapping[str, Json]
    steps: tuple[PreviewStep, ...]
    not_reached: tuple[str, ...]
    ends: tuple[tuple[str, Reach, str], ...]
    """(Success or Failed, how sure, at which step)."""
    role: str = ""
    """The role with which the run would call AWS; "" = as whoever starts it."""

    @property
    def consequences(self) -> tuple[Consequence, ...]:
        """What would be lost, by all steps and their children."""
        found: list[Consequence] = []
        for step in self.steps:
            found += [each for call in step.calls for each in call.consequences]
            found += step.child.consequences if step.child is not None else ()
        return tuple(dict.fromkeys(found))

    @property
    def outcome(self) -> str:
        """How it would end, in a word or two."""
        sure = {status for status, reach, _ in self.ends if reach is Reach.SURE}
        maybe = {status for status, reach, _ in self.ends if reach is Reach.MAYBE}
        if sure == {"Failed"} and not maybe:
            return "Failed"
        return "Success, if every step succeeds" if "Failed" not in sure | maybe else "Success or Failed"
