import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws

from bot.terminal.preview import preview_
from playbooks.catalog import LIBRARY

RUNBOOK = LIBRARY / "stop-instance" / "runbook.yaml"


@pytest.fixture
def instance() -> Iterator[str]:
    """A running instance in an imitated account."""
    with mock_aws():
        ec2 = boto3.client("ec2", region_name="eu-west-1")
        made = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="m5d.large")
        yield str(made["Instances"][0]["InstanceId"])


def previewed(instance: str, *arguments: str) -> Result:
    """Preview a stop."""
    parameters = json.dumps({"InstanceId": [instance], "Approvers": ["ann"]})
    return CliRunner().invoke(
        preview_, [str(RUNBOOK), "--parameters", parameters, "--region", "eu-west-1", *arguments]
    )  # fmt: skip


def test_steps_calls_and_losses_are_told(instance: str) -> None:
    """As text, the losses once."""
    result = previewed(instance)

    assert result.exit_code == 0
    assert f'ec2:StopInstances {{"InstanceIds": ["{instance}"]}}' in result.output
    assert result.output.count("everything on its 75 GB of instance store") == 1
    assert "Not reached: refuseGroupMember.\n" in result.output
    assert "Nothing was changed. AWS was asked " in result.output


def test_json_is_one_object(instance: str) -> None:
    """For cards and pipelines."""
    result = previewed(instance, "--json")
    found: dict[str, Any] = json.loads(result.output)
    calls = [call["operation"] for step in found["steps"] for call in step["calls"]]

    assert result.exit_code == 0
    assert calls == ["StopInstances", "StopInstances"]
    assert found["outcome"] == "Success, if every step succeeds"
    assert any("instance store" in sentence for sentence in found["lost"])
    assert all(name.partition(":")[2].startswith(("Describe", "Get")) for name in found["looked"])


def test_a_runbook_of_the_account_that_it_starts_is_previewed_too(instance: str, tmp_path: Path) -> None:
    """Fetched by a question, told in its place."""
    step = {"name": "end", "action": "aws:changeInstanceState",
            "inputs": {"InstanceIds": ["{{ InstanceId }}"], "DesiredState": "terminated"}}  # fmt: skip
    parameters = {"InstanceId": {"type": "String"}}
    child = json.dumps({"schemaVersion": "0.3", "parameters": parameters, "mainSteps": [step]})
    ssm = boto3.client("ssm", region_name="eu-west-1")
    ssm.create_document(Name="Child-Ends", Content=child, DocumentType="Automation", DocumentFormat="JSON")
    inputs = {"DocumentName": "Child-Ends", "RuntimeParameters": {"InstanceId": [instance]}}
    parent = {"name": "start", "action": "aws:executeAutomation", "inputs": inputs}
    file = tmp_path / "parent.json"
    file.write_text(json.dumps({"schemaVersion": "0.3", "mainSteps": [parent]}))
    result = CliRunner().invoke(preview_, [str(file), "--region", "eu-west-1"])

    assert result.exit_code == 0
    assert f'ec2:TerminateInstances {{"InstanceIds": ["{instance}"]}}' in result.output
    assert "the instance itself: it cannot be started again" in result.output


def test_a_missing_parameter_is_one_sentence() -> None:
    """Exit code 2."""
    with mock_aws():
        result = CliRunner().invoke(preview_, [str(RUNBOOK), "--region", "eu-west-1"])

    assert result.exit_code == 2
    assert "Missing required parameter: InstanceId" in result.output
