"""Which values of an execution are secrets, and that its events tell none of them."""

from dataclasses import replace

import pytest

from audit.events import Actor, Event
from engine.execution import Change, Execution, Status, StepExecution
from engine.secrets import inherited, masked, secrets_of
from engine.state import decode, encode
from infra.canonical import Json, canonical

LEE = Actor("person", "terminal:lee")
BLANK = Execution("e1", "doc", "1", "d" * 64, {}, LEE, "eu-west-1", "123456789012")


def asked(service: str, api: str, outputs: dict[str, Json], **inputs: Json) -> StepExecution:
    """A step that asked AWS."""
    given: dict[str, Json] = {"Service": service, "Api": api, **inputs}
    return StepExecution("s1", "Ask", "aws:executeAwsApi", Status.SUCCESS, inputs=given, outputs=outputs)


def test_parameters_are_secret_by_name_or_because_the_playbook_says_so() -> None:
    """`secret: [Pin]` of the playbook, or a name that says it."""
    state = replace(BLANK, parameters={"Pin": "pin-8461", "DbPassword": "hunter22", "Host": "db-1"}, secrets=("Pin",))

    assert secrets_of(state) == {"pin-8461", "hunter22"}


@pytest.mark.parametrize(
    ("service", "api", "more"),
    [
        ("secretsmanager", "GetSecretValue", {"SecretId": "prod/db"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "prod/db"}),
        ("ssm", "GetParameter", {"Name": "prod/db", "WithDecryption": True}),
        ("ssm", "GetParameters", {"Names": ["prod/db"], "WithDecryption": "true"}),
        ("kms", "Decrypt", {"CiphertextBlob": "xx"}),
    ],
)
def test_what_aws_gives_as_a_secret_is_one(service: str, api: str, more: dict[str, Json]) -> None:
    """Under whatever name the step puts it out; what was asked for by name stays readable."""
    step = asked(service, api, {"Value": "s3cr3t-value", "Which": "prod/db", "Arn": "arn:aws:x:y"}, **more)

    assert "s3cr3t-value" in secrets_of(replace(BLANK, steps=(step,)))
    assert not {"prod/db", "arn:aws:x:y"} & secrets_of(replace(BLANK, steps=(step,))) or service == "kms"


def test_a_parameter_that_is_not_decrypted_is_none() -> None:
    """What Parameter Store gives away to everybody is readable."""
    step = asked("ssm", "GetParameter", {"Value": "plain-value"}, Name="x")

    assert secrets_of(replace(BLANK, steps=(step,))) == frozenset()


def test_events_tell_no_secret_and_keep_what_programs_go_by() -> None:
    """A later step that gets the secret under a harmless name does not tell it either."""
    step = asked("secretsmanager", "GetSecretValue", {"Value": "s3cr3t-value"}, SecretId="prod/db")
    inputs: dict[str, Json] = {"Commands": ["login s3cr3t-value"], "SecretId": "prod/db"}
    event = Event("step.started", "e1", data={"step": "s3cr3t-value", "action": "aws:runCommand", "inputs": inputs})

    told = masked(Change(replace(BLANK, steps=(step,)), (event,)))[0].data

    assert told["inputs"] == {"Commands": ["login ***"], "SecretId": "prod/db"}
    assert told["step"] == "s3cr3t-value"


def test_a_child_knows_the_secrets_it_is_handed() -> None:
    """Whatever its parameter is called."""
    parent = replace(BLANK, parameters={"Password": "hunter22"})

    assert inherited((), {"Text": "login hunter22", "Host": "db"}, parent) == ("Text",)
    assert inherited(("Host",), {"Text": "login hunter22", "Host": "db"}, None) == ("Host",)


def test_the_row_keeps_what_is_real() -> None:
    """The engine has to work with it."""
    state = replace(BLANK, parameters={"Pin": "pin-8461"}, secrets=("Pin",))

    assert decode(encode(state), version=0) == state
    assert "pin-8461" in canonical(encode(state))
