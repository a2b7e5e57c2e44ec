"""The scan of every script of a runbook, each finding at its place in the runbook's file. Pure.

AWS looks into no script at CreateDocument, so none of these is an error.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Final

from engine.document import Document, Path, Problem, Severity, Step
from engine.scripts.boto_values import methods_of
from engine.scripts.danger import Finding
from engine.scripts.iam import ScriptNeeds, actions_of
from engine.scripts.lines import in_file
from engine.scripts.scan import scan
from engine.scripts.script import is_powershell
from engine.shape import suggestion

ACTION: Final = "aws:executeScript"
FREE_TEXT: Final = frozenset({"String", "StringList", "StringMap", "MapList"})
"""Types whose values can be anything, unless a pattern or a list of values says otherwise."""
NOTHING: Final[Mapping[str, ScriptNeeds]] = {}


def script_problems(
    document: Document, needs: Mapping[str, ScriptNeeds] = NOTHING, *, file: str = ""
) -> Iterator[Problem]:
    """Everything found in the runbook's scripts, in document order; `needs` by step, where they are known already."""
    templates = _free_templates(document)
    for step, path, source in python_scripts(document):
        for finding in _findings(step, source, templates, needs.get(step.name) or actions_of(source)):
            yield at_line(document, step, path, finding, file=file)
    for step, path in document.steps_with_paths():
        if step.action == ACTION and is_powershell(str(step.inputs.get("Runtime"))):
            text = f'the script of step "{step.name}" is PowerShell, which is not scanned'
            place: Path = (*path, "inputs", "Runtime")
            yield Problem("SCR900", text, place, document.positions.get(place), "note", file)


def at_line(
    document: Document, step: Step, path: Path, finding: Finding, *, file: str = "", severity: Severity = "warning"
) -> Problem:
    """A finding as a problem of the runbook, at the line of the runbook's file."""
    start = document.positions.get(path)
    position = in_file(document.text, start, finding.line, finding.column) if start else None
    message = f'script of step "{step.name}", line {finding.line}: {finding.message}'
    return Problem(finding.code, message, path, position, severity, file)


def python_scripts(document: Document) -> Iterator[tuple[Step, Path, str]]:
    """Every Python script: its step, its place, its text."""
    for step, path in document.steps_with_paths():
        source, runtime = step.inputs.get("Script"), step.inputs.get("Runtime")
        if step.action == ACTION and isinstance(source, str) and not is_powershell(str(runtime)):
            yield step, (*path, "inputs", "Script"), source


def _findings(step: Step, source: str, templates: frozenset[str], needs: ScriptNeeds) -> list[Finding]:
    handler = "" if step.inputs.get("Attachment") else str(step.inputs.get("Handler") or "")
    found = list(scan(source, runtime=str(step.inputs.get("Runtime", "")), handler=handler, templates=templates))
    found += [
        Finding("SCR301", f"{call.sentence}.{_meant(call.method, call.service)}", call.line, call.column)
        for call in needs.unknown
        if call.is_wrong
    ]
    return sorted(found, key=lambda finding: (finding.line, finding.column, finding.code))


@functools.lru_cache(maxsize=512)
def _meant(method: str, service: str) -> str:
    return suggestion(method, methods_of(service))


def _free_templates(document: Document) -> frozenset[str]:
    """References whose values can be any text: they would become code."""
    free = {
        name
        for name, parameter in document.parameters.items()
        if parameter.type in FREE_TEXT and not parameter.allowed_values and parameter.allowed_pattern is None
    }
    outputs = {f"{step.name}.{output.name}" for step in document.all_steps() for output in step.outputs}
    return frozenset(free | outputs | {f"variable:{name}" for name in document.variables})
