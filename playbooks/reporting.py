"""The verb that tells a week of break-glass once: whoever comes first of many processes, whenever it starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from audit.events import SYSTEM, Event
from audit.store import AuditStore
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database
from playbooks.breakglass import BreakGlassReport, Week, last_week


@dataclass(frozen=True)
class Reporting:
    """Tells the last week that is over; the event in the trail is what makes it once."""

    db: Database
    audit: AuditStore
    facts: Callable[[Week], BreakGlassReport]
    clock: Clock
    zone: tzinfo
    channel: str = ""
    is_told_when_quiet: bool = False

    def report(self) -> bool:
        """Tell it, unless that was done or there is nothing to tell; whether this call was the one."""
        week = last_week(self.clock(), self.zone)
        with self.db.reading() as connection:
            if self.audit.has(connection, _subject(week), "breakglass.reported"):
                return False
        found = self.facts(week)
        if found.is_quiet and not self.is_told_when_quiet:
            return False
        with self.db.transaction() as tx:
            tx.take_turn("report", week.name)
            if self.audit.has(tx, _subject(week), "breakglass.reported"):
                return False
            self.audit.append(tx, [self._event(found)], self.clock())
        return True

    def _event(self, found: BreakGlassReport) -> Event:
        data: dict[str, Json] = {
            "week": found.week.name,
            "zone": str(self.zone),
            "channel": self.channel,
            "used": len(found.lines),
            "not_reviewed": sum(each.reviewed_by is None for each in (*found.lines, *found.earlier)),
        }
        return Event("breakglass.reported", _subject(found.week), SYSTEM, data)


def _subject(week: Week) -> str:
    return f"week:{week.name}"
