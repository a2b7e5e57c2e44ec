"""Parameters and variables as a document declares them. Pure.

AWS checks defaults of Integer, Boolean and list parameters at CreateDocument, and nothing else about defaults.
"""

from collections.abc import Collection, Mapping
from typing import Final

from engine.document import MISSING, Missing, Parameter, Path
from engine.shape import (
    PARAMETER_KEYS,
    PARAMETER_TYPES,
    VARIABLE_TYPES,
    Reading,
    as_integer,
    kind_of,
    shown,
    suggestion,
)
from infra.canonical import Json

_TYPES: Final = {"parameters": PARAMETER_TYPES, "variables": VARIABLE_TYPES}


def declared(reading: Reading, tree: Mapping[str, Json], key: str) -> dict[str, Parameter]:
    """The declarations under `key` (parameters or variables); problems are in the reading."""
    found: dict[str, Parameter] = {}
    for name, definition in reading.map_at(tree.get(key), (key,)).items():
        path: Path = (key, name)
        if key == "parameters" and not (name.isalnum() and name.isascii()):
            text = f'Parameter name "{name}" is not alpha-numeric. Use letters and digits only.'
            reading.complain("PAR001", text, path)
        if not isinstance(definition, dict):
            text = f'the definition of "{name}" must be a map with a type, not {kind_of(definition)}'
            reading.complain("PAR002", text, path)
            found[name] = Parameter(name, "String")
        else:
            found[name] = _parameter(reading, name, definition, path=path)
    return found


def _parameter(reading: Reading, name: str, raw: Mapping[str, Json], *, path: Path) -> Parameter:
    reading.known_keys(raw, PARAMETER_KEYS, path)
    type_ = _type(reading, raw, _TYPES[str(path[0])], path=path)
    default = raw.get("default", MISSING)
    if path[0] == "parameters" and not isinstance(default, Missing) and not _fits(default, type_):
        text = f'Wrong default value for a "{type_}" parameters: {shown(default)}. {_RIGHT[type_]}'
        reading.complain("PAR005", text, (*path, "default"))
    allowed = raw.get("allowedValues")
    if allowed is not None and not isinstance(allowed, list):
        reading.complain("PAR006", f"allowedValues must be a list, not {kind_of(allowed)}", (*path, "allowedValues"))
    pattern = reading.text_at(raw, "allowedPattern", path)
    return Parameter(
        name,
        type_,
        default=default,
        description=reading.text_at(raw, "description", path),
        allowed_values=tuple(allowed) if isinstance(allowed, list) else (),
        allowed_pattern=pattern or None,
        min_items=reading.integer_at(raw, "minItems", path),
        max_items=reading.integer_at(raw, "maxItems", path),
        min_chars=reading.integer_at(raw, "minChars", path),
        max_chars=reading.integer_at(raw, "maxChars", path),
        display_type=reading.text_at(raw, "displayType", path) or "textfield",
    )


def _type(reading: Reading, raw: Mapping[str, Json], types: Collection[str], *, path: Path) -> str:
    type_ = reading.text_at(raw, "type", path)
    if raw.get("type") in (None, ""):
        reading.complain("PAR003", 'Missing "type" in parameter definition.', path)
    elif type_ and type_ not in types:
        near = suggestion(type_, types)
        reading.complain("PAR004", f"Parameter type: {type_} is invalid.{near}", (*path, "type"))
    return type_


_RIGHT: Final = {
    "Integer": "Write a whole number.",
    "Boolean": "Write true or false without quotes.",
    "StringList": "Write a list.",
    "MapList": "Write a list of maps.",
}


def _fits(default: Json, type_: str) -> bool:
    """Whether AWS takes the default for the type."""
    if default is None or (isinstance(default, str) and "{{" in default):
        return True
    match type_:
        case "Integer":
            return as_integer(default) is not None
        case "Boolean":
            return isinstance(default, bool)
        case "StringList":
            return isinstance(default, list)
        case "MapList":
            return isinstance(default, (list, str))
        case _:
            return True
