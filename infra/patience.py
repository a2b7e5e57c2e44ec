"""Doing something that must be done once, although the database is away for a while."""

from collections.abc import Callable
from datetime import timedelta
from time import sleep
from typing import Final

import structlog

from infra.db import DatabaseUnavailable

log = structlog.get_logger(__name__)

AFTER_TROUBLE: Final = timedelta(seconds=5)
TRIES: Final = 720
"""An hour of them."""


def patiently(what: str, job: Callable[[], object], pause: Callable[[float], object] = sleep) -> None:
    """Do it, and again while the database is away, unless `pause` says that it is over; `what` is for the log."""
    for _ in range(TRIES):
        try:
            job()
        except DatabaseUnavailable as error:
            log.warning("a job waits for the database", job=what, error=str(error))
            if pause(AFTER_TROUBLE.total_seconds()):
                return
        else:
            return
