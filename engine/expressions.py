"""References `{{ … }}`: finding them, resolving them once, and turning values into text or another type. Pure.

Inserted values are never scanned again, so nothing a user supplied as a value is ever evaluated.
Source: SSM User Guide, "Automation system variables" and "Using action outputs as inputs".
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from engine.document import MISSING, Missing
from infra.canonical import Json

LONGEST_NUMBER: Final = 400
LONGEST_QUOTE: Final = 100
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
REFERENCE: Final = re.compile(r"\{\{\s*([A-Za-z0-9_]+(?:[.:][A-Za-z0-9_]+)*)\s*\}\}")


class Unknown(Enum):
    """A name in braces that refers to nothing: text of a script, not a reference."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class CoercionError(Exception):
    """The value cannot be turned into that type."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What references may see: parameters, outputs of steps, variables (by bare name) and system values."""

    parameters: Mapping[str, Json]
    outputs: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    system: Mapping[str, Json] = field(default_factory=dict)
    steps: frozenset[str] = frozenset()
    declared: frozenset[str] = frozenset()
    """Names of the variables there are, those without a value included."""
    keeps_absent: bool = False
    """Whether a reference to what has no value stays as it is written, instead of being left out."""

    def lookup(self, reference: str) -> Json | Missing | Unknown:
        """The value of a reference; MISSING for an output that is not there, UNKNOWN for no reference at all."""
        absent: Missing | Unknown = UNKNOWN if self.keeps_absent else MISSING
        if reference in self.system:
            return self.system[reference]
        if reference.startswith("variable:"):
            name = reference.removeprefix("variable:")
            return self.variables.get(name, absent if name in self.declared else UNKNOWN)
        step, dot, output = reference.partition(".")
        if not dot:
            return self.parameters.get(reference, UNKNOWN)
        if step in self.outputs and output in self.outputs[step]:
            return self.outputs[step][output]
        return absent if step in self.steps or step in self.outputs else UNKNOWN


def references(value: Json) -> Iterator[str]:
    """Every name in braces, in order, wherever in the value it stands."""
    if isinstance(value, str):
        yield from REFERENCE.findall(value)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)


def resolve(value: Json, scope: Scope) -> Json | Missing:
    """The value with its references replaced, in one pass.

    A string that is one reference keeps the type of its value; a list so found inside a list is spliced in. A key or
    item that is wholly a missing reference is left out; MISSING comes back when the whole value is one.
    """
    if isinstance(value, str):
        return _text(value, scope)
    if isinstance(value, dict):
        resolved = {key: resolve(item, scope) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not MISSING}
    if isinstance(value, list):
        return _list(value, scope)
    return value


def _list(value: list[Json], scope: Scope) -> list[Json]:
    found: list[Json] = []
    for item in value:
        resolved = resolve(item, scope)
        if resolved is MISSING:
            continue
        is_spliced = isinstance(item, str) and isinstance(resolved, list) and REFERENCE.fullmatch(item.strip())
        if is_spliced and isinstance(resolved, list):
            found.extend(resolved)
        else:
            found.append(resolved)
    return found


def _text(value: str, scope: Scope) -> Json | Missing:
    if "{{" not in value:
        return value
    whole = REFERENCE.fullmatch(value.strip())
    if whole is not None:
        found = scope.lookup(whole[1])
        return value if isinstance(found, Unknown) else found

    def insert(match: re.Match[str]) -> str:
        inner = scope.lookup(match[1])
        return match[0] if isinstance(inner, Unknown) else render(inner)

    return REFERENCE.sub(insert, value)


def render(value: Json | Missing) -> str:
    """A value inside a longer string; a list of one scalar is that scalar (SSM's own documents depend on it)."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Missing):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and len(value) == 1 and not isinstance(value[0], (list, dict)):
        return render(value[0])
    if isinstance(value, (list, dict)):
        return compact(value)
    return str(value)


def compact(value: Json) -> str:
    """JSON text without layout."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except RecursionError:
        return "(a value that is nested too deeply to be written)"


# -- types of outputs and parameters


def coerce(value: Json, type_: str) -> Json:
    """The value as a declared type ("" = as found). Raises CoercionError when it makes no sense.

    null stays null: a script that returns None has no output, it has not failed.
    """
    if value is None:
        return None
    match type_:
        case "String":
            return _string(value)
        case "Integer":
            return _integer(_alone(value), value)
        case "Boolean":
            return _boolean(_alone(value), value)
        case "StringList":
            return _string_list(value)
        case "StringMap":
            return _string_map(_alone(value))
        case "MapList":
            return _map_list(value)
        case _:
            return value


def _alone(value: Json) -> Json:
    """The element of a list of one; null for an empty list: what a filter without a match gives."""
    if not isinstance(value, list) or len(value) > 1:
        return value
    return value[0] if value else None


def _string(value: Json) -> Json:
    alone = _alone(value)
    return None if alone is None else render(alone)


def _integer(value: Json, given: Json) -> Json:
    if value is None:
        return None
    if isinstance(value, str) and len(value) < LONGEST_NUMBER and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, str) and len(value) < LONGEST_NUMBER and _DECIMAL.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise CoercionError(f"{_quoted(given)} is not an Integer")


def _boolean(value: Json, given: Json) -> Json:
    if value is None:
        return None
    found = {"true": True, "false": False}.get(render(value).strip().lower())
    if found is None:
        raise CoercionError(f"{_quoted(given)} is not a Boolean; it should be true or false")
    return found


def _string_list(value: Json) -> Json:
    if isinstance(value, str) and value.lstrip().startswith("["):
        parsed = _json_or_none(value)
        value = parsed if isinstance(parsed, list) else value
    items = _flat(value) if isinstance(value, list) else [value]
    return [render(item) for item in items]


def _string_map(value: Json) -> Json:
    found = _json_or_none(value) if isinstance(value, str) else value
    if value is None or isinstance(found, dict):
        return found
    raise CoercionError(f"{_quoted(value)} is not a StringMap; it should be a map, or JSON of one")


def _map_list(value: Json) -> Json:
    parsed = _json_or_none(value) if isinstance(value, str) else value
    items = _flat(parsed) if isinstance(parsed, list) else [parsed]
    maps = [_json_or_none(item) if isinstance(item, str) else item for item in items]
    if not all(isinstance(item, dict) for item in maps):
        raise CoercionError(f"{_quoted(value)} is not a MapList; it should be a list of maps, or JSON of one")
    return maps


def _flat(items: list[Json]) -> list[Json]:
    """One level of lists in lists taken out: what a deep scan for lists gives."""
    if items and all(isinstance(item, list) for item in items):
        return [inner for item in items if isinstance(item, list) for inner in item]
    return items


def _quoted(value: Json) -> str:
    text = render(value)
    return f'"{text}"' if len(text) <= LONGEST_QUOTE else f'"{text[:LONGEST_QUOTE]}…"'


def _json_or_none(text: str) -> Json:
    """What JSON text says; None when it is none (NaN and Infinity are none)."""
    try:
        found: Json = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return found


def _refuse_constant(text: str) -> Json:
    raise ValueError(text)
