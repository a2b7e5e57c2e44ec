"""aws:invokeWebhook: one POST to an integration of Parameter Store; its address and headers stay secret."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from engine.action import Failed, Outcome, Stage
from engine.actions.invoke_webhook import FOLDER
from infra.aws import AwsSession
from infra.https import Answer, PostRefused, PostUnanswered
from tests.engine.actions.rig import Rig, answering, failed, succeeded

NAME = "aws:invokeWebhook"
SECRET = "https://hooks.example.com/T0/secret"


class Door:
    """A server that answers, or does not, and remembers what came."""

    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer
        self.came: list[tuple[str, Mapping[str, str], bytes]] = []

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Take a POST."""
        self.came.append((url, headers, body))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def register(moto: AwsSession, **integration: Any) -> None:
    """Register the integration `chat`."""
    wish = {"url": SECRET, **integration}
    moto.call("ssm", "PutParameter", {"Name": f"{FOLDER}chat", "Type": "SecureString", "Value": json.dumps(wish)})


def invoke(aws: Any, door: Door, *, crashed: bool = False, **inputs: Any) -> Outcome:
    """Run one step."""
    rig = Rig(NAME, {"IntegrationName": "chat", **inputs}, aws, fields={"services": {"post": door}})
    return rig.look(crashed=crashed)


def test_a_webhook_is_called(moto: AwsSession) -> None:
    """With its headers and its payload; the answer and its status are outputs."""
    register(moto, headers={"Authorization": "Bearer secret"}, payload={"text": "hello"})
    door = Door(Answer(200, "ok"))

    outcome = succeeded(invoke(moto, door))

    assert outcome.outputs == {"Response": "ok", "ResponseCode": "200"}
    headers = {"Content-Type": "application/json", "Authorization": "Bearer secret"}
    [(url, sent_headers, body)] = door.came
    assert (url, sent_headers, json.loads(body.decode().removeprefix("kms:alias/aws/ssm:"))) == (
        SECRET,
        headers,
        {"text": "hello"},
    )


@pytest.mark.parametrize(("body", "sent"), [("plain", b"plain"), ({"a": "ü"}, '{"a":"ü"}'.encode())])
def test_body_replaces_the_payload(moto: AwsSession, body: Any, sent: bytes) -> None:
    """Text as it is, a map as JSON."""
    register(moto, payload="stored")
    door = Door(Answer(204, ""))
    succeeded(invoke(moto, door, Body=body))

    assert door.came[0][2] == sent


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirect_is_an_answer(moto: AwsSession, status: int) -> None:
    """It is not followed."""
    register(moto)

    assert succeeded(invoke(moto, Door(Answer(status, "")))).outputs["ResponseCode"] == str(status)


def test_a_refusal_of_the_server_fails_the_step(moto: AwsSession) -> None:
    """With its status and its words; nothing of the address."""
    register(moto)

    outcome = failed(invoke(moto, Door(Answer(403, "no"))))

    assert outcome.message == "The webhook chat answered 403: no"
    assert outcome.outputs["ResponseCode"] == "403"


@pytest.mark.parametrize(
    ("trouble", "is_final"), [(PostRefused("it is not on the Internet"), True), (PostUnanswered("no answer"), False)]
)
def test_trouble_is_told_without_the_address(moto: AwsSession, trouble: Exception, *, is_final: bool) -> None:
    """An address that may not be called is not called again; silence may be tried again."""
    register(moto)

    outcome = failed(invoke(moto, Door(trouble)))

    assert outcome.is_final is is_final
    assert "secret" not in outcome.message


def test_a_post_that_may_have_happened_is_not_repeated() -> None:
    """Nobody knows, and people are told so."""
    assert "may or may not have happened" in failed(invoke(answering(), Door(Answer(200, "")), crashed=True)).message


def test_an_unknown_integration_fails(moto: AwsSession) -> None:
    """Parameter Store says so."""
    assert failed(invoke(moto, Door(Answer(200, "")))).response_code == "ParameterNotFound"


@pytest.mark.parametrize(
    "value", ["no json", "[]", '{"headers": {}}', '{"url": 5}', '{"url": "https://x", "headers": []}']
)
def test_a_broken_integration_is_refused(value: str) -> None:
    """Nothing is sent anywhere."""
    door = Door(Answer(200, ""))
    aws = answering(ssm__GetParameter={"Parameter": {"Value": value}})

    outcome = invoke(aws, door)

    assert isinstance(outcome, Failed) or "headers" in value
    if isinstance(outcome, Failed):
        assert (outcome.stage, outcome.is_final, door.came) == (Stage.PRE_VERIFICATION, True, [])
