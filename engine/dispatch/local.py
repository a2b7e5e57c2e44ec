"""The local dispatcher: a thread pool on one machine, fed by timers that are rebuilt from rows at the start."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from engine.dispatch.timers import Timers
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

RENEW = timedelta(seconds=2)


class Carrier(Protocol):
    """What a dispatcher drives."""

    def carry(self, execution_id: str) -> None:
        """Take a due execution to its next wait."""

    def renew_leases(self) -> None:
        """Say that the carriers live."""


def carry_safely(carrier: Carrier, execution_id: str) -> None:
    """Carry, and log what goes wrong: the row stays due, and the sweep brings it back."""
    try:
        carrier.carry(execution_id)
    except DatabaseUnavailable as error:
        log.warning("database unavailable, the sweep will try again", execution=execution_id, error=str(error))
    except Exception:  # one execution's defect must not stop the others
        log.exception("carrying failed", execution=execution_id)


class LeaseKeeper:
    """Renews the leases of this process while it lives."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is held expires by itself."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)

    def _renew(self) -> None:
        while not self._stopping.wait(RENEW.total_seconds()):
            try:
                self._carrier.renew_leases()
            except DatabaseUnavailable as error:
                log.warning("leases not renewed", error=str(error))
            except Exception:  # a thread that ended here would have every carrier taken for dead
                log.exception("renewing leases failed")


class LocalDispatcher:
    """Carries executions in threads of this process, the only one there is."""

    def __init__(
        self, db: Database, store: ExecutionStore, carrier: Carrier, clock: Clock, *, workers: int = 8
    ) -> None:
        self._db, self._store, self._carrier, self._clock = db, store, carrier, clock
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None
        self._timers = Timers(db, store, clock, self._submit, waiting=lambda: max(0, self._depth - workers))
        self._leases = LeaseKeeper(carrier)
        self._count_lock = threading.Lock()
        self._depth = 0

    @property
    def depth(self) -> int:
        """Executions handed to threads and not yet taken to their next wait."""
        return self._depth

    def start(self) -> None:
        """Take up what the rows say is due, then follow the clock."""
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="carry")
        with self._db.transaction() as tx:
            self._store.expire_all(tx, self._clock() - timedelta(seconds=1))
        self._leases.start()
        self._timers.start()

    def stop(self) -> None:
        """Take nothing new up and wait for the carriers; what they do not finish is found by the next start."""
        self._timers.stop()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        self._leases.stop()

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Carry this execution at that moment."""
        self._timers.wake(execution_id, due_at)

    def _submit(self, execution_id: str) -> None:
        pool = self._pool
        if pool is None:
            return
        self._count(1)
        try:
            pool.submit(self._carry, execution_id)
        except RuntimeError:  # the pool was shut down between the check and the call
            self._count(-1)

    def _carry(self, execution_id: str) -> None:
        try:
            carry_safely(self._carrier, execution_id)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._count_lock:
            self._depth += change
