"""`runbook test`: what is found, what is printed, and what the exit code says."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from bot.terminal.rehearsals import rehearse
from playbooks.catalog import LIBRARY

RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1H}}
"""
GOOD = "rehearsals:\n  - {name: it naps, expect: {status: Success, steps: [nap]}}\n"


def rehearsed(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(rehearse, [str(argument) for argument in arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A runbook with one good rehearsal."""
    found = tmp_path / "books" / "nap"
    found.mkdir(parents=True)
    (found / "runbook.yaml").write_text(RUNBOOK)
    (found / "rehearsal.yaml").write_text(GOOD)
    return found


def test_the_shipped_library_is_as_rehearsed() -> None:
    """One command tries all of it."""
    result = rehearsed(LIBRARY)

    assert result.exit_code == 0
    assert result.output.splitlines()[-1].endswith(" rehearsals, all as expected.")
    assert {"recover-instance", "stop-instance"} <= set(result.output.splitlines())


def test_a_folder_and_the_folder_above_it_will_do(home: Path) -> None:
    """Rehearsals are found wherever they lie below."""
    for folder in (home, home.parent, home.parent.parent):
        result = rehearsed(folder)
        assert (result.exit_code, result.output) == (0, "nap\n  ok    it naps\n1 rehearsals, all as expected.\n")


def test_what_is_not_as_expected_is_told_with_its_place(home: Path) -> None:
    """The line of the expectation, what was, and exit code 1."""
    (home / "rehearsal.yaml").write_text(GOOD.replace("Success", "Failed"))

    result = rehearsed(home)

    assert result.exit_code == 1
    assert "  FAIL  it naps\n" in result.output
    assert f"        {home}/rehearsal.yaml:2:30 it ended Success, expected Failed\n" in result.output
    assert result.output.endswith("1 rehearsals, 1 not as expected.\n")


def test_files_that_cannot_be_read_are_failures_with_their_place(home: Path) -> None:
    """A broken runbook, broken rehearsals, a runbook that is not there: told, and the others go on."""
    other = home.parent / "other"
    other.mkdir()
    (other / "rehearsal.yaml").write_text(GOOD)
    (home / "rehearsal.yaml").write_text("rehearsals: [{}]")

    result = rehearsed(home.parent)

    assert result.exit_code == 1
    assert f'{home}/rehearsal.yaml:1:14 "name" is missing' in result.output
    assert f"{other}/runbook.yaml: No such file or directory" in result.output


def test_the_runbook_is_the_one_that_the_playbook_names(home: Path) -> None:
    """`runbook:` of playbook.yaml counts."""
    (home / "runbook.yaml").rename(home / "other.json")
    (home / "other.json").write_text(json.dumps({"schemaVersion": "0.3", "mainSteps": [
        {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    ]}))  # fmt: skip
    (home / "playbook.yaml").write_text("title: x\nrunbook: other.json\n")

    assert rehearsed(home).exit_code == 0


def test_json_has_it_all(home: Path) -> None:
    """For programs: each rehearsal, its steps and its problems."""
    result = rehearsed(home, "--json")

    assert json.loads(result.output) == {
        "rehearsals": [
            {
                "runbook": "nap",
                "name": "it naps",
                "passed": True,
                "status": "Success",
                "steps": [{"name": "nap", "status": "Success"}],
                "problems": [],
            }
        ],
        "refused": {},
        "passed": True,
    }


def test_a_junit_report_counts_as_ci_systems_do(home: Path) -> None:
    """A suite for each runbook, a case for each rehearsal, a failure with its text."""
    (home / "rehearsal.yaml").write_text(GOOD + GOOD.partition("\n")[2].replace("Success", "Failed").replace("it", "2"))
    broken = home.parent / "broken"
    broken.mkdir()
    (broken / "rehearsal.yaml").write_text(GOOD)
    report = home / "report.xml"

    result = rehearsed(home.parent, "--junit", report)

    assert result.exit_code == 1
    suites = {suite.get("name"): suite for suite in ET.parse(report).getroot()}
    assert {name: (suite.get("tests"), suite.get("failures")) for name, suite in suites.items()} == {
        "broken": ("1", "1"),
        "nap": ("2", "1"),
    }
    failure = suites["nap"].find("testcase/failure")
    assert failure is not None
    assert "it ended Success, expected Failed" in str(failure.text)


def test_where_there_is_nothing_to_rehearse_it_says_so(tmp_path: Path) -> None:
    """An empty folder is a mistake, not a success."""
    result = rehearsed(tmp_path)

    assert (result.exit_code, result.output) == (2, f"there is no rehearsal.yaml in {tmp_path}\n")
