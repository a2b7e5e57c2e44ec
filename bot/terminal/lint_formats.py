"""How the linter answers: lines for people, JSON, SARIF 2.1.0 for code scanning, annotations for GitHub. Pure.

Sources: OASIS SARIF 2.1.0 (§3.13 sarifLog, §3.27 result, §3.30 region); GitHub, "Workflow commands for GitHub Actions".
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from engine.document import Problem
from engine.lint.rules import RULES, rule_of

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
COLOURS: Final = {"error": "red", "warning": "yellow", "note": "cyan"}
LEVELS: Final = {"error": "error", "warning": "warning", "note": "notice"}
WIDEST: Final = 160
"""Characters of a source line that are shown."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run of the linter has found."""

    files: int
    problems: tuple[Problem, ...]
    texts: Mapping[str, str]
    """Each file's text, for the lines that are shown."""
    left_out: tuple[str, ...] = ()
    """Scanners that are not installed."""
    unreadable: tuple[str, ...] = ()
    """Sentences about files that could not be opened."""

    @property
    def counts(self) -> Counter[str]:
        """How many of each severity."""
        return Counter(problem.severity for problem in self.problems)


def place_of(problem: Problem) -> tuple[int, int]:
    """Line and column; the file's beginning where a problem has no place."""
    return (problem.position.line, problem.position.column) if problem.position else (1, 1)


# -- text


def text_lines(report: Report) -> Iterator[tuple[str, str]]:
    """Pairs of a line and its colour ("" = none)."""
    lines = {file: text.split("\n") for file, text in report.texts.items()}
    for problem in report.problems:
        line, column = place_of(problem)
        yield (
            f"{problem.file}:{line}:{column} {problem.severity} {problem.code} {problem.message}",
            (COLOURS[problem.severity]),
        )
        source = lines.get(problem.file, [])
        if 0 < line <= len(source):
            yield from ((each, "") for each in _excerpt(source[line - 1].rstrip("\r"), line, column))
    yield summary(report), ""
    if report.left_out:
        yield not_scanned(report), ""


def not_scanned(report: Report) -> str:
    """Which scanners were missing."""
    names = " and ".join(report.left_out)
    return f"Scripts were not scanned by {names}: not installed (pip install {' '.join(report.left_out)})."


def _excerpt(text: str, line: int, column: int) -> Iterator[str]:
    """The line, with a caret under its column; a window of it where it is very long (JSON on one line)."""
    text = text.replace("\t", " ")
    start = max(0, column - WIDEST // 2) if len(text) > WIDEST else 0
    shown = text[start : start + WIDEST]
    if not shown.strip():
        return
    yield f"{line:>6} | {shown}"
    yield f"       | {' ' * (column - 1 - start)}^"


def summary(report: Report) -> str:
    """`3 files: 1 error, 2 warnings`."""
    counts = report.counts
    parts = [_plural(counts[each], each) for each in ("error", "warning", "note") if counts[each]]
    return f"{_plural(report.files, 'file')}: {', '.join(parts) or 'nothing to say'}"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


# -- JSON


def as_json(report: Report) -> dict[str, Any]:
    """One object: problems in order, counts, and what was left out."""
    counts = report.counts
    return {
        "files": report.files,
        "errors": counts["error"],
        "warnings": counts["warning"],
        "notes": counts["note"],
        "problems": [_plain(problem) for problem in report.problems],
        "left_out": list(report.left_out),
        "unreadable": list(report.unreadable),
    }


def _plain(problem: Problem) -> dict[str, Any]:
    line, column = place_of(problem)
    rule = rule_of(problem.code)
    return {
        "file": problem.file,
        "line": line,
        "column": column,
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "rule": rule.title if rule else "",
        "path": list(problem.path),
    }


# -- SARIF


def as_sarif(report: Report, *, version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log of one run."""
    used = {problem.code for problem in report.problems}
    rules = [
        _sarif_rule(code) for code in dict.fromkeys([*(rule.code for rule in RULES if "…" not in rule.code), *used])
    ]
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    notifications = [
        {"level": "note", "message": {"text": f"{name} is not installed, so scripts were not scanned by it."}}
        for name in report.left_out
    ] + [{"level": "error", "message": {"text": sentence}} for sentence in report.unreadable]
    driver = {"name": "playbook-bot runbook lint", "semanticVersion": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not report.unreadable, "toolExecutionNotifications": notifications},
        ],
        "results": [_sarif_result(problem, index) for problem in report.problems],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(code: str) -> dict[str, Any]:
    rule = rule_of(code)
    found: dict[str, Any] = {"id": code}
    if rule is not None:
        found["shortDescription"] = {"text": rule.title}
        found["defaultConfiguration"] = {"level": rule.severity}
        if rule.advice:
            found["help"] = {"text": rule.advice}
    return found


def _sarif_result(problem: Problem, index: Mapping[str, int]) -> dict[str, Any]:
    line, column = place_of(problem)
    where = {
        "artifactLocation": {"uri": _uri(problem.file)},
        "region": {"startLine": line, "startColumn": column},
    }
    return {
        "ruleId": problem.code,
        "ruleIndex": index[problem.code],
        "level": problem.severity,
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": where}],
    }


def _uri(file: str) -> str:
    """A relative file as a relative reference, an absolute one as file:///…."""
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


# -- GitHub


def github_lines(report: Report) -> Iterator[str]:
    """Workflow commands: GitHub shows each beside its line."""
    for problem in report.problems:
        line, column = place_of(problem)
        places = f"file={_property(problem.file)},line={line},col={column},title={_property(problem.code)}"
        yield f"::{LEVELS[problem.severity]} {places}::{_data(problem.message)}"
    for sentence in report.unreadable:
        yield f"::error::{_data(sentence)}"
    if report.left_out:
        yield f"::notice::{_data(not_scanned(report))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def dumped(value: Any, *, indent: int | None = 2) -> str:
    """JSON text."""
    return json.dumps(value, indent=indent, ensure_ascii=False)
