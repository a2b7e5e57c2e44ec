"""Where each value of a file stands, collected while it is read; depth and number of values are limited. Pure."""

from dataclasses import dataclass, field
from typing import Final

from engine.document import Path, Position, Problem

MOST_NODES: Final = 50_000
DEEPEST: Final = 60


class Unreadable(Exception):
    """The file cannot be read on from here; `message` says why."""

    def __init__(self, code: str, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.column = code, message, line, column


@dataclass
class Places:
    """Positions of values and keys, and what was found wrong on the way."""

    positions: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    duplicates: list[Problem] = field(default_factory=list)
    traps: list[Problem] = field(default_factory=list)
    """What is read one way here and another way elsewhere."""
    _count: int = 0

    def enter(self, path: Path, position: Position, depth: int) -> None:
        """Note where a value begins. Raises Unreadable when there are too many, or it is too deep."""
        self._count += 1
        if depth > DEEPEST:
            raise Unreadable("SRC004", f"the file is nested deeper than {DEEPEST} levels", *_pair(position))
        if self._count > MOST_NODES:
            raise Unreadable("SRC004", f"the file has more than {MOST_NODES:,} values", *_pair(position))
        self.positions[path] = position

    def key(self, path: Path, position: Position) -> None:
        """Note where a key stands, and whether it stands there for the second time."""
        first = self.keys.get(path)
        if first is not None:
            text = f'the key "{path[-1]}" stands here a second time (first in line {first.line}); keep one of them'
            self.duplicates.append(Problem("SRC008", text, path, position))
        self.keys[path] = position

    def complain(self, code: str, message: str, path: Path, position: Position) -> None:
        """Note what is wrong; reading goes on."""
        self.problems.append(Problem(code, message, path, position))

    def warn(self, code: str, message: str, path: Path, position: Position) -> None:
        """Note a trap."""
        self.traps.append(Problem(code, message, path, position))


def _pair(position: Position) -> tuple[int, int]:
    return position.line, position.column
