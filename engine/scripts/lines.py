"""Where a place in a script stands in the runbook that holds it: block scalars, quoted texts, JSON strings. Pure."""

import functools
import itertools
import re
from collections.abc import Sequence
from typing import Final

from engine.document import Position

_BLOCK: Final = re.compile(r"(?:[!&]\S*\s+)*[|>]([0-9+-]*)[ \t]*(?:#.*)?$")
_QUOTED: Final = re.compile(r"(?:[!&]\S*\s+)*([\"'])")
_ESCAPE_LENGTHS: Final = {"x": 4, "u": 6, "U": 10}


def in_file(text: str, start: Position, line: int, column: int) -> Position:
    """The position in `text` of a script's line and column (from 1), whose value begins at `start`.

    Falls back to `start` where the writing does not keep lines (folded and plain texts).
    """
    lines, offsets = _written(text)
    if not 0 < start.line <= len(lines):
        return start
    rest = lines[start.line - 1][start.column - 1 :]
    block = _BLOCK.match(rest.rstrip("\r"))
    if block is not None:
        return _in_block(lines, start, block.group(1), line, column)
    quoted = _QUOTED.match(rest)
    if quoted is None:
        return start
    index = offsets[start.line - 1] + start.column - 1 + quoted.end()
    return _in_quotes(text, index, quoted.group(1), line, column) or start


@functools.lru_cache(maxsize=4)
def _written(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The lines of a file, and where each begins: counted once for all findings in it."""
    lines = tuple(text.split("\n"))
    return lines, (0, *itertools.accumulate(len(each) + 1 for each in lines))


def _in_block(lines: Sequence[str], start: Position, header: str, line: int, column: int) -> Position:
    given = re.search(r"[1-9]", header)
    first = next((each for each in itertools.islice(lines, start.line, None) if each.strip()), "")
    indent = len(first) - len(first.lstrip(" "))
    if given is not None:
        owner = lines[start.line - 1]
        indent = len(owner) - len(owner.lstrip(" ")) + int(given.group())
    return Position(start.line + line, indent + column)


def _in_quotes(text: str, index: int, quote: str, line: int, column: int) -> Position | None:
    """Walk the line as it is written, counting the columns of what it means."""
    starts = _line_starts(text, index, quote)
    if not 0 < line <= len(starts):
        return None
    at, at_column = starts[line - 1], 1
    while at < len(text) and at_column < column and not _is_closed(text, at, quote):
        step, meaning = _one(text, at, quote)
        if "\n" in meaning:
            break
        at, at_column = at + step, at_column + len(meaning)
    return _position(text, at)


@functools.lru_cache(maxsize=32)
def _line_starts(text: str, index: int, quote: str) -> tuple[int, ...]:
    """Where each line of what a quoted text means begins as it is written: found once for all findings in it."""
    found = [index]
    while index < len(text) and not _is_closed(text, index, quote):
        step, meaning = _one(text, index, quote)
        breaks = meaning.count("\n")
        found += [index] * (breaks - 1) + [index + step] * (breaks > 0)
        index += step
    return tuple(found)


def _is_closed(text: str, index: int, quote: str) -> bool:
    return text[index] == quote and not (quote == "'" and text[index + 1 : index + 2] == "'")


def _one(text: str, index: int, quote: str) -> tuple[int, str]:
    """How long the next letter is written, and what it means: line breaks, a letter, or nothing."""
    letter, after = text[index], text[index + 1 : index + 2]
    if quote == "'":
        if letter == "'":
            return 2, "'"
        return _folded(text, index) if letter == "\n" else (1, letter)
    if letter == "\n":
        return _folded(text, index)
    if letter != "\\":
        return 1, letter
    if after == "n":
        return 2, "\n"
    if after == "\n":
        blank = re.compile(r"\\\n[ \t]*").match(text, index)
        return (blank.end() - index if blank else 2), ""
    return _ESCAPE_LENGTHS.get(after, 2), "x"


def _folded(text: str, index: int) -> tuple[int, str]:
    """A line break in a quoted text is a blank; each further empty line is a break."""
    run = re.compile(r"\n[ \t]*(?:\n[ \t]*)*").match(text, index)
    written = run.group() if run else "\n"
    return len(written), "\n" * (written.count("\n") - 1) or " "


def _position(text: str, index: int) -> Position:
    return Position(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))
