import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from bot.terminal.library import export, import_, push_
from playbooks.catalog import LIBRARY

RUNBOOK = LIBRARY / "stop-instance" / "runbook.yaml"


@pytest.fixture(autouse=True)
def account() -> Iterator[None]:
    """An account with nothing in it."""
    with mock_aws():
        yield


def run(command: click.Command, *arguments: object) -> Result:
    """Run a command; the Region goes with those that call AWS."""
    where = [] if command is export else ["--region", "eu-west-1"]
    return CliRunner().invoke(command, [*map(str, arguments), *where])


def test_a_pushed_runbook_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """push, import, and import again."""
    pushed = run(push_, RUNBOOK, "--name", "Stop-Mine")
    first = run(import_, "Stop-Mine", "--to", tmp_path / "books")
    again = run(import_, "Stop-Mine", "--to", tmp_path / "books")

    assert pushed.exit_code == 0
    assert pushed.output.startswith("Stop-Mine: created, version 1 (sha256-")
    assert first.output == f"{tmp_path}/books/Stop-Mine.yaml: version 1\n"
    assert again.output == f"{tmp_path}/books/Stop-Mine.yaml: version 1 is there already\n"


def test_an_edited_file_is_not_overwritten(tmp_path: Path) -> None:
    """But with --force."""
    run(push_, RUNBOOK, "--name", "Stop-Mine")
    file = tmp_path / "Stop-Mine.yaml"
    file.write_text("mine")
    refused = run(import_, "Stop-Mine", "--to", tmp_path)

    assert (refused.exit_code, refused.output) == (2, f"{file} exists and differs; give --force to overwrite it\n")
    assert file.read_text() == "mine"
    assert run(import_, "Stop-Mine", "--to", tmp_path, "--force").exit_code == 0
    assert file.read_text() != "mine"


def test_what_aws_does_not_have_is_one_sentence() -> None:
    """The name and AWS's words."""
    result = run(import_, "Nobody")

    assert (result.exit_code, result.output.count("\n")) == (2, 1)
    assert result.output.startswith("Nobody: ")


def test_push_can_be_read_by_a_program() -> None:
    """--json."""
    found = json.loads(run(push_, RUNBOOK, "--name", "Stop-Mine", "--json").output)

    assert (found["did"], found["version"], found["is_default"]) == ("created", "1", True)


def test_a_broken_runbook_is_not_pushed(tmp_path: Path) -> None:
    """It is refused with its place before AWS is asked."""
    file = tmp_path / "bad.yaml"
    file.write_text("schemaVersion: '0.3'\nmainSteps: []\n")
    result = run(push_, file, "--name", "Bad-One")

    assert result.exit_code == 2
    assert f"{file}:2:1 " in result.output


@pytest.mark.parametrize("format_", ["json", "yaml"])
def test_an_export_can_be_pushed(format_: str, tmp_path: Path) -> None:
    """In both formats."""
    file = tmp_path / f"out.{format_}"
    assert run(export, RUNBOOK, "--format", format_, "-o", file).exit_code == 0
    assert run(export, RUNBOOK, "--format", format_).output == file.read_text()

    assert run(push_, file, "--name", "Stop-Mine").exit_code == 0
