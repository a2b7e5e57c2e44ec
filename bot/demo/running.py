"""Where running demos leave their coordinates, so that another terminal finds them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.demo.environment import cache_folder

FILES = "demo-*.json"


class NoDemoRuns(Exception):
    """No demo runs on this machine now; start one with `make demo` or `playbook-bot demo`."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


def announce(coordinates: Mapping[str, Any], *, environment: Mapping[str, str]) -> None:
    """Say that this process's demo runs, and what a bot's environment is in its world."""
    file = _file_of_this_process()
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(json.dumps({"pid": os.getpid(), "environment": dict(environment), **coordinates}, indent=2))
    new.replace(file)


def withdraw() -> None:
    """Say that this process's demo no longer runs; other ones are left alone, the remains of killed ones are not."""
    _file_of_this_process().unlink(missing_ok=True)
    for file in cache_folder().glob(FILES):
        if not _is_alive(_read(file)):
            file.unlink(missing_ok=True)


def found() -> list[dict[str, Any]]:
    """The coordinates of the demos that run now, the one that came up last first. Raises NoDemoRuns."""
    files = sorted(cache_folder().glob(FILES), key=_age)
    coordinates = [read for read in map(_read, files) if _is_alive(read)]
    if not coordinates:
        raise NoDemoRuns
    return coordinates


def _file_of_this_process() -> Path:
    return cache_folder() / f"demo-{os.getpid()}.json"


def _age(file: Path) -> int:
    try:
        return -file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _read(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _is_alive(coordinates: Mapping[str, Any]) -> bool:
    try:
        os.kill(int(coordinates["pid"]), 0)
    except PermissionError:
        return True
    except (KeyError, TypeError, ValueError, ProcessLookupError):
        return False
    return True
