"""What ruff's security rules (`S`) say of scripts, where ruff is installed: all of them in one run."""

import functools
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from engine.scripts.bandit import NOISE, OURS
from engine.scripts.danger import Finding

SKIPPED: Final = frozenset(f"S{code.removeprefix('B')}" for code in OURS | NOISE)
"""bandit's numbers: what our own pass has, and noise."""
LONGEST: Final = 60
"""Seconds for one run."""


@functools.lru_cache(maxsize=1)
def _command() -> tuple[str, ...]:
    if importlib.util.find_spec("ruff") is not None:
        return (sys.executable, "-m", "ruff")
    found = shutil.which("ruff")
    return (found,) if found else ()


def is_available() -> bool:
    """Whether ruff is installed."""
    return bool(_command())


def findings(sources: Sequence[str]) -> list[list[Finding]]:
    """For each script what ruff finds beyond our own pass; nothing where ruff is absent or fails."""
    found: list[list[Finding]] = [[] for _ in sources]
    if not sources or not is_available():
        return found
    with tempfile.TemporaryDirectory(prefix="playbook-bot-scan-") as folder:
        for index, source in enumerate(sources):
            (Path(folder) / f"{index}.py").write_bytes(source.encode("utf-8", "replace"))
        for each in _run(folder):
            code = str(each.get("code") or "")
            if code.startswith("S") and code[1:].isdigit() and code not in SKIPPED:
                place = each["location"]
                finding = Finding(code, str(each["message"]), int(place["row"]), int(place["column"]))
                found[int(Path(each["filename"]).stem)].append(finding)
    return found


def _run(folder: str) -> list[dict[str, Any]]:
    options = ("check", "--isolated", "--no-cache", "--exit-zero", "--select", "S", "--output-format", "json", folder)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; the scripts are files it reads
            [*_command(), *options], capture_output=True, timeout=LONGEST, check=False
        )
        answer = json.loads(done.stdout or b"[]")
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return []
    return answer if isinstance(answer, list) else []
