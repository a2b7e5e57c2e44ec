"""The access file as a team writes it: every key, what is wrong with it and where, and the rules that it means."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from engine.document import Problem, RunbookRefused
from engine.model_problems import model_problems
from engine.source import Source, read
from infra.nearest import nearest
from playbooks.access import (
    API_KEYS,
    DOCUMENT,
    EVERYBODY,
    STARTER,
    VERBS,
    Access,
    Effect,
    Rule,
    Verb,
    implicit,
    standing,
)
from playbooks.people import Directory
from playbooks.playbook import Playbook
from playbooks.refusals import InvalidLibrary

SLACK_ID: Final = re.compile(r"(?:[TE][A-Z0-9]+/)?[UWS][A-Z0-9]{2,}|[TE][A-Z0-9]+/\*")
"""A user or a user group, that of another workspace with its id before it; `T0456/*` is every full member there."""
CHANNEL_ID: Final = re.compile(r"(?:[TE][A-Z0-9]+/)?[CGD][A-Z0-9]{2,}")
EXPECTED: Final = {
    "": "a map with rules: a list of {who, may, playbooks …}",
    "mode": "enforce or learn",
    "rule": "allow, deny or never",
    "may": f"one or more of {', '.join(VERBS)}",
    "parameters": "a map: the parameter's name to a value or a list of values, such as {environment: [dev, staging]}",
    "who": "one or more people, groups or Slack ids; * for every full member",
    "rules": "a list of {who, may, playbooks …}",
}
"""What would be right, by key."""
SAID_SOMEWHERE: Final = frozenset({"run", "override"})
"""Verbs for which it matters in which channel something is asked for; the others are about a card, wherever it is."""


class AccessInvalid(InvalidLibrary):
    """The access file is wrong; `problems` say where and what would be right."""


def _several(value: object) -> object:
    """One value stands for a list of one; true, 5 and the like are meant as they are written for a parameter."""
    values = value if isinstance(value, (list, tuple)) else (value,)
    return tuple(_text(each) for each in values)


def _text(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
Verbs = Annotated[tuple[Verb, ...], BeforeValidator(_several)]
WhoNames = Annotated[tuple[str, ...], BeforeValidator(_several), Field(min_length=1)]


class RuleFile(BaseModel):
    """One rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: WhoNames
    may: Verbs = ()
    """Empty = everything."""
    rule: Effect = "allow"
    playbooks: Names = ()
    parameters: dict[str, Names] = {}
    channels: Names = ()
    regions: Names = ()
    accounts: Names = ()
    ask: str = ""


class AccessFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mode: Literal["enforce", "learn"] = "enforce"
    ask: str = ""
    """Whom to ask where the rule names nobody."""
    rules: tuple[RuleFile, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What a rule may name."""

    directory: Directory
    playbooks: Sequence[Playbook]
    admins: tuple[str, ...] = ()


def load_access(path: Path | None, known: Known) -> Access:
    """The access of the settings: the file's rules, or those that the playbooks imply. Raises AccessInvalid."""
    implied = implicit(known.playbooks, known.admins)
    if path is None:
        return Access(implied)
    file, source = _read(path)
    problems = [*_problems(file, source, known)]
    if problems:
        raise AccessInvalid(tuple(problems))
    ours = tuple(_rule(each, number, source) for number, each in enumerate(file.rules))
    written = (*standing(known.admins), *ours)
    return Access(implied, file.ask, written) if file.mode == "learn" else Access(written, file.ask)


def who_is_named(access: Access) -> tuple[str, ...]:
    """Everybody whom a rule names: ids of Slack user groups among them."""
    return tuple(name for rule in (*access.rules, *(access.tried or ())) for name in rule.who)


def _read(path: Path) -> tuple[AccessFile, Source]:
    try:
        source = read(path.read_text(encoding="utf-8"), file=str(path))
    except OSError as error:
        text = f"the access file cannot be read: {error.strerror}"
        raise AccessInvalid((Problem("ACC001", text, file=str(path)),)) from error
    except UnicodeDecodeError as error:
        text = f"the access file is not UTF-8 text (byte {error.start})"
        raise AccessInvalid((Problem("ACC001", text, file=str(path)),)) from error
    except RunbookRefused as error:
        raise AccessInvalid(error.problems) from error
    try:
        return AccessFile.model_validate(source.tree), source
    except ValidationError as error:
        problems = model_problems(error, source, AccessFile, code="ACC002", expected=EXPECTED)
        raise AccessInvalid(tuple(_nearer(each, source) for each in problems)) from error


def _nearer(problem: Problem, source: Source) -> Problem:
    """With the verb that was probably meant."""
    value: Any = source.tree
    for part in problem.path:
        value = value[part]
    near = nearest(value, VERBS) if isinstance(value, str) and "may" in problem.path else ""
    if not near:
        return problem
    return source.problem(problem.code, f'{problem.message}. Did you mean "{near}"?', problem.path)


def _rule(file: RuleFile, number: int, source: Source) -> Rule:
    position = source.at(("rules", number))
    place = f"{Path(source.file).name}:{position.line}" if position else f"rule {number + 1}"
    return Rule(
        place,
        file.who,
        file.may,
        file.rule,
        playbooks=file.playbooks,
        parameters=file.parameters,
        channels=file.channels,
        regions=file.regions,
        accounts=file.accounts,
        ask=file.ask,
    )


def _problems(file: AccessFile, source: Source, known: Known) -> Iterator[Problem]:
    for number, rule in enumerate(file.rules):
        at = ("rules", number)
        for index, entry in enumerate(rule.who):
            why = _nobody(entry, known.directory)
            if why:
                yield source.problem("ACC003", why, _at(source, (*at, "who"), index))
        yield from _unknown_playbooks(rule, source, at, known)
        yield from _unknown_parameters(rule, source, at, known)
        for index, channel in enumerate(rule.channels):
            if not CHANNEL_ID.fullmatch(channel):
                text = (
                    f'"{channel}" is not the id of a channel (C…); Slack shows it at the end of the channel\'s details'
                )
                yield source.problem("ACC006", text, _at(source, (*at, "channels"), index))
        if rule.channels and not (rule.may and {*rule.may} <= SAID_SOMEWHERE):
            text = "channels count for starts only: a rule that names them must say may: run (or override)"
            yield source.problem("ACC008", text, (*at, "channels"))
    asking = [each.name for each in known.playbooks if each.needs_approval]
    can_approve = any(rule.rule == "allow" and (not rule.may or "approve" in rule.may) for rule in file.rules)
    if asking and not can_approve and not known.admins:
        text = f"no rule lets anybody approve, so {asking[0]} could never go on; add a rule with may: approve"
        yield source.problem("ACC007", text, ("rules",))


def _at(source: Source, path: tuple[str | int, ...], index: int) -> tuple[str | int, ...]:
    """The place of an entry, or of the single value that stands for a list."""
    return (*path, index) if (*path, index) in source.positions else path


def _nobody(entry: str, directory: Directory) -> str:
    """Why an entry of `who` stands for nobody; "" when somebody may be meant."""
    if entry in ("*", EVERYBODY, STARTER, API_KEYS) or SLACK_ID.fullmatch(entry) or entry.startswith("arn:"):
        return ""
    plain = entry.removeprefix("person:").removeprefix("group:")
    people = {person.id for person in directory.people}
    if plain in (directory.groups.keys() if entry.startswith("group:") else people | directory.groups.keys()):
        return ""
    near = nearest(plain, [*people, *directory.groups])
    hint = f'; did you mean "{near}"?' if near else "; add it to people or groups, or give a Slack id or an ARN"
    return f'"{entry}" is nobody{hint}'


def _unknown_playbooks(rule: RuleFile, source: Source, at: tuple[str | int, ...], known: Known) -> Iterator[Problem]:
    names = [each.name for each in known.playbooks]
    for index, pattern in enumerate(rule.playbooks):
        if pattern in names or any(letter in pattern for letter in "*?[") or pattern.startswith(DOCUMENT):
            continue
        near = nearest(pattern, names)
        hint = f' Did you mean "{near}"?' if near else f" Known are: {', '.join(names) or 'none'}."
        yield source.problem(
            "ACC004", f'there is no playbook "{pattern}".{hint}', _at(source, (*at, "playbooks"), index)
        )


def _unknown_parameters(rule: RuleFile, source: Source, at: tuple[str | int, ...], known: Known) -> Iterator[Problem]:
    declared = _declared(rule, known.playbooks)
    for name in rule.parameters:
        if name not in declared and not any(each.startswith(DOCUMENT) for each in rule.playbooks):
            near = nearest(name, declared)
            hint = f' Did you mean "{near}"?' if near else f" They declare: {', '.join(declared) or 'none'}."
            text = f'no playbook of this rule has a parameter "{name}".{hint}'
            yield source.problem("ACC005", text, (*at, "parameters", name))


def _declared(rule: RuleFile, playbooks: Sequence[Playbook]) -> Collection[str]:
    found: Mapping[str, None] = {
        name: None
        for playbook in playbooks
        if not rule.playbooks or any(fnmatchcase(playbook.name, each) for each in rule.playbooks)
        for name in playbook.runbook.parameters
    }
    return found.keys()
