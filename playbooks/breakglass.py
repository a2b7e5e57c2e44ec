"""A week of break-glass, from its events: who decided alone, where, why, what came of it, who has reviewed it. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from audit.events import Actor
from audit.trail import Entry
from playbooks.facts import ExecutionFacts

WEEK: Final = timedelta(days=7)
LOOK_BACK: Final = timedelta(days=180)
"""So long what nobody has reviewed is told of each week."""
NAMES: Final = ("breakglass.used", "breakglass.reviewed")
_SPELLED: Final = re.compile(r"(\d{4})-W(\d{2})")


class NoSuchWeek(ValueError):
    """A week is written as ISO 8601 does, such as 2026-W48."""


@dataclass(frozen=True, slots=True)
class Week:
    """One ISO week as a zone has it, Monday to Sunday: `2026-W48`, and its two ends."""

    name: str
    since: datetime
    until: datetime


def week_named(name: str, zone: tzinfo) -> Week:
    """The week of that name. Raises NoSuchWeek."""
    found = _SPELLED.fullmatch(name.strip())
    try:
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        monday = None
    if monday is None:
        raise NoSuchWeek(f'"{name}" is no week; it should be written as 2026-W48')
    begin = datetime.combine(monday, time(), zone)
    return Week(name.strip(), begin, datetime.combine(monday + WEEK, time(), zone))


def last_week(now: datetime, zone: tzinfo) -> Week:
    """The last one that is over."""
    year, number, _ = (now.astimezone(zone).date() - WEEK).isocalendar()
    return week_named(f"{year:04}-W{number:02}", zone)


@dataclass(frozen=True, slots=True)
class BreakGlassLine:
    """One time that the glass was broken."""

    request_id: str
    execution_id: str
    actor: Actor
    at: datetime
    reason: str
    target: str
    """As it was typed."""
    step: str = ""
    title: str = ""
    place: str = ""
    """Account and Region."""
    outcome: str = ""
    """How the execution stands."""
    reviewed_by: Actor | None = None
    reviewed_at: datetime | None = None
    note: str = ""

    @property
    def review(self) -> str:
        """Its review in words."""
        if self.reviewed_by is None:
            return "not reviewed"
        return f"reviewed by {self.reviewed_by.name or self.reviewed_by.id}: {self.note}"


@dataclass(frozen=True, slots=True)
class BreakGlassReport:
    """All that a week's report tells; `earlier` are those of before that nobody has reviewed."""

    week: Week
    lines: tuple[BreakGlassLine, ...] = ()
    earlier: tuple[BreakGlassLine, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened, and nothing waits."""
        return not self.lines and not self.earlier

    @property
    def headline(self) -> str:
        """The week in one sentence."""
        if self.is_quiet:
            return f"Nobody broke the glass in {self.week.name}"
        times = f"The glass was broken {_times(len(self.lines))} in {self.week.name}"
        waiting = sum(each.reviewed_by is None for each in self.lines) + len(self.earlier)
        return f"{times}, {waiting} still to be reviewed" if waiting else f"{times}, all reviewed"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def used(entries: Iterable[Entry]) -> list[str]:
    """Ids of the executions in which the glass was broken."""
    found = (entry.event.subject for entry in entries if entry.event.name == "breakglass.used")
    return list(dict.fromkeys(found))


def report_of(entries: Sequence[Entry], executions: Sequence[ExecutionFacts], week: Week) -> BreakGlassReport:
    """The report; `entries` reach back `LOOK_BACK`, and on to now, for a review may come after the week."""
    facts = {each.id: each for each in executions}
    reviews = {_request(entry): entry for entry in entries if entry.event.name == "breakglass.reviewed"}
    lines = [
        _line(entry, facts, reviews.get(_request(entry)))
        for entry in entries
        if entry.event.name == "breakglass.used" and entry.at < week.until
    ]
    return BreakGlassReport(
        week,
        tuple(each for each in lines if each.at >= week.since),
        tuple(each for each in lines if each.at < week.since and each.reviewed_by is None),
    )


def _request(entry: Entry) -> str:
    return str(entry.event.data.get("request_id") or entry.event.subject)


def _line(entry: Entry, facts: Mapping[str, ExecutionFacts], review: Entry | None) -> BreakGlassLine:
    event, found = entry.event, facts.get(entry.event.subject)
    return BreakGlassLine(
        request_id=_request(entry),
        execution_id=event.subject,
        actor=event.actor,
        at=entry.at,
        reason=str(event.data.get("reason") or ""),
        target=str(event.data.get("target") or ""),
        step=str(event.data.get("step") or ""),
        title=found.title if found else "",
        place="/".join(filter(None, (found.account, found.region))) if found else "",
        outcome=found.status if found else "",
        reviewed_by=review.event.actor if review else None,
        reviewed_at=review.at if review else None,
        note=str(review.event.data.get("note") or "") if review else "",
    )
