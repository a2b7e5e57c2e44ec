"""Selectors of outputs: the subset of Jayway JsonPath that SSM documents use, on python-jsonpath. Pure.

A definite path gives one value, an indefinite one (`..`, filter, `*`) a list; nothing found is MISSING.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonpath

from engine.document import MISSING, Missing
from engine.selector_syntax import SelectorError, Syntax, read_selector
from infra.canonical import Json

MOST_VISITS: Final = 5_000_000
"""How many nodes one selector may look at: a second or two."""
_ENVIRONMENT: Final = jsonpath.JSONPathEnvironment(strict=False)
_RAISED: Final = (jsonpath.JSONPathError, RecursionError, ValueError, TypeError, LookupError, ArithmeticError)
"""What the library has been seen to raise for selectors that make no sense."""

__all__ = ["SelectorError", "compiled", "select"]


@dataclass(frozen=True, slots=True)
class CompiledSelector:
    """A selector that has been read."""

    text: str
    syntax: Syntax
    find: Callable[[Any], list[Any]]
    is_definite: bool


@functools.lru_cache(maxsize=2048)
def compiled(selector: str) -> CompiledSelector:
    """Read a selector. Raises SelectorError."""
    syntax = read_selector(selector)
    try:
        query = _ENVIRONMENT.compile(syntax.path)
        is_definite = isinstance(query, jsonpath.JSONPath) and query.singular_query()
    except _RAISED as error:
        raise SelectorError(f'the selector "{selector}" cannot be read: {_reason(error)}') from error
    return CompiledSelector(selector, syntax, query.findall, is_definite)


def _reason(error: Exception) -> str:
    """The first line; the library draws the place below it."""
    return str(error).splitlines()[0] if str(error) else "it is no JSONPath"


def select(selector: str, root: Json | Mapping[str, Json]) -> Json | Missing:
    """What the selector finds in `root`. Raises SelectorError."""
    path = compiled(selector)
    value = _found(path, root)
    if value is MISSING or not path.syntax.function:
        return value
    return _applied(path.syntax.function, value, selector)


def _found(path: CompiledSelector, root: Any) -> Json | Missing:
    if not path.syntax.has_segments:
        whole: Json = root
        return whole
    if not isinstance(root, (dict, list)):
        return MISSING if path.is_definite else []
    if path.syntax.deep_scans > 1:
        _check_effort(path, root)
    try:
        found = path.find(root)
    except _RAISED as error:
        raise SelectorError(f'the selector "{path.text}" does not fit the answer: {_reason(error)}') from error
    values: list[Json] = found
    if not path.is_definite:
        return values
    return values[0] if values else MISSING


def _check_effort(path: CompiledSelector, root: Any) -> None:
    """Each further deep scan looks below every match of the one before: at most `depth` times as much."""
    nodes, depth = _size(root)
    if nodes * depth ** (path.syntax.deep_scans - 1) > MOST_VISITS:
        raise SelectorError(f'the selector "{path.text}" has too many deep scans (..) for an answer of this size')


def _size(root: Any) -> tuple[int, int]:
    """Number of nodes and depth of a value, without recursion."""
    nodes, depth = 0, 0
    level = [root]
    while level:
        nodes, depth = nodes + len(level), depth + 1
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
    return nodes, depth


_FUNCTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "length": len,
    "size": len,
    "min": min,
    "max": max,
    "sum": sum,
    "avg": lambda values: sum(values) / len(values),
    "keys": lambda value: list(value.keys()),
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "concat": lambda values: "".join(str(value) for value in values),
}


def _applied(name: str, value: Any, selector: str) -> Json:
    try:
        found: Json = _FUNCTIONS[name](value)
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise SelectorError(f'"{name}()" of the selector "{selector}" does not fit what was found') from error
    return found
