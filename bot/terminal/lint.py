"""`playbook-bot runbook lint`: what is wrong with runbooks, before the night they are needed."""

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO, Final, Literal

import click

from bot.terminal.answers import NOT_SUCCESSFUL, REFUSED
from bot.terminal.lint_formats import Report, as_json, as_sarif, dumped, github_lines, text_lines
from engine.document import Document, Problem, RunbookRefused
from engine.lint.linting import heard, in_order
from engine.lint.linting import lint as lint_text
from engine.lint.rules import BY_CODE
from engine.scripts import tools
from engine.scripts.problems import python_scripts
from engine.source import LARGEST_FILE, decode

Format = Literal["text", "json", "sarif", "github"]
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
SKIPPED: Final = frozenset({"node_modules", "__pycache__", "cdk.out"})
"""Folders that hold no runbooks of one's own; hidden ones are left out, too."""
_OURS: Final = re.compile(r"schemaVersion['\"]?\s*:\s*['\"]?0\.3\b|^\s*['\"]?mainSteps['\"]?\s*:", re.MULTILINE)
_OTHER: Final = re.compile(r"schemaVersion['\"]?\s*:\s*['\"]?[12]\.")
"""Command documents have mainSteps, too, and are none of ours."""
STDIN: Final = "<stdin>"


@dataclass
class _Run:
    """What has been read so far."""

    problems: list[Problem] = field(default_factory=list)
    documents: list[tuple[Document, str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    files: int = 0


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER|-…")
@click.option(
    "--format", "style", type=click.Choice(["text", "json", "sarif", "github"]), default="text", show_default=True
)
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--ignore", "ignored", multiple=True, metavar="CODE", help="Leave out a warning or note; may be repeated."
)
@click.option("--no-notes", is_flag=True, help="Leave out what is only good to know.")
@click.option("--no-tools", is_flag=True, help="Do not ask bandit and ruff about the scripts.")
def lint(
    files: tuple[str, ...], *, style: Format, strict: bool, ignored: tuple[str, ...], no_notes: bool, no_tools: bool
) -> None:
    """Find every problem in runbooks, each with its place, its code, and what would be right.

    Errors are what AWS would refuse at CreateDocument. A folder is searched for runbooks; - is standard input.
    Exit codes: 0 no errors, 1 errors found, 2 wrong usage or a file that cannot be opened.
    """
    _check_codes(ignored)
    run = _Run()
    for name in files:
        _read(name, run)
    problems = [*run.problems, *(() if no_tools else _beyond(run))]
    kept = (each for each in problems if each.severity == "error" or not _is_ignored(each, ignored, no_notes=no_notes))
    has_scripts = any(True for document, _ in run.documents for _ in python_scripts(document))
    left_out = tools.missing() if has_scripts and not no_tools else ()
    report = Report(run.files, _in_order(kept), run.texts, left_out, tuple(run.unreadable))
    _print(report, style)
    sys.exit(_exit_code(report, strict=strict))


def _check_codes(ignored: Sequence[str]) -> None:
    for code in ignored:
        rule = BY_CODE.get(code)
        if rule is None and re.fullmatch(r"[BS]\d{3}", code) is None:
            raise click.BadParameter(f'there is no rule "{code}"; docs/lint.md lists them', param_hint="--ignore")
        if rule is not None and rule.severity == "error":
            raise click.BadParameter(f"{code} is an error: AWS would refuse the document", param_hint="--ignore")


def _is_ignored(problem: Problem, ignored: Sequence[str], *, no_notes: bool) -> bool:
    return problem.code in ignored or (no_notes and problem.severity == "note")


def _beyond(run: _Run) -> Iterator[Problem]:
    """What bandit and ruff find where our own scan has found nothing."""
    known = {(each.file, each.position) for each in run.problems if each.code.startswith("SCR")}
    lines = {(file, position.line) for file, position in known if position is not None}
    for problem in tools.tool_problems(run.documents):
        is_known = problem.position is not None and (problem.file, problem.position.line) in lines
        if not is_known:
            yield from heard([problem], run.texts[problem.file])


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """File by file, as they were given."""
    files: dict[str, list[Problem]] = {}
    for problem in problems:
        files.setdefault(problem.file, []).append(problem)
    return tuple(problem for each in files.values() for problem in in_order(each))


# -- reading


def _read(name: str, run: _Run) -> None:
    if name == "-":
        _lint(_bounded(sys.stdin.buffer), "stdin", STDIN, run)
        return
    path = Path(name)
    if path.is_dir():
        before = run.files
        for found in _below(path):
            _open(found, run, is_sought=True)
        if run.files == before:
            run.unreadable.append(f"{name}: there is no runbook (*.yaml, *.yml, *.json) in this folder")
    else:
        _open(path, run)


def _below(folder: Path) -> Iterator[Path]:
    """Files below a folder that may be runbooks, in order."""
    for home, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and each not in SKIPPED)
        yield from (Path(home) / each for each in sorted(names) if Path(each).suffix.lower() in SUFFIXES)


def _open(path: Path, run: _Run, *, is_sought: bool = False) -> None:
    try:
        with path.open("rb") as stream:
            data = _bounded(stream)
    except OSError as error:
        run.unreadable.append(f"{path}: {error.strerror or error}")
        return
    if is_sought and not _looks_like_a_runbook(data):
        return
    _lint(data, path.stem, str(path), run)


def _bounded(stream: BinaryIO) -> bytes:
    """A file's bytes, or just enough to see that it is too large."""
    return stream.read(LARGEST_FILE + 1)


def _looks_like_a_runbook(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    return _OURS.search(text) is not None and _OTHER.search(text) is None


def _lint(data: bytes, name: str, file: str, run: _Run) -> None:
    run.files += 1
    try:
        text = decode(data, file=file)
    except RunbookRefused as refused:
        run.problems += refused.problems
        return
    run.texts[file] = text
    found = lint_text(text, name=name, file=file)
    run.problems += found.problems
    if found.document is not None:
        run.documents.append((found.document, file))


# -- answering


def _print(report: Report, style: Format) -> None:
    match style:
        case "text":
            for line, colour in text_lines(report):
                click.echo(click.style(line, fg=colour) if colour else line)
        case "json":
            click.echo(dumped(as_json(report)))
        case "sarif":
            click.echo(dumped(as_sarif(report, version=_version())))
        case "github":
            for line in github_lines(report):
                click.echo(line)
    if style in ("text", "github") and report.unreadable:
        click.echo("\n".join(report.unreadable), err=True)


def _version() -> str:
    try:
        return version("playbook-bot")
    except PackageNotFoundError:
        return "0.0.0"


def _exit_code(report: Report, *, strict: bool) -> int:
    if report.unreadable:
        return REFUSED
    counts = report.counts
    return NOT_SUCCESSFUL if counts["error"] or (strict and counts["warning"]) else 0
