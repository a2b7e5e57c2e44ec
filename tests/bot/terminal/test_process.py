"""The process's own commands: a start on the wrong schema says what to run, and that is all it takes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from bot.service import Service
from bot.terminal.process import db, serve
from infra.settings import load
from migrations import runner


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """A terminal in an empty folder; the log stays as the tests have it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.terminal.process.configure", lambda *_, **__: None)
    return CliRunner()


def test_a_start_without_a_schema_says_what_to_run(
    command_line: CliRunner, monkeypatch: pytest.MonkeyPatch, blank_database_url: str
) -> None:
    """One sentence that ends with the command, exit code 2; nothing was started."""
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", blank_database_url)
    refused = command_line.invoke(serve)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.strip().endswith("has no tables yet; this program needs " + runner.head() + ". Run: "
                                           "playbook-bot db upgrade")  # fmt: skip


def test_the_command_it_names_is_enough(
    command_line: CliRunner, monkeypatch: pytest.MonkeyPatch, blank_database_url: str
) -> None:
    """After `db upgrade` the same database can be used; once more changes nothing."""
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", blank_database_url)
    with capture_logs():
        first, second = command_line.invoke(db, ["upgrade"]), command_line.invoke(db, ["upgrade"])

    assert (first.exit_code, first.stdout) == (0, f"The schema was made, at {runner.head()}.\n")
    assert (second.exit_code, second.stdout) == (0, f"The schema is at {runner.head()} already.\n")
    with Service.opened(load()) as service, service.db.reading() as connection:
        assert service.executions.open_count(connection) == 0


def test_a_folder_that_is_not_there(command_line: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file should have been made is said, without a traceback."""
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", "sqlite:////nowhere/at/all/bot.db")
    refused = command_line.invoke(db, ["upgrade"])

    assert refused.exit_code == 2
    assert refused.stderr == "sqlite:////nowhere/at/all/bot.db: unable to open database file\n"


def test_settings_that_are_wrong_stop_every_command(
    command_line: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each mistake is one line with its place, exit code 2."""
    (tmp_path / "playbook-bot.yaml").write_text(json.dumps({"chanel": "C1"}))
    monkeypatch.setenv("PLAYBOOK_BOT_HTTP_PORT", "web")
    refused = command_line.invoke(serve)

    assert refused.exit_code == 2
    assert refused.stderr.splitlines() == [
        "PLAYBOOK_BOT_HTTP_PORT: http_port should be a valid integer, unable to parse string as an integer",
        "playbook-bot.yaml:1:2 there is no setting chanel; did you mean channel?",
    ]
