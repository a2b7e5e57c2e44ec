"""A running demo can be found from another terminal, and only while it runs."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bot.demo import running
from bot.demo.environment import cache_folder
from bot.demo.running import NoDemoRuns


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "playbook-bot"


def _left_by(pid: int) -> None:
    """The coordinates of another process's demo, older than this one's."""
    file = cache_folder() / f"demo-{pid}.json"
    file.write_text(json.dumps({"pid": pid, "environment": {}}))
    os.utime(file, (1, 1))


@pytest.fixture
def dead() -> int:
    """A process id that nobody has."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        pass
    return process.pid


def test_what_is_announced_is_found(cache: Path) -> None:
    """Another process reads the coordinates and the environment, which are private to the user."""
    running.announce({"url": "http://127.0.0.1:1"}, environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:2"})

    (found,) = running.found()

    assert found["url"] == "http://127.0.0.1:1"
    assert found["environment"] == {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    assert [stat.S_IMODE(file.stat().st_mode) for file in cache.iterdir()] == [0o600]


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


def test_a_demo_that_was_killed_is_not_found(dead: int) -> None:
    """Coordinates of a dead process are as good as none."""
    _left_by(dead)

    with pytest.raises(NoDemoRuns):
        running.found()


def test_the_remains_of_a_killed_demo_go_with_the_next_one(cache: Path, dead: int) -> None:
    """Nothing piles up: whoever ends takes the coordinates of dead demos along."""
    _left_by(dead)
    running.announce({}, environment={})

    running.withdraw()

    assert list(cache.iterdir()) == []


def test_of_several_demos_the_last_comes_first() -> None:
    """Two demos at once are both found."""
    _left_by(os.getppid())
    running.announce({}, environment={})

    found = running.found()

    assert [one["pid"] for one in found] == [os.getpid(), os.getppid()]


def test_another_demo_is_left_alone() -> None:
    """A demo that ends withdraws only itself."""
    _left_by(os.getppid())
    running.announce({}, environment={})

    running.withdraw()

    assert [one["pid"] for one in running.found()] == [os.getppid()]


def test_a_broken_file_is_no_demo() -> None:
    """Half a file says nothing."""
    (cache_folder() / "demo-1.json").write_text('{"pid": 1')

    with pytest.raises(NoDemoRuns):
        running.found()
