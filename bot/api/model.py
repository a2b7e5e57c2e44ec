"""Requests and answers against botocore's model of SSM, refused in the words of AWS's own validation. Pure."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bot.api.errors import ApiError, invalid, unreadable
from engine.patterns import PatternError, matches
from infra.aws_models import service_model

MOST_SHOWN: Final = 100
_NOT_TEXT: Final = re.compile("[\x00\ud800-\udfff]")
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "timestamp": (int, float),
}
_KINDS: Final[dict[type, str]] = {
    str: "STRING_VALUE",
    bool: "BOOLEAN_VALUE",
    int: "NUMBER_VALUE",
    float: "NUMBER_VALUE",
}
_CONTAINERS: Final[dict[type, str]] = {dict: "Start of structure or map", list: "Start of list"}
_NAMES: Final = {"string": "a String", "integer": "an Integer", "long": "a Long", "boolean": "a Boolean",
                 "structure": "a structure", "map": "a map", "list": "a list", "timestamp": "a Timestamp"}  # fmt: skip


class AnswerInvalid(Exception):
    """Our own answer breaks the model: a defect of ours."""


def operation_model(name: str) -> Any | None:
    """The model of an operation of SSM, if there is one of that name."""
    model = service_model("ssm")
    return model.operation_model(name) if name in model.operation_names else None


def has_message(code: str) -> bool:
    """Whether SSM's error of that name spells its message with a capital letter, as most of them do."""
    model = service_model("ssm")
    return code in model.shape_names and "Message" in dict(model.shape_for(code).members)


def request(operation: Any, body: bytes) -> dict[str, Any]:
    """The members of a request. Raises ApiError: SerializationException, ValidationException."""
    return dict(_checked(operation.input_shape, _parsed(body), ""))


def member(operation: str, name: str, value: Any) -> Any:
    """A member of a request that came another way. Raises ApiError."""
    shape = service_model("ssm").operation_model(operation).input_shape.members[name]
    if value is None:
        raise unreadable(f"There is no {name}.")
    return _checked(shape, value, _joined("", name))


def _checked(shape: Any, value: Any, path: str) -> Any:
    _check_types(shape, value, path)
    _check_characters(value, path)
    value = _without_nulls(value)
    problems = list(_broken_rules(shape, value, path))
    if problems:
        plural = "error" if len(problems) == 1 else "errors"
        raise invalid(f"{len(problems)} validation {plural} detected: {'; '.join(problems)}")
    return value


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"The request body is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise unreadable("The request body must be a JSON object.")
    return given


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _check_types(shape: Any, value: Any, path: str) -> None:
    """Raises ApiError at the first value of another type than the model's."""
    if value is None:
        return
    wanted = _TYPES[shape.type_name]
    is_other = isinstance(value, bool) and bool not in wanted
    if is_other or not isinstance(value, wanted):
        raise unreadable(_wrong_type(shape, value, path))
    for inner, item, where in _members(shape, value, path):
        if isinstance(item, str) and inner is None:
            text = f"Unknown member '{item}' at '{path or shape.name}'"
            raise invalid(f"1 validation error detected: {text}; members are {', '.join(shape.members)}")
        _check_types(inner, item, where)
    if isinstance(value, list) and None in value:
        raise unreadable(f"The list at '{path}' holds null.")


def _check_characters(value: Any, path: str) -> None:
    """Raises ApiError at the first text of a request that not every database could keep."""
    if isinstance(value, str) and _NOT_TEXT.search(value):
        raise unreadable(f"The text at '{path}' holds a character that is not allowed (U+0000 or half a pair).")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_characters(key, path)
            _check_characters(item, _joined(path, key))
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            _check_characters(item, f"{path}.{number}.member")


def _members(shape: Any, value: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    """(shape, value, path) of what is inside; a member that the model does not know has no shape."""
    match shape.type_name:
        case "structure":
            for name, item in value.items():
                known = shape.members.get(name)
                yield (None, name, path) if known is None else (known, item, _joined(path, name))
        case "list":
            for number, item in enumerate(value, 1):
                yield shape.member, item, f"{path}.{number}.member"
        case "map":
            for key, item in value.items():
                yield shape.key, key, f"{path}.key"
                yield shape.value, item, f"{path}.{key}"


def _joined(path: str, name: str) -> str:
    name = f"{name[:1].lower()}{name[1:]}"
    return f"{path}.{name}" if path else name


def _wrong_type(shape: Any, value: Any, path: str) -> str:
    container = _CONTAINERS.get(type(value))
    found = f"{container} found where {_NAMES[shape.type_name]} is expected" if container else ""
    return f"{found or f'{_KINDS[type(value)]} can not be converted to {_NAMES[shape.type_name]}'} at '{path}'"


def _without_nulls(value: Any) -> Any:
    """A null is as good as nothing."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _broken_rules(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name in shape.required_members:
            if name not in value:
                yield _broken("null", _joined(path, name), "Member must not be null", quoted=False)
    yield from _broken_limits(shape, value, path)
    for inner, item, where in _members(shape, value, path):
        yield from _broken_rules(inner, item, where)


def _broken_limits(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in ("structure", "boolean", "timestamp"):
        return
    is_number = shape.type_name in ("integer", "long")
    size, what = (value, "value") if is_number else (len(value), "length")
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield _broken(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and size > high:
        yield _broken(value, path, f"Member must have {what} less than or equal to {high}")
    if shape.type_name == "string":
        yield from _broken_text(shape, value, path)


def _broken_text(shape: Any, value: str, path: str) -> Iterator[str]:
    pattern = shape.metadata.get("pattern")
    if shape.enum and value not in shape.enum:
        yield _broken(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    elif pattern and not _fits(pattern, value):
        yield _broken(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _fits(pattern: str, value: str) -> bool:
    """A text that makes a pattern of AWS's run on for ever fits it as little as any other that it refuses."""
    try:
        return matches(pattern, value)
    except PatternError:
        return False


def _broken(value: Any, path: str, rule: str, *, quoted: bool = True) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
    shown = f"'{text}'" if quoted else text
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"


# -- answers


def answer(operation: Any, given: dict[str, Any]) -> bytes:
    """An answer as JSON, moments as seconds. Raises AnswerInvalid when it is not what the model says."""
    plain = _encoded(given)
    try:
        if operation.output_shape is not None:
            _check_types(operation.output_shape, plain, "")
    except ApiError as error:
        raise AnswerInvalid(f"{operation.name}: {error}") from error
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.timestamp(), 3)
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_encoded(item) for item in value]
    return value
