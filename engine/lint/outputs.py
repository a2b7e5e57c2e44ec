"""Outputs that steps declare: selectors that cannot be read, names that nobody can refer to. Pure."""

import re
from collections.abc import Iterator
from typing import Final

from engine.document import Path, Step
from engine.lint.produced import IMPLICIT, WITHOUT_OUTPUTS
from engine.lint.rule import Family, Found, note, warning
from engine.lint.subject import Subject, has_reference
from engine.selector_syntax import SelectorError
from engine.selectors import compiled

NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_PAYLOAD: Final = re.compile(r"\s*(?:\$\.?)?(?:\.|\[['\"])?(?:Payload|OutputPayload)\b|\s*\$\s*$|\s*\$?\.\.")


def _check(subject: Subject) -> Iterator[Found]:
    for step, path in subject.steps:
        seen: set[str] = set()
        for index, output in enumerate(step.outputs):
            place: Path = (*path, "outputs", index)
            yield from _selector(step, output.selector, (*place, "Selector"))
            if output.name in seen:
                yield Found("OUT103", f'the output "{output.name}" is declared twice', (*place, "Name"))
            seen.add(output.name)
            if NAME.fullmatch(output.name) is None:
                text = f'no reference can name the output "{output.name}"; use letters, digits and _'
                yield Found("OUT104", text, (*place, "Name"))
            elif output.name in IMPLICIT.get(step.action, ()) and step.action != "aws:executeAwsApi":
                text = f'"{output.name}" is an output that {step.action} has by itself; give yours another name'
                yield Found("OUT106", text, (*place, "Name"))
        if step.outputs and step.action in WITHOUT_OUTPUTS:
            yield Found("OUT105", f"{step.action} has no answer to select outputs from", (*path, "outputs"))


def _selector(step: Step, selector: str, path: Path) -> Iterator[Found]:
    if has_reference(selector):
        yield Found("OUT101", f'references in a selector are not replaced: "{selector}"', path)
        return
    try:
        compiled(selector)
    except SelectorError as error:
        yield Found("OUT101", str(error), path)
        return
    if step.action == "aws:executeScript" and _PAYLOAD.match(selector) is None:
        rest = selector.strip().removeprefix("$").removeprefix(".")
        text = (
            f'what a script returns is under Payload, so "{selector}" finds nothing. Did you mean "$.Payload.{rest}"?'
        )
        yield Found("OUT102", text, path)


FAMILY: Final = Family(
    "Outputs of steps",
    (
        warning("OUT101", "a selector cannot be read"),
        warning("OUT102", "the selector of a script's output does not begin with `$.Payload`"),
        warning("OUT103", "two outputs of a step have the same name"),
        note("OUT104", "the name of an output cannot stand in a reference"),
        warning("OUT105", "outputs are declared where there is nothing to select from"),
        note("OUT106", "an output has the name of one that the action has by itself"),
    ),
    _check,
)
