"""aws:executeAwsApi: any operation, inputs shaped by its model, the whole answer for selectors; never twice blindly."""

from typing import Any

import pytest

from engine.action import FailureType, Outcome, Stage
from engine.selectors import select
from infra.aws import AwsSession
from tests.engine.actions.rig import DENIED, SILENT, THROTTLED, TOKEN, Rig, answering, failed, succeeded

NAME = "aws:executeAwsApi"


def call(aws: Any, service: str, api: str, *, crashed: bool = False, **inputs: Any) -> Outcome:
    """Run one step."""
    return Rig(NAME, {"Service": service, "Api": api, **inputs}, aws).look(crashed=crashed)


def test_selectors_see_the_answer(moto: AwsSession, instance: str) -> None:
    """What outputs select from is AWS's answer as JSON."""
    outcome = succeeded(call(moto, "ec2", "describe_instances", InstanceIds=[instance]))

    assert select("$.Reservations[0].Instances[0].State.Name", outcome.root) == "running"  # type: ignore[arg-type]
    assert select("ResponseMetadata.HTTPStatusCode", outcome.root) == 200  # type: ignore[arg-type]


def test_the_answer_itself_is_kept_nowhere(moto: AwsSession) -> None:
    """An answer may hold secrets: only what outputs select is kept."""
    assert succeeded(call(moto, "sts", "GetSessionToken")).outputs == {}


def test_inputs_are_shaped_by_the_model(moto: AwsSession, instance: str) -> None:
    """A lone value becomes a list, text a number or a Boolean."""
    outcome = call(moto, "EC2", "StopInstances", InstanceIds=instance, Force="true")

    assert succeeded(outcome)
    assert [record.resource for record in moto.drain()][-1] == instance


def test_inputs_named_like_ours_are_the_operations() -> None:
    """ECS has inputs `service` and `cluster`: they are its own, Service is ours."""
    aws = answering(ecs__UpdateService={})
    inputs = {"Service": "ecs", "Api": "UpdateService", "service": "web", "cluster": "main", "desiredCount": "2"}
    succeeded(Rig(NAME, inputs, aws).look())

    assert aws.params("ecs:UpdateService") == {"service": "web", "cluster": "main", "desiredCount": 2}


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"Service": "ec22", "Api": "StopInstances"}, 'no AWS service "ec22"'),
        ({"Service": "ec2", "Api": "StopInstance"}, 'no operation "StopInstance". Did you mean "StopInstances"?'),
        ({"Service": "ec2", "Api": "StopInstances"}, "Missing required parameter"),
        (
            {"Service": "ec2", "Api": "StopInstances", "InstanceIds": ["i-1"], "Forse": True},
            'Unknown parameter in input: "Forse"',
        ),
        ({"Service": "s3", "Api": "GetObject", "Bucket": "b", "Key": "k"}, "answers with a stream"),
    ],
)
def test_what_cannot_be_called_fails_without_another_attempt(
    moto: AwsSession, inputs: dict[str, Any], sentence: str
) -> None:
    """Wrong inputs stay wrong; nothing was sent."""
    outcome = failed(Rig(NAME, inputs, moto).look())

    assert sentence in outcome.message
    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)
    assert moto.drain() == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [(THROTTLED, FailureType.THROTTLING), (DENIED, FailureType.PERMISSION), (SILENT, FailureType.INTERNAL)],
)
def test_errors_are_told_apart(error: Exception, kind: FailureType) -> None:
    """Throttling, a missing permission and no answer are different failures; all may be tried again."""
    outcome = failed(call(answering(ec2__DescribeVpcs=error), "ec2", "DescribeVpcs"))

    assert (outcome.type, outcome.is_final) == (kind, False)


def test_a_token_is_filled_in_and_stays_the_same() -> None:
    """Where AWS can recognise a repeated call, it is given the attempt's token."""
    aws = answering(ec2__RunInstances={})
    for crashed in (False, True):
        succeeded(call(aws, "ec2", "RunInstances", crashed=crashed, ImageId="ami-1", MinCount=1, MaxCount=1))

    assert [params["ClientToken"] for _, params in aws.asked] == [TOKEN, TOKEN]


def test_the_runbooks_own_token_wins() -> None:
    """A token in the runbook is the author's decision."""
    aws = answering(ec2__RunInstances={})
    call(aws, "ec2", "RunInstances", ImageId="ami-1", MinCount=1, MaxCount=1, ClientToken="mine")

    assert aws.params("ec2:RunInstances")["ClientToken"] == "mine"


@pytest.mark.parametrize("api", ["RebootInstances", "CreateImage", "AllocateAddress"])
def test_what_is_not_repeatable_is_not_repeated_after_a_crash(api: str) -> None:
    """Nobody knows if it happened, and people are told exactly that."""
    aws = answering()
    outcome = failed(call(aws, "ec2", api, crashed=True, InstanceIds=["i-1"]))

    assert outcome.message == (f"The bot stopped while the call {api} was in flight; it may or may not have happened")
    assert (aws.asked, outcome.is_final) == ([], False)


@pytest.mark.parametrize("api", ["DescribeInstances", "StopInstances", "TerminateInstances", "StartInstances"])
def test_what_is_harmless_is_repeated_after_a_crash(api: str) -> None:
    """Reading, and naming the wanted state, may happen twice."""
    aws = answering(**{f"ec2__{api}": {}})

    succeeded(call(aws, "ec2", api, crashed=True, InstanceIds=["i-1"]))
