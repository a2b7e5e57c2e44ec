"""The corpus run and the second reading themselves: they see what is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.scripts.runner import ScriptRunner
from tests.conformance.checking import Report, check
from tests.conformance.corpus import Library, entries
from tests.conformance.oracle_flow import Disagreement, Ran, final_status, holds
from tests.conformance.patterns import example
from tests.conformance.running import Executor

STOP = {
    "schemaVersion": "0.3",
    "parameters": {"InstanceId": {"type": "StringList"}, "Approvers": {"type": "StringList"}},
    "mainSteps": [
        {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": ["{{ Approvers }}"]}},
        {
            "name": "stop",
            "action": "aws:changeInstanceState",
            "inputs": {"InstanceIds": "{{ InstanceId }}", "DesiredState": "stopped"},
        },
        {"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT8H"}},
        {
            "name": "tell",
            "action": "aws:executeScript",
            "inputs": {
                "Runtime": "python3.11",
                "Handler": "go",
                "Script": "import time\ndef go(e, c):\n    time.sleep(300)\n",
            },
        },
    ],
}


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Executor]:
    """Executes the documents of a folder, or a skip that says why not."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    runner = ScriptRunner()
    detail, is_safe = runner.isolation.detail, runner.isolation.is_safe
    runner.close()
    if not is_safe:
        pytest.skip(f"scripts cannot be jailed on this machine ({detail})")
    executor = Executor(Library(entries(tmp_path)))
    yield executor
    executor.close()


def judged(folder: Path, name: str, tree: dict[str, Any] | str, executor: Executor | None) -> Report:
    """The report on a document that is put into a folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tree if isinstance(tree, str) else json.dumps(tree))
    (entry,) = entries(folder)
    return check(entry, executor)


def test_a_good_document_is_executed_without_waiting(tmp_path: Path, executor: Executor) -> None:
    """Resources are made from the parameters, everybody agrees, hours and a script's sleep take no time."""
    report = judged(tmp_path, "aws-owned/Stop.json", STOP, executor)

    assert (report.executed, report.wrong, report.unforeseen) == ("Success", "", ""), report.detail
    assert report.path == ("ask=Success", "stop=Success", "wait=Success", "tell=Success")
    assert (report.scripts, report.previewed) == ("1/1", "yes")


def test_a_document_of_aws_that_is_refused_is_wrong(tmp_path: Path) -> None:
    """Elsewhere a refusal with a place is a finding about the document."""
    broken = {**STOP, "mainSteps": [{"name": "x", "action": "aws:sleep", "inputs": {}, "nextStep": "y"}]}

    assert "Unknown step name" in judged(tmp_path / "a", "aws-owned/Broken.json", broken, None).wrong
    assert judged(tmp_path / "b", "community/Broken.json", broken, None).wrong == ""


def test_a_malformed_document_that_is_taken_is_wrong(tmp_path: Path) -> None:
    """What stands in the folder of malformed documents must be refused."""
    assert judged(tmp_path / "a", "malformed/Fine.json", STOP, None).wrong == "it is malformed, and was taken"
    assert judged(tmp_path / "b", "malformed/Broken.json", "{", None).wrong == ""


def tree(*steps: dict[str, Any]) -> dict[str, Any]:
    """A document of plain steps."""
    return {"mainSteps": [{"action": "aws:x", "inputs": {}, **step} for step in steps]}


def read(document: dict[str, Any], *record: str) -> str:
    """The second reading of `name=Status` records."""
    ran = [Ran(name, status) for name, status in (each.split("=") for each in record)]
    return final_status(document, ran, parameters={}, variables={})


ON = {"name": "a", "onFailure": "Continue"}


@pytest.mark.parametrize(
    ("first", "record", "status"),
    [
        ({}, ["a=Success", "b=Success", "c=Success"], "Success"),
        ({"isEnd": True}, ["a=Success"], "Success"),
        ({"nextStep": "c"}, ["a=Success", "c=Success"], "Success"),
        ({}, ["a=Failed"], "Failed"),
        ({}, ["a=TimedOut"], "TimedOut"),
        ({"isCritical": False}, ["a=Failed"], "Failed"),
        ({"onFailure": "Continue"}, ["a=Failed", "b=Success", "c=Success"], "Success"),
        ({"onFailure": "Continue", "isCritical": "true"}, ["a=TimedOut", "b=Success", "c=Success"], "TimedOut"),
        ({"onFailure": "Continue", "isEnd": True}, ["a=Failed"], "Success"),
        ({"onFailure": "step:c"}, ["a=Failed", "c=Success"], "Failed"),
        ({"onFailure": "step:c", "isEnd": True, "isCritical": False}, ["a=Failed", "c=Success"], "Success"),
    ],
)
def test_the_second_reading_has_the_tables(first: dict[str, Any], record: list[str], status: str) -> None:
    """What follows a step, and how the execution ends."""
    assert read(tree({"name": "a", **first}, {"name": "b"}, {"name": "c"}), *record) == status


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (["b=Success"], '"a" should have run, not b'),
        (["a=Success"], '"b" should have run, not the end'),
        (["a=Failed", "b=Success"], '"b" ran after the end'),
        (["a=Exited"], '"a" ended as Exited'),
    ],
)
def test_the_second_reading_disagrees(record: list[str], sentence: str) -> None:
    """A record that cannot have come of the rules is named."""
    with pytest.raises(Disagreement, match=sentence):
        read(tree({"name": "a"}, {"name": "b"}), *record)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Variable": None, "StringEquals": "a"}, False),
        ({"Not": {"Variable": None, "StringEquals": "a"}}, True),
        ({"Variable": "5", "NumericGreater": 4}, True),
        ({"Variable": "x", "NumericGreater": 4}, False),
        ({"Variable": "False", "BooleanEquals": False}, True),
        ({"Variable": ["a", "b"], "Contains": "b"}, True),
        ({"Or": [{"Variable": "a", "StringEquals": "b"}, {"Variable": "a", "EndsWith": "a"}]}, True),
    ],
)
def test_the_second_reading_compares(condition: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - a table
    """Absent is false, numbers and Booleans are read from text, a list has members."""
    assert holds(condition) is expected


@pytest.mark.parametrize(
    "pattern", [r"^i-[a-z0-9]{8,17}$", r"arn:(aws|aws-cn):s3:::.+", r"[^x]\d\s?", r"(?i)yes|no", "a?b*"]
)
def test_examples_match_their_pattern(pattern: str) -> None:
    """A value for a parameter that only its pattern describes."""
    assert example(pattern) is not None
