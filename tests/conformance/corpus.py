"""The documents of a corpus: files of JSON and YAML below a folder, and what is expected of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.document import Document, RunbookRefused
from engine.validation import examine, parse

SUFFIXES: Final = (".json", ".yaml", ".yml")
REFUSED: Final = ("malformed", "incomplete")
"""Folders whose documents are none."""
OTHERS: Final = ("oracle", "alarms", "licences")
"""Folders that hold no documents."""
TRUSTED: Final = "aws-owned"
"""How a folder of documents that AWS publishes is called: all of them are right."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file; `key` is its path below the corpus, `group` the first two folders of it."""

    path: Path
    key: str
    group: str
    is_bad: bool
    is_trusted: bool

    @property
    def name(self) -> str:
        """The document's name."""
        return self.path.stem

    def read(self) -> str:
        """The text."""
        return self.path.read_text(encoding="utf-8-sig", errors="surrogateescape")


def entries(corpus: Path) -> list[Entry]:
    """Every document below the folder, in order."""
    return list(_entries(corpus))


def _entries(corpus: Path) -> Iterator[Entry]:
    for path in sorted(corpus.rglob("*")):
        below = path.relative_to(corpus)
        folders = (corpus.resolve().name, *below.parts[:-1])
        if path.suffix not in SUFFIXES or not path.is_file() or any(folder in OTHERS for folder in folders):
            continue
        yield Entry(
            path,
            str(below),
            "/".join(folders[1:3]) or folders[0],
            any(folder in REFUSED for folder in folders),
            any(folder.startswith(TRUSTED) for folder in folders),
        )


class Library:
    """Where a step aws:executeAutomation finds a document of the corpus: by its name, or the end of its file's name."""

    def __init__(self, entries_: list[Entry]) -> None:
        self._paths: dict[str, Path] = {}
        for entry in entries_:
            if not entry.is_bad:
                self._paths[entry.name] = self._paths[entry.name.rpartition("__")[2]] = entry.path

    def find(self, name: str, version: str) -> Document:
        """The document of that name. Raises LookupError."""
        short = name.rpartition("/")[2]
        path = self._paths.get(short) or self._paths.get(re.sub(r"^[A-Z]+-", "", short))
        if path is None:
            raise LookupError(f'document "{short}" was not found')
        try:
            return parse(path.read_text(encoding="utf-8-sig"), name=short, file=path.name)
        except RunbookRefused as refused:
            raise LookupError(f'document "{short}" is refused: {refused.problems[0]}') from refused

    def look_for(self, name: str, version: str) -> Document | None:
        """The document of that name, if it is there."""
        try:
            return self.find(name, version)
        except LookupError:
            return None


def problems_of(entry: Entry) -> tuple[Document | None, list[str], bool]:
    """The document as far as it could be read, what is wrong with it, and whether all that has a place."""
    try:
        examined = examine(entry.read(), name=entry.name, file=entry.path.name)
    except RunbookRefused as refused:
        problems, document = refused.problems, None
    else:
        problems, document = examined.problems, examined.document
    errors = [problem for problem in problems if problem.severity == "error"]
    return document, [f"{each.code} {each}" for each in errors], all(each.position for each in errors)
