"""The catalog: every playbook of the library and of the users' folders, or every reason why there is none."""

import difflib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.document import Document, Problem, RunbookRefused
from engine.source import Source, read
from engine.validation import Examined, examine, unsupported_actions
from infra.git import last_editors
from playbooks.approval_file import step_policies
from playbooks.approval_policy import RUNBOOK_EDITOR, ApprovalPolicy, StepPolicies
from playbooks.budgets import Budget
from playbooks.playbook import AlarmTrigger, EngineName, Playbook
from playbooks.playbook_file import PlaybookFile, read_file
from playbooks.playbook_rules import contradictions
from playbooks.refusals import InvalidLibrary

FILE: Final = "playbook.yaml"
RUNBOOK: Final = "runbook.yaml"
LIBRARY: Final = Path(__file__).resolve().parent / "library"
"""The playbooks that come with the program."""


@dataclass(frozen=True)
class Catalog:
    """The playbooks, by name."""

    all: tuple[Playbook, ...]
    warnings: tuple[Problem, ...] = ()
    """What will not work in a run, though everything else does: steps whose action nobody here can carry out."""

    def get(self, name: str) -> Playbook | None:
        """The playbook of that name."""
        return next((playbook for playbook in self.all if playbook.name == name), None)

    def suggestion(self, name: str) -> str:
        """The name that was probably meant, or ""."""
        typed, names = name.lower(), [playbook.name for playbook in self.all]
        begun = [each for each in names if typed and each.startswith(typed)]
        near = begun[:1] or difflib.get_close_matches(typed, names, n=1, cutoff=0.5)
        return near[0] if near else ""


def load(
    folders: Sequence[Path], *, available_actions: Collection[str], library: Path = LIBRARY, engine: EngineName = ""
) -> Catalog:
    """Read every playbook below the folders. Raises InvalidLibrary with every problem.

    `engine` runs those that name none.

    An action that is unknown here, or AWS's own, is only a warning: its step fails, the others may be all one needs.
    A name is taken once. Only a file that says `overrides: library` takes the place of the library's playbook of its
    name, so that nobody replaces what others rely on by accident.
    """
    loading = _Loading(available_actions, library.resolve(), engine)
    for folder in sorted(folders, key=lambda folder: folder.resolve() != loading.library):
        loading.read(folder)
    if loading.problems:
        raise InvalidLibrary(tuple(loading.problems))
    return Catalog(
        tuple(sorted(loading.found.values(), key=lambda playbook: playbook.name)), warnings=tuple(loading.warnings)
    )


