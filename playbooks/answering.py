"""Who may answer a question: lists, groups, who is on call, who was handed it, and who never may."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from approvals import policy
from approvals.quorum import is_reached, missing
from approvals.request import ApprovalChange, ApprovalRequest, Decision, Verdict
from audit.events import Actor, Event
from playbooks.absences import Away
from playbooks.answerers import SLACK_GROUP
from playbooks.glass import is_enough
from playbooks.oncall import PREFIX
from playbooks.people import Directory, Identity, actor_of, may_hold_anybody


class Rotas(Protocol):
    """Who is on call, as far as it is known now; nothing is asked for here."""

    def opened(self, names: Iterable[str]) -> tuple[str, ...]:
        """The list with `oncall:NAME` replaced by those who are on call."""

    def is_known(self, entry: str) -> bool:
        """Whether it is known now who an entry of a list stands for."""


Opened = Callable[[Iterable[str]], tuple[str, ...]]
Members = Callable[[str], Collection[str] | None]
"""Who is in a Slack user group, as far as it is known now; None = nobody has been told."""


def nobody_knows(_group: str) -> None:
    """Used where there is no Slack."""


class NoRotas:
    """Where nobody is ever on call."""

    def opened(self, names: Iterable[str]) -> tuple[str, ...]:
        """The list as it is."""
        return tuple(names)

    def is_known(self, entry: str) -> bool:
        """Whether it is nobody's turn."""
        return not entry.startswith(PREFIX)


class Leave(Protocol):
    """Who is away, as far as it is known now; nothing is asked for here."""

    def away(self, entry: str) -> Away | None:
        """The absence of whoever an entry stands for, if they are away now."""

    def replaced_by(self, entry: str) -> tuple[Away, ...]:
        """The absences in which somebody stands in now."""


