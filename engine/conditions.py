"""Conditions of aws:branch and of a loop's LoopCondition, already resolved. Pure.

A comparison whose Variable is absent is false; hence Not of it is true.
"""

from collections.abc import Callable, Mapping
from typing import Final

from infra.canonical import Json

CONNECTIVES: Final = ("And", "Or", "Not")


def _text(value: Json) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)  # noqa: TRY004 - the caller treats every unparsable operand alike
    return float(value)


def _boolean(value: Json) -> bool:
    found = {"true": True, "false": False}.get(_text(value).strip().lower())
    if found is None:
        raise ValueError(value)
    return found


def _contains(left: Json, right: Json) -> bool:
    if isinstance(left, list):
        return any(_text(item) == _text(right) for item in left)
    return _text(right) in _text(left)


OPERATORS: Final[Mapping[str, Callable[[Json, Json], bool]]] = {
    "StringEquals": lambda left, right: _text(left) == _text(right),
    "EqualsIgnoreCase": lambda left, right: _text(left).casefold() == _text(right).casefold(),
    "StartsWith": lambda left, right: _text(left).startswith(_text(right)),
    "EndsWith": lambda left, right: _text(left).endswith(_text(right)),
    "Contains": _contains,
    "NumericEquals": lambda left, right: _number(left) == _number(right),
    "NumericGreater": lambda left, right: _number(left) > _number(right),
    "NumericLesser": lambda left, right: _number(left) < _number(right),
    "NumericGreaterOrEquals": lambda left, right: _number(left) >= _number(right),
    "NumericLesserOrEquals": lambda left, right: _number(left) <= _number(right),
    "BooleanEquals": lambda left, right: _boolean(left) == _boolean(right),
}


def holds(condition: Mapping[str, Json]) -> bool:
    """Whether a resolved condition is true."""
    if "And" in condition:
        return all(holds(part) for part in _parts(condition["And"]))
    if "Or" in condition:
        return any(holds(part) for part in _parts(condition["Or"]))
    if "Not" in condition:
        return not any(holds(part) for part in _parts(condition["Not"]))
    if condition.get("Variable") is None:
        return False
    return all(_compare(name, condition["Variable"], condition[name]) for name in condition if name in OPERATORS)


def _parts(value: Json) -> list[dict[str, Json]]:
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, dict)]


def _compare(operator: str, left: Json, right: Json) -> bool:
    try:
        return OPERATORS[operator](left, right)
    except (ValueError, OverflowError):
        return False
