"""How a selector is written: Jayway's liberties become one strict path, and what could take for ever is refused. Pure.

Liberties seen in AWS's own documents: no `$.` at the start, `.'quoted.key'` after a dot. Keys may hold any character
but `.`, `[` and quotes. A filter may not scan deeply, nest another filter or match regular expressions.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 500
MOST_DEEP_SCANS: Final = 6
FUNCTIONS: Final = ("length", "size", "min", "max", "sum", "avg", "keys", "first", "last", "concat")
_FUNCTION: Final = re.compile(rf"\.({'|'.join(FUNCTIONS)})\(\s*\)$")
_NAME: Final = re.compile(r"[^.\[\]'\"()|&\s][^.\[\]'\"()|&]*")
_QUOTED: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_REGEX: Final = re.compile(r"=~|\b(?:match|search)\s*\(")


class SelectorError(Exception):
    """The selector cannot be read, or does not fit what it is applied to."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """A selector taken apart: the strict path, and the function at its end ("" = none)."""

    path: str
    function: str
    has_segments: bool
    deep_scans: int
    segments: tuple[str, ...] = ()
    """Each bracket of the path, `..` before those that scan deeply."""


def read_selector(selector: str) -> Syntax:
    """Take a selector apart. Raises SelectorError."""
    text = selector.strip()
    if len(text) > LONGEST:
        raise SelectorError(f"a selector may have at most {LONGEST} characters")
    if not text:
        raise SelectorError("the selector is empty; $ stands for the whole answer")
    function = _FUNCTION.search(text)
    body = (text[: function.start()] if function else text).removeprefix("$")
    if not text.startswith("$"):
        body = body if body.startswith(("[", ".")) else f".{body}"
    segments, deep_scans = _segments(body, selector)
    if deep_scans > MOST_DEEP_SCANS:
        raise SelectorError(f"a selector may have at most {MOST_DEEP_SCANS} deep scans (..)")
    return Syntax(f"${''.join(segments)}", function[1] if function else "", bool(segments), deep_scans, tuple(segments))


def _segments(body: str, selector: str) -> tuple[list[str], int]:
    found: list[str] = []
    deep_scans = index = 0
    while index < len(body):
        dots = 2 if body.startswith("..", index) else 1 if body.startswith(".", index) else 0
        deep_scans += dots == 2
        member, index = _member(body, index + dots, selector, has_dot=dots > 0)
        found.append(f"..{member}" if dots == 2 else member)
    return found, deep_scans


def _member(body: str, index: int, selector: str, *, has_dot: bool) -> tuple[str, int]:
    """One name or bracket, and where it ends."""
    if body.startswith("[", index):
        end = _closing(body, index, selector)
        inside = body[index + 1 : end - 1]
        _check_inside(inside, selector)
        return f"[{inside}]", end
    if not has_dot:
        raise _unreadable(selector, f'"{body[index]}" is not expected')
    if body.startswith("*", index):
        return "[*]", index + 1
    quoted = _QUOTED.match(body, index)
    if quoted is not None:
        return f"[{quoted[0]}]", quoted.end()
    name = _NAME.match(body, index)
    if name is None:
        raise _unreadable(selector, "a name is missing after the dot")
    return f"[{json.dumps(name[0].rstrip())}]", name.end()


def _closing(body: str, index: int, selector: str) -> int:
    """Where the bracket that opens at `index` has been closed."""
    depth = 0
    while index < len(body):
        quoted = _QUOTED.match(body, index)
        if quoted is not None:
            index = quoted.end()
            continue
        if body[index] in "'\"":
            raise _unreadable(selector, "a quote is not closed")
        depth += {"[": 1, "]": -1}.get(body[index], 0)
        index += 1
        if depth == 0:
            return index
    raise _unreadable(selector, "a bracket is not closed")


def _check_inside(inside: str, selector: str) -> None:
    bare = _QUOTED.sub("''", inside)
    if not bare.lstrip().startswith("?"):
        if re.search(r"[^0-9:,*\-'\s]", bare):
            raise _unreadable(selector, "brackets hold a quoted name, an index, a slice, * or ?(…)")
        return
    if _REGEX.search(bare):
        raise SelectorError("regular expressions in selectors are not supported")
    if ".." in bare or "?" in bare.lstrip()[1:]:
        raise SelectorError("a filter may not contain a deep scan (..) or another filter")


def _unreadable(selector: str, reason: str) -> SelectorError:
    return SelectorError(f'the selector "{selector}" cannot be read: {reason}')
