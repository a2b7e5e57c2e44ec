"""The leases of one process: which rows it carries, and how certain it is that nobody else does.

The row's version fences what a carrier saves; this fences what it does. Before each call of AWS it is asked whether the
lease still holds: a process that was stopped, or cut off from the database, and wakes up after its time calls nothing.
"""

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=6)
"""A carrier that has not renewed for this long is taken for dead."""
CERTAIN: Final = 4.0
"""Seconds after a renewal in which nobody can have taken over; then the row is asked."""
DOUBTS: Final = 60
DOUBT_SECONDS: Final = 1.0
"""How often, and how long apart, a carrier asks a database that does not answer before it leaves its step."""


class Leases:
    """Carrier -> execution, and until when that is certain by this machine's own clock."""

    def __init__(self, db: Database, store: ExecutionStore, clock: Clock) -> None:
        self._db, self._store, self._clock = db, store, clock
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}
        self._certain_until: dict[str, float] = {}

    def hold(self, carrier: str, execution_id: str) -> None:
        """The row is about to be saved with this carrier's lease."""
        with self._lock:
            self._held[carrier] = execution_id
            self._certain_until[carrier] = time.monotonic() + CERTAIN

    def drop(self, carrier: str) -> None:
        """It carries nothing any more."""
        with self._lock:
            self._held.pop(carrier, None)
            self._certain_until.pop(carrier, None)

    def renew(self) -> None:
        """Say that the carriers live. Raises DatabaseUnavailable."""
        with self._lock:
            held = dict(self._held)
        if held:
            self._renew(held)

    def may_act(self, carrier: str) -> bool:
        """Whether the step surely is this carrier's; in doubt the row says it, once the database answers."""
        for _ in range(DOUBTS):
            if time.monotonic() < self._certain_until.get(carrier, 0.0):
                return True
            try:
                self._renew({carrier: self._held[carrier]})
                return time.monotonic() < self._certain_until.get(carrier, 0.0)
            except DatabaseUnavailable as error:
                log.warning("lease in doubt, the step waits for the database", error=str(error))
            threading.Event().wait(DOUBT_SECONDS)
        return False

    def _renew(self, held: Mapping[str, str]) -> None:
        began = time.monotonic()
        with self._db.transaction() as tx:
            kept = self._store.extend(tx, held, self._clock() + LEASE)
        with self._lock:
            for carrier in held:
                if carrier in self._held:
                    self._certain_until[carrier] = began + CERTAIN if carrier in kept else 0.0
