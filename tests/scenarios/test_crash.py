"""Killed at any moment, the bot loses nothing and repeats no side effect."""

import json
import subprocess
import sys
from pathlib import Path

from tests.scenarios.crash import EXECUTIONS

KILLS = 60
SEED = 20261124


def test_sixty_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """After sixty SIGKILLs every execution ends well, each side effect happened once, and the trail verifies."""
    command = [sys.executable, "-m", "tests.scenarios.crash", str(tmp_path), str(KILLS), str(SEED)]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["statuses"] == {"Success": EXECUTIONS}, found
    assert found["effects"] == found["distinct_effects"] == EXECUTIONS * 3, found
    assert found["decisions"] == EXECUTIONS, found
    assert found["chain"], found
