"""The scan of every script of a runbook, each finding at its place in the runbook's file. Pure, but for bandit.

AWS looks into no script at CreateDocument, so all of these are warnings.
"""

from collections.abc import Iterator
from typing import Final

from engine.document import Document, Path, Problem, Step
from engine.scripts import bandit
from engine.scripts.danger import Finding
from engine.scripts.lines import in_file
from engine.scripts.scan import scan
from engine.scripts.script import is_powershell

ACTION: Final = "aws:executeScript"
FREE_TEXT: Final = frozenset({"String", "StringList", "StringMap", "MapList"})
"""Types whose values can be anything, unless a pattern or a list of values says otherwise."""


def script_problems(document: Document, *, file: str = "", with_bandit: bool = True) -> Iterator[Problem]:
    """Everything found in the runbook's scripts, in document order."""
    templates = _free_templates(document)
    for step, path, source in python_scripts(document):
        for finding in _findings(step, source, templates, with_bandit=with_bandit):
            start = document.positions.get(path)
            position = in_file(document.text, start, finding.line, finding.column) if start else None
            message = f'script of step "{step.name}", line {finding.line}: {finding.message}'
            yield Problem(finding.code, message, path, position, "warning", file)


def python_scripts(document: Document) -> Iterator[tuple[Step, Path, str]]:
    """Every Python script: its step, its place, its text."""
    for step, path in document.steps_with_paths():
        source, runtime = step.inputs.get("Script"), step.inputs.get("Runtime")
        if step.action == ACTION and isinstance(source, str) and not is_powershell(str(runtime)):
            yield step, (*path, "inputs", "Script"), source


def _findings(step: Step, source: str, templates: frozenset[str], *, with_bandit: bool) -> list[Finding]:
    handler = "" if step.inputs.get("Attachment") else str(step.inputs.get("Handler") or "")
    found = list(scan(source, runtime=str(step.inputs.get("Runtime", "")), handler=handler, templates=templates))
    if with_bandit and not any(finding.code == "SCR001" for finding in found):
        lines = {finding.line for finding in found}
        found += [finding for finding in bandit.findings(source) if finding.line not in lines]
    return sorted(found, key=lambda finding: (finding.line, finding.column, finding.code))


def _free_templates(document: Document) -> frozenset[str]:
    """References whose values can be any text: they would become code."""
    free = {
        name
        for name, parameter in document.parameters.items()
        if parameter.type in FREE_TEXT and not parameter.allowed_values and parameter.allowed_pattern is None
    }
    outputs = {f"{step.name}.{output.name}" for step in document.all_steps() for output in step.outputs}
    return frozenset(free | outputs | {f"variable:{name}" for name in document.variables})
