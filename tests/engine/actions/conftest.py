"""A moto account for actions that are tried against a whole AWS."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from infra.aws import Aws, AwsSession


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSession]:
    """An account with nothing in it, not even moto's own hundreds of images, which take most of a second to load."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws(config={"lambda": {"use_docker": False}, "stepfunctions": {"execute_state_machine": True}}):
        yield Aws(region="eu-west-1").session()


@pytest.fixture
def instance(moto: AwsSession) -> str:
    """A running instance."""
    return launch(moto)


def launch(moto: AwsSession, **params: Any) -> str:
    """Launch one instance of some image."""
    wish = {"ImageId": image_of(moto), "MinCount": 1, "MaxCount": 1, **params}
    return str(moto.call("ec2", "RunInstances", wish)["Instances"][0]["InstanceId"])


def image_of(moto: AwsSession) -> str:
    """An image that is there."""
    return str(moto.call("ec2", "RegisterImage", {"Name": "base"})["ImageId"])
