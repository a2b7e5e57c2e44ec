"""Sends execution ids to the broker from a thread of its own, so that no commit, click or alarm waits for RabbitMQ."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()

MOST_WAITING = 10_000
"""More than that is left to the sweep: the rows say that it is due."""
PAUSE_SECONDS = 1.0
"""Between two tries while the broker does not answer."""


class Publisher:
    """A set of ids that wait to be sent, each once, in order. `send` raises while the broker cannot be reached."""

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._waiting: dict[str, None] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def depth(self) -> int:
        """How many ids wait to be sent."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to send."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def stop(self, patience: float = 5.0) -> None:
        """Send what waits, if that is possible at once, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(patience)

    def publish(self, execution_id: str) -> None:
        """Have an id sent; returns at once."""
        with self._changed:
            if len(self._waiting) < MOST_WAITING:
                self._waiting[execution_id] = None
            self._changed.notify()

    def _run(self) -> None:
        while (execution_id := self._next()) is not None:
            try:
                self._send(execution_id)
            except Exception as error:  # noqa: BLE001 - whatever the client raises, what waits must still be sent
                log.warning("broker unreachable", waiting=self.depth + 1, error=str(error))
                if not self._keep(execution_id):
                    return

    def _next(self) -> str | None:
        """The id to send; None when there is nothing and never will be."""
        with self._changed:
            while not self._waiting and not self._stopping:
                self._changed.wait()
            if not self._waiting:
                return None
            execution_id = next(iter(self._waiting))
            del self._waiting[execution_id]
            return execution_id

    def _keep(self, execution_id: str) -> bool:
        """Put it back and pause; False when there is no time left for that."""
        with self._changed:
            self._waiting = {execution_id: None, **self._waiting}
            if not self._stopping:
                self._changed.wait_for(lambda: self._stopping, PAUSE_SECONDS)
            return not self._stopping
