"""`{{ssm:…}}` in a document's defaults: a start through SSM's API has what is stored, or AWS's code and the reason."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from infra.canonical import Json
from tests.bot.api.worlds import ApiWorld, nap, runbook


@pytest.fixture
def sized(world: ApiWorld) -> ApiWorld:
    """A document whose size is in Parameter Store."""
    size = {"Size": {"type": "String", "default": "{{ssm:/app/size}}"}}
    text = runbook({**nap(), "inputs": {"Duration": "{{ Size }}"}}, parameters=size)
    world.client().create_document(Name="Sized", Content=text, DocumentType="Automation")
    return world


def test_a_start_has_what_is_stored(sized: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read in the Region of the start."""
    asked: list[tuple[str, str]] = []

    def parameter(session: Any, name: str) -> Json:
        asked.append((session.region, name))
        return "PT2H"

    monkeypatch.setattr(AwsSession, "parameter", parameter)
    execution_id = sized.start("Sized")

    assert sized.state(execution_id).parameters == {"Size": "PT2H"}
    assert asked == [("eu-west-1", "/app/size")]


def test_a_start_is_refused_for_what_may_not_be_read(sized: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sentence; nothing is started."""

    def parameter(_session: Any, name: str) -> Json:
        raise AwsRefused("SecureString", f'The parameter "{name}" is a SecureString, which runbooks may not read.')

    monkeypatch.setattr(AwsSession, "parameter", parameter)
    with pytest.raises(ClientError) as refused:
        sized.start("Sized")

    error = refused.value.response["Error"]
    assert error["Code"] == "InvalidAutomationExecutionParametersException"
    assert "is a SecureString, which runbooks may not read" in error["Message"]
    assert sized.client().describe_automation_executions()["AutomationExecutionMetadataList"] == []
