"""aws:createStack and aws:deleteStack."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import FailureType
from engine.actions import BY_NAME
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
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

CREATE, DELETE = "aws:createStack", "aws:deleteStack"
ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/web/1"
TEMPLATE = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "made-by-stack"}}}}
ABSENT = AwsRefused("ValidationError", "An error occurred (ValidationError): Stack with id web does not exist")
THERE = AwsRefused("AlreadyExistsException", "Stack [web] already exists")
WISH = {"StackName": "web", "TemplateBody": json.dumps(TEMPLATE)}


def stack(status: str, reason: str = "") -> dict[str, Any]:
    """DescribeStacks's answer."""
    return {"Stacks": [{"StackId": ID, "StackName": "web", "StackStatus": status, "StackStatusReason": reason}]}


def creating(*looks: Any, **answers: Any) -> TableAws:
    """An AWS without such a stack that creates one and then answers these looks."""
    return answering(
        **{
            "cloudformation__CreateStack": {"StackId": ID},
            "cloudformation__DescribeStacks": [ABSENT, *looks],
            **answers,
        }
    )


def test_a_stack_is_created_and_deleted(moto: AwsSession) -> None:
    """From nothing to CREATE_COMPLETE to nothing; deleting what is not there succeeds."""
    outcome = succeeded(Rig(CREATE, {**WISH, "Capabilities": "CAPABILITY_IAM"}, moto).finish())
    assert outcome.outputs["StackStatus"] == "CREATE_COMPLETE"
    assert "made-by-stack" in str(moto.call("sqs", "ListQueues", {})["QueueUrls"])

    for _ in range(2):
        succeeded(Rig(DELETE, {"StackName": "web"}, moto).finish())

    assert moto.call("sqs", "ListQueues", {}).get("QueueUrls") is None


def test_a_template_may_be_written_as_a_map(moto: AwsSession) -> None:
    """YAML in YAML needs no quoting."""
    succeeded(Rig(CREATE, {"StackName": "web", "TemplateBody": TEMPLATE}, moto).finish())


def test_a_stack_of_that_name_is_not_touched(moto: AwsSession) -> None:
    """AlreadyExists fails the attempt."""
    succeeded(Rig(CREATE, WISH, moto).finish())

    assert "AlreadyExists" in failed(Rig(CREATE, WISH, moto).finish()).message


def test_it_waits_for_the_end() -> None:
    """Progress is told, StackId is an output from the start."""
    step = Rig(CREATE, WISH, creating(stack("CREATE_IN_PROGRESS"), stack("CREATE_COMPLETE")))
    waiting(step.look())
    assert step.outputs == {"StackId": ID}

    outcome = succeeded(step.finish())

    assert outcome.outputs == {"StackId": ID, "StackStatus": "CREATE_COMPLETE", "StackStatusReason": ""}
    assert step.said == ["web is being created", "web is CREATE_IN_PROGRESS"]


def test_a_rolled_back_stack_fails_with_the_first_reason() -> None:
    """CloudFormation tells the reason while it rolls back, not when it has."""
    why = "The following resource(s) failed to create: [Queue]."
    looks = [stack("CREATE_IN_PROGRESS"), stack("ROLLBACK_IN_PROGRESS", why), stack("ROLLBACK_COMPLETE")]

    outcome = failed(Rig(CREATE, WISH, creating(*looks)).finish())

    assert outcome.message == f"Stack web entered unexpected state: ROLLBACK_COMPLETE ({why})"
    assert outcome.type is FailureType.VERIFICATION
    assert outcome.outputs == {"StackId": ID, "StackStatus": "ROLLBACK_COMPLETE", "StackStatusReason": why}


def test_a_rolled_back_stack_of_the_name_makes_room() -> None:
    """A stack in ROLLBACK_COMPLETE can only be deleted; a second attempt deletes it first."""
    looks = [
        stack("ROLLBACK_COMPLETE"),
        stack("DELETE_IN_PROGRESS"),
        stack("DELETE_COMPLETE"),
        stack("CREATE_COMPLETE"),
    ]
    aws = answering(
        cloudformation__DescribeStacks=looks,
        cloudformation__DeleteStack={},
        cloudformation__CreateStack={"StackId": "new"},
    )

    succeeded(Rig(CREATE, WISH, aws).finish())

    assert aws.params("cloudformation:DeleteStack") == {"StackName": ID}


def test_a_rolled_back_stack_that_cannot_be_deleted_fails() -> None:
    """What stands in the way is told."""
    aws = answering(
        cloudformation__DescribeStacks=[stack("ROLLBACK_COMPLETE"), stack("DELETE_FAILED")],
        cloudformation__DeleteStack={},
    )

    assert "could not be deleted: it is DELETE_FAILED" in failed(Rig(CREATE, WISH, aws).finish()).message


