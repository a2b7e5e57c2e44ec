"""One clock for all processes on one database: the server's, carried on by each machine's monotonic one.

Leases, timers and questions that expire are compared between machines. A machine whose wall clock is wrong, or jumps,
would take living processes for dead ones; this clock asks the database what time it is, and the wall clock never.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)

ASK_EVERY: Final = timedelta(seconds=30)
WORTH_SAYING: Final = timedelta(seconds=1)
"""From this on a correction is logged: the server's clock was set."""
SLOW: Final = 0.5
"""Seconds: an answer that took longer says too little about when it was true."""


class SharedClock:
    """The time of the database's server. Asks it at the first use, and then every half minute while `follow` runs."""

    def __init__(self, db: Database, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._db, self._monotonic = db, monotonic
        self._known: tuple[float, datetime] | None = None
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        """Now. Raises DatabaseUnavailable while the server was never asked."""
        known = self._known
        if known is None:
            with self._lock:
                known = self._known or self.ask()
        at, moment = known
        return moment + timedelta(seconds=self._monotonic() - at)

    def ask(self) -> tuple[float, datetime]:
        """Ask the server once more; a slow answer is not believed when there was a better one."""
        before = self._monotonic()
        moment = self._db.server_time()
        took = self._monotonic() - before
        known = self._known
        if known is not None and took > SLOW:
            return known
        found = (before + took / 2, moment)
        if known is not None:
            jump = moment - known[1] - timedelta(seconds=found[0] - known[0])
            if abs(jump) >= WORTH_SAYING:
                log.warning("the database's clock was set", seconds=round(jump.total_seconds(), 3))
        self._known = found
        return found

    def follow(self, stop: threading.Event) -> None:
        """Ask again and again until `stop` is set."""
        while not stop.wait(ASK_EVERY.total_seconds()):
            try:
                self.ask()
            except DatabaseUnavailable as error:
                log.warning("the shared clock goes by itself", error=str(error))
