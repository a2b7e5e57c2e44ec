"""JSON values: their type, and the one compact, sorted spelling that rows and hashes use."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import TypeAlias, Union

Json: TypeAlias = Union[str, int, float, bool, list["Json"], dict[str, "Json"], None]  # noqa: UP007 - names itself
JsonMap: TypeAlias = Mapping[str, Json]


def canonical(value: object) -> str:
    """Spell `value` as compact JSON with sorted keys, so that equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def digest(value: object) -> str:
    """SHA-256 (hex) of the canonical spelling of `value`."""
    return hashlib.sha256(encoded(canonical(value))).hexdigest()


def encoded(text: str) -> bytes:
    """UTF-8, also for lone surrogates, which JSON from outside may bring."""
    return text.encode("utf-8", "surrogatepass")


def plain(value: object) -> Json:
    """`value` as every database gives it back: JSON's own types only, no NaN, keys as text.

    Whatever else it holds (datetimes, enums, sets) becomes its text: a fact is never lost for its type.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)
