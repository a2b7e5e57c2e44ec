"""The program as people start it: what a command prints is its answer, and everything else goes to stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from migrations import runner

ROOT = Path(__file__).resolve().parents[2]


def playbook_bot(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, without anything of the user's own environment that it would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PLAYBOOK_BOT_"))}
    environ = {**kept, "PYTHONPATH": str(ROOT), "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"}
    environ["AWS_SHARED_CREDENTIALS_FILE"] = "/nowhere"
    return subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_new_folder_is_two_commands_from_a_list(tmp_path: Path) -> None:
    """Refused with the command to run; after it, the answer is JSON and nothing but JSON."""
    refused = playbook_bot("list", "--json", folder=tmp_path)
    upgraded = playbook_bot("db", "upgrade", folder=tmp_path)
    listed = playbook_bot("list", "--json", folder=tmp_path)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.strip().endswith("Run: playbook-bot db upgrade")
    assert (upgraded.returncode, upgraded.stdout) == (0, f"The schema was made, at {runner.head()}.\n")
    assert "recover-instance" in [each["name"] for each in json.loads(listed.stdout)]


def test_the_doctor_without_a_world(tmp_path: Path) -> None:
    """No network, no credentials, no tokens: findings as JSON with remedies, exit code 1, and no traceback."""
    told = playbook_bot("doctor", "--json", folder=tmp_path)
    found = {each["name"]: each for each in json.loads(told.stdout)}

    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert not found["AWS identity"]["ok"]
    assert all(each["fix"] for each in found.values() if not each["ok"])
    assert list(tmp_path.glob("*.db")) == []


@pytest.mark.parametrize("arguments", [["--help"], ["db", "--help"], ["runbook", "-h"]])
def test_help_is_always_to_be_had(arguments: list[str], tmp_path: Path) -> None:
    """Whatever the settings and the database are like."""
    (tmp_path / "playbook-bot.yaml").write_text("broken: [\n")
    told = playbook_bot(*arguments, folder=tmp_path)

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Usage: playbook-bot")
