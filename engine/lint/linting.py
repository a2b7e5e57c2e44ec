"""One text, and everything that is wrong with it, in file order. Pure.

A file that cannot be read, or is too large, gets its refusals only: nothing more is looked for in it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from engine.document import Document, Problem, RunbookRefused
from engine.lint.rule import Found
from engine.lint.rules import BY_CODE, FAMILIES
from engine.lint.subject import Subject
from engine.scripts.problems import script_problems
from engine.source import in_file_order
from engine.validation import examine

HOPELESS: Final = frozenset({"DOC001", "DOC002"})
IGNORE: Final = re.compile(r"#\s*lint:\s*ignore\s+([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)\s*$")
MOST_PROBLEMS: Final = 1000
"""Of one file: beyond it nobody reads."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in one file; `document` is None where none could be built."""

    problems: tuple[Problem, ...]
    document: Document | None = None


def lint(text: str, *, name: str, file: str = "") -> Linted:
    """Lint a runbook. Never raises for what a file may hold."""
    try:
        examined = examine(text, name=name, file=file)
    except RunbookRefused as refused:
        return Linted(refused.problems)
    problems = [*examined.problems, *examined.source.warnings]
    document = examined.document
    if document is None or any(problem.code in HOPELESS for problem in problems):
        return Linted(in_order(problems))
    is_flow_known = not any(problem.code.startswith(("FLW", "STP")) for problem in examined.problems)
    subject = Subject(document, examined.source, is_flow_known)
    problems += [_problem(found, subject) for found in _found(subject)]
    problems += script_problems(document, subject.needs, file=file)
    return Linted(in_order(heard(problems, text)), document)


def heard(problems: Iterable[Problem], text: str) -> list[Problem]:
    """All but what the file itself asks to leave out, by `# lint: ignore CODE` in the line; errors are always said."""
    if "lint:" not in text:
        return list(problems)
    lines = text.split("\n")
    return [each for each in problems if each.severity == "error" or each.code not in _ignored(lines, each)]


def _ignored(lines: Sequence[str], problem: Problem) -> list[str]:
    number = problem.position.line if problem.position is not None else 0
    asked = IGNORE.search(lines[number - 1]) if 0 < number <= len(lines) else None
    return re.split(r"[,\s]+", asked[1]) if asked is not None else []


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """Each once, in file order, the worst of a place first."""
    unique = {(problem.code, problem.message, problem.position): problem for problem in problems}
    weights = {"error": 0, "warning": 1, "note": 2}
    ordered = sorted(unique.values(), key=lambda each: (*in_file_order(each), weights[each.severity], each.code))
    return tuple(ordered[:MOST_PROBLEMS])


def _found(subject: Subject) -> Iterator[Found]:
    for family in FAMILIES:
        if family.check is not None:
            yield from family.check(subject)


def _problem(found: Found, subject: Subject) -> Problem:
    severity = BY_CODE[found.code].severity
    return subject.source.problem(found.code, found.message, found.path, severity=severity)
