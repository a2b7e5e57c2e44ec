"""`playbook-bot runbook run FILE`: one document in the foreground, printed as AWS would answer."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from bot.cli import cli

STOP = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
  Note: {type: String, default: none}
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: [anybody], Message: "Stop {{ InstanceId }}?"}}
  - name: stop
    action: aws:changeInstanceState
    inputs: {InstanceIds: ["{{ InstanceId }}"], DesiredState: stopped}
"""


def run(file: Path, *arguments: str) -> Result:
    """The command, in Region eu-west-1."""
    return CliRunner().invoke(cli, ["runbook", "run", str(file), "--region", "eu-west-1", *arguments])


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    """A runbook that asks, and stops an instance."""
    file = tmp_path / "stop.yaml"
    file.write_text(STOP)
    return file


def instance() -> tuple[Any, str]:
    """An EC2 client, and the id of an instance that runs."""
    ec2 = boto3.client("ec2", "eu-west-1")
    launched = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)
    return ec2, launched["Instances"][0]["InstanceId"]


@mock_aws
@pytest.mark.parametrize("as_list", [True, False], ids=["as StartAutomationExecution takes it", "native"])
def test_it_runs_and_prints_what_aws_would(runbook: Path, *, as_list: bool) -> None:
    """Exit 0, the execution in the shape of GetAutomationExecution, and the instance is stopped."""
    ec2, identity = instance()
    parameters = json.dumps({"InstanceId": [identity] if as_list else identity})
    answer = run(runbook, "--parameters", parameters, "--approve", "--json")

    assert answer.exit_code == 0, answer.output
    told = json.loads(answer.stdout[answer.stdout.index("{\n") :])
    assert told["AutomationExecutionStatus"] == "Success"
    assert told["Parameters"] == {"InstanceId": [identity], "Note": ["none"]}
    assert [(step["StepName"], step["StepStatus"]) for step in told["StepExecutions"]] == [
        ("ask", "Success"),
        ("stop", "Success"),
    ]
    state = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "stopped"


@mock_aws
def test_a_rejection_is_not_a_success(runbook: Path) -> None:
    """Exit 1, and nothing is stopped."""
    ec2, identity = instance()
    answer = run(runbook, "--parameters", json.dumps({"InstanceId": identity}), "--reject", "--json")

    assert answer.exit_code == 1
    assert '"AutomationExecutionStatus": "Failed"' in answer.stdout
    state = ec2.describe_instances(InstanceIds=[identity])["Reservations"][0]["Instances"][0]["State"]["Name"]
    assert state == "running"


@mock_aws
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ("{}", "Missing required parameter: InstanceId"),
        ('{"InstanceId": "i-1", "Nope": "x"}', "Nope"),
        ("{", "--parameters is not JSON"),
        ("[1]", "--parameters must be a JSON object"),
    ],
)
def test_parameters_that_cannot_be_are_refused(runbook: Path, parameters: str, sentence: str) -> None:
    """Exit 2, with a sentence, before anything runs."""
    answer = run(runbook, "--parameters", parameters, "--json")

    assert answer.exit_code == 2
    assert sentence in answer.output
    assert "Traceback" not in answer.output


@mock_aws
def test_an_action_nobody_has_fails_at_its_step(tmp_path: Path) -> None:
    """The document is read, what comes before runs, and the step says what is missing: exit 1."""
    file = tmp_path / "odd.yaml"
    file.write_text(STOP.replace("aws:changeInstanceState", "aws:putServerUpgradeMetrics"))
    answer = run(file, "--parameters", '{"InstanceId": "i-0123456789abcdef0"}', "--approve")

    assert answer.exit_code == 1
    assert "aws:putServerUpgradeMetrics is not available here" in answer.output


def test_a_document_that_aws_would_refuse_is_refused_with_its_place(tmp_path: Path) -> None:
    """Exit 2, and file:line:column."""
    file = tmp_path / "bad.yaml"
    file.write_text(STOP.replace("name: stop", "name: ask"))
    answer = run(file, "--parameters", "{}")

    assert answer.exit_code == 2
    assert f"{file}:7:" in answer.output
