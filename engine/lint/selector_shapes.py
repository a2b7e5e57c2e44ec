"""Selectors against the shape of AWS's answer: which members a path can find, and what it finds in the end. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.selector_syntax import read_selector
from engine.shape import suggestion

METADATA: Final = "ResponseMetadata"
_NAMES: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_FILTERED: Final = re.compile(r"@\.([A-Za-z_][A-Za-z0-9_]*)")
ANYTHING: Final[tuple[Any, ...]] = ()
"""Shapes that nothing is known of."""


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selector can find: shapes (none: unknown), whether one value or a list of them, and what is wrong."""

    shapes: tuple[Any, ...] = ANYTHING
    is_definite: bool = True
    wrong: str = ""


def selected(selector: str, root: Any) -> Selected:
    """What a selector finds in an answer of that shape. Raises SelectorError where it cannot be read."""
    syntax = read_selector(selector)
    if root is None:
        return Selected(wrong="" if not syntax.segments or METADATA in selector else "the operation answers nothing")
    shapes: tuple[Any, ...] = (root,)
    is_definite = True
    for index, segment in enumerate(syntax.segments):
        is_deep, bracket = segment.startswith(".."), segment.removeprefix("..")
        inside = bracket[1:-1].strip()
        if index == 0 and METADATA in inside:
            return Selected(is_definite=is_definite)
        is_definite = is_definite and not is_deep and _is_single(inside)
        shapes, wrong = _deep(inside, shapes) if is_deep else _step(inside, shapes)
        if wrong:
            return Selected((), is_definite, wrong)
        if not shapes:
            return Selected((), is_definite)
    return Selected((), is_definite) if syntax.function else Selected(shapes, is_definite)


def _is_single(inside: str) -> bool:
    return bool(re.fullmatch(r"-?\d+", inside)) or len(_names(inside)) == 1


def _names(inside: str) -> list[str]:
    if inside[:1] not in "'\"":
        return []
    return [re.sub(r"\\(.)", r"\1", match[1] if match[2] is None else match[2]) for match in _NAMES.finditer(inside)]


def _step(inside: str, shapes: Sequence[Any]) -> tuple[tuple[Any, ...], str]:
    """One bracket: a name, an index, `*`, a filter."""
    names = _names(inside)
    found: list[Any] = []
    wrongs: list[str] = []
    for shape in shapes:
        inner, wrong = _named(names, shape) if names else _indexed(inside, shape)
        found += inner
        wrongs += [wrong] if wrong else []
        if not inner and not wrong:
            return (), ""
    return tuple(found), "" if found else wrongs[0] if wrongs else ""


def _named(names: Sequence[str], shape: Any) -> tuple[list[Any], str]:
    if _is_open(shape):
        return [], ""
    if shape.type_name == "map":
        return [shape.value], ""
    if shape.type_name == "list":
        return [], f'"{names[0]}" is sought in a list; write [0] for the first item, or [*] for all, before it'
    if shape.type_name != "structure":
        return [], f'"{names[0]}" is sought in {_kind(shape)}, which has no members'
    found = [shape.members[name] for name in names if name in shape.members]
    if found:
        return found, ""
    return [], f'the answer has no "{names[0]}" here.{_hint(names[0], shape.members)}'


def _hint(name: str, members: Any) -> str:
    near = suggestion(name, members)
    few = f" It has: {', '.join(members)}." if not near and 0 < len(members) <= 8 else ""
    return near or few


def _indexed(inside: str, shape: Any) -> tuple[list[Any], str]:
    if _is_open(shape):
        return [], ""
    if shape.type_name == "list":
        return _filtered(inside, shape.member)
    if inside == "*" and shape.type_name in ("structure", "map"):
        return (list(shape.members.values()) if shape.type_name == "structure" else [shape.value]), ""
    if inside.startswith("?"):
        return [], ""
    return [], f"[{inside}] is sought in {_kind(shape)}, which is no list"


def _filtered(inside: str, member: Any) -> tuple[list[Any], str]:
    if not inside.startswith("?") or member.type_name != "structure" or _is_open(member):
        return [member], ""
    unknown = next((name for name in _FILTERED.findall(inside) if name not in member.members), "")
    if unknown:
        return [], f'the filter asks for "{unknown}", which the items do not have.{_hint(unknown, member.members)}'
    return [member], ""


def _deep(inside: str, shapes: Sequence[Any]) -> tuple[tuple[Any, ...], str]:
    """`..name`: wherever below."""
    names = _names(inside)
    if not names:
        return (), ""
    known: set[str] = set()
    found: list[Any] = []
    for shape in _below(shapes):
        if _is_open(shape) or shape.type_name == "map":
            return (), ""
        if shape.type_name == "structure":
            known.update(shape.members)
            found += [shape.members[name] for name in names if name in shape.members]
    if found:
        return tuple(found), ""
    return (), f'the answer has "{names[0]}" nowhere.{suggestion(names[0], known)}'


def _below(shapes: Sequence[Any]) -> Iterator[Any]:
    """The shapes and all below them, each once."""
    seen: set[str] = set()
    waiting = list(shapes)
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.add(shape.name)
        yield shape
        if shape.type_name == "structure":
            waiting += shape.members.values()
        elif shape.type_name == "list":
            waiting.append(shape.member)
        elif shape.type_name == "map":
            waiting.append(shape.value)


def _is_open(shape: Any) -> bool:
    return bool(getattr(shape, "is_document_type", False))


def _kind(shape: Any) -> str:
    return {"structure": "a map", "map": "a map", "list": "a list", "string": "a text", "boolean": "a Boolean"}.get(
        shape.type_name, "a number" if shape.type_name in ("integer", "long", "float", "double") else "a value"
    )
