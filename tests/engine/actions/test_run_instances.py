"""aws:runInstances: launched once, ready when both checks passed."""

import base64
from typing import Any

import pytest

from engine.action import Stage
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from tests.engine.actions.conftest import image_of
from tests.engine.actions.rig import (
    DENIED,
    SILENT,
    THROTTLED,
    TOKEN,
    Rig,
    TableAws,
    answering,
    failed,
    succeeded,
    waiting,
)
from tests.engine.actions.test_change_instance_state import ONE, TWO, statuses

NAME = "aws:runInstances"
UNKNOWN = AwsRefused("InvalidInstanceID.NotFound", "not there")
WISH = {"ImageId": "ami-1"}


def launching(*looks: Any, count: int = 1) -> TableAws:
    """An AWS that launches and then answers these looks."""
    instances = [{"InstanceId": each} for each in (ONE, TWO)[:count]]
    return answering(ec2__RunInstances={"Instances": instances}, ec2__DescribeInstanceStatus=list(looks))


def test_instances_are_launched(moto: AwsSession) -> None:
    """With the guide's names: counts, profile by name, tags; the script arrives as it was written."""
    moto.call("iam", "CreateInstanceProfile", {"InstanceProfileName": "web"})
    script = "#!/bin/sh\necho hello\n"
    inputs = {
        "ImageId": image_of(moto), "InstanceType": "t3.micro", "MinInstanceCount": "2", "MaxInstanceCount": 2,
        "UserData": base64.b64encode(script.encode()).decode(), "IamInstanceProfileName": "web",
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "clone"}]}],
        "KeyName": "", "SecurityGroupIds": [], "SubnetId": "", "Monitoring": "true",
    }  # fmt: skip

    outcome = succeeded(Rig(NAME, inputs, moto).finish())

    ids = outcome.outputs["InstanceIds"]
    assert isinstance(ids, list)
    assert len(ids) == 2
    assert outcome.outputs["InstanceStates"] == ["running", "running"]
    params = {"InstanceId": ids[0], "Attribute": "userData"}
    kept = moto.call("ec2", "DescribeInstanceAttribute", params)["UserData"]["Value"]
    assert base64.b64decode(kept).decode() == script
    found = moto.call("ec2", "DescribeInstances", {"InstanceIds": [ids[0]]})["Reservations"][0]["Instances"][0]
    assert found["Monitoring"]["State"] == "enabled"
    assert found["IamInstanceProfile"]["Arn"].endswith("/web")
    assert found["Tags"] == [{"Key": "Name", "Value": "clone"}]


def test_readiness_is_waited_for() -> None:
    """New instances may not be visible yet; their ids are outputs from the start."""
    looks = [UNKNOWN, statuses((ONE, "pending")), statuses((ONE, "running", "initializing")),
             statuses((ONE, "running", "ok"))]  # fmt: skip
    step = Rig(NAME, WISH, launching(*looks))
    waiting(step.look())
    assert step.outputs == {"InstanceIds": [ONE]}

    outcome = succeeded(step.finish())

    assert outcome.outputs == {"InstanceIds": [ONE], "InstanceStates": ["running"]}
    assert step.said == [
        f"launched {ONE}", "not visible yet", f"{ONE} is pending",
        f"{ONE} is running, checks: system initializing, instance initializing",
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["shutting-down", "terminated", "stopped"])
def test_an_instance_that_dies_at_birth_fails_the_step(state: str) -> None:
    """With AWS's own words; the id stays an output for who cleans up."""
    step = Rig(NAME, WISH, launching(statuses((ONE, "pending")), statuses((ONE, state))))

    outcome = failed(step.finish())

    assert outcome.message == f"Instance {ONE} entered unexpected state: {state}"
    assert outcome.while_doing == "verifying launched instance(s) are ready to be used"
    assert step.outputs == {"InstanceIds": [ONE]}


def test_a_repeated_launch_carries_the_same_token() -> None:
    """EC2 answers a repeated call with the first one's instances."""
    aws = launching(statuses((ONE, "pending")))
    for crashed in (False, True):
        Rig(NAME, WISH, aws).look(crashed=crashed)

    assert [params["ClientToken"] for name, params in aws.asked if name == "ec2:RunInstances"] == [TOKEN, TOKEN]


def test_a_restart_in_between_launches_nothing() -> None:
    """The ids are in the memo."""
    step = Rig(NAME, WISH, launching(statuses((ONE, "running", "ok"))))
    waiting(step.look())

    succeeded(step.look(crashed=True))

    assert step.aws.times("ec2:RunInstances") == 1


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
def test_trouble_in_passing_launches_nothing(trouble: Exception) -> None:
    """Throttling and a lost network only delay."""
    step = Rig(NAME, WISH, launching(statuses((ONE, "pending")), trouble, statuses((ONE, "running", "ok"))))

    succeeded(step.finish())

    assert step.aws.times("ec2:RunInstances") == 1


def test_a_refused_launch_says_so() -> None:
    """The stage is the launch."""
    assert (
        failed(Rig(NAME, WISH, answering(ec2__RunInstances=DENIED)).finish()).while_doing == "launching the instance(s)"
    )


def test_defaults_are_the_guides() -> None:
    """One m1.small."""
    aws = launching()
    Rig(NAME, WISH, aws).look()

    assert aws.params("ec2:RunInstances") == {
        "ImageId": "ami-1", "InstanceType": "m1.small", "MinCount": 1, "MaxCount": 1, "ClientToken": TOKEN,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("user_data", "sent"),
    [
        (base64.b64encode(b"#!/bin/sh").decode(), b"#!/bin/sh"),
        ("IyEv\nYmlu\nL3No", b"#!/bin/sh"),
        ("#!/bin/sh\necho plain", "#!/bin/sh\necho plain"),
        ("<powershell>Get-Date</powershell>", "<powershell>Get-Date</powershell>"),
    ],
)
def test_user_data_is_encoded_exactly_once(user_data: str, sent: object) -> None:
    """Runbooks give Base64, botocore encodes: the instance must not get Base64 of Base64."""
    aws = launching()
    Rig(NAME, {**WISH, "UserData": user_data}, aws).look()

    assert aws.params("ec2:RunInstances")["UserData"] == sent


def test_one_profile_only() -> None:
    """By name or by ARN."""
    inputs = {**WISH, "IamInstanceProfileName": "web", "IamInstanceProfileArn": "arn:aws:iam::1:instance-profile/web"}

    outcome = failed(Rig(NAME, inputs, answering()).look())

    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)
