"""A demo's working folder lives as long as its process: what a killed demo left goes with the next one."""

from pathlib import Path

import pytest

from bot.demo.folder import ALIVE, PREFIX, WorkingFolder


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of this test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_removed_with_everything_in_it(temp: Path) -> None:
    """A demo that ends leaves nothing."""
    folder = WorkingFolder()
    (folder.path / "bot.db").touch()

    folder.remove()

    assert list(temp.iterdir()) == []


def test_what_a_killed_demo_left_is_cleared_away(temp: Path) -> None:
    """Nobody holds its lock any more, so it goes; a demo that runs is left alone, and so is what is not a demo's."""
    left, foreign = temp / f"{PREFIX}dead", temp / f"{PREFIX}unknown"
    for folder in (left, foreign):
        folder.mkdir()
    (left / ALIVE).touch()
    running = WorkingFolder()

    another = WorkingFolder()

    assert sorted(temp.iterdir()) == sorted([foreign, running.path, another.path])
    running.remove()
    another.remove()
