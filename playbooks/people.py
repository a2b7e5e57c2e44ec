"""Who a person is across Slack, terminal and IAM: an explicit table, never a display name. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from audit.events import Actor

MENTION: Final = re.compile(r"<(?:@|!subteam\^)([A-Z0-9]+)>")


@dataclass(frozen=True, slots=True)
class Person:
    """One human. `slack` is a user id, `iam` a principal ARN or user name, `terminal` a login name."""

    id: str
    slack: str = ""
    iam: tuple[str, ...] = ()
    terminal: str = ""
    name: str = ""
    email: str = ""
    """Joins e-mail addresses of rotas and of git to this person; nobody is let in by it unless the settings say so."""

    further_slack: tuple[str, ...] = ()
    """Their users in further workspaces, `T0123/U0456` each."""

    @property
    def slack_users(self) -> tuple[str, ...]:
        """Every Slack user that is this person."""
        return (*([self.slack] if self.slack else []), *self.further_slack)

    def is_at(self, address: str) -> bool:
        """Whether an e-mail address is this person's."""
        return bool(self.email) and self.email.casefold() == address.casefold()


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody at a door, verified there: every spelling by which a list may name them."""

    id: str
    """`person:lee`, or `slack:T01/U01` / `terminal:lee` for those not in the table."""
    name: str = ""
    spellings: frozenset[str] = frozenset()
    is_full_member: bool = True
    """Whether "*" names them: a full member of the home workspace. Those of another one are `T0123/*`."""
    account: str = ""
    """The account at the door, whoever the person is: `slack:T01/U01`, `terminal:lee`, an ARN."""
    because: str = ""
    """How the account was joined to the person, in words."""

    @property
    def is_guest(self) -> bool:
        """Whether they are a full member nowhere."""
        return not self.is_full_member and not any(each.endswith("/*") for each in self.spellings)


BY_TABLE = "the setting `people` names your Slack user"


class Unidentified(Exception):
    """Nobody may act by this account; the message is a sentence for them. `is_passing`: it may be known in a moment."""

    is_passing = False


def actor_of(by: Identity) -> Actor:
    """Somebody at a door, as the trail names them."""
    return Actor("person", by.id, by.name)


@dataclass(frozen=True, slots=True)
class Directory:
    """The people of the settings. Lists (`approvers`, `may_run`) are matched against an identity's spellings."""

    people: tuple[Person, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Named groups of the settings: group name -> person ids or Slack ids."""
    home: str = ""
    """Where there are several workspaces, the one (or the organisation) whose people are written without it."""

    def spelled(self, realm: str, user: str) -> str:
        """How lists write a Slack user or group: `U01`, and `T02/U01` for one that is not of the home workspace."""
        return user if not self.home or realm == self.home else f"{realm}/{user}"

    def slack(
        self,
        team: str,
        user: str,
        *,
        name: str = "",
        groups: Iterable[str] = (),
        is_full_member: bool = True,
        joined: tuple[str, str] = ("", ""),
    ) -> Identity:
        """Identity of a verified Slack user; `groups` are ids of the user groups they are in now.

        The table says who it is; where it does not, `joined` may: (id of a person, why), as the door has found out.
        A person whom the table gives another Slack user is never joined to this one.
        """
        spelled = self.spelled(team, user)
        person, because = next((person for person in self.people if spelled in person.slack_users), None), BY_TABLE
        if person is None and joined[0]:
            person = next((each for each in self.people if each.id == joined[0] and not each.slack_users), None)
            because = joined[1]
        is_home = spelled == user
        spellings = {spelled, *groups} | ({f"{team}/*"} if is_full_member and not is_home else set())
        is_full_member = is_full_member and is_home
        found = self._identity(person, f"slack:{team}/{user}", spellings, name, is_full_member=is_full_member)
        return replace(found, because=because if person is not None else "")

    def terminal(self, login: str) -> Identity:
        """Identity of a local login; it means nobody in particular unless the table maps it."""
        person = next((person for person in self.people if person.terminal == login), None)
        return self._identity(person, f"terminal:{login}", set(), login, is_full_member=person is not None)

    def of_person(self, name: str) -> Identity | None:
        """Somebody of the table, by any spelling, without the user groups that only their door knows."""
        wanted = self.canonical(name)
        person = next((person for person in self.people if f"person:{person.id}" == wanted), None)
        return self._identity(person, wanted, set(), "", is_full_member=True) if person else None

    def iam(self, principal: str, *, name: str = "", spellings: Iterable[str] = ()) -> Identity:
        """Identity of a verified AWS principal; `spellings` are its user name and the ARNs of its role.

        A user who is called as a person of the table is that person, so that nobody has two identities.
        """
        known = {principal, *spellings}
        user = name if principal.endswith(f":user/{name}") else ""
        person = next((person for person in self.people if known & set(person.iam)), None) or next(
            (person for person in self.people if person.id == user), None
        )
        return self._identity(person, principal, known, name, is_full_member=True)

    def _identity(
        self, person: Person | None, door: str, spellings: set[str], name: str, *, is_full_member: bool
    ) -> Identity:
        if person is not None:
            spellings |= {person.id, f"person:{person.id}", *person.iam, *person.slack_users}
        spellings |= {f"group:{group}" for group, members in self.groups.items() if spellings & set(members)}
        spellings |= {spelling.removeprefix("group:") for spelling in spellings if spelling.startswith("group:")}
        identity = f"person:{person.id}" if person else door
        called = (person.name if person else "") or name
        return Identity(identity, called, frozenset(spellings), is_full_member, account=door)

    def entry(self, name: str) -> str:
        """How lists write an actor's id: a Slack user without the workspace, where that is the home one."""
        realm, slash, user = name.removeprefix("slack:").partition("/")
        return self.spelled(realm, user) if slash and name.startswith("slack:") else name

    def canonical(self, name: str) -> str:
        """`person:ID` for any spelling of a person: entry of a list, actor's id, e-mail address; else the name itself.

        Two accounts of one person are one.
        """
        plain = self.entry(name)
        for person in self.people:
            terminal = f"terminal:{person.terminal}" if person.terminal else ""
            spellings = {person.id, f"person:{person.id}", *person.slack_users, terminal, *person.iam} - {""}
            if plain in spellings or person.is_at(plain):
                return f"person:{person.id}"
        return name

    def is_listed(self, identity: Identity, listed: Iterable[str]) -> bool:
        """Whether a list names this identity. An empty list names nobody; "*" names every full member."""
        return any(entry in identity.spellings or (entry == "*" and identity.is_full_member) for entry in listed)

    def both(self, lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
        """The entries by which somebody could be on every one of the lists; empty = nobody can.

        Named groups are opened; an entry stays as it is where only the door can tell who is behind it.
        """
        opened = sorted((self._opened(names) for names in lists), key=_vagueness)
        if not opened or any(not names for names in opened):
            return ()
        first, *others = opened
        kept = [name for name in first if all(self._may_meet(name, names) for names in others)]
        return tuple(kept)

    def _opened(self, names: Iterable[str]) -> list[str]:
        found: list[str] = []
        for name in names:
            members = self.groups.get(name.removeprefix("group:"))
            found += members if members is not None else ([] if name.startswith("group:") else [name])
        return list(dict.fromkeys(found))

    def _may_meet(self, name: str, names: list[str]) -> bool:
        person = self._person(name)
        same = {name} if person is None else {person.id, f"person:{person.id}", *person.slack_users, *person.iam}
        return bool(same & set(names)) or any(may_hold_anybody(other) for other in names)

    def _person(self, entry: str) -> Person | None:
        for person in self.people:
            if entry in (person.id, f"person:{person.id}", *person.slack_users, *person.iam):
                return person
        return None

    def mention(self, entry: str) -> str:
        """A list entry as people read it: `<@U01>` where a Slack id is known."""
        person = next(
            (person for person in self.people if entry in (person.id, f"person:{person.id}", *person.iam)), None
        )
        if person is not None:
            return f"<@{person.slack}>" if person.slack else person.id
        thing = entry.rpartition("/")[2]
        if thing[:1] in ("U", "W") and thing.isalnum():
            return f"<@{thing}>"
        if thing[:1] == "S" and thing.isalnum():
            return f"<!subteam^{thing}>"
        return entry

    def unmentioned(self, text: str) -> str:
        """What `mention` has spelled, for readers outside Slack: the id of the person, else Slack's own."""
        return MENTION.sub(lambda found: self._called(found[1]), text)

    def _called(self, thing: str) -> str:
        known = (each.id for each in self.people for user in each.slack_users if user.rpartition("/")[2] == thing)
        return next(known, thing)


def _vagueness(names: list[str]) -> int:
    """How many of the entries only Slack can open: the list that names people best says whom a card names."""
    return sum(may_hold_anybody(name) for name in names)


def may_hold_anybody(entry: str) -> bool:
    """Whether only Slack can tell whom an entry names: everybody, everybody of a workspace, a user group."""
    thing = entry.rpartition("/")[2]
    return thing == "*" or (thing[:1] == "S" and thing.isalnum())
