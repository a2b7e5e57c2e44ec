"""The selectors that a document declares, valid or not."""

from collections.abc import Iterator

from engine.document import RunbookRefused
from engine.validation import examine
from infra.canonical import Json


def selectors_of(name: str, text: str) -> Iterator[str]:
    """Selectors of outputs and of awaited properties."""
    try:
        document = examine(text, name=name, file=name).document
    except RunbookRefused:
        return
    for step in document.all_steps() if document is not None else ():
        yield from (output.selector for output in step.outputs)
        selector: Json = step.inputs.get("PropertySelector")
        if isinstance(selector, str) and "{{" not in selector:
            yield selector
