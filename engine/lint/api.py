"""Calls of AWS, checked against botocore's models: names, inputs, and what is selected from the answer. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from engine.actions.api_inputs import RESERVED
from engine.document import Path, Step
from engine.lint.rule import Family, Found, note, warning
from engine.lint.selector_shapes import Selected, selected
from engine.lint.shapes import misfits
from engine.lint.subject import API_ACTIONS, Subject, has_reference
from engine.selector_syntax import SelectorError
from engine.shape import shown, suggestion
from infra.aws_errors import AwsRefused
from infra.aws_models import operation_name, service_name
from infra.canonical import Json

SCALARS: Final = frozenset({"string", "integer", "long", "float", "double", "boolean", "timestamp", "blob"})
FITTING: Final = {
    "Integer": frozenset({"integer", "long", "float", "double", "string", "timestamp"}),
    "Boolean": frozenset({"boolean", "string"}),
    "StringMap": frozenset({"structure", "map", "string", "list"}),
    "MapList": frozenset({"structure", "map", "string", "list"}),
}
"""Kinds of values that can be turned into a type; String and StringList take all."""


MISNAMED: Final = frozenset({"PlatformValues"})
"""Enumerations that AWS's answers do not keep to: EC2 says "windows" where its model says "Windows"."""


def _check(subject: Subject) -> Iterator[Found]:
    for step, path in subject.steps:
        if step.action in API_ACTIONS:
            place: Path = (*path, "inputs")
            yield from _names(step, place, subject)
            model = subject.operation(step)
            if model is not None:
                yield from _call(step, model, place, subject)
                yield from _answer(step, model, path)


def _names(step: Step, path: Path, subject: Subject) -> Iterator[Found]:
    service, api = subject.literal(step, "Service"), subject.literal(step, "Api")
    try:
        known = service_name(service) if service else ""
    except AwsRefused as error:
        yield Found("API001", str(error), (*path, "Service"))
        return
    try:
        if known and api:
            operation_name(known, api)
    except AwsRefused as error:
        yield Found("API002", str(error), (*path, "Api"))


def _call(step: Step, model: Any, path: Path, subject: Subject) -> Iterator[Found]:
    if model.has_streaming_output or model.has_event_stream_output:
        text = f"{model.name} answers with a stream, which runbooks cannot read"
        yield Found("API003", text, (*path, "Api"))
    shape = model.input_shape
    members = shape.members if shape is not None else {}
    spelled = {name.lower(): name for name in members}
    given = set()
    for key, value in step.inputs.items():
        if key in RESERVED:
            continue
        name = key if key in members else spelled.get(key.lower(), "")
        given.add(name)
        if name:
            yield from misfits(value, members[name], (*path, key), subject.type_of)
        else:
            text = f'{model.name} has no input "{key}".{suggestion(key, members)}'
            yield Found("API004", text, (*path, key))
    for name in shape.required_members if shape is not None else ():
        if name not in given and not members[name].metadata.get("idempotencyToken"):
            yield Found("API006", f'{model.name} needs the input "{name}"', path)


def _answer(step: Step, model: Any, path: Path) -> Iterator[Found]:
    """Selectors of outputs, and of the property that is looked at."""
    root = model.output_shape
    for index, output in enumerate(step.outputs):
        place: Path = (*path, "outputs", index, "Selector")
        found = _selected(output.selector, root)
        if found is None:
            continue
        if found.wrong:
            yield Found("API009", f'"{output.selector}" finds nothing: {found.wrong}', place)
        elif found.is_definite and output.type in FITTING and found.shapes:
            kinds = {shape.type_name for shape in found.shapes}
            if not kinds & FITTING[output.type]:
                text = f'"{output.selector}" finds {_article(min(kinds))}, which cannot become {_typed(output.type)}'
                yield Found("API010", text, (*path, "outputs", index, "Type"))
    selector = step.inputs.get("PropertySelector")
    if step.action != "aws:executeAwsApi" and isinstance(selector, str) and not has_reference(selector):
        yield from _property(step, selector, root, (*path, "inputs"))


def _selected(selector: str, root: Any) -> Selected | None:
    try:
        return selected(selector, root) if not has_reference(selector) else None
    except SelectorError:
        return None


def _property(step: Step, selector: str, root: Any, path: Path) -> Iterator[Found]:
    try:
        found = selected(selector, root)
    except SelectorError as error:
        yield Found("OUT101", str(error), (*path, "PropertySelector"))
        return
    if found.wrong:
        yield Found("API009", f'"{selector}" finds nothing: {found.wrong}', (*path, "PropertySelector"))
        return
    desired = step.inputs.get("DesiredValues")
    for index, value in enumerate(desired if isinstance(desired, list) else [desired]):
        place: Path = (*path, "DesiredValues", index) if isinstance(desired, list) else (*path, "DesiredValues")
        if value is not None and not has_reference(value) and found.shapes:
            yield from _desired(value, found.shapes, place)


def _desired(value: Json, shapes: tuple[Any, ...], path: Path) -> Iterator[Found]:
    """A value that the property can never have."""
    text = str(value)
    kinds = {shape.type_name for shape in shapes}
    if kinds == {"boolean"} and text not in ("True", "False"):
        yield Found(
            "API011", f'the property is a Boolean, and is compared as "True" or "False", not {shown(value)}', path
        )
    enums = [
        shape.enum for shape in shapes if shape.type_name == "string" and shape.enum and shape.name not in MISNAMED
    ]
    if kinds == {"string"} and len(enums) == len(shapes) and not any(text in enum for enum in enums):
        near = suggestion(text, enums[0])
        yield Found("API011", f"the property is never {shown(value)}.{near}", path)


def _typed(type_: str) -> str:
    return f"{'an' if type_ == 'Integer' else 'a'} {type_}"


def _article(kind: str) -> str:
    return {"structure": "a map", "map": "a map", "list": "a list", "boolean": "a Boolean", "string": "a text"}.get(
        kind, "a number"
    )


FAMILY: Final = Family(
    "Calls of AWS",
    (
        warning("API001", "there is no such AWS service"),
        warning("API002", "the service has no such operation"),
        warning("API003", "the operation answers with a stream"),
        warning("API004", "the operation has no such input"),
        warning("API005", "an input is of the wrong kind"),
        warning("API006", "a required input is missing"),
        warning("API007", "an input is longer, shorter, larger or smaller than AWS takes"),
        note("API008", "an input is none of the values that AWS knows"),
        warning("API009", "a selector finds nothing in the operation's answer"),
        warning("API010", "what a selector finds cannot become the type of its output"),
        warning("API011", "a desired value that the property never has"),
        warning("API013", "a parameter, variable or output is of a type that the input cannot take"),
    ),
    _check,
)
