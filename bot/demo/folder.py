"""The demo's working folder: locked while its demo lives, so that the next demo clears away what a killed one left."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "playbook-bot-demo-"
ALIVE = "alive"


class WorkingFolder:
    """A folder of this process's own, for as long as the process lives."""

    def __init__(self) -> None:
        _clear_away()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        new = self.path / f"{ALIVE}.new"
        self._lock = new.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        new.replace(self.path / ALIVE)

    def remove(self) -> None:
        """Forget it and everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _clear_away() -> None:
    """Remove what demos left that could not do it themselves; a lock outlives nobody, not even kill -9."""
    for file in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{ALIVE}"):
        try:
            with file.open("r+") as lock:
                if os.fstat(lock.fileno()).st_uid != os.getuid():
                    continue
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(file.parent, ignore_errors=True)
        except OSError:
            continue
