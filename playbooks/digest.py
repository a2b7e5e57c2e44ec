"""What a day brought, from its events: runs, decisions, break-glass to review, budgets that ran out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.events import Actor
from audit.trail import Entry
from playbooks.facts import ExecutionFacts

DAY: Final = timedelta(days=1)
LOOK_BACK: Final = timedelta(days=30)
"""So long a break-glass that nobody has reviewed is told of every morning."""
NAMES: Final = ("execution.started", "approval.decided", "breakglass.used", "breakglass.reviewed", "start.refused")


@dataclass(frozen=True, slots=True)
class DecisionLine:
    """One answer."""

    actor: Actor
    verdict: str
    title: str
    step: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReviewLine:
    """One break-glass that waits for its review."""

    actor: Actor
    reason: str
    at: datetime
    execution: str = ""


@dataclass(frozen=True, slots=True)
class HeldLine:
    """One start that the budget held back."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class DigestFacts:
    """All that a morning tells."""

    since: datetime
    until: datetime
    executions: tuple[ExecutionFacts, ...] = ()
    decisions: tuple[DecisionLine, ...] = ()
    reviews: tuple[ReviewLine, ...] = ()
    exhausted: tuple[HeldLine, ...] = ()

    @property
    def headline(self) -> str:
        """The day in one sentence."""
        if not self.executions and not self.reviews and not self.exhausted:
            return "a quiet day: nothing ran, nothing waits"
        failed = sum(each.status in ("Failed", "TimedOut") for each in self.executions)
        waiting = sum(not each.is_over for each in self.executions)
        parts = [_count(len(self.executions), "run"), f"{failed} failed", f"{waiting} still open"]
        parts += [_count(len(self.reviews), "break-glass review") + " open"] if self.reviews else []
        parts += [_count(len(self.exhausted), "start") + " held back by a budget"] if self.exhausted else []
        return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def started(entries: Iterable[Entry], since: datetime) -> list[str]:
    """Ids of the executions that began since then, without those that another one started."""
    return [
        entry.event.subject
        for entry in entries
        if entry.event.name == "execution.started" and entry.at >= since and not entry.event.data.get("parent")
    ]


def digest_of(
    entries: Sequence[Entry], executions: Sequence[ExecutionFacts], *, since: datetime, until: datetime
) -> DigestFacts:
    """The day's facts; `entries` reach back `LOOK_BACK` for what was never reviewed."""
    titles = {each.id: each.title for each in executions}
    today = [entry for entry in entries if entry.at >= since]
    return DigestFacts(
        since,
        until,
        tuple(executions),
        tuple(_decision(entry, titles) for entry in today if entry.event.name == "approval.decided"),
        tuple(_review(entry) for entry in _unreviewed(entries)),
        tuple(_held(entry) for entry in today if _is_exhausted(entry)),
    )


def _unreviewed(entries: Iterable[Entry]) -> list[Entry]:
    open_ones: dict[str, Entry] = {}
    for entry in entries:
        request_id = str(entry.event.data.get("request_id") or entry.event.subject)
        if entry.event.name == "breakglass.used":
            open_ones[request_id] = entry
        elif entry.event.name == "breakglass.reviewed":
            open_ones.pop(request_id, None)
    return list(open_ones.values())


def _is_exhausted(entry: Entry) -> bool:
    return entry.event.name == "start.refused" and entry.event.data.get("why") == "budget"


def _decision(entry: Entry, titles: dict[str, str]) -> DecisionLine:
    data = entry.event.data
    title = titles.get(entry.event.subject, entry.event.subject[:8])
    return DecisionLine(entry.event.actor, str(data.get("verdict")), title, str(data.get("step") or ""), entry.at)


def _review(entry: Entry) -> ReviewLine:
    return ReviewLine(entry.event.actor, str(entry.event.data.get("reason") or ""), entry.at, entry.event.subject)


def _held(entry: Entry) -> HeldLine:
    alarm = entry.event.actor.name or entry.event.actor.id
    return HeldLine(f"{alarm}: {entry.event.data.get('what')}", str(entry.event.data.get("reason") or ""))
