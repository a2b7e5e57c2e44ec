"""The morning's digest: each process wants it at its hour, and one of them has it sent, as the day is its key."""

import threading
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

import structlog

from bot.slack.store import DETAILS, DIGEST, SlackStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

LATE: Final = timedelta(hours=3)
"""So long after its hour a process that comes up still sends it; later it is of no use."""
LOOK_AGAIN: Final = timedelta(minutes=10)
"""The longest sleep: a machine may have slept itself, and its clock may have been set."""
AFTER_TROUBLE: Final = timedelta(seconds=5)


def latest(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The last moment, now or before, at which a clock in that zone showed this time of day."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), at, zone)
    if today <= local:
        return today
    return datetime.combine(local.date() - timedelta(days=1), at, zone)


def following(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The first moment after now at which a clock in that zone shows this time of day."""
    tomorrow = latest(now, at, zone).astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, at, zone)


@dataclass(frozen=True)
class Mornings:
    """Wants the digest once a day in one channel."""

    db: Database
    store: SlackStore
    clock: Clock
    at: time
    zone: tzinfo
    channel: str

    def run(self, stop: threading.Event) -> None:
        """Want it at its hour until `stop` is set."""
        while not stop.is_set():
            try:
                pause = self.pump()
            except DatabaseUnavailable as error:
                log.warning("digest waits for the database", error=str(error))
                pause = AFTER_TROUBLE
            stop.wait(pause.total_seconds())

    def pump(self) -> timedelta:
        """Want the digest that is due; returns how long there is nothing to do. Raises DatabaseUnavailable."""
        now = self.clock()
        due = latest(now, self.at, self.zone)
        if now - due <= LATE:
            with self.db.transaction() as tx:
                self.store.want(
                    tx,
                    f"digest:{due.date():%F}:{self.channel}",
                    kind=DIGEST,
                    subject=due.isoformat(),
                    channel=self.channel,
                    now=now,
                    lane=DETAILS,
                )
        return min(following(now, self.at, self.zone) - now, LOOK_AGAIN)
