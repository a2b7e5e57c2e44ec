"""Inputs of API calls as botocore's model wants them: scalars to their type, a lone value to a list, JSON to maps."""

import json
from collections.abc import Mapping
from typing import Any, Final

RESERVED: Final = frozenset({"Service", "Api", "PropertySelector", "DesiredValues"})


def shaped(value: Any, shape: Any) -> Any:
    """`value` as botocore's `shape` takes it; what cannot be converted stays, and botocore will name it."""
    match shape.type_name:
        case "structure":
            return _structure(value, shape)
        case "list":
            items = _parsed(value, "[")
            items = items if isinstance(items, list) else [items]
            return [shaped(item, shape.member) for item in items if item is not None]
        case "map":
            found = _parsed(value, "{")
            if not isinstance(found, dict):
                return found
            return {key: shaped(item, shape.value) for key, item in found.items() if item is not None}
        case "string":
            return _string(value)
        case "integer" | "long":
            return _integer(value)
        case "float" | "double":
            return float(value) if isinstance(value, str) and _is_number(value) else value
        case "boolean":
            return {"true": True, "false": False}.get(str(value).strip().lower(), value)
        case _:
            return value


def _structure(value: Any, shape: Any) -> Any:
    found = _parsed(value, "{")
    if not isinstance(found, dict):
        return found
    if getattr(shape, "is_document_type", False):
        return found
    return {
        key: shaped(item, shape.members[key]) if key in shape.members else item
        for key, item in found.items()
        if item is not None
    }


def _parsed(value: Any, opening: str) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith(opening):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _string(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        return value[0]
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return value


def _integer(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def api_params(inputs: Mapping[str, Any], model: Any, token: str = "") -> dict[str, Any]:
    """The call's parameters among a step's inputs, names in any case; an idempotency token is filled in."""
    shape = model.input_shape
    given = {key: value for key, value in inputs.items() if key not in RESERVED and value is not None}
    if shape is None:
        return given
    spelled = {name.lower(): name for name in shape.members}
    params = {}
    for key, value in given.items():
        name = key if key in shape.members else spelled.get(key.lower(), key)
        params[name] = shaped(value, shape.members[name]) if name in shape.members else value
    for name, member in shape.members.items():
        if token and name not in params and getattr(member, "metadata", {}).get("idempotencyToken"):
            params[name] = token
    return params
