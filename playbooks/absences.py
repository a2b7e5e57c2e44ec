"""Who is away and who stands in: as the settings say, and as people have said, which the trail remembers.

A person who is away is not asked and counts for nothing; whoever stands in may answer in their place where the playbook
lets them hand over to that person (`may_delegate_to`).
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from audit.events import Event
from audit.store import AuditStore
from audit.trail import Entry
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable
from playbooks.people import Directory, Identity, actor_of
from playbooks.refusals import Refused

log = structlog.get_logger(__name__)

SUBJECT: Final = "absences"
"""The subject of their events in the trail, by which they are found."""
LONGEST: Final = timedelta(days=366)
LOOK: Final = timedelta(seconds=60)
SETTLE_SECONDS: Final = 1.0
"""Pause between two looks, however much is committed meanwhile."""


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody is away from a moment on, up to another; `who` and `instead` as `Absences.person` spells them."""

    who: str
    since: datetime
    until: datetime
    instead: str = ""
    name: str = ""
    """What `who` is called."""
    id: str = ""
    """As the trail names `who`: by this an answer is handed over, and known as theirs."""
    is_settled: bool = False
    """Whether the settings say so, where alone it can be changed."""

    def holds(self, now: datetime) -> bool:
        """Whether they are away now."""
        return self.since <= now < self.until

    @property
    def words(self) -> str:
        """`away until 2026-12-01 08:00 UTC`."""
        return f"away until {self.until:%F %H:%M} UTC"


class Absences:
    """Knows them. `refresh` reads, outside of transactions; `away` and `replaced_by` only remember."""

    def __init__(
        self, db: Database, audit: AuditStore, directory: Directory, clock: Clock, settled: tuple[Away, ...] = ()
    ) -> None:
        self._db, self._audit, self._directory, self._clock = db, audit, directory, clock
        self._settled = settled
        self._said: Mapping[str, Away] = {}
        self._seen = 0
        self._lock = threading.Lock()
        self._news = threading.Event()

    def person(self, entry: str) -> str:
        """One spelling of whoever an entry of a list, an account or an actor's id stands for."""
        found = self._directory.canonical(entry)
        realm, slash, user = found.removeprefix("slack:").partition("/")
        return self._directory.spelled(realm, user) if slash and found.startswith("slack:") else found

    # -- reading

    def refresh(self) -> None:
        """Read what was said since the last time. Raises DatabaseUnavailable."""
        with self._lock, self._db.reading() as connection:
            said = dict(self._said)
            for entry in self._audit.entries(connection, subject=SUBJECT, after=self._seen):
                self._seen = entry.seq
                _fold(said, entry)
            self._said = said

    def run(self, stop: threading.Event) -> None:
        """Keep that fresh until `stop` is set, woken by commits, for cards."""
        self._db.listen(self._news.set)
        while not stop.is_set():
            self._news.clear()
            try:
                self.refresh()
            except DatabaseUnavailable as error:
                log.warning("absences wait for the database", error=str(error))
            stop.wait(SETTLE_SECONDS)
            self._news.wait(LOOK.total_seconds())

    def wake(self) -> None:
        """Look up."""
        self._news.set()

    def away(self, entry: str) -> Away | None:
        """The absence of whoever an entry stands for, if they are away now."""
        who = self.person(entry)
        return next((each for each in self._now() if each.who == who), None)

    def replaced_by(self, entry: str) -> tuple[Away, ...]:
        """The absences in which somebody stands in now, unless they are away themselves."""
        who = self.person(entry)
        return tuple(each for each in self._now() if each.instead == who) if self.away(entry) is None else ()

    def known(self) -> tuple[Away, ...]:
        """Everybody who is or will be away, soonest first."""
        now = self._clock()
        found = (each for each in (*self._said.values(), *self._settled) if each.until > now)
        return tuple(sorted(found, key=lambda each: (each.since, each.who)))

    def _now(self) -> Iterator[Away]:
        now = self._clock()
        return (each for each in (*self._said.values(), *self._settled) if each.holds(now))

    # -- verbs

    def leave(
        self, who: Identity, until: datetime, *, by: Identity, since: datetime | None = None, instead: str = ""
    ) -> Away:
        """Somebody is away; what was said before is forgotten. Raises Refused."""
        now = self._clock()
        away = Away(
            self.person(who.id),
            since or now,
            until,
            self.person(instead) if instead else "",
            who.name or who.id,
            who.id,
        )
        if away.until <= max(away.since, now):
            raise Refused(f"{away.until:%F %H:%M} UTC is not after the beginning, or is over; say when you are back.")
        if away.until - now > LONGEST:
            raise Refused(f"An absence ends within a year; {away.until:%F} is too far away.")
        if away.instead == away.who:
            raise Refused("Nobody stands in for themselves; name somebody else, or nobody.")
        data: dict[str, Json] = {
            "who": away.who, "name": away.name, "since": away.since.isoformat(), "until": away.until.isoformat(),
            "instead": away.instead, "id": away.id,
        }  # fmt: skip
        self._write(Event("person.away", SUBJECT, actor_of(by), data))
        return away

    def come_back(self, who: Identity, *, by: Identity) -> None:
        """Somebody is back, or does not leave. Raises Refused."""
        self.refresh()
        person = self.person(who.id)
        found = self._said.get(person)
        if found is None or found.until <= self._clock():
            settled = next((each for each in self._settled if each.who == person and each.until > self._clock()), None)
            where = f"The settings say {settled.words}; it is changed there (people, absent)." if settled else ""
            raise Refused(where or "Nobody has said that you are away, so there is nothing to end.")
        self._write(Event("person.back", SUBJECT, actor_of(by), {"who": person, "name": found.name}))

    def _write(self, event: Event) -> None:
        with self._db.transaction() as tx:
            self._audit.append(tx, [event], self._clock())
        self.refresh()


def moment_of(text: str) -> datetime:
    """A day (its first moment, UTC) or a moment, as people type it. Raises Refused."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Refused(f"`{text}` is no day; say it as 2026-12-01 or 2026-12-01T09:00 (UTC).") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def settled(person_id: str, since: datetime, until: datetime, instead: str, directory: Directory) -> Away:
    """An absence of the settings."""
    person = next((each for each in directory.people if each.id == person_id), None)
    name = (person.name if person else "") or person_id
    who = directory.canonical(person_id)
    away = Away(who, since, until, name=name, id=who, is_settled=True)
    return replace(away, instead=directory.canonical(instead) if instead else "")


def _fold(said: dict[str, Away], entry: Entry) -> None:
    data = entry.event.data
    who = str(data.get("who"))
    if entry.event.name == "person.back":
        said.pop(who, None)
    elif entry.event.name == "person.away":
        since, until = (datetime.fromisoformat(str(data[name])) for name in ("since", "until"))
        instead, name = str(data.get("instead") or ""), str(data.get("name") or who)
        said[who] = Away(who, since, until, instead, name, str(data.get("id") or who))
