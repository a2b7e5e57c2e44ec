"""What is known at a place of a runbook that has not run: values, and what only the run will tell. Pure.

Where two ways meet, only what both agree on is known. What was read before something changed is known as of now, and
decides nothing afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from engine.conditions import OPERATORS, holds
from engine.document import MISSING, Missing
from engine.expressions import UNKNOWN, Scope, Unknown, references, resolve
from infra.canonical import Json

UNTOLD: Final = "automation:EXECUTION_ID"


@dataclass(frozen=True, slots=True)
class _OpenScope(Scope):
    """A scope in which outputs of some steps are not missing, but not known."""

    open: frozenset[str] = frozenset()

    def lookup(self, reference: str) -> Json | Missing | Unknown:
        """As for a run; a reference to what nobody knows yet stays as it is written."""
        found = Scope.lookup(self, reference)
        return UNKNOWN if found is MISSING and reference.partition(".")[0] in self.open else found


@dataclass(frozen=True, slots=True)
class Known:
    """What is known on the way to a step."""

    parameters: Mapping[str, Json]
    system: Mapping[str, Json]
    steps: frozenset[str]
    """All names of steps."""
    outputs: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """What steps have given, where it is known."""
    open: frozenset[str] = frozenset()
    """Steps that may have given something that nobody knows yet."""
    doubtful: frozenset[str] = frozenset()
    """Steps whose outputs hold now and may be others by then."""
    variables: Mapping[str, Json] = field(default_factory=dict)
    """Variables whose value is known."""
    has_changed: bool = False
    """Whether something may have been changed on the way."""

    def scope(self) -> Scope:
        """References to what is known have values; those to what is not stay as they are written."""
        return _OpenScope(
            parameters=self.parameters,
            outputs=self.outputs,
            variables=self.variables,
            system=self.system,
            steps=self.steps,
            open=self.open,
        )

    def resolve(self, value: Json) -> Json | Missing:
        """The value with everything known put in."""
        return resolve(value, self.scope())

    def unknown_in(self, value: Json) -> tuple[str, ...]:
        """The references in a value that only the run will tell."""
        return tuple(dict.fromkeys(each for each in references(value) if self._is_unknown(each)))

    def _is_unknown(self, reference: str) -> bool:
        if reference == UNTOLD:
            return True
        if reference.startswith("variable:"):
            return reference.removeprefix("variable:") not in self.variables
        step, dot, output = reference.partition(".")
        return bool(dot) and step in self.open and output not in self.outputs.get(step, {})

    def is_doubtful_in(self, value: Json) -> bool:
        """Whether a value depends on something that may be otherwise by then."""
        return any(each.partition(".")[0] in self.doubtful for each in references(value))

    # -- moving on

    def gave(self, step: str, outputs: Mapping[str, Json]) -> "Known":
        """The step has given this, and nothing else."""
        doubtful = self.doubtful | {step} if self.has_changed else self.doubtful - {step}
        return replace(self, outputs={**self.outputs, step: outputs}, open=self.open - {step}, doubtful=doubtful)

    def gave_something(self, step: str, outputs: Mapping[str, Json] | None = None) -> "Known":
        """The step gives what only the run will tell, but for `outputs`."""
        return replace(self, outputs={**self.outputs, step: outputs or {}}, open=self.open | {step})

    def changed(self) -> "Known":
        """Something is not as it was: what has been read may be otherwise."""
        return replace(self, has_changed=True, doubtful=self.doubtful | self.outputs.keys())

    def with_variable(self, name: str, value: Json | Missing) -> "Known":
        """A variable has a new value; MISSING = one that only the run will tell."""
        others = {key: each for key, each in self.variables.items() if key != name}
        return replace(self, variables=others if isinstance(value, Missing) else {**others, name: value})


def met(ways: Iterable[Known]) -> Known:
    """What is known where several ways meet."""
    first, *others = ways
    for other in others:
        first = _both(first, other)
    return first


def _both(one: Known, other: Known) -> Known:
    if one == other:
        return one
    ran = one.outputs.keys() | other.outputs.keys()
    agreed = {
        step
        for step in ran
        if one.outputs.get(step, MISSING) == other.outputs.get(step, MISSING)
        and (step in one.open) == (step in other.open)
    }
    variables = {name: value for name, value in one.variables.items() if other.variables.get(name, MISSING) == value}
    return replace(
        one,
        outputs={step: one.outputs[step] if step in agreed else {} for step in ran},
        open=one.open | other.open | frozenset(ran - agreed),
        doubtful=one.doubtful | other.doubtful,
        variables=variables,
        has_changed=one.has_changed or other.has_changed,
    )


def verdict(condition: Json, known: Known) -> bool | None:
    """Whether a condition holds; None = only the run will tell."""
    if not isinstance(condition, dict):
        return False
    for key, combine in (("And", _all), ("Or", _any), ("Not", _none)):
        if key in condition:
            inner = condition[key]
            return combine([verdict(part, known) for part in (inner if isinstance(inner, list) else [inner])])
    compared = {key: value for key, value in condition.items() if key == "Variable" or key in OPERATORS}
    if known.unknown_in(compared) or known.is_doubtful_in(compared):
        return None
    resolved = known.resolve(compared)
    return isinstance(resolved, dict) and holds(resolved)


def _all(parts: list[bool | None]) -> bool | None:
    return False if False in parts else None if None in parts else True


def _any(parts: list[bool | None]) -> bool | None:
    return True if True in parts else None if None in parts else False


def _none(parts: list[bool | None]) -> bool | None:
    found = _any(parts)
    return None if found is None else not found
