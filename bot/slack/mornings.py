"""The morning's digest: each process wants it at its hour, and one of them has it sent, as the day is its key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from time import sleep
from typing import Final

from bot.slack.store import DETAILS, DIGEST, SlackStore
from infra.clock import Clock
from infra.db import Database
from infra.patience import patiently

LATE: Final = timedelta(hours=3)
"""So long after its hour a process that comes up still sends it; later it is of no use."""


def latest(now: datetime, at: time, zone: tzinfo) -> datetime:
    """The last moment, now or before, at which a clock in that zone showed this time of day."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), at, zone)
    if today <= local:
        return today
    return datetime.combine(local.date() - timedelta(days=1), at, zone)


@dataclass(frozen=True)
class Mornings:
    """Wants the digest once a day in one channel."""

    db: Database
    store: SlackStore
    clock: Clock
    at: time
    zone: tzinfo
    channel: str
    pause: Callable[[float], object] = sleep

    def tell(self) -> None:
        """Want the digest that is due, and again while the database is away; called at its hour and at the start."""
        patiently("digest", self.pump, self.pause)

    def pump(self) -> None:
        """Want the digest that is due. Raises DatabaseUnavailable."""
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
