"""The shape of a rule: a code, how bad it is, what it says and what would be right. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.document import Path, Severity
from engine.lint.subject import Subject


@dataclass(frozen=True, slots=True)
class Rule:
    """One code. It never changes its meaning: people write it into their settings."""

    code: str
    severity: Severity
    title: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One thing found by a family's check."""

    code: str
    message: str
    path: Path


@dataclass(frozen=True, slots=True)
class Family:
    """Rules that look at the same thing. `check` is None where something else finds them (the reader, the parser)."""

    name: str
    rules: tuple[Rule, ...]
    check: Callable[[Subject], Iterable[Found]] | None = None


def error(code: str, title: str, advice: str = "") -> Rule:
    """A rule of what AWS refuses at CreateDocument."""
    return Rule(code, "error", title, advice)


def warning(code: str, title: str, advice: str = "") -> Rule:
    """A rule of what will go wrong, or may."""
    return Rule(code, "warning", title, advice)


def note(code: str, title: str, advice: str = "") -> Rule:
    """A rule of what is good to know."""
    return Rule(code, "note", title, advice)
