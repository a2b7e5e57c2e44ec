"""The file playbook-bot.yaml as data, with the line and column of every key, so that a mistake can be pointed at.

Every scalar is read as text: the model knows the types, and `off` or `012` stay what was written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Place = tuple[str | int, ...]
"""Keys and list indices from the top down to a value: ("people", 0, "slack")."""


EMPTY = ("", "~", "null")
"""A setting without a value is as good as none."""
DEEPEST = 8


class FileInvalid(Exception):
    """The settings file cannot be read; the message is `file:line:column` and what is wrong there."""


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What the file says, and where."""

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[Place, tuple[int, int]] = field(default_factory=dict)

    def position(self, place: Place) -> str:
        """`file:line:column` of a value, or of the nearest one around it."""
        while place and place not in self.marks:
            place = place[:-1]
        line, column = self.marks.get(place, (1, 1))
        return f"{self.path}:{line}:{column}"


def read(path: Path) -> SettingsFile:
    """Read one file. Raises FileInvalid."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileInvalid(f"{path}: the settings file cannot be read: {error}") from error
    marks: dict[Place, tuple[int, int]] = {}
    try:
        _mark(yaml.compose(text, Loader=yaml.CBaseLoader), (), marks, str(path))
        values = yaml.CBaseLoader(text).get_single_data()
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        raise FileInvalid(_sentence(path, error)) from error
    if values and not isinstance(values, dict):
        raise FileInvalid(f"{path}:1:1 the file must hold settings as `name: value` lines")
    return SettingsFile(path, {key: value for key, value in (values or {}).items() if value not in EMPTY}, marks)


def _mark(node: yaml.Node | None, place: Place, marks: dict[Place, tuple[int, int]], path: str) -> None:
    """Note where each key stands. Raises FileInvalid for a key that stands twice: YAML would take the last one."""
    if len(place) > DEEPEST:
        raise FileInvalid(f"{path} is nested too deeply; no setting is deeper than {DEEPEST} levels")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            marks[*place, index] = _start(item)
            _mark(item, (*place, index), marks, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line, column = _start(key)
            here = (*place, str(key.value))
            if here in marks:
                raise FileInvalid(f'{path}:{line}:{column} "{key.value}" stands here a second time; keep one of them')
            marks[here] = (line, column)
            _mark(value, here, marks, path)


def _start(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _sentence(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
    return f"{where} this is not YAML: {getattr(error, 'problem', None) or error}"
