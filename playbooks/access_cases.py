"""Cases of access that a team keeps in its CI: who may do what and who may not, read from YAML and tried."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.document import Problem, RunbookRefused
from engine.model_problems import model_problems
from engine.source import Source, read
from infra.nearest import nearest
from playbooks.access import VERBS, Access, Decision, Verb, Wish
from playbooks.access_file import SLACK_ID, AccessInvalid
from playbooks.guarding import with_defaults
from playbooks.people import Directory, Identity
from playbooks.playbook import Playbook
from playbooks.shelf import Shelf
from playbooks.spellings import Names

EXPECTED: Final = {
    "": "a map with cases: a list of {who, may or may_not, playbook …}",
    "cases": "a list of {who, may or may_not, playbook …}",
    "may": f"one of {', '.join(VERBS)}",
    "may_not": f"one of {', '.join(VERBS)}",
    "who": "a person's id, a Slack user id, or an ARN",
    "parameters": "a map: the parameter's name to its value",
}
"""What would be right, by key."""


class CaseFile(BaseModel):
    """One case: `may` or `may_not` names the verb, and so what is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: str
    may: Verb | None = None
    may_not: Verb | None = None
    playbook: str
    parameters: dict[str, Any] = {}
    channel: str | None = None
    region: str | None = None
    account: str | None = None
    groups: Names = ()
    """Slack user groups that the person is in: their members are known to Slack only."""
    starter: bool = False
    """Whether the person started the execution in question."""
    name: str = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> "CaseFile":
        if (self.may is None) == (self.may_not is None):
            raise ValueError("a case needs either may or may_not")
        return self


class CasesFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: tuple[CaseFile, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """One case and what came of it."""

    name: str
    place: str
    decision: Decision
    is_expected: bool
    """Whether it came as the case says."""
    problem: str = ""


def try_cases(path: Path, access: Access, shelf: Shelf, directory: Directory) -> Sequence[Tried]:
    """Try every case of a file; the rules of a file that is being learned from count. Raises AccessInvalid."""
    source, file = _read(path)
    problems: list[Problem] = []
    tried = [_tried(case, number, source, problems, access, shelf, directory) for number, case in enumerate(file.cases)]
    if problems:
        raise AccessInvalid(tuple(problems))
    return [each for each in tried if each is not None]


def person(who: str, directory: Directory, *, groups: Sequence[str] = ()) -> Identity | None:
    """Whoever is meant by a person's id, a Slack user, a login or an ARN; None for nobody."""
    plain = who.strip().removeprefix("<@").removesuffix(">").partition("|")[0].removeprefix("@").removeprefix("person:")
    for each in directory.people:
        if plain in {each.id, each.slack, each.terminal, *each.iam} - {""}:
            if each.slack:
                return directory.slack(directory.home, each.slack, name=each.name, groups=groups)
            if each.terminal:
                return directory.terminal(each.terminal)
            return directory.iam(each.iam[0]) if each.iam else _without_account(each.id, each.name, directory)
    if plain.startswith("arn:"):
        return directory.iam(plain)
    if SLACK_ID.fullmatch(plain) and plain.rpartition("/")[2][:1] in "UW":
        realm, _, user = plain.rpartition("/")
        return directory.slack(realm or directory.home, user, name=plain, groups=groups)
    return None


def nobody(who: str, directory: Directory) -> str:
    """What to say of somebody who is not known."""
    near = nearest(who, [each.id for each in directory.people])
    hint = f'; did you mean "{near}"?' if near else "; give an id of people, a Slack user id (U…) or an ARN"
    return f'"{who}" is nobody{hint}'


def _without_account(person_id: str, name: str, directory: Directory) -> Identity:
    known = {person_id, f"person:{person_id}"}
    groups = {group for group, members in directory.groups.items() if known & set(members)}
    return Identity(f"person:{person_id}", name, frozenset({*known, *groups, *(f"group:{each}" for each in groups)}))


def _read(path: Path) -> tuple[Source, CasesFile]:
    try:
        source = read(path.read_text(encoding="utf-8"), file=str(path))
        return source, CasesFile.model_validate(source.tree)
    except OSError as error:
        text = f"the file of cases cannot be read: {error.strerror}"
        raise AccessInvalid((Problem("ACC101", text, file=str(path)),)) from error
    except UnicodeDecodeError as error:
        text = f"the file of cases is not UTF-8 text (byte {error.start})"
        raise AccessInvalid((Problem("ACC101", text, file=str(path)),)) from error
    except RunbookRefused as error:
        raise AccessInvalid(error.problems) from error
    except ValidationError as error:
        raise AccessInvalid(
            tuple(model_problems(error, source, CasesFile, code="ACC102", expected=EXPECTED))
        ) from error


def _tried(
    case: CaseFile,
    number: int,
    source: Source,
    problems: list[Problem],
    access: Access,
    shelf: Shelf,
    directory: Directory,
) -> Tried | None:
    at = ("cases", number)
    by, playbook = person(case.who, directory, groups=case.groups), shelf.get(case.playbook)
    found = [*_unknown(case, by, playbook, shelf, directory, source, at)]
    problems += found
    if by is None or found:
        return None
    verb, expects = (case.may, True) if case.may else (case.may_not, False)
    values = with_defaults(playbook, case.parameters) if playbook else case.parameters
    wish = Wish(verb or "run", case.playbook, values, case.channel, case.region, case.account, is_starter=case.starter)
    decision = access.rehearse(wish, by) or access.decide(wish, by)
    name = case.name or f"{case.who} {'may' if expects else 'may not'} {verb} {case.playbook}{_with(case.parameters)}"
    position = source.at(at)
    place = f"{source.file}:{position.line}:{position.column}" if position else source.file
    is_expected = decision.is_allowed is expects
    outcome = "allowed" if decision.is_allowed else "refused"
    problem = "" if is_expected else f"{place} {name}: it is {outcome}. {decision.reason}".rstrip()
    return Tried(name, place, decision, is_expected, problem)


def _unknown(
    case: CaseFile,
    by: Identity | None,
    playbook: Playbook | None,
    shelf: Shelf,
    directory: Directory,
    source: Source,
    at: tuple[str | int, ...],
) -> Iterator[Problem]:
    if by is None:
        yield source.problem("ACC103", nobody(case.who, directory), (*at, "who"))
    if playbook is None and ":" not in case.playbook:
        near = shelf.suggestion(case.playbook)
        hint = f' Did you mean "{near}"?' if near else ""
        yield source.problem("ACC104", f'there is no playbook "{case.playbook}".{hint}', (*at, "playbook"))
    for name in case.parameters if playbook else ():
        if playbook is not None and name not in playbook.runbook.parameters:
            near = nearest(name, playbook.runbook.parameters)
            hint = f' Did you mean "{near}"?' if near else ""
            text = f'{case.playbook} has no parameter "{name}".{hint}'
            yield source.problem("ACC105", text, (*at, "parameters", name))


def _with(parameters: Mapping[str, Any]) -> str:
    return f" with {', '.join(f'{name}={value}' for name, value in parameters.items())}" if parameters else ""
