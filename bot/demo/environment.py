"""What the demo takes from the user's environment: where it may keep files, and what its children inherit."""

import os
import pwd
import tempfile
from collections.abc import Mapping
from pathlib import Path

OURS = ("PLAYBOOK_BOT_", "AWS_", "SLACK_", "MOTO_", "BUN_")
"""Prefixes that belong to the demo world: what the user has set there must not leak into it."""


def cache_folder() -> Path:
    """Where downloads and the running demo's coordinates are kept; works with HOME empty, unset or read-only."""
    for folder in _candidates():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.getuid():
            return folder
    raise OSError("There is no folder to keep the demo's files in: set XDG_CACHE_HOME to one that is yours.")


def inherited(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: the user's, without what belongs to the demo world, and with `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, **extra}


def is_run_by_make() -> bool:
    """Whether make started this process, and waits for it."""
    return bool(os.environ.get("MAKELEVEL"))


def _candidates() -> list[Path]:
    given = [os.environ.get("XDG_CACHE_HOME", "")]
    homes = [os.environ.get("HOME", ""), _home_of_the_account()]
    folders = [*given, *(str(Path(home) / ".cache") for home in homes if home)]
    named = [Path(folder) / "playbook-bot" for folder in folders if Path(folder).is_absolute()]
    return [*named, Path(tempfile.gettempdir()) / f"playbook-bot-{os.getuid()}"]


def _home_of_the_account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""