class _Loading:
    """One pass over the folders: what was found, and everything that is wrong."""

    def __init__(self, available_actions: Collection[str], library: Path, engine: EngineName) -> None:
        self._available_actions, self.library, self._engine = available_actions, library, engine
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.found: dict[str, Playbook] = {}

    def read(self, folder: Path) -> None:
        """Add the playbooks of one folder."""
        for home in self._homes(folder):
            before = len(self.problems)
            source = self._text(home / FILE)
            file = read_file(source, self.problems) if source is not None else None
            if source is None or file is None:
                continue
            playbook = self._playbook(home, file, source)
            if playbook is not None and len(self.problems) == before:
                self._add(playbook, file, source)

    def _homes(self, folder: Path) -> Iterator[Path]:
        """The folder itself if it is a playbook, else its folders, which must be."""
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            text = f"there is no folder of playbooks here: {error.strerror}"
            self.problems.append(Problem("PBK002", text, file=str(folder)))
            return
        if (folder / FILE).is_file():
            yield folder
            return
        for child in children:
            if not child.is_dir() or child.name.startswith((".", "_")):
                continue
            if (child / FILE).is_file():
                yield child
            else:
                self.problems.append(Problem("PBK003", f"the folder has no {FILE}", file=str(child / FILE)))

    def _text(self, path: Path) -> Source | None:
        try:
            return read(path.read_text(encoding="utf-8"), file=str(path))
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(_unreadable(error, path))
        except RunbookRefused as error:
            self.problems += error.problems
        return None

    def _playbook(self, home: Path, file: PlaybookFile, source: Source) -> Playbook | None:
        runbook = self._runbook(home, file, source)
        if runbook is None:
            return None
        approval = _approval(file)
        playbook = Playbook(
            name=file.name or home.name,
            title=file.title,
            runbook=runbook,
            description=file.description,
            trigger=AlarmTrigger(**file.trigger.model_dump()) if file.trigger else None,
            start=file.start,
            parameters=file.parameters,
            approvers=tuple(dict.fromkeys((*file.approvers, *(approval.names if approval else ())))),
            minimum_approvals=file.minimum_approvals,
            approval_expiry=file.approval_expires_in,
            may_approve_own=file.may_approve_own,
            approval=approval,
            break_glass=file.break_glass,
            edited_by=_editors(home, file),
            channel=file.channel,
            may_run=file.may_run,
            budget=Budget(file.budget.starts, file.budget.within) if file.budget else None,
            lock=file.lock,
            secret=file.secret,
            tags=file.tags,
            engine=file.engine or self._engine,
            aws_document=file.aws_document,
            source=str(home),
        )
        self.problems += contradictions(playbook, source, file.model_fields_set)
        return playbook

    def _runbook(self, home: Path, file: PlaybookFile, source: Source) -> Document | None:
        path = home / (file.runbook or RUNBOOK)
        name = file.document_name or file.name or home.name
        theirs = self.library / (file.name or home.name) / RUNBOOK
        if file.overrides and not file.runbook and not path.exists() and theirs.is_file():
            path = theirs
        if not path.is_file():
            text = f'there is no runbook "{file.runbook or RUNBOOK}" beside this file'
            self.problems.append(source.problem("PBK004", text, ("runbook",)))
            return None
        examined = self._examined(path, name)
        if examined is None or examined.document is None:
            return None
        self.warnings += unsupported_actions(examined.document, examined.source, self._available_actions)
        return examined.document

    def _examined(self, path: Path, name: str) -> Examined | None:
        try:
            examined = examine(path.read_text(encoding="utf-8"), name=name, file=str(path))
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(_unreadable(error, path))
            return None
        except RunbookRefused as error:
            self.problems += error.problems
            return None
        self.problems += examined.problems
        return examined

    def _add(self, playbook: Playbook, file: PlaybookFile, source: Source) -> None:
        other = self.found.get(playbook.name)
        is_librarys = other is not None and Path(other.source).resolve().parent == self.library
        if file.overrides and not (self.library / playbook.name / FILE).is_file():
            near = difflib.get_close_matches(playbook.name, [home.name for home in self.library.iterdir()], n=1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            text = f'the library has no playbook "{playbook.name}" to override.{hint}'
            self.problems.append(source.problem("PBK015", text, ("overrides",)))
        elif other is not None and not (file.overrides and is_librarys):
            hint = '; say "overrides: library" if this one is to take its place' if is_librarys else ""
            text = f'there is a playbook "{playbook.name}" already, in {other.source}{hint}'
            self.problems.append(source.problem("PBK001", text, ("name",) if file.name else ()))
        else:
            self.found[playbook.name] = playbook


def _approval(file: PlaybookFile) -> StepPolicies | None:
    if file.approval is None:
        return None
    plain = ApprovalPolicy(
        minimum=file.minimum_approvals,
        expires_in=file.approval_expires_in,
        may_approve_own=file.may_approve_own,
        breakers=file.break_glass,
    )
    return step_policies(file.approval, plain, file.approvers)


def _editors(home: Path, file: PlaybookFile) -> tuple[str, ...]:
    """Who wrote the playbook's runbook; git is asked only where the policy wants to know it."""
    approval = file.approval
    if approval is None or not any(RUNBOOK_EDITOR in each.never for each in (approval, *approval.steps.values())):
        return file.edited_by
    return tuple(dict.fromkeys([*file.edited_by, *last_editors(home / (file.runbook or RUNBOOK), home / FILE)]))


def _unreadable(error: OSError | UnicodeDecodeError, path: Path) -> Problem:
    if isinstance(error, UnicodeDecodeError):
        return Problem("PBK004", f"the file is not UTF-8 text (byte {error.start})", file=str(path))
    return Problem("PBK004", f"the file cannot be read: {error.strerror}", file=str(path))
