import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1H}}
"""
GOOD = "rehearsals:\n  - {name: it naps, expect: {status: Success, steps: [nap]}}\n"


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A repository of runbooks with one rehearsal, and no Python."""
    home = tmp_path / "books" / "nap"
    home.mkdir(parents=True)
    (home / "runbook.yaml").write_text(RUNBOOK)
    (home / "rehearsal.yaml").write_text(GOOD)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`pytest` there, as somebody else would run it."""
    is_installed = any(each.value == "bot.pytest_plugin" for each in entry_points(group="pytest11"))
    plugin = [] if is_installed else ["-p", "bot.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", *plugin, "-p", "no:cacheprovider", "-p", "no:randomly"]
    return subprocess.run(
        [*command, *arguments, str(folder)],
        cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_rehearsals_are_tests(books: Path) -> None:
    """Collected by themselves, named as they are named, chosen with -k, reported as JUnit."""
    done = run(books, "-v", "--junitxml", str(books / "report.xml"))
    case = next(ET.parse(books / "report.xml").iter("testcase"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "books/nap/rehearsal.yaml::it naps PASSED" in done.stdout
    assert case.get("name") == "it naps"
    assert "1 deselected" in run(books, "-k", "something").stdout


def test_a_difference_fails_with_its_place_and_no_traceback(books: Path) -> None:
    """File, line, column and what was."""
    file = books / "books" / "nap" / "rehearsal.yaml"
    file.write_text(GOOD.replace("Success", "Failed"))
    done = run(books)

    assert done.returncode == 1
    assert f"{file}:2:30 it ended Success, expected Failed" in done.stdout
    assert "Traceback" not in done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_files_that_cannot_be_read_are_errors_with_their_place(books: Path) -> None:
    """As every other tool says them."""
    (books / "books" / "nap" / "rehearsal.yaml").write_text("rehearsals: [{}]")
    done = run(books)

    assert done.returncode == 2
    assert 'rehearsal.yaml:1:14 "name" is missing' in done.stdout
    assert "Traceback" not in done.stdout
