"""aws:invokeLambdaFunction: called once, what it returns is the payload."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import FailureType, Stage
from engine.actions import BY_NAME
from engine.expressions import render
from engine.selectors import select
from infra.aws_errors import AwsRefused
from tests.engine.actions.rig import SILENT, Rig, TableAws, answering, failed, succeeded

NAME = "aws:invokeLambdaFunction"


def returning(payload: str, **facts: Any) -> TableAws:
    """A function that returns this."""
    return answering(lambda__Invoke={"StatusCode": 200, "Payload": payload, **facts})


def invoke(aws: TableAws, **inputs: Any) -> Any:
    """Run one step."""
    return Rig(NAME, {"FunctionName": "check", **inputs}, aws).look()


def test_selectors_see_what_the_function_returned() -> None:
    """Not the call's answer: `$.reachable`, not `$.Payload.reachable`."""
    outcome = succeeded(invoke(returning('{"reachable": true, "hops": [1, 2]}')))

    root: Any = outcome.root
    assert [select(selector, root) for selector in ("$.reachable", "$.hops", "$")] == [
        True, [1, 2], {"reachable": True, "hops": [1, 2]},
    ]  # fmt: skip
    assert outcome.outputs["StatusCode"] == 200


@pytest.mark.parametrize(
    ("payload", "embedded"),
    [
        ('"vol-1"', "vol-1"),
        ('{"a": [1]}', '{"a":[1]}'),
        ("7", "7"),
        ("null", ""),
        ("", ""),
        ("plain words", "plain words"),
    ],
)
def test_payload_reads_well_in_the_next_step(payload: str, embedded: str) -> None:
    """A returned text stands bare, an object as its JSON."""
    assert render(succeeded(invoke(returning(payload))).outputs["Payload"]) == embedded


def test_the_log_is_an_output_when_asked_for() -> None:
    """LogType Tail."""
    aws = returning("{}", LogResult="bG9n")

    assert succeeded(invoke(aws, LogType="Tail")).outputs["LogResult"] == "bG9n"
    assert aws.params("lambda:Invoke")["LogType"] == "Tail"


def test_a_function_that_fails_fails_the_step() -> None:
    """What it said is in the message; the outputs are there for who handles it."""
    payload = json.dumps({"errorMessage": "no such volume", "errorType": "KeyError"})

    outcome = failed(invoke(returning(payload, FunctionError="Unhandled")))

    assert outcome.message == f"The function check failed (Unhandled): {payload}"
    assert outcome.outputs["FunctionError"] == "Unhandled"


@pytest.mark.parametrize(
    ("inputs", "payload"),
    [
        ({"Payload": '{"a": 1}'}, '{"a": 1}'),
        ({"Payload": {"a": 1}}, '{"a":1}'),
        ({"InputPayload": {"a": ["ü"]}}, '{"a":["ü"]}'),
        ({"InputPayload": {"a": 1}, "Payload": '{"b": 2}'}, '{"a":1}'),
        ({"InputPayload": '{"a": 1}'}, '{"a": 1}'),
    ],
)
def test_the_payload_may_be_text_or_a_map(inputs: dict[str, Any], payload: str) -> None:
    """InputPayload wins."""
    aws = returning("null")
    invoke(aws, **inputs)

    assert aws.params("lambda:Invoke")["Payload"] == payload


def test_what_is_not_given_is_not_sent() -> None:
    """An invocation without payload and qualifier."""
    aws = returning("null")
    invoke(aws, Qualifier="", Payload=None)

    assert aws.params("lambda:Invoke") == {"FunctionName": "check", "InvocationType": "RequestResponse"}


def test_an_invocation_that_may_have_happened_is_not_repeated() -> None:
    """A dry run may be."""
    wish = {"FunctionName": "check"}

    assert "may or may not have happened" in failed(Rig(NAME, wish, answering()).look(crashed=True)).message
    succeeded(Rig(NAME, {**wish, "InvocationType": "DryRun"}, returning("")).look(crashed=True))


@pytest.mark.parametrize(
    ("error", "kind"),
    [(AwsRefused("ResourceNotFoundException", "no such function"), FailureType.ACTION),
     (AwsRefused("TooManyRequestsException", "slow down"), FailureType.THROTTLING), (SILENT, FailureType.INTERNAL)],
)  # fmt: skip
def test_a_call_that_fails_fails_the_attempt(error: Exception, kind: FailureType) -> None:
    """AWS's own sentence."""
    assert failed(invoke(answering(lambda__Invoke=error))).type is kind


def test_payloads_have_a_limit() -> None:
    """200 KB in either direction, as SSM has it."""
    too_much = "x" * 205_000

    before = failed(invoke(answering(), Payload=too_much))
    after = failed(invoke(returning(json.dumps(too_much))))

    assert (before.stage, after.stage) == (Stage.INPUT_VALIDATION, Stage.POST_VERIFICATION)


def test_a_log_needs_an_answer() -> None:
    """LogType Tail makes no sense for an event."""
    with pytest.raises(ValidationError, match="LogType Tail needs"):
        BY_NAME[NAME].Inputs.model_validate({"FunctionName": "f", "LogType": "Tail", "InvocationType": "Event"})


def test_five_minutes_at_most() -> None:
    """Whatever timeoutSeconds says."""
    action = BY_NAME[NAME]

    assert action.max_timeout is not None
    assert action.max_timeout.total_seconds() == 300
