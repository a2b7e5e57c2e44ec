"""Every reference `{{ … }}` in a document's steps, with its place, and those that AWS refuses. Pure.

AWS looks for undeclared parameters in the text of all steps; in scripts we leave unknown braces alone (an f-string's
`{{x}}`), and the linter speaks of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from engine.document import Document, Path, Problem, Step
from engine.expressions import REFERENCE
from engine.shape import suggestion
from engine.source import Source
from infra.canonical import Json

WINDOW_PARAMETERS: Final = frozenset(
    {
        "RESOURCE_ID", "TARGET_ID", "TARGET_TYPE", "WINDOW_ID", "WINDOW_TASK_ID", "WINDOW_TARGET_ID",
        "WINDOW_EXECUTION_ID", "TASK_EXECUTION_ID", "INVOCATION_ID",
    }
)  # fmt: skip
"""Pseudo-parameters that a maintenance window replaces before it starts a task."""
SYSTEM_VALUES: Final = (
    "global:DATE", "global:DATE_TIME", "global:REGION", "global:ACCOUNT_ID", "global:AWS_PARTITION",
    "automation:EXECUTION_ID",
)  # fmt: skip
_STORE: Final = re.compile(r"\{\{\s*ssm:[^{}]*\}\}")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `{{ text }}` and where it stands."""

    text: str
    step: Step
    path: Path
    is_whole: bool
    """Whether the value consists of it alone."""

    @property
    def is_in_script(self) -> bool:
        """Whether it stands in the code of an aws:executeScript."""
        return self.path[-2:] == ("inputs", "Script")

    @property
    def parameter(self) -> str:
        """The parameter's name, or ""."""
        return "" if "." in self.text or ":" in self.text else self.text

    @property
    def variable(self) -> str:
        """The variable's name, or ""."""
        return self.text.removeprefix("variable:") if self.text.startswith("variable:") else ""

    @property
    def output(self) -> tuple[str, str]:
        """The step and the name of its output, or two empty texts."""
        name, dot, output = self.text.partition(".")
        return (name, output) if dot and ":" not in name else ("", "")


def references_of(document: Document) -> Iterator[Reference]:
    """All references in the inputs of all steps."""
    for step, path in document.steps_with_paths():
        for place, text in texts_of(step, path):
            whole = REFERENCE.fullmatch(text.strip())
            for found in REFERENCE.findall(text):
                yield Reference(found, step, place, whole is not None)


def texts_of(step: Step, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text in a step's inputs that has braces, with its place."""
    yield from _texts(dict(step.inputs), (*path, "inputs"))


def _texts(value: Json, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        if "{{" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def reference_problems(document: Document, source: Source) -> Iterator[Problem]:
    """References that cannot refer to anything."""
    names = frozenset(step.name for step in document.all_steps())
    seen: set[tuple[Path, str]] = set()
    for reference in references_of(document):
        if reference.is_in_script or (reference.path, reference.text) in seen:
            continue
        seen.add((reference.path, reference.text))
        found = wrong_with(reference, document, names)
        if found is not None and (reference.is_whole or not reference.output[0]):
            yield source.problem(*found, reference.path)
    for text in REFERENCE.findall(document.assume_role):
        if "." not in text and ":" not in text and text not in document.parameters and text not in WINDOW_PARAMETERS:
            message = f'Parameter "{text}" is not declared.{_parameter_hint(text, document, names)}'
            yield source.problem("REF001", message, ("assumeRole",))
    for step, path in document.steps_with_paths():
        for place, text in texts_of(step, path):
            if place[-2:] != ("inputs", "Script") and _STORE.search(text):
                message = "{{ssm:…}} is allowed only as the default of a parameter; refer to that parameter here"
                yield source.problem("REF004", message, place)


def wrong_with(reference: Reference, document: Document, names: frozenset[str]) -> tuple[str, str] | None:
    """Code and sentence for a reference to nothing; None for a good one. `names` are those of the steps."""
    text, (step, output) = reference.text, reference.output
    if reference.parameter and text not in document.parameters and text not in WINDOW_PARAMETERS:
        return "REF001", f'Parameter "{text}" is not declared.{_parameter_hint(text, document, names)}'
    if step and step not in names:
        return "REF002", f'Unknown step name "{step}" in "{{{{ {text} }}}}".{_step_hint(step, output, names)}'
    if reference.variable and reference.variable not in document.variables:
        near = suggestion(reference.variable, document.variables)
        return "REF003", f'Variable "{reference.variable}" is not declared.{near}'
    return None


def _parameter_hint(name: str, document: Document, names: frozenset[str]) -> str:
    if name in document.variables:
        return f' Variables are written "{{{{ variable:{name} }}}}".'
    if name in names:
        return f' It is a step; name one of its outputs: "{{{{ {name}.OutputName }}}}".'
    if name in ("REGION", "ACCOUNT_ID", "DATE", "DATE_TIME", "AWS_PARTITION"):
        return f' Did you mean "{{{{ global:{name} }}}}"?'
    return suggestion(name, document.parameters)


def _step_hint(step: str, output: str, names: frozenset[str]) -> str:
    if step in ("global", "automation", "variable"):
        return f' Did you mean "{{{{ {step}:{output} }}}}"?'
    return suggestion(step, names)
