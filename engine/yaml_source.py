"""YAML with positions, from libyaml's events: scalars as YAML 1.2 reads them, anchors refused. Pure.

Dates, yes/no, on/off, numbers with leading zeros and the like stay the author's text; a warning says where another
reader would take them for something else.
"""

import math
import re
from collections.abc import Iterator
from typing import Final

import yaml

from engine.document import Path, Position
from engine.places import Places, Unreadable
from infra.canonical import Json

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT: Final = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)?\.[0-9]+|(?:0|[1-9][0-9]*)\.?)(?:[eE][-+]?[0-9]+)?")
LONGEST_NUMBER: Final = 400
_STANDARD: Final = "tag:yaml.org,2002:"
_AMBIGUOUS: Final = re.compile(
    r"(?P<boolean>yes|no|on|off|y|n)|(?P<date>\d{4}-\d\d?-\d\d?(?:[Tt ].*)?)|(?P<octal>[-+]?0[0-9_]+|0o[0-7]+)"
    r"|(?P<time>[-+]?[0-9]+(?::[0-5]?[0-9])+)|(?P<hex>0x[0-9a-fA-F]+)|(?P<digits>[-+]?[0-9][0-9]*_[0-9_]*)"
    r"|(?P<special>[-+]?\.inf|\.nan)",
    re.IGNORECASE,
)
_MEANINGS: Final = {
    "boolean": "a Boolean",
    "date": "a date",
    "octal": "an octal number",
    "time": "a number to the base of 60",
    "hex": "a hexadecimal number",
    "digits": "a number",
    "special": "a number without end, or no number",
}
_ADVICE: Final = {
    "mapping values are not allowed in this context": 'put quotes around a text that contains ": "',
    "did not find expected key": "the indentation does not fit, or a quote or bracket was closed too early",
    "could not find expected ':'": 'a ":" is missing after the key, or a text of several lines needs | or quotes',
    "did not find expected '-' indicator": "the indentation does not fit the list around it",
    "found character that cannot start any token": "use spaces for indentation, and quotes around @, ` and %",
    "did not find expected ',' or ']'": "a bracket is not closed",
    "did not find expected ',' or '}'": 'a brace is not closed; put quotes around "{{ … }}"',
    "found unexpected end of stream": "a quote is not closed",
    "block sequence entries are not allowed in this context": "a list begins on a line of its own",
}


def read_yaml(text: str) -> tuple[Json, Places]:
    """The tree of a YAML text, and where its parts stand. Raises Unreadable at the first error of syntax."""
    reader = _Reader(text)
    try:
        return reader.document(), reader.places
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        advice = _ADVICE.get(str(error.problem), "")
        context = f" ({error.context})" if error.context else ""
        message = f"YAML not well-formed: {error.problem}{context}" + (f"; {advice}" if advice else "")
        raise Unreadable("SRC002", message, line, column) from None
    except yaml.YAMLError as error:
        raise Unreadable("SRC002", f"YAML not well-formed: {error}", 1, 1) from None


