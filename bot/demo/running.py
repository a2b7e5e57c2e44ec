"""Where a running demo leaves its coordinates, so that another terminal finds it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.demo.environment import cache_folder


class NoDemoRuns(Exception):
    """No demo runs on this machine now; start one with `make demo` or `playbook-bot demo`."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


def announce(coordinates: Mapping[str, Any], *, environment: Mapping[str, str]) -> None:
    """Say that this process's demo runs, and what a bot's environment is in its world."""
    file = _file()
    new = file.with_suffix(f".{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(json.dumps({"pid": os.getpid(), "environment": dict(environment), **coordinates}, indent=2))
    new.replace(file)


def withdraw() -> None:
    """Say that this process's demo no longer runs; another one's is left alone."""
    if _read().get("pid") == os.getpid():
        _file().unlink(missing_ok=True)


def found() -> dict[str, Any]:
    """The coordinates of the demo that runs now. Raises NoDemoRuns."""
    coordinates = _read()
    if not coordinates or not _is_alive(int(coordinates["pid"])):
        raise NoDemoRuns
    return coordinates


def _file() -> Path:
    return cache_folder() / "demo.json"


def _read() -> dict[str, Any]:
    try:
        read = json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