def test_a_running_step_is_not_repeated_after_a_crash() -> None:
    """The memo has the id."""
    step = Rig(CREATE, WISH, creating(stack("CREATE_COMPLETE")))
    waiting(step.look())

    succeeded(step.look(crashed=True))

    assert step.aws.times("cloudformation:CreateStack") == 1


@pytest.mark.parametrize(("token", "is_ours"), [(TOKEN, True), ("another", False)])
def test_after_a_crash_our_stack_is_known_by_its_first_event(token: str, *, is_ours: bool) -> None:
    """A stack that is there already is taken over only if this very attempt created it."""
    events = {"StackEvents": [{"StackId": ID}, {"StackId": ID, "ClientRequestToken": token}]}
    aws = creating(
        stack("CREATE_COMPLETE"), cloudformation__CreateStack=THERE, cloudformation__DescribeStackEvents=events
    )
    outcome = Rig(CREATE, WISH, aws).look(crashed=True)

    if is_ours:
        assert waiting(outcome).memo["StackId"] == ID
    else:
        assert failed(outcome).response_code == "AlreadyExistsException"


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
def test_trouble_in_passing_creates_nothing_twice(trouble: Exception) -> None:
    """Throttling and a lost network only delay."""
    step = Rig(CREATE, WISH, creating(stack("CREATE_IN_PROGRESS"), trouble, stack("CREATE_COMPLETE")))

    succeeded(step.finish())

    assert step.aws.times("cloudformation:CreateStack") == 1


def test_the_request_token_is_the_attempts_or_the_authors() -> None:
    """AWS recognises a repeated request by it."""
    for wish, token in ((WISH, TOKEN), ({**WISH, "ClientRequestToken": "mine"}, "mine")):
        aws = creating(stack("CREATE_COMPLETE"))
        Rig(CREATE, wish, aws).look()

        assert aws.params("cloudformation:CreateStack")["ClientRequestToken"] == token


@pytest.mark.parametrize(
    "inputs",
    [
        {"StackName": "1web"},
        {"StackName": "w" * 129},
        {"TemplateURL": "https://example.invalid/t"},
        {"TemplateBody": None},
        {"DisableRollback": True, "OnFailure": "DELETE"},
        {"OnFailure": "EXPLODE"},
        {"StackPolicyBody": "{}", "StackPolicyURL": "https://example.invalid/p"},
        {"TimeoutInMinutes": 0},
        {"NotificationARNs": ["a"] * 6},
        {"ClientRequestToken": "x" * 129},
    ],
)
def test_inputs_that_make_no_sense_are_refused(inputs: dict[str, Any]) -> None:
    """As CloudFormation would, before anything is asked of it."""
    with pytest.raises(ValidationError):
        BY_NAME[CREATE].Inputs.model_validate({**WISH, **inputs})


def deleting(*looks: Any) -> TableAws:
    """An AWS that takes a deletion and answers these looks."""
    return answering(cloudformation__DescribeStacks=list(looks), cloudformation__DeleteStack={})


def test_a_deletion_is_waited_for_by_id() -> None:
    """A name is free again after the deletion; the id still tells."""
    aws = deleting(stack("CREATE_COMPLETE"), stack("DELETE_IN_PROGRESS"), stack("DELETE_COMPLETE"))
    step = Rig(DELETE, {"StackName": "web", "RetainResources.member.1": "Bucket"}, aws)

    succeeded(step.finish())

    assert step.said == ["web is being deleted", "web is DELETE_IN_PROGRESS"]
    assert aws.params("cloudformation:DescribeStacks") == {"StackName": ID}
    assert aws.params("cloudformation:DeleteStack") == {
        "StackName": ID, "RetainResources": ["Bucket"], "ClientRequestToken": TOKEN,
    }  # fmt: skip


def test_a_deletion_that_fails_fails_the_step() -> None:
    """With CloudFormation's reason."""
    aws = deleting(stack("CREATE_COMPLETE"), stack("DELETE_FAILED", "Bucket is not empty"))

    outcome = failed(Rig(DELETE, {"StackName": "web"}, aws).finish())

    assert outcome.message == "Stack web entered unexpected state: DELETE_FAILED (Bucket is not empty)"


def test_a_stack_that_is_gone_is_deleted() -> None:
    """Also when it vanishes between two looks."""
    succeeded(Rig(DELETE, {"StackName": "web"}, deleting(stack("CREATE_COMPLETE"), ABSENT)).finish())


def test_a_denied_deletion_is_a_permission_failure() -> None:
    """AWS's sentence says what is missing."""
    aws = answering(cloudformation__DescribeStacks=stack("CREATE_COMPLETE"), cloudformation__DeleteStack=DENIED)

    assert failed(Rig(DELETE, {"StackName": "web"}, aws).finish()).type is FailureType.PERMISSION
