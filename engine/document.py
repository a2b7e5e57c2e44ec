"""A runbook as plain data: what an SSM Automation document (schema 0.3) says, parsed and positioned.

Specification: AWS Systems Manager User Guide, "Automation documents" and "Automation actions reference".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final, Literal

from infra.canonical import Json

Path = tuple[str | int, ...]
"""Where a value sits in the document: ("mainSteps", 3, "inputs", "Api")."""


class Missing(Enum):
    """The absence of a value, where None is a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Severity = Literal["error", "warning", "note"]
"""What AWS refuses; what will go wrong, or may; what is good to know."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document, where, and what would be right."""

    code: str
    message: str
    path: Path = ()
    position: Position | None = None
    severity: Severity = "error"
    file: str = ""

    def __str__(self) -> str:
        """`file:line:column message`, as compilers say it."""
        place = f"{self.position.line}:{self.position.column}" if self.position else "1:1"
        return f"{self.file or '<document>'}:{place} {self.message}"


class RunbookRefused(Exception):
    """The document is not one that AWS would accept; `problems` says why, in file order."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter or variable."""

    name: str
    type: str
    default: Json | Missing = MISSING
    description: str = ""
    allowed_values: tuple[Json, ...] = ()
    allowed_pattern: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    min_chars: int | None = None
    max_chars: int | None = None
    display_type: str = "textfield"

    @property
    def is_required(self) -> bool:
        """Whether a start must supply a value."""
        return self.default is MISSING


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A declared step output: what to select from the action's answer, and as what type ("" = as found)."""

    name: str
    selector: str
    type: str = ""


ABORT: Final = "Abort"
CONTINUE: Final = "Continue"


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of mainSteps (or of a loop's Steps).

    `on_failure` is "Abort", "Continue" or "step:NAME"; `on_cancel` is "Abort" or "step:NAME" (keywords normalised).
    `timeout` is None where the document says nothing: then the action's own default applies.
    """

    name: str
    action: str
    inputs: Mapping[str, Json] = field(default_factory=dict)
    description: str = ""
    max_attempts: int = 1
    timeout: timedelta | None = None
    on_failure: str = ABORT
    on_cancel: str = ABORT
    is_critical: bool = True
    is_end: bool = False
    next_step: str | None = None
    outputs: tuple[OutputSpec, ...] = ()
    steps: tuple["Step", ...] = ()
    """The body of an aws:loop; its inputs then lack the key `Steps`."""


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed runbook. `digest` is the SHA-256 of `text`, by which an execution is pinned to what it started with."""

    name: str
    text: str
    digest: str
    steps: tuple[Step, ...]
    description: str = ""
    assume_role: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    variables: Mapping[str, Parameter] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    files: Mapping[str, Json] = field(default_factory=dict)
    version: str = "1"
    target_type: str = ""
    """What it is run on (`/AWS::EC2::Instance`), where it is kept under a name that says so; no part of the text."""
    positions: Mapping[Path, Position] = field(default_factory=dict, compare=False, repr=False)
    tree: Mapping[str, Json] = field(default_factory=dict, compare=False, repr=False)

    def step(self, name: str) -> Step | None:
        """The step of that name, inner steps of loops included."""
        return next((step for step in self.all_steps() if step.name == name), None)

    def all_steps(self) -> tuple[Step, ...]:
        """Every step in document order, each loop followed by its body."""
        return tuple(inner for step in self.steps for inner in (step, *step.steps))

    def steps_with_paths(self) -> tuple[tuple[Step, Path], ...]:
        """Every step in document order with its place in the document."""
        found: list[tuple[Step, Path]] = []
        for index, step in enumerate(self.steps):
            path: Path = ("mainSteps", index)
            found.append((step, path))
            found += [(inner, (*path, "inputs", "Steps", number)) for number, inner in enumerate(step.steps)]
        return tuple(found)
