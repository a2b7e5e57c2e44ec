"""A running demo can be found from another terminal, and only while it runs."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo import running
from bot.demo.running import NoDemoRuns


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "playbook-bot"


def test_what_is_announced_is_found(cache: Path) -> None:
    """Another process reads the coordinates and the environment, which are private to the user."""
    running.announce({"url": "http://127.0.0.1:1"}, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:2"})

    found = running.found()

    assert found["url"] == "http://127.0.0.1:1"
    assert found["environment"] == {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    assert stat.S_IMODE((cache / "demo.json").stat().st_mode) == 0o600


def test_nothing_runs_at_first() -> None:
    """Without a demo the sentence says how to start one."""
    with pytest.raises(NoDemoRuns, match="make demo"):
        running.found()


def test_a_demo_that_ended_is_not_found() -> None:
    """Withdrawn is gone."""
    running.announce({}, environment={})

    running.withdraw()

    with pytest.raises(NoDemoRuns):
        running.found()


def test_a_demo_that_was_killed_is_not_found(cache: Path) -> None:
    """Coordinates of a dead process are as good as none."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        pass
    running.announce({}, environment={})
    left = json.loads((cache / "demo.json").read_text())
    (cache / "demo.json").write_text(json.dumps({**left, "pid": process.pid}))

    with pytest.raises(NoDemoRuns):
        running.found()


def test_another_demo_is_left_alone(cache: Path) -> None:
    """A demo that ends withdraws only itself."""
    running.announce({}, environment={})
    left = json.loads((cache / "demo.json").read_text())
    (cache / "demo.json").write_text(json.dumps({**left, "pid": os.getppid()}))

    running.withdraw()

    assert running.found()["pid"] == os.getppid()


def test_a_broken_file_is_no_demo(cache: Path) -> None:
    """Half a file says nothing."""
    running.announce({}, environment={})
    (cache / "demo.json").write_text('{"pid": 1')

    with pytest.raises(NoDemoRuns):
        running.found()