class _Reader:
    """Turns events into plain data."""

    def __init__(self, text: str) -> None:
        self.places = Places()
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CSafeLoader)

    def document(self) -> Json:
        """The one document of the stream."""
        next(self._events)
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            raise Unreadable("SRC005", "the file is empty", 1, 1)
        tree = self._value(next(self._events), (), 0)
        next(self._events)
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            place = _position(after)
            raise Unreadable("SRC010", "a second document begins here (---); one file is one", place.line, place.column)
        return tree

    def _value(self, event: yaml.Event, path: Path, depth: int) -> Json:
        position = _position(event)
        self.places.enter(path, position, depth)
        if isinstance(event, yaml.AliasEvent):
            text = f"aliases (*{event.anchor}) are not supported; write the value out"
            self.places.complain("SRC006", text, path, position)
            return None
        if not isinstance(event, yaml.NodeEvent):
            raise Unreadable("SRC002", "YAML not well-formed: a value is expected here", position.line, position.column)
        if event.anchor is not None:
            self.places.warn("SRC101", f"anchors (&{event.anchor}) are not supported by SSM", path, position)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path, position)
        self._check_tag(getattr(event, "tag", None), path, position)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        return self._sequence(path, depth)

    def _mapping(self, path: Path, depth: int) -> dict[str, Json]:
        found: dict[str, Json] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            position = _position(key)
            if not isinstance(key, yaml.ScalarEvent):
                self.places.complain("SRC007", 'a key must be text; put quotes around "{{ … }}"', path, position)
                self._skip(key, depth)
                self._skip(next(self._events), depth)
                continue
            name = str(key.value)
            place: Path = (*path, name)
            self.places.key(place, position)
            if key.implicit[0] and key.tag is None:
                self._warn_of_key(name, place, position)
            found[name] = self._value(next(self._events), place, depth + 1)
        return found

    def _sequence(self, path: Path, depth: int) -> list[Json]:
        found: list[Json] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, (*path, len(found)), depth + 1))
        return found

    def _skip(self, event: yaml.Event, depth: int) -> None:
        """Pass over a value that nothing can be done with."""
        level = 0
        while True:
            self.places.enter(("",), _position(event), depth + level)
            level += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if level <= 0:
                return
            event = next(self._events)

    def _check_tag(self, tag: str | None, path: Path, position: Position) -> None:
        if tag is None or tag == "!" or tag.startswith(_STANDARD):
            return
        hint = "; resolve CloudFormation's functions before it is read" if tag[1:2].isupper() else ""
        self.places.complain("SRC009", f"the tag {tag} is not supported{hint}", path, position)

    def _scalar(self, event: yaml.ScalarEvent, path: Path, position: Position) -> Json:
        text = str(event.value)
        self._check_tag(event.tag, path, position)
        if event.tag is not None:
            return self._tagged(text, event.tag.removeprefix(_STANDARD), path, position)
        if not event.implicit[0]:
            return text
        value = plain(text)
        self._warn_of_traps(text, value, path, position)
        return value

    def _tagged(self, text: str, tag: str, path: Path, position: Position) -> Json:
        if tag not in ("int", "float", "bool", "null"):
            return text
        value = plain(text)
        is_right = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}[tag]
        if not isinstance(value, is_right) or (tag != "bool" and isinstance(value, bool)):  # type: ignore[arg-type]
            self.places.complain("SRC009", f'"{text}" is not what its tag !!{tag} says', path, position)
        return value

    def _warn_of_key(self, name: str, path: Path, position: Position) -> None:
        trap = _AMBIGUOUS.fullmatch(name) if name[:1] in "yYnNoO" and len(name) > 1 else None
        if trap is not None and trap.lastgroup == "boolean":
            message = (
                f'the key "{name}" is text here, but other readers of YAML take it for a Boolean; put it in quotes'
            )
            self.places.warn("SRC102", message, path, position)

    def _warn_of_traps(self, text: str, value: Json, path: Path, position: Position) -> None:
        if isinstance(value, str):
            trap = _AMBIGUOUS.fullmatch(text) if text[:1] in "yYnNoO-+.0123456789" else None
            if trap is not None:
                meaning = _MEANINGS[str(trap.lastgroup)]
                message = f'"{text}" is text here, but other readers of YAML take it for {meaning}; put it in quotes'
                self.places.warn("SRC102", message, path, position)
        elif isinstance(value, float) and text != str(value) and path != ("schemaVersion",):
            message = f'"{text}" is the number {value} here; put it in quotes if it is a version or an id'
            self.places.warn("SRC103", message, path, position)


def plain(text: str) -> Json:
    """The value of an unquoted scalar by YAML 1.2's core schema."""
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] not in "-+.0123456789" or len(text) > LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else text
    return text


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark is not None else Position(1, 1)
