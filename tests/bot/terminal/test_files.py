"""Files that cannot be read or written: one sentence and exit code 2, whichever command it is."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from infra.db import Database
from migrations.runner import upgrade
from playbooks.catalog import LIBRARY

CASES = "cases:\n  - {who: lee, may_not: run, playbook: stop-instance}\n"
SETTINGS = "database_url: sqlite:///bot.db\naws_region: eu-west-1\npeople: [{id: lee}]\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings, a database, cases, a rehearsed runbook and a file that is no text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "playbook-bot.yaml").write_text(SETTINGS, encoding="utf-8")
    (tmp_path / "cases.yaml").write_text(CASES, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff\xfe\x00")
    shutil.copytree(LIBRARY / "stop-instance", tmp_path / "books")
    shutil.copytree(LIBRARY / "stop-instance", tmp_path / "broken")
    (tmp_path / "broken" / "rehearsal.yaml").write_bytes(b"\xff")
    database = Database("sqlite:///bot.db")
    upgrade(database)
    database.close()
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("access", "test", "cases.yaml", "--junit", "/nonexist/x"),
        ("runbook", "test", "books", "--junit", "/nonexist/x"),
        ("runbook", "graph", "books/runbook.yaml", "-o", "/nonexist/x"),
        ("runbook", "export", "books/runbook.yaml", "-o", "/nonexist/x"),
        ("runbook", "schema", "-o", "/nonexist/x"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(words: tuple[str, ...]) -> None:
    """With the file and the reason, and nothing on stdout that could pass for an answer."""
    found = CliRunner().invoke(cli, words)

    assert (found.exit_code, found.output) == (2, "/nonexist/x cannot be written: No such file or directory\n")


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "verify", "binary"),
        ("access", "test", "binary"),
        *(("runbook", each, "binary") for each in ("graph", "run", "preview", "permissions", "export")),
        ("runbook", "push", "binary", "--name", "x"),
    ],
)
def test_what_is_no_text_is_a_sentence(words: tuple[str, ...]) -> None:
    """A program, a picture: the file is named, and nothing is told of codecs."""
    found = CliRunner().invoke(cli, words)

    assert (found.exit_code, found.output.count("\n")) == (2, 1)
    assert found.output.startswith("binary:1:1 the file ") or found.output.startswith("binary: the file ")
    assert "is not UTF-8 text" in found.output


def test_a_rehearsal_that_is_no_text_is_named() -> None:
    """The folder counts as failed, and the others are played all the same."""
    found = CliRunner().invoke(cli, ["runbook", "test", "broken", "books"])

    assert found.exit_code == 1
    assert "  broken/rehearsal.yaml:1:1 the file is not UTF-8 text (byte 0)\n" in found.output
    assert "  ok  " in found.output
