"""JSON with positions: Python's own scanner for strings, the rest by hand. Pure."""

import bisect
import json
import math
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # not in typeshed; public name of the C scanner
from typing import Final

from engine.document import Path, Position
from engine.places import Places, Unreadable
from infra.canonical import Json

_BLANK: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, Json]] = {"true": True, "false": False, "null": None}
_WORD: Final = re.compile(r"true|false|null")
LONGEST_NUMBER: Final = 400


def read_json(text: str) -> tuple[Json, Places]:
    """The tree of a JSON text, and where its parts stand. Raises Unreadable at the first error."""
    scanner = _Scanner(text)
    start = scanner.blank(0)
    tree, end = scanner.value(start, (), 0)
    rest = scanner.blank(end)
    if rest != len(text):
        raise scanner.bad("nothing may follow the last bracket", rest)
    return tree, scanner.places


class _Scanner:
    """Walks one text. Positions are counted from the ends of lines, found once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.places = Places()
        self._ends = [match.start() for match in re.finditer("\n", text)]

    def blank(self, index: int) -> int:
        """The next index that is not white space."""
        found = _BLANK.match(self.text, index)
        return found.end() if found else index

    def position(self, index: int) -> Position:
        line = bisect.bisect_left(self._ends, index)
        return Position(line + 1, index - (self._ends[line - 1] if line else -1))

    def bad(self, message: str, index: int) -> Unreadable:
        place = self.position(index)
        return Unreadable("SRC002", f"JSON not well-formed: {message}", place.line, place.column)

    def value(self, index: int, path: Path, depth: int) -> tuple[Json, int]:
        """The value at `index` and where it ends."""
        self.places.enter(path, self.position(index), depth)
        match self.text[index : index + 1]:
            case "{":
                return self._object(index, path, depth)
            case "[":
                return self._array(index, path, depth)
            case '"':
                return self._string(index)
            case _:
                return self._scalar(index)

    def _object(self, index: int, path: Path, depth: int) -> tuple[Json, int]:
        found: dict[str, Json] = {}
        here = self.blank(index + 1)
        if self.text[here : here + 1] == "}":
            return found, here + 1
        while True:
            if self.text[here : here + 1] != '"':
                raise self.bad("a key in double quotes is expected here", here)
            key, end = self._string(here)
            place: Path = (*path, key)
            self.places.key(place, self.position(here))
            colon = self.blank(end)
            if self.text[colon : colon + 1] != ":":
                raise self.bad('":" is expected after the key', colon)
            found[key], end = self.value(self.blank(colon + 1), place, depth + 1)
            here, is_over = self._onward(end, "}")
            if is_over:
                return found, here

    def _array(self, index: int, path: Path, depth: int) -> tuple[Json, int]:
        found: list[Json] = []
        here = self.blank(index + 1)
        if self.text[here : here + 1] == "]":
            return found, here + 1
        while True:
            item, end = self.value(here, (*path, len(found)), depth + 1)
            found.append(item)
            here, is_over = self._onward(end, "]")
            if is_over:
                return found, here

    def _onward(self, index: int, closing: str) -> tuple[int, bool]:
        """After a member: the start of the next one, or the end of the whole."""
        here = self.blank(index)
        sign = self.text[here : here + 1]
        if sign == closing:
            return here + 1, True
        if sign != ",":
            raise self.bad(f'"," or "{closing}" is expected here', here)
        following = self.blank(here + 1)
        if self.text[following : following + 1] == closing:
            raise self.bad("there is a comma after the last member", here)
        return following, False

    def _string(self, index: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self.text, index + 1, True)
        except json.JSONDecodeError as error:
            raise self.bad(f"this text has an error: {error.msg.lower()}", error.pos) from None
        return str(text), int(end)

    def _scalar(self, index: int) -> tuple[Json, int]:
        word = _WORD.match(self.text, index)
        if word is not None:
            return _WORDS[word[0]], word.end()
        number = _NUMBER.match(self.text, index)
        if number is None:
            raise self.bad("a value is expected here", index)
        is_integer = number[2] is None and number[3] is None
        if len(number[0]) > LONGEST_NUMBER:
            raise self.bad("this number is too long", index)
        value = int(number[0]) if is_integer else float(number[0])
        if not is_integer and not math.isfinite(value):
            raise self.bad("this number is too large", index)
        return value, number.end()
