"""A file that a living worker touches, for whoever restarts those that hang: it answers nobody over the network.

deploy/ looks at its age; a broker or database that is away is waited for, and makes no worker look dead.
"""

import threading
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0


def beat(file: Path, stop: threading.Event) -> None:
    """Touch the file until the process stops; a disk that is full must not end the worker."""
    while True:
        try:
            file.touch()
        except OSError as error:
            log.warning("heartbeat not written", file=str(file), error=str(error))
        if stop.wait(EVERY_SECONDS):
            return
