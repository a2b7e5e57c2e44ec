import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from engine.exporting import NotExportable
from engine.publishing import NoRunbook, fetch, push, version_name
from infra.aws import Aws, AwsSession
from infra.aws_errors import AwsRefused


def content(duration: str) -> str:
    """A small runbook."""
    step = {"name": "a", "action": "aws:sleep", "inputs": {"Duration": duration}}
    return json.dumps({"schemaVersion": "0.3", "mainSteps": [step]})


ONE, TWO = content("PT1S"), content("PT2S")


@pytest.fixture
def aws() -> Iterator[AwsSession]:
    """An account with nothing in it."""
    with mock_aws():
        yield Aws(region="eu-west-1").session()


def test_a_new_document_is_created_with_its_hash_as_the_versions_name(aws: AwsSession) -> None:
    """The same hash by which executions are pinned."""
    done = push(aws, "Mine", ONE, format_="JSON")

    assert (done.did, done.version, done.is_default) == ("created", "1", True)
    assert fetch(aws, "Mine").content == ONE
    assert aws.call("ssm", "GetDocument", {"Name": "Mine", "VersionName": version_name(ONE)})["DocumentVersion"] == "1"


def test_pushing_the_same_again_makes_no_version(aws: AwsSession) -> None:
    """Also when it is the default already."""
    push(aws, "Mine", ONE, format_="JSON")
    done = push(aws, "Mine", ONE, format_="JSON")

    assert (done.did, done.version) == ("unchanged", "1")
    assert aws.call("ssm", "DescribeDocument", {"Name": "Mine"})["Document"]["LatestVersion"] == "1"


def test_new_content_is_a_new_default_version(aws: AwsSession) -> None:
    """Or a version beside the default, where that is wanted."""
    push(aws, "Mine", ONE, format_="JSON")
    beside = push(aws, "Mine", TWO, format_="JSON", make_default=False)
    before = aws.call("ssm", "DescribeDocument", {"Name": "Mine"})["Document"]["DefaultVersion"]
    made = push(aws, "Mine", TWO, format_="JSON")

    assert (beside.did, beside.version, beside.is_default, before) == ("updated", "2", False, "1")
    assert (made.did, made.version) == ("made default", "2")
    assert fetch(aws, "Mine").content == TWO


def test_going_back_makes_the_old_version_default_again(aws: AwsSession) -> None:
    """No third version with the first one's content."""
    push(aws, "Mine", ONE, format_="JSON")
    push(aws, "Mine", TWO, format_="JSON")
    done = push(aws, "Mine", ONE, format_="JSON")

    assert (done.did, done.version) == ("made default", "1")
    assert aws.call("ssm", "DescribeDocument", {"Name": "Mine"})["Document"]["LatestVersion"] == "2"


def test_content_that_somebody_uploaded_by_hand_is_recognised(aws: AwsSession) -> None:
    """The latest version has it, under no name."""
    params = {"Name": "Mine", "Content": ONE, "DocumentType": "Automation", "DocumentFormat": "JSON"}
    aws.call("ssm", "CreateDocument", params)
    done = push(aws, "Mine", ONE, format_="JSON")

    assert (done.did, done.version) == ("unchanged", "1")


def test_yaml_comes_back_as_yaml(aws: AwsSession) -> None:
    """In the format in which it was written, or in the one that is asked for."""
    push(aws, "Mine", 'schemaVersion: "0.3"\nmainSteps: []\n', format_="YAML")

    assert (fetch(aws, "Mine").format, fetch(aws, "Mine").file_name) == ("YAML", "Mine.yaml")
    assert json.loads(fetch(aws, "Mine", format_="json").content) == {"schemaVersion": "0.3", "mainSteps": []}


def test_another_type_of_document_is_neither_fetched_nor_overwritten(aws: AwsSession) -> None:
    """It is named with its type."""
    command = json.dumps({"schemaVersion": "2.2", "mainSteps": []})
    aws.call(
        "ssm", "CreateDocument",
        {"Name": "Cmd", "Content": command, "DocumentType": "Command", "DocumentFormat": "JSON"},
    )  # fmt: skip

    with pytest.raises(NoRunbook, match="Cmd is a document of type Command"):
        fetch(aws, "Cmd")
    with pytest.raises(NotExportable, match="Cmd exists as a document of type Command"):
        push(aws, "Cmd", ONE, format_="JSON")


def test_what_aws_refuses_rises(aws: AwsSession) -> None:
    """Its own code and sentence; names and sizes are refused before anything is called."""
    with pytest.raises(AwsRefused, match="does not exist"):
        fetch(aws, "Nobody")
    with pytest.raises(NotExportable, match="only AWS's own documents"):
        push(aws, "AWS-Mine", ONE, format_="JSON")
    with pytest.raises(NotExportable, match="64 KB"):
        push(aws, "Mine", " " * 70_000, format_="JSON")
