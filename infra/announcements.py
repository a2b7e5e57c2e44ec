"""Commits of other processes, heard at once: PostgreSQL's LISTEN and NOTIFY. Nothing depends on it but speed."""

import threading
from typing import Final

import psycopg
import structlog

from infra.db import CHANNEL, Database

log = structlog.get_logger(__name__)

TOGETHER_SECONDS: Final = 0.02
"""Commits within so short a time are heard as one: loops look at the rows, so it is enough to wake them once."""
PAUSE_SECONDS: Final = 1.0
"""How long a look at the stop event, or a new try, takes."""


class Announcements:
    """Wakes this process's loops when another one has committed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set; a connection that breaks is opened again."""
        while not stop.is_set():
            try:
                self._listen(stop)
            except (psycopg.Error, OSError) as error:
                log.warning("commits of others are not heard, sweeps find them", error=str(error))
                stop.wait(PAUSE_SECONDS)

    def _listen(self, stop: threading.Event) -> None:
        url = self._db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._db.wake()
            while not stop.is_set():
                if any(True for _ in connection.notifies(timeout=PAUSE_SECONDS, stop_after=1)):
                    self._db.wake()
                    stop.wait(TOGETHER_SECONDS)
