"""Folders with rehearsals: found, read and played, for the terminal and for pytest alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.imitation import imitation
from engine.actions import BY_NAME
from engine.document import Document, RunbookRefused
from engine.rehearsal import Played, play
from engine.rehearsal_file import Rehearsal, read_rehearsals
from engine.source import read
from engine.validation import parse

REHEARSAL: Final = "rehearsal.yaml"
RUNBOOK: Final = "runbook.yaml"
PLAYBOOK: Final = "playbook.yaml"


class Unreadable(Exception):
    """The folder's files are not what they should be; the message says each reason with its place."""


@dataclass(frozen=True, slots=True)
class Home:
    """One folder: a runbook and its rehearsals."""

    folder: Path
    document: Document
    rehearsals: tuple[Rehearsal, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    def play(self, rehearsal: Rehearsal) -> Played:
        """Play one to its end."""
        return play(self.document, rehearsal, actions=BY_NAME, imitate=imitation())


def homes_in(folder: Path) -> Iterator[Path]:
    """The folder itself if it has rehearsals, and every folder below it that has."""
    yield from (path.parent for path in sorted(folder.rglob(REHEARSAL)))


def read_home(folder: Path) -> Home:
    """Read a folder's runbook and rehearsals. Raises Unreadable."""
    try:
        runbook = folder / _runbook_of(folder)
        document = parse(_text(runbook), name=folder.resolve().name, file=str(runbook))
        rehearsals = read_rehearsals(_text(folder / REHEARSAL), document, file=str(folder / REHEARSAL))
    except RunbookRefused as error:
        raise Unreadable(str(error)) from error
    except OSError as error:
        raise Unreadable(f"{error.filename}: {error.strerror}") from error
    return Home(folder, document, rehearsals)


def _text(path: Path) -> str:
    """What a file says. Raises Unreadable, OSError."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path}:1:1 the file is not UTF-8 text (byte {error.start})") from error


def _runbook_of(folder: Path) -> str:
    """The runbook's file: as playbook.yaml says, where there is one. Raises RunbookRefused."""
    if not (folder / PLAYBOOK).is_file():
        return RUNBOOK
    tree = read(_text(folder / PLAYBOOK), file=str(folder / PLAYBOOK)).tree
    return str(tree.get("runbook") or RUNBOOK) if isinstance(tree, dict) else RUNBOOK
