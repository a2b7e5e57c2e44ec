"""The demo finds a folder of its own whatever HOME is, and keeps the user's AWS and Slack out of its world."""

import stat
from pathlib import Path

import pytest

from bot.demo import environment


def test_the_users_cache_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME decides, and the folder is private."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    folder = environment.cache_folder()

    assert folder == tmp_path / "cache" / "playbook-bot"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_home_comes_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without XDG_CACHE_HOME it is ~/.cache; a relative one counts as none."""
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert environment.cache_folder() == tmp_path / ".cache" / "playbook-bot"


def test_an_empty_home_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HOME empty the account's own home is used, and the temporary folder when that cannot be written."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "")
    monkeypatch.setattr(environment, "_home_of_the_account", lambda: "/proc/nobody")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))

    folder = environment.cache_folder()

    assert folder.parent == tmp_path
    assert folder.is_dir()


def test_nowhere_to_write_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence says what to set."""
    monkeypatch.setattr(environment, "_candidates", lambda: [Path("/proc/nobody/playbook-bot")])

    with pytest.raises(OSError, match="set XDG_CACHE_HOME"):
        environment.cache_folder()


def test_the_users_own_accounts_stay_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child inherits PATH, but no AWS profile, Slack token or bot setting."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-real")
    monkeypatch.setenv("PLAYBOOK_BOT_ADMINS", "me")
    monkeypatch.setenv("KEPT", "yes")

    env = environment.inherited({"PLAYBOOK_BOT_CHANNEL": "C1"})

    assert env["KEPT"] == "yes"
    assert env["PLAYBOOK_BOT_CHANNEL"] == "C1"
    assert {"AWS_PROFILE", "SLACK_BOT_TOKEN", "PLAYBOOK_BOT_ADMINS"}.isdisjoint(env)
