"""Slow things that a listener must not wait for: forms that ask AWS first, previews, private answers in threads.

Kept in memory only: each is worth something for a moment, to somebody who looks at the screen. What must not be lost
goes through the outbox.
"""

import queue
import threading
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()

MOST_WAITING: Final = 200
LOOK_UP_SECONDS: Final = 1.0

Job = Callable[[], object]


class Workbench:
    """A queue, and the loop that empties it; several threads may run the loop."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Job] = queue.Queue(MOST_WAITING)

    def later(self, job: Job) -> bool:
        """Have it done behind the acknowledgement; False when too much waits already."""
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            log.exception("work dropped, too much waits")
            return False
        return True

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            try:
                job = self._waiting.get(timeout=LOOK_UP_SECONDS)
            except queue.Empty:
                continue
            _do(job)

    def pump(self) -> int:
        """Do all that waits now; returns how much that was."""
        count = self._waiting.qsize()
        for _ in range(count):
            _do(self._waiting.get_nowait())
        return count


def _do(job: Job) -> None:
    try:
        job()
    except Exception:  # the thread must live until the defect is mended
        log.exception("work behind an acknowledgement failed")
