"""aws:createTags: EC2 resources, and one resource of Systems Manager."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import Stage
from engine.actions import BY_NAME
from infra.aws import AwsSession
from tests.engine.actions.rig import Rig, answering, failed, succeeded

NAME = "aws:createTags"
TAGS = [{"Key": "State", "Value": "patched"}]


def test_instances_are_tagged(moto: AwsSession, instance: str) -> None:
    """EC2 is what is meant unless said otherwise; tagging twice is tagging once."""
    for crashed in (False, True):
        succeeded(Rig(NAME, {"ResourceIds": instance, "Tags": TAGS}, moto).look(crashed=crashed))

    found = moto.call("ec2", "DescribeTags", {"Filters": [{"Name": "resource-id", "Values": [instance]}]})["Tags"]
    assert [(tag["Key"], tag["Value"]) for tag in found] == [("State", "patched")]


def test_a_parameter_is_tagged(moto: AwsSession) -> None:
    """The other types are Systems Manager's."""
    moto.call("ssm", "PutParameter", {"Name": "p", "Value": "v", "Type": "String"})

    succeeded(Rig(NAME, {"ResourceType": "Parameter", "ResourceIds": ["p"], "Tags": TAGS}, moto).look())

    found = moto.call("ssm", "ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": "p"})["TagList"]
    assert found == TAGS


def test_systems_manager_tags_one_at_a_time() -> None:
    """Two ids with such a type are a mistake of the runbook."""
    outcome = failed(
        Rig(NAME, {"ResourceType": "Parameter", "ResourceIds": ["p", "q"], "Tags": TAGS}, answering()).look()
    )

    assert outcome.message == "ResourceType Parameter takes exactly one ResourceIds, not 2"
    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)


def test_an_unknown_resource_fails(moto: AwsSession) -> None:
    """AWS's own sentence."""
    inputs = {"ResourceType": "Parameter", "ResourceIds": ["absent"], "Tags": TAGS}

    assert failed(Rig(NAME, inputs, moto).look()).response_code == "InvalidResourceId"


@pytest.mark.parametrize(
    "inputs", [{"Tags": []}, {"ResourceIds": []}, {"Tags": [{"Value": "v"}]}, {"ResourceType": "Bucket"}]
)
def test_inputs_that_make_no_sense_are_refused(inputs: dict[str, Any]) -> None:
    """Before anything is asked of AWS."""
    with pytest.raises(ValidationError):
        BY_NAME[NAME].Inputs.model_validate({"ResourceIds": ["i-1"], "Tags": TAGS, **inputs})


def test_numbers_are_text() -> None:
    """A tag's value may be written as a number."""
    aws = answering(ec2__CreateTags={})
    succeeded(Rig(NAME, {"ResourceIds": ["i-1"], "Tags": [{"Key": "Level", "Value": 3}, {"Key": "Empty"}]}, aws).look())

    assert aws.params("ec2:CreateTags")["Tags"] == [{"Key": "Level", "Value": "3"}, {"Key": "Empty", "Value": ""}]
