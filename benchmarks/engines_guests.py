"""Other engines beside ours, each in a throw-away environment of its own: never a requirement of this project."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
INSTALLING_SECONDS: Final = 120
MEASURING_SECONDS: Final = 150
"""Each: then the others go on without it."""
RESTATE_SERVER: Final = "@restatedev/restate-server-linux-x64"

Figures = dict[str, Any]


class NotHere(Exception):
    """It cannot be had on this machine, and why."""


def dbos(home: Path, url: str, *, runs: int, parked: int, rounds: int) -> Figures:
    """All figures of DBOS on a database, "" = on SQLite; its environment is in `home`. Raises NotHere."""
    python = _environment(home, "dbos", "psycopg[binary]")
    with tempfile.TemporaryDirectory() as folder:
        where = url or f"sqlite:///{folder}/dbos.db"
        return _measured([python, str(HERE / "engines_dbos.py"), "drive", where, folder], runs, parked, rounds)


def restate(folder: Path, *, runs: int, parked: int, rounds: int) -> Figures:
    """All figures of Restate, with its server. Raises NotHere."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotHere("no npm here, which has its server")
    _ran([npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), RESTATE_SERVER], INSTALLING_SECONDS)
    server = folder / "node_modules" / RESTATE_SERVER / "bin" / "restate-server"
    if not server.is_file():
        raise NotHere(f"{RESTATE_SERVER} holds no server")
    python = _environment(folder, "restate-sdk", "hypercorn")
    script = str(HERE / "engines_restate.py")
    return _measured([python, script, "drive", str(server), str(folder)], runs, parked, rounds)


def _environment(folder: Path, *packages: str) -> str:
    """The Python of a new environment that has these. Raises NotHere."""
    home = folder / "environment"
    if (home / "ready").exists():
        return str(home / "bin" / "python")
    _ran([sys.executable, "-m", "venv", str(home)], INSTALLING_SECONDS)
    python = str(home / "bin" / "python")
    _ran([python, "-m", "pip", "install", "--quiet", *packages], INSTALLING_SECONDS)
    (home / "ready").touch()
    return python


def _measured(command: Sequence[str], *sizes: int) -> Figures:
    text = _ran([*command, *map(str, sizes)], MEASURING_SECONDS)
    found: Figures = json.loads(text.splitlines()[-1])
    return found


def _ran(command: Sequence[str], seconds: float) -> str:
    """What it printed. Raises NotHere, with its last words."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            out, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_all(process)
            raise NotHere(f"{Path(command[0]).name} did not end within {seconds:.0f} s") from None
    if process.returncode:
        last = (complaint.strip() or out.strip() or "nothing said").splitlines()[-1]
        raise NotHere(f"{Path(command[0]).name} failed: {last[:200]}")
    return out


def _end_all(process: subprocess.Popen[str]) -> None:
    """The process and what it has started; they are a group of their own."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
