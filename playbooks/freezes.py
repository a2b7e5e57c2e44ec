"""When nothing may start: freeze windows, and everything paused. Pure.

A window lies between two moments, or begins whenever five cron fields say and lasts as long as it says.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Final
from zoneinfo import ZoneInfo

from audit.events import Actor
from infra.cron import Cron, parse_cron
from infra.settings_model import FreezeEntry, moment_in
from playbooks.playbook import Playbook

LONGEST: Final = timedelta(days=31)
"""A window of cron fields lasts no longer."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """One window. Without playbooks and tags it holds for all; `start` and `end`, or `cron` and `lasts`."""

    name: str
    start: datetime | None = None
    end: datetime | None = None
    cron: Cron | None = None
    lasts: timedelta = timedelta(0)
    timezone: str = "UTC"
    playbooks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    why: str = ""

    def concerns(self, playbook: Playbook | None) -> bool:
        """Whether it holds for a playbook; what no playbook has started is held by those for all."""
        if not self.playbooks and not self.tags:
            return True
        if playbook is None:
            return False
        is_named = any(fnmatchcase(playbook.name, each) for each in self.playbooks)
        return is_named or bool(set(self.tags) & set(playbook.tags))

    def until(self, now: datetime) -> datetime | None:
        """When it ends, if it holds now."""
        if self.cron is None:
            begun = self.start is None or self.start <= now
            return self.end if begun and self.end is not None and now < self.end else None
        latest = next((moment for moment in self._begun(now) if moment <= now), None)
        return latest + self.lasts if latest is not None and now < latest + self.lasts else None

    def _begun(self, now: datetime) -> Iterator[datetime]:
        """Moments at which it has begun, latest first, as far back as one could still last."""
        zone, cron = ZoneInfo(self.timezone), self.cron
        local = now.astimezone(zone)
        for back in range((self.lasts.days if self.lasts else 0) + 2):
            day = local.date() - timedelta(days=back)
            if cron is None or not cron.is_on(day):
                continue
            for hour in sorted(cron.hours, reverse=True):
                for minute in sorted(cron.minutes, reverse=True):
                    yield datetime.combine(day, time(hour, minute), zone).astimezone(now.tzinfo)


@dataclass(frozen=True, slots=True)
class Pause:
    """Everything is paused: who did it, when and why."""

    actor: Actor
    since: datetime
    reason: str = ""

    @property
    def sentence(self) -> str:
        """Why nothing starts."""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"Everything is paused by {self.actor.name or self.actor.id} since {self.since:%F %H:%M} UTC{why}. "
            "Nothing starts or goes on until an admin resumes it; stopping and rejecting work as always."
        )


def freezes_of(entries: Iterable[FreezeEntry]) -> tuple[Freeze, ...]:
    """The windows of the settings, which have been found to be sound."""
    return tuple(_freeze(entry, ZoneInfo(entry.timezone)) for entry in entries)


def _freeze(entry: FreezeEntry, zone: ZoneInfo) -> Freeze:
    unit = {"m": "minutes", "h": "hours", "d": "days"}
    return Freeze(
        entry.name,
        moment_in(entry.start, zone) if entry.start else None,
        moment_in(entry.end, zone) if entry.end else None,
        parse_cron(entry.cron) if entry.cron else None,
        min(timedelta(**{unit[entry.lasts[-1]]: int(entry.lasts[:-1])}), LONGEST) if entry.lasts else timedelta(0),
        timezone=entry.timezone,
        playbooks=entry.playbooks,
        tags=entry.tags,
        why=entry.why,
    )


def frozen(freezes: tuple[Freeze, ...], playbook: Playbook | None, now: datetime) -> tuple[Freeze, datetime] | None:
    """The window that holds for a playbook now and ends last, and its end."""
    found = [
        (until, freeze.name, freeze)
        for freeze in freezes
        if freeze.concerns(playbook) and (until := freeze.until(now)) is not None
    ]
    if not found:
        return None
    until, _, freeze = max(found, key=lambda each: each[:2])
    return freeze, until


def why_frozen(freeze: Freeze, until: datetime) -> str:
    """Why nothing starts, and until when."""
    why = f" ({freeze.why})" if freeze.why else ""
    return f"The freeze {freeze.name}{why} holds until {until.astimezone(ZoneInfo(freeze.timezone)):%F %H:%M %Z}."