class NoLeave:
    """Where nobody is ever away."""

    def away(self, _entry: str) -> Away | None:
        """Never."""
        return None

    def replaced_by(self, _entry: str) -> tuple[Away, ...]:
        """Nobody has to be."""
        return ()


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody is to a question: whether they may answer, for which groups, and why they never may approve."""

    is_listed: bool
    groups: tuple[int, ...] = ()
    bar: str = ""
    instead_of: Actor | None = None
    """Who is away, and whose answer they would give."""


class Answering:
    """Applies the rule of a question to a person."""

    def __init__(
        self,
        directory: Directory,
        rotas: Rotas | None = None,
        leave: Leave | None = None,
        members: Members = nobody_knows,
    ) -> None:
        self.directory, self.rotas, self.leave = directory, rotas or NoRotas(), leave or NoLeave()
        self.members = members

    def is_listed(self, by: Identity, names: Iterable[str]) -> bool:
        """Whether a list names somebody, now; those on call may be known by their e-mail addresses."""
        opened = self.rotas.opened(names)
        return self.directory.is_listed(
            by, (*opened, *(self.directory.canonical(each) for each in opened if "@" in each))
        )

    def standing(self, request: ApprovalRequest, by: Identity, lapsed: Collection[str] = ()) -> Standing:
        """What this person is to the question; of those in `lapsed` nothing was handed over that would count."""
        bar = self._bar(request, by)
        for each in reversed(request.delegations):
            if self._is(by, each.by.id):
                return Standing(is_listed=False)
            if self._is(by, each.to.id) and each.by.id not in lapsed:
                return Standing(is_listed=True, groups=each.groups, bar=bar)
        own = self.own_standing(request, by, bar)
        return own if own.is_listed else self._standing_in(request, by, bar) or own

    def _standing_in(self, request: ApprovalRequest, by: Identity, bar: str) -> Standing | None:
        """What they are in the place of somebody who is away; only to whom the playbook lets that be handed over."""
        if not self.is_listed(by, request.delegates):
            return None
        for away in self.leave.replaced_by(by.id):
            absent = self._known_as(away.id)
            is_spent = self.has_answered(request, absent) or any(
                self._is(absent, each.by.id) for each in request.delegations
            )
            theirs = self.own_standing(request, absent, self._bar(request, absent))
            if theirs.is_listed and not theirs.bar and not is_spent:
                return replace(theirs, bar=bar, instead_of=replace(actor_of(absent), name=away.name))
        return None

    def _known_as(self, person: str) -> Identity:
        """Somebody who is not here, as far as the table and their id tell."""
        realm, _, user = person.removeprefix("slack:").rpartition("/")
        return self.directory.of_person(person) or self.directory.slack(realm, user)

    def own_standing(self, request: ApprovalRequest, by: Identity, bar: str = "") -> Standing:
        """What this person is by the lists alone."""
        is_on_lists = all(self.is_listed(by, names) for names in request.approver_lists)
        if not request.groups:
            return Standing(is_listed=bool(request.approver_lists) and is_on_lists, bar=bar)
        groups = tuple(number for number, each in enumerate(request.groups) if self.is_listed(by, each.names))
        return Standing(is_listed=is_on_lists and bool(groups), groups=groups, bar=bar)

    def _is(self, by: Identity, actor_id: str) -> bool:
        return self.directory.canonical(by.id) == self.directory.canonical(actor_id)

    def _bar(self, request: ApprovalRequest, by: Identity) -> str:
        if not request.may_approve_own and self._is(by, request.requested_by.id):
            return "You started this, so somebody else has to approve it."
        for entry, why in request.barred:
            if self.is_listed(by, (entry,)) or self._is(by, entry) or entry == by.account:
                return why
            if not self._can_tell(by, entry):
                return UNSURE.format(entry)
        return ""

    def _can_tell(self, by: Identity, entry: str) -> bool:
        """Whether it is known that an entry does not name somebody: only Slack's door knows who is in its groups."""
        names = self.directory.both([self.rotas.opened((entry,))])
        is_group = any(SLACK_GROUP.fullmatch(each.rpartition("/")[2]) for each in names)
        return self.rotas.is_known(entry) and (by.account.startswith("slack:") or not is_group)

    def answer(
        self,
        request: ApprovalRequest,
        by: Identity,
        verdict: Verdict,
        *,
        now: datetime,
        comment: str = "",
        lapsed: Collection[str] = (),
    ) -> ApprovalChange:
        """Count their answer. Raises policy.DecisionRefused."""
        standing = self.standing(request, by, lapsed)
        if standing.is_listed and request.is_open and self.has_answered(request, by):
            raise policy.Closed("Your answer has been counted already.")
        absence = self.leave.away(by.id) if standing.is_listed else None
        if absence is not None:
            raise policy.NotAnApprover(f"You are {absence.words}, so you are not asked. Say first that you are back.")
        before: tuple[Event, ...] = ()
        if standing.instead_of is not None and request.is_open:
            handed = policy.delegate(request, standing.instead_of, actor_of(by), groups=standing.groups, now=now)
            request, before = handed.state, handed.events
        change = policy.decide(
            request,
            actor_of(by),
            verdict,
            is_listed=standing.is_listed,
            now=now,
            comment=comment,
            groups=standing.groups,
            bar=standing.bar,
            account=by.account,
        )
        return replace(change, events=(*before, *change.events))

    def has_answered(self, request: ApprovalRequest, by: Identity) -> bool:
        """Whether this person has given an answer, by whichever account."""
        return any(self._is(by, each.actor.id) for each in request.decisions)

    def problem(self, request: ApprovalRequest) -> str:
        """Why nobody, or too few, could approve; "" where enough could, or where only Slack knows who they are."""
        why = self._problem(request)
        away = [each for name in self._entries(request) if (each := self.leave.away(name)) is not None]
        told = ", ".join(dict.fromkeys(f"{each.name} is {each.words}" for each in away))
        return f"{why} ({told})" if why and told else why

    def _problem(self, request: ApprovalRequest) -> str:
        named = self._named(request, self._opened)
        could = self._could(request, named)
        if not request.is_open or is_reached(replace(request, decisions=could), "Approve"):
            return ""
        titles = policy.group_titles(request.groups)
        seats = {number for each in could for number in each.groups}
        empty = [title for number, title in enumerate(titles) if number not in seats]
        where = " and ".join(empty) or "the list of approvers"
        if not named or set(range(len(titles))) - {number for groups in named.values() for number in groups}:
            return f"Nobody is {'in' if titles else 'on'} {where}, so nobody can answer this."
        if empty or not could:
            return (
                f"Whoever is {'in' if titles else 'on'} {where} asked for this or never may, so nobody can approve it."
            )
        short = zip(titles, missing(replace(request, decisions=could)), strict=False)
        lacking = ", ".join(f"{title} lacks {number}" for title, number in short if number)
        if lacking:
            return f"Too few could approve this, nobody for two groups: {lacking}."
        return f"Only {len(could)} could approve this, and it takes {request.minimum}."

    def _named(self, request: ApprovalRequest, opened: Opened | None = None) -> Mapping[str, tuple[int, ...]]:
        """Each entry that stands for somebody who is here, or stands in for somebody, and its groups."""
        entries = self._entries(request, opened)
        found = {name: groups for name, groups in entries.items() if self.leave.away(name) is None}
        here = {self.directory.canonical(name) for name in found}
        for name, groups in entries.items():
            away = self.leave.away(name)
            if away is not None and self._may_stand_in(request, away) and away.instead not in here:
                found[away.instead] = (*found.get(away.instead, ()), *groups)
        return found

    def _may_stand_in(self, request: ApprovalRequest, away: Away) -> bool:
        """Whether somebody stands in who is here, and to whom the playbook lets an answer be handed over."""
        if not away.instead or self.leave.away(away.instead) is not None:
            return False
        if self._bar(request, self._known_as(away.id)):
            return False
        return self.is_listed(self._known_as(away.instead), request.delegates)

    def _opened(self, names: Iterable[str]) -> tuple[str, ...]:
        """A list with the members of Slack's user groups in their place, as far as they are known."""
        found: list[str] = []
        for name in self.directory.both([self.rotas.opened(names)]):
            members = self.members(name) if may_hold_anybody(name) else None
            found += [name] if members is None else members
        return tuple(found)

    def _entries(self, request: ApprovalRequest, opened: Opened | None = None) -> Mapping[str, tuple[int, ...]]:
        """Each entry that stands for somebody, and the groups it stands in."""
        opened = opened or self.rotas.opened
        lists = [opened(names) for names in request.approver_lists]
        found: dict[str, tuple[int, ...]] = {}
        for number, group in enumerate(request.groups):
            for name in self.directory.both([opened(group.names), *lists]):
                found[name] = (*found.get(name, ()), number)
        return found if request.groups else dict.fromkeys(self.directory.both(lists), ())

    def _could(self, request: ApprovalRequest, named: Mapping[str, tuple[int, ...]]) -> tuple[Decision, ...]:
        """The answers if everybody agreed who may; as many as anybody wants of those whom only Slack can count."""
        canonical, never = self.directory.canonical, self.never(request)
        most = request.minimum + sum(group.minimum for group in request.groups)
        seats: dict[str, tuple[int, ...]] = {}
        for name, groups in named.items():
            whole = [f"{name} {number}" for number in range(most)] if may_hold_anybody(name) else [canonical(name)]
            for who in (canonical(self._holder(request, each)) for each in whole):
                seats[who] = (*seats.get(who, ()), *groups)
        return tuple(
            Decision(Actor("person", who), "Approve", request.asked_at, groups=groups)
            for who, groups in seats.items()
            if who not in never
        )

    def approvers(self, request: ApprovalRequest) -> tuple[str, ...]:
        """Entries of those who may approve now, for reading."""
        never = self.never(request)
        found = dict.fromkeys(self._holder(request, name) for name in self._named(request))
        return tuple(name for name in found if self.directory.canonical(name) not in never)

    def objectors(self, request: ApprovalRequest) -> tuple[str, ...]:
        """Those who may answer and never approve, as far as is known here: all that they can do is reject."""
        never = self.never(request)
        names = (self._holder(request, name) for name in self._named(request, self._opened))
        return tuple(dict.fromkeys(each for each in map(self.directory.canonical, names) if each in never))

    def reviewers(self, request: ApprovalRequest) -> tuple[str, ...]:
        """Entries of those who may review a break-glass that waits for it: whoever may answer, but who broke it."""
        if request.review_at is None:
            return ()
        canonical, who = self.directory.canonical, policy.breaker(request).id
        broke = {canonical(who), self.directory.entry(who)}
        found = (*self.approvers(request), *self.objectors(request))
        return tuple(each for each in found if canonical(each) not in broke)

    def never(self, request: ApprovalRequest) -> frozenset[str]:
        """Who never may approve: the barred, and whoever started it; people as `person:ID`, others as lists do."""
        canonical = self.directory.canonical
        barred = self.directory.both([self.rotas.opened(who for who, _ in request.barred)])
        found = {canonical(each) for each in barred}
        if not request.may_approve_own:
            found |= {canonical(request.requested_by.id), canonical(self.directory.entry(request.requested_by.id))}
        return frozenset(found)

    def could_break(self, request: ApprovalRequest, required: int) -> bool:
        """Whether one of those who may break the glass would be enough where the step itself wants so many."""
        opened = self.directory.both([self.rotas.opened(request.breakers)])
        unknown = [each for each in request.breakers if not self.rotas.is_known(each)]
        return any(is_enough(request, self.directory.canonical(each), required) for each in (*opened, *unknown))

    def _holder(self, request: ApprovalRequest, name: str) -> str:
        """Who has by now what was somebody's to answer, however often it was handed on."""
        for each in request.delegations:
            if self.directory.canonical(each.by.id) == self.directory.canonical(name):
                name = each.to.id
        return name


UNSURE: Final = (
    "It is not known here whether you are in {}, who may not approve this. Answer in Slack, or again in a minute."
)
