"""Values against botocore's shapes, with the place of each misfit; references fit everything. Pure.

What the engine converts (a text for a number, a lone value for a list, JSON text for a map) fits.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from engine.actions.api_inputs import shaped
from engine.document import Path
from engine.lint.rule import Found
from engine.lint.subject import has_reference
from engine.shape import kind_of, shown, suggestion
from infra.canonical import Json

WANTED: Final = {
    "integer": "a whole number", "long": "a whole number", "float": "a number", "double": "a number",
    "boolean": "true or false", "string": "a text",
}  # fmt: skip


UNFIT: Final[Mapping[str, frozenset[str]]] = {
    "structure": frozenset({"Integer", "Boolean", "StringList"}),
    "map": frozenset({"Integer", "Boolean", "StringList"}),
    "integer": frozenset({"Boolean", "StringList", "StringMap", "MapList"}),
    "long": frozenset({"Boolean", "StringList", "StringMap", "MapList"}),
    "float": frozenset({"Boolean", "StringList", "StringMap", "MapList"}),
    "double": frozenset({"Boolean", "StringList", "StringMap", "MapList"}),
    "boolean": frozenset({"Integer", "StringList", "StringMap", "MapList"}),
}
"""Types that cannot become a kind of value; texts can become anything."""
LISTED: Final[Mapping[str, frozenset[str]]] = {
    "structure": frozenset({"MapList", "StringMap"}),
    "string": frozenset({"StringList"}),
    "integer": frozenset({"StringList"}),
    "long": frozenset({"StringList"}),
}
"""Types that can become a list of that kind."""
TypeOf = Callable[[Json], str]


def misfits(value: Json, shape: Any, path: Path, type_of: TypeOf) -> Iterator[Found]:
    """Everything in a value that the operation would refuse; `type_of` says what type a reference has."""
    type_ = type_of(value)
    if type_:
        yield from _typed(value, type_, shape, path)
        return
    match shape.type_name:
        case "structure":
            yield from _structure(value, shape, path, type_of)
        case "list":
            yield from _list(value, shape, path, type_of)
        case "map":
            yield from _map(value, shape, path, type_of)
        case _:
            yield from _scalar(value, shape, path)


def _typed(value: Json, type_: str, shape: Any, path: Path) -> Iterator[Found]:
    """A reference whose type is declared."""
    kind = shape.type_name
    if kind == "list":
        kind = shape.member.type_name
        if type_ in LISTED.get(kind, ()):
            return
    if type_ in UNFIT.get(kind, ()):
        yield Found("API013", f"{value} is {_article(type_)}, which {_name(path)} cannot take", path)


def _article(type_: str) -> str:
    return f"{'an' if type_ == 'Integer' else 'a'} {type_}"


def _is_open(value: Json) -> bool:
    """Whether a text may become anything: a reference, or JSON."""
    return isinstance(value, str) and (has_reference(value) or value.lstrip()[:1] in ("{", "["))


def _structure(value: Json, shape: Any, path: Path, type_of: TypeOf) -> Iterator[Found]:
    if getattr(shape, "is_document_type", False) or _is_open(value) or value is None:
        return
    if not isinstance(value, dict):
        yield Found("API005", f"{_name(path)} must be a map, not {kind_of(value)}", path)
        return
    for key, item in value.items():
        if key in shape.members:
            yield from misfits(item, shape.members[key], (*path, key), type_of)
        else:
            yield Found("API004", f'{_name(path)} has no member "{key}".{suggestion(key, shape.members)}', (*path, key))
    for name in shape.required_members:
        if name not in value:
            yield Found("API006", f'{_name(path)} needs the member "{name}"', path)


def _list(value: Json, shape: Any, path: Path, type_of: TypeOf) -> Iterator[Found]:
    if _is_open(value) or value is None:
        return
    if not isinstance(value, list):
        yield from misfits(value, shape.member, path, type_of)
        return
    for index, item in enumerate(value):
        yield from misfits(item, shape.member, (*path, index), type_of)
    most = shape.metadata.get("max")
    if most is not None and len(value) > most and not has_reference(value):
        yield Found("API007", f"{_name(path)} may have at most {most} items, not {len(value)}", path)


def _map(value: Json, shape: Any, path: Path, type_of: TypeOf) -> Iterator[Found]:
    if _is_open(value) or value is None:
        return
    if not isinstance(value, dict):
        yield Found("API005", f"{_name(path)} must be a map, not {kind_of(value)}", path)
        return
    for key, item in value.items():
        yield from misfits(item, shape.value, (*path, key), type_of)


def _scalar(value: Json, shape: Any, path: Path) -> Iterator[Found]:
    if value is None or has_reference(value):
        return
    kind = shape.type_name
    found = shaped(value, shape)
    if kind == "string" and isinstance(value, (dict, list)):
        if isinstance(found, str) and not shape.enum:
            return
        yield Found("API005", f"{_name(path)} must be a text, not {kind_of(value)}", path)
    elif kind in WANTED and not _fits(found, kind):
        yield Found("API005", f"{_name(path)} must be {WANTED[kind]}, not {kind_of(value)}", path)
    elif kind == "string" and shape.enum and found not in shape.enum:
        near = suggestion(str(found), shape.enum)
        few = f" It may be: {', '.join(shape.enum)}." if not near and len(shape.enum) <= 12 else ""
        yield Found("API008", f"{_name(path)} cannot be {shown(value)}.{near}{few}", path)
    else:
        yield from _range(found, shape, path)


def _fits(value: Any, kind: str) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind:
        case "integer" | "long":
            return is_number and isinstance(value, int)
        case "float" | "double":
            return is_number
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)


def _range(value: Any, shape: Any, path: Path) -> Iterator[Found]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    is_text = isinstance(value, str)
    if not is_text and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return
    size = len(value) if is_text else value
    unit = " characters" if is_text else ""
    if high is not None and size > high:
        yield Found("API007", f"{_name(path)} may be at most {high}{unit}, not {size}", path)
    if low is not None and size < low and value != "":
        yield Found("API007", f"{_name(path)} must be at least {low}{unit}, not {size}", path)


def _name(path: Path) -> str:
    """The input as a person would call it: the last key, with its index."""
    if path and isinstance(path[-1], int):
        return f"{_name(path[:-1])}[{path[-1]}]"
    return str(path[-1]) if path and path[-1] != "inputs" else "the call"
