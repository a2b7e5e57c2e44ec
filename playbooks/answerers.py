"""Who could answer the questions of a playbook, and why that may be nobody or too few. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from engine.document import Missing, Parameter, Step
from infra.canonical import Json
from playbooks.people import Directory
from playbooks.playbook import Playbook

WHOLE_REFERENCE: Final = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
SLACK_USER: Final = re.compile(r"(?:[TE][A-Z0-9]+/)?[UW][A-Z0-9]{2,}")
SLACK_GROUP: Final = re.compile(r"(?:[TE][A-Z0-9]+/)?S[A-Z0-9]{2,}")
OWN: Final = "playbook.approvers"
APPROVE: Final = "aws:approve"


@dataclass(frozen=True, slots=True)
class World:
    """The people there are: those of the settings, and what Slack says of its ids."""

    directory: Directory
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Slack user group -> its users; one that is missing here is taken to have some."""
    gone: Mapping[str, str] = field(default_factory=dict)
    """Slack id -> why it stands for nobody."""


@dataclass(frozen=True, slots=True)
class _Answerers:
    people: frozenset[str]
    has_more: bool
    """Whether there may be others, who cannot be counted from here."""
    nobodies: tuple[str, ...]


def entries(playbook: Playbook) -> tuple[str, ...]:
    """Every entry of every list of a playbook, also of its runbook: ids of Slack users and user groups among them."""
    found = [*playbook.approvers, *playbook.break_glass, *playbook.may_run]
    found += playbook.approval.entries if playbook.approval else ()
    for step in playbook.runbook.all_steps():
        found += (_listed(playbook, step) or ()) if step.action == APPROVE else ()
    return tuple(dict.fromkeys(found))


def problems(playbook: Playbook, world: World) -> Iterator[str]:
    """A sentence for each question of the playbook that nobody, or too few, could answer."""
    for step in playbook.runbook.all_steps():
        if step.action != APPROVE:
            continue
        lists = [entries for entries in (_listed(playbook, step), playbook.approvers) if entries is not None]
        found = _answerers(world.directory.both(lists), world)
        needed = max(_minimum(step), playbook.minimum_approvals)
        if not found.people and not found.has_more:
            why = "; ".join(found.nobodies) or _why_nobody(lists, world)
            yield f"nobody can approve at step {step.name}: {why}"
        elif len(found.people) < needed and not found.has_more:
            yield f"step {step.name} needs {needed} approvals, only {len(found.people)} may give one"


def _why_nobody(lists: list[tuple[str, ...]], world: World) -> str:
    missing = [
        entry
        for entries in lists
        for entry in entries
        if entry.startswith("group:") and entry.removeprefix("group:") not in world.directory.groups
    ]
    if missing:
        return f"{missing[0]} is not in groups"
    empty = next((entries for entries in lists if not entries), None)
    if empty is not None:
        return "no approvers are listed"
    return f"nobody is on every list: {' / '.join(', '.join(entries) for entries in lists)}"


def _listed(playbook: Playbook, step: Step) -> tuple[str, ...] | None:
    """The step's own list; None where only the execution will tell it."""
    entries: list[str] = []
    for entry in _texts(step.inputs.get("Approvers")):
        match = WHOLE_REFERENCE.fullmatch(entry.strip())
        if match is None:
            entries.append(entry)
            continue
        parameter = playbook.runbook.parameters.get(match[1])
        given = playbook.parameters.get(match[1], _default(parameter))
        for value in _texts(given):
            inner = WHOLE_REFERENCE.fullmatch(value.strip())
            if inner is None:
                entries.append(value)
            elif inner[1] == OWN:
                entries += playbook.approvers
            else:
                return None
        if parameter is None or given is None:
            return None
    return tuple(entries)


def _default(parameter: Parameter | None) -> Json:
    return None if parameter is None or isinstance(parameter.default, Missing) else parameter.default


def _texts(value: Json) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [str(value)] if value else []


def _minimum(step: Step) -> int:
    said = str(step.inputs.get("MinRequiredApprovals") or 1)
    return int(said) if said.isdigit() else 1


def _answerers(entries: tuple[str, ...], world: World) -> _Answerers:
    people: set[str] = set()
    nobodies: list[str] = []
    has_more = False
    for entry in entries:
        if entry in world.gone:
            nobodies.append(f"{entry} {world.gone[entry]}")
        elif (
            entry == "*"
            or entry.endswith("/*")
            or entry.startswith("oncall:")
            or (SLACK_GROUP.fullmatch(entry) and entry not in world.members)
        ):
            has_more = True
        elif SLACK_GROUP.fullmatch(entry):
            people |= {_person_of(user, world.directory) for user in world.members[entry]}
        elif SLACK_USER.fullmatch(entry) or entry.startswith("arn:"):
            people.add(_person_of(entry, world.directory))
        else:
            found, why = _named(entry, world)
            people |= found
            nobodies += why
    return _Answerers(frozenset(people), has_more, tuple(nobodies))


def _person_of(account: str, directory: Directory) -> str:
    """The person an account belongs to, else the account itself: two accounts of one person are one."""
    return next((each.id for each in directory.people if account in each.slack_users or account in each.iam), account)


def _named(entry: str, world: World) -> tuple[set[str], list[str]]:
    """Who an entry of `people:` is: ({person}, []) or (nobody, [why])."""
    plain = entry.removeprefix("person:")
    person = next((each for each in world.directory.people if plain == each.id or entry in each.iam), None)
    if person is None:
        return set(), [f'"{entry}" is not in people']
    if not (person.slack_users or person.iam or person.terminal):
        return set(), [f"{person.id} has no account: give slack, iam or terminal"]
    if not (person.iam or person.terminal) and all(user in world.gone for user in person.slack_users):
        return set(), [f"{person.id}'s Slack user {user} {world.gone[user]}" for user in person.slack_users]
    return {person.id}, []
