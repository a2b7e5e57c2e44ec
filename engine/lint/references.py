"""References that AWS takes and that nevertheless find nothing: no such output, not run yet, no such value. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from engine.document import Document, Path, Step
from engine.expressions import REFERENCE
from engine.expressions import references as names_in
from engine.lint.produced import outputs_of
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import Subject
from engine.references import SYSTEM_VALUES, Reference, wrong_with
from engine.shape import suggestion

NO_SYSTEM: Final = ("global", "automation")


def _check(subject: Subject) -> Iterator[Found]:
    seen: set[tuple[Path, str]] = set()
    for reference in subject.references:
        if (reference.path, reference.text) in seen:
            continue
        seen.add((reference.path, reference.text))
        yield from _reference(reference, subject)
    yield from _role(subject.document)
    yield from _document_outputs(subject)


def _reference(reference: Reference, subject: Subject) -> Iterator[Found]:
    name, output = reference.output
    if name in subject.named:
        yield from _output(reference, subject.named[name], output, subject)
    elif reference.text.partition(":")[0] in NO_SYSTEM and reference.text not in SYSTEM_VALUES:
        text = f'there is no "{{{{ {reference.text} }}}}".{suggestion(reference.text, SYSTEM_VALUES)}'
        yield Found("REF103", text, reference.path)
    elif reference.is_in_script:
        wrong = wrong_with(reference, subject.document, frozenset(subject.named))
        if wrong is not None and not _is_python(reference):
            text = f'"{{{{ {reference.text} }}}}" in the script refers to nothing, so it stays as it is'
            yield Found("REF110", f"{text}; SSM may refuse it", reference.path)
    elif name and not reference.is_whole:
        near = suggestion(name, subject.named)
        text = f'"{{{{ {reference.text} }}}}" names no step and stays as it is.{near}'
        yield Found("REF108", text, reference.path)


def _is_python(reference: Reference) -> bool:
    """Whether the script has a name of its own of that spelling: then the braces are those of an f-string."""
    source = REFERENCE.sub("", str(reference.step.inputs.get("Script")))
    return re.search(rf"\b{re.escape(reference.text.partition('.')[0])}\b", source) is not None


def _output(reference: Reference, step: Step, output: str, subject: Subject) -> Iterator[Found]:
    known = outputs_of(step)
    if known is not None and output not in known:
        yield Found("REF101", f'step "{step.name}" has no output "{output}".{_hint(output, known)}', reference.path)
        return
    user = reference.step.name
    if not subject.is_flow_known or step.name in subject.before(user):
        return
    if step.name == user and not (step.action == "aws:loop" and output.startswith("Current")):
        yield Found("REF102", f'step "{user}" refers to its own output "{output}"', reference.path)
    elif step.name != user:
        text = f'step "{step.name}" cannot have run when "{user}" does, so its output "{output}" is not there'
        yield Found("REF102", text, reference.path)


def _hint(output: str, known: frozenset[str]) -> str:
    first, dot, rest = output.partition(".")
    if dot and first in known:
        return f' Declare an output with the Selector "$.{first}.{rest}", and refer to that.'
    near = suggestion(output, known)
    return near or (f" It has: {', '.join(sorted(known))}." if known else " It has none.")


def _role(document: Document) -> Iterator[Found]:
    known = {*document.parameters, *SYSTEM_VALUES}
    for name in names_in(document.assume_role):
        if name in document.variables or name.partition(":")[0] == "variable" or "." in name:
            text = f'assumeRole is needed before any step runs; "{{{{ {name} }}}}" has no value then'
            yield Found("REF104", text, ("assumeRole",))
        elif ":" in name and name not in known:
            yield Found("REF103", f'there is no "{{{{ {name} }}}}".{suggestion(name, known)}', ("assumeRole",))


def _document_outputs(subject: Subject) -> Iterator[Found]:
    seen: set[str] = set()
    for index, text in enumerate(subject.document.outputs):
        name, _, output = text.partition(".")
        step = subject.named.get(name)
        known = outputs_of(step) if step is not None else None
        path: Path = ("outputs", index)
        if known is not None and output not in known:
            yield Found("OUT107", f'step "{name}" has no output "{output}".{_hint(output, known)}', path)
        if text in seen:
            yield Found("OUT108", f'the output "{text}" is listed twice', path)
        seen.add(text)


FAMILY: Final = Family(
    "References",
    (
        warning("REF101", "a reference names an output that its step does not have"),
        warning("REF102", "a reference names the output of a step that cannot have run"),
        warning("REF103", "there is no such system value", "`global:REGION`, `automation:EXECUTION_ID` …"),
        warning("REF104", "assumeRole refers to what has no value before the first step"),
        warning("REF108", "a reference inside a text names no step"),
        note("REF110", "a reference in a script refers to nothing", "hand values over through InputPayload"),
        warning("OUT107", "an output of the document names an output that its step does not have"),
        warning("OUT108", "an output of the document is listed twice"),
    ),
    _check,
)
