"""`playbook-bot away` and `back`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from infra.db import Database
from migrations import runner

FILE = """\
use_library: false
aws_region: eu-west-1
people:
  - {id: lee, name: Lee, terminal: lee}
  - {id: sam, name: Sam, terminal: sam}
  - id: kim
    name: Kim
    absent: [{since: 2020-01-01T00:00:00Z, until: 2999-01-01T00:00:00Z, instead: sam}]
admins: [lee]
"""
SOON = f"{datetime.now(UTC) + timedelta(days=9):%F}"


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation at whose terminal lee sits, who is an admin."""
    (tmp_path / "playbook-bot.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'bot.sqlite'}"
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", url)
    monkeypatch.setattr("bot.terminal.absences.login", lambda: "lee")
    db = Database(url)
    runner.upgrade(db)
    db.close()


def run(*words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(cli, [*words], env={"COLUMNS": "200"}).output


def test_an_admin_says_it_of_anybody_and_ends_it() -> None:
    """With who stands in; the list has the settings' absences, too."""
    assert run("away", "sam", "--until", SOON, "--instead", "lee") == f"Sam is away until {SOON} 00:00 UTC.\n"
    listed = run("away")
    assert "Sam" in listed
    assert "Kim" in listed
    assert "settings" in listed

    assert run("back", "sam") == "Sam is asked again.\n"
    assert "Sam" not in run("away")


def test_others_say_it_of_themselves_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes an approver out of a question by saying that they are away."""
    monkeypatch.setattr("bot.terminal.absences.login", lambda: "sam")

    assert "Only the admins of the settings may say that somebody else is away" in run("away", "lee", "--until", SOON)
    assert run("away", "--until", SOON) == f"Sam is away until {SOON} 00:00 UTC.\n"


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("away", "max", "--until", SOON), "`max` is not in people"),
        (("away", "--until", "soon"), "`soon` is no day"),
        (("back", "kim"), "The settings say away until 2999-01-01"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], answer: str) -> None:
    """On one line, without a traceback."""
    assert answer in run(*words)
