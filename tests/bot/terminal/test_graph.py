from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.terminal.graph import graph
from playbooks.catalog import LIBRARY

RUNBOOK = str(LIBRARY / "stop-instance" / "runbook.yaml")


def test_mermaid_is_the_default() -> None:
    """Text on stdout."""
    result = CliRunner().invoke(graph, [RUNBOOK])

    assert result.exit_code == 0
    assert result.output.startswith("flowchart TD\n")


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<svg "), ("a.png", b"\x89PNG"), ("a.mmd", b"flowchart")])
def test_the_format_follows_from_the_file(name: str, start: bytes, tmp_path: Path) -> None:
    """--output names it."""
    if name == "a.png":
        pytest.importorskip("PIL", reason="Pillow is not installed: no PNG")
    result = CliRunner().invoke(graph, [RUNBOOK, "-o", str(tmp_path / name)])

    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_broken_runbook_is_refused_with_its_place(tmp_path: Path) -> None:
    """File, line, column, sentence; exit code 2."""
    file = tmp_path / "bad.yaml"
    file.write_text('schemaVersion: "0.3"\nmainSteps: []\n')
    result = CliRunner().invoke(graph, [str(file)])

    assert result.exit_code == 2
    assert f"{file}:2:1 " in result.output


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """No traceback."""
    result = CliRunner().invoke(graph, [RUNBOOK, "-o", str(tmp_path / "no" / "where.svg")])

    assert result.exit_code == 2
    assert result.output.endswith("where.svg cannot be written: No such file or directory\n")
