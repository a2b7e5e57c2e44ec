"""aws:runCommand, the one action whose inputs AWS looks at when the document is created: their kinds. Pure.

Source: SSM User Guide, "Troubleshooting Systems Manager Automation"; what a reference stands for is known later.
"""

from collections.abc import Iterator
from typing import Final

from engine.document import Document, Path, Problem, Step
from engine.shape import as_integer, kind_of
from engine.source import Source
from infra.canonical import Json

TEXTS: Final = (
    "DocumentName",
    "Comment",
    "DocumentVersion",
    "OutputS3BucketName",
    "OutputS3KeyPrefix",
    "ServiceRoleArn",
)
LISTS: Final = ("InstanceIds", "Targets")


def command_problems(document: Document, source: Source) -> Iterator[Problem]:
    """Inputs that can never be what aws:runCommand takes."""
    for step, path in document.steps_with_paths():
        if step.action == "aws:runCommand":
            yield from _step(step, (*path, "inputs"), source)


def _step(step: Step, path: Path, source: Source) -> Iterator[Problem]:
    for key, value in step.inputs.items():
        wanted = _wanted(key, value)
        if wanted:
            text = f"{key} of aws:runCommand must be {wanted}, not {kind_of(value)}"
            yield source.problem("INP010", text, (*path, key))


def _wanted(key: str, value: Json) -> str:
    """What the input would have to be; "" where it may be that."""
    is_reference = isinstance(value, str) and "{{" in value
    if value is None or is_reference:
        return ""
    if key in TEXTS and isinstance(value, (dict, list)):
        return "a text"
    if key in LISTS and isinstance(value, (dict, bool, int, float)):
        return "a list"
    if key == "Parameters" and not isinstance(value, (dict, str)):
        return "a map (name: list of values)"
    if key == "TimeoutSeconds" and as_integer(value) is None:
        return "a whole number"
    return ""
