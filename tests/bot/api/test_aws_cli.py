"""The aws CLI, as people type it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bot.api.processes import KEY, SECRET, ApiProcess
from tests.fakes.aws_cli import run_aws

pytestmark = pytest.mark.slow

YAML = """\
schemaVersion: "0.3"
description: Asks, then naps.
parameters:
  Names: {type: StringList, default: [a]}
mainSteps:
  - name: ask
    action: aws:approve
    inputs: {Approvers: ["arn:aws:iam::123456789012:user/lee"]}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""


class Terminal:
    """The CLI pointed at one process."""

    def __init__(self, api: ApiProcess) -> None:
        self.api = api

    def aws(self, *arguments: str, fails: str = "") -> Any:
        """`aws ssm …`: its answer, or the error it must end with."""
        environ = {
            "AWS_ENDPOINT_URL_SSM": self.api.url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        done = run_aws(["ssm", *arguments, "--output", "json"], environ)
        if fails:
            assert done.returncode in {254, 255}, done
            assert fails in done.stderr
            return None
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else {}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal with a running API."""
    api = ApiProcess(tmp_path / "api")
    yield Terminal(api)
    api.stop()


def test_a_document_is_created_started_approved_and_looked_at(terminal: Terminal, tmp_path: Path) -> None:
    """create-document, start, get, send-automation-signal, describe: the five commands of an evening."""
    file = tmp_path / "runbook.yaml"
    file.write_text(YAML, encoding="utf-8")
    created = terminal.aws(
        "create-document", "--name", "Ask-First", "--content", f"file://{file}", "--document-type", "Automation",
        "--document-format", "YAML",
    )  # fmt: skip

    assert created["DocumentDescription"]["DocumentFormat"] == "YAML"

    started = terminal.aws("start-automation-execution", "--document-name", "Ask-First", "--parameters", "Names=x,y")
    execution_id = started["AutomationExecutionId"]
    terminal.api.status(execution_id, "Waiting")
    found = terminal.aws("get-automation-execution", "--automation-execution-id", execution_id)["AutomationExecution"]

    assert found["AutomationExecutionStatus"] == "Waiting"
    assert found["Parameters"] == {"Names": ["x", "y"]}

    signal = ("send-automation-signal", "--automation-execution-id", execution_id, "--signal-type", "Approve")
    terminal.aws(*signal, "--payload", "Comment=fine")
    terminal.api.status(execution_id, "Success")
    waits = "InvalidAutomationSignalException"
    terminal.aws(*signal, fails=waits)
    described = terminal.aws(
        "describe-automation-executions", "--filters", "Key=ExecutionStatus,Values=Success", "--max-items", "1"
    )  # fmt: skip

    assert [each["AutomationExecutionId"] for each in described["AutomationExecutionMetadataList"]] == [execution_id]


def test_an_execution_is_stopped(terminal: Terminal, tmp_path: Path) -> None:
    """stop-automation-execution; a second time AWS's error comes back."""
    file = tmp_path / "runbook.yaml"
    file.write_text(YAML, encoding="utf-8")
    terminal.aws("create-document", "--name", "Ask-First", "--content", f"file://{file}", "--document-format", "YAML",
                 "--document-type", "Automation")  # fmt: skip
    started = terminal.aws("start-automation-execution", "--document-name", "Ask-First")["AutomationExecutionId"]
    terminal.api.status(started, "Waiting")
    stop = ("stop-automation-execution", "--automation-execution-id", started, "--type", "Cancel")
    terminal.aws(*stop)

    assert terminal.api.status(started, "Cancelled") == "Cancelled"

    terminal.aws(*stop, fails="InvalidAutomationStatusUpdateException")
    terminal.aws("start-automation-execution", "--document-name", "Nope", fails="AutomationDefinitionNotFoundException")
