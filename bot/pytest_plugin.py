"""For pytest in a repository of runbooks: every rehearsal of every rehearsal.yaml is a test."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from bot.rehearsing import Home
    from engine.rehearsal_file import Rehearsal

REHEARSAL: Final = "rehearsal.yaml"
# What the bot itself needs is imported where it is used: this module is loaded whenever pytest starts.


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "RehearsalFile | None":
    """Take rehearsal.yaml."""
    if file_path.name != REHEARSAL:
        return None
    found: RehearsalFile = RehearsalFile.from_parent(parent, path=file_path)
    return found


class NotAsRehearsed(Exception):
    """Something was not as expected; the message says each difference with its place."""


class RehearsalFile(pytest.File):
    """All rehearsals of one runbook."""

    def collect(self) -> Iterable["RehearsalItem"]:
        """One test for each."""
        from bot.rehearsing import Unreadable, read_home  # noqa: PLC0415 - see above

        try:
            home = read_home(self.path.parent)
        except Unreadable as error:
            raise self.CollectError(str(error)) from error
        for rehearsal in home.rehearsals:
            yield RehearsalItem.from_parent(self, name=rehearsal.name, home=home, rehearsal=rehearsal)


class RehearsalItem(pytest.Item):
    """One rehearsal."""

    def __init__(self, *, home: "Home", rehearsal: "Rehearsal", **others: Any) -> None:
        super().__init__(**others)
        self.home, self.rehearsal = home, rehearsal

    def runtest(self) -> None:
        """Play it. Raises NotAsRehearsed."""
        played = self.home.play(self.rehearsal)
        if played.problems:
            raise NotAsRehearsed("\n".join(str(problem) for problem in played.problems))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The differences alone: how the bot found them is of no interest."""
        if isinstance(excinfo.value, NotAsRehearsed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands, and what it is called."""
        position = self.rehearsal.source.at(self.rehearsal.path)
        return self.path, position.line - 1 if position else None, f"{self.home.name}: {self.name}"
