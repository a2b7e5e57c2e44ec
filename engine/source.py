"""Reading YAML and JSON with the position of every value: the one reader for runbooks and playbooks. Pure.

Size, depth and number of nodes are limited and anchors are refused, so that no file can do harm.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from engine.document import Path, Position, Problem, RunbookRefused, Severity
from engine.json_source import read_json
from engine.places import Places, Unreadable
from engine.yaml_source import read_yaml
from infra.canonical import Json

LARGEST_CHARACTERS: Final = 4_000_000
LARGEST_FILE: Final = 4 * LARGEST_CHARACTERS
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.2 calls not printable; JSON may hold no more of it outside escapes."""
_LOOKS_LIKE_JSON: Final = re.compile(r'\s*\{\s*["}]')


@dataclass(frozen=True, slots=True)
class Source:
    """A file's content: plain data, where each value and each key stands, and what may be a trap."""

    tree: Json
    positions: Mapping[Path, Position] = field(default_factory=dict)
    keys: Mapping[Path, Position] = field(default_factory=dict)
    """Where the last key of a path stands."""
    file: str = ""
    warnings: tuple[Problem, ...] = ()
    """Scalars that other readers take for something else, anchors, duplicate keys (where they are not refused)."""

    def at(self, path: Path) -> Position | None:
        """The nearest known place of a path: its key, its value, or its parent's."""
        for length in range(len(path), -1, -1):
            found = self.keys.get(path[:length]) or self.positions.get(path[:length])
            if found is not None:
                return found
        return None

    def problem(self, code: str, message: str, path: Path, *, severity: Severity = "error") -> Problem:
        """A positioned problem."""
        return Problem(code, message, path, self.at(path), severity, self.file)


def read(text: str, *, file: str = "", duplicates: Literal["refuse", "warn"] = "refuse") -> Source:
    """Parse YAML or JSON (strictly, where the file is called *.json). Raises RunbookRefused with every problem found.

    With `duplicates="warn"` the last of two equal keys counts, as it does for AWS.
    """
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST_CHARACTERS:
        raise _refused(Unreadable("SRC001", f"the file is larger than {LARGEST_CHARACTERS:,} characters", 1, 1), file)
    bad = _UNPRINTABLE.search(text)
    if bad is not None:
        raise _refused(_unprintable(text, bad.start()), file)
    try:
        tree, places = _parsed(text, file)
    except Unreadable as error:
        raise _refused(error, file) from None
    problems = [*places.problems, *(places.duplicates if duplicates == "refuse" else ())]
    if problems:
        raise RunbookRefused(tuple(_in_file(problem, file) for problem in sorted(problems, key=in_file_order)))
    traps = sorted([*places.traps, *(places.duplicates if duplicates == "warn" else ())], key=in_file_order)
    warnings = tuple(replace(_in_file(trap, file), severity="warning") for trap in traps)
    return Source(tree, places.positions, places.keys, file, warnings)


def decode(data: bytes, *, file: str = "") -> str:
    """A file's bytes as text. Raises RunbookRefused where they are not UTF-8, or too many to be a runbook."""
    if len(data) > LARGEST_FILE:
        raise _refused(Unreadable("SRC001", f"the file is larger than {LARGEST_FILE:,} bytes", 1, 1), file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        is_utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        found = "UTF-16" if is_utf_16 else f"byte {data[error.start]:#04x} is not UTF-8"
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        text = f"the file is not UTF-8 text ({found}); save it as UTF-8"
        raise _refused(Unreadable("SRC011", text, line, column), file) from None


def in_file_order(problem: Problem) -> tuple[int, int]:
    """The sort key of problems."""
    return (problem.position.line, problem.position.column) if problem.position else (0, 0)


def _parsed(text: str, file: str) -> tuple[Json, Places]:
    """JSON where it is JSON, YAML otherwise. Raises Unreadable."""
    is_called_json = file.lower().endswith(".json")
    if not is_called_json and not _LOOKS_LIKE_JSON.match(text):
        return read_yaml(text)
    try:
        return read_json(text)
    except Unreadable as error:
        if is_called_json:
            raise
        try:
            return read_yaml(text)
        except Unreadable:
            raise error from None


def _unprintable(text: str, index: int) -> Unreadable:
    line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return Unreadable("SRC003", f"the character U+{ord(text[index]):04X} is not allowed here", line, column)


def _refused(error: Unreadable, file: str) -> RunbookRefused:
    position = Position(error.line, error.column)
    return RunbookRefused((Problem(error.code, error.message, (), position, file=file),))


def _in_file(problem: Problem, file: str) -> Problem:
    return replace(problem, file=file)
