"""aws:executeStateMachine: started once, looked at until it has ended, stopped with its step."""

import json
from typing import Any

import pytest

from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from tests.engine.actions.rig import SILENT, THROTTLED, TOKEN, Rig, TableAws, answering, failed, succeeded, waiting

NAME = "aws:executeStateMachine"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:heal"
RUN = f"arn:aws:states:eu-west-1:123456789012:execution:heal:{TOKEN}"
WISH = {"stateMachineArn": MACHINE, "input": {"a": 1}}


def state(status: str, **facts: Any) -> dict[str, Any]:
    """DescribeExecution's answer."""
    return {"executionArn": RUN, "stateMachineArn": MACHINE, "name": TOKEN, "status": status, **facts}


def running(*looks: Any) -> TableAws:
    """A machine that starts and then answers these looks."""
    return answering(stepfunctions__StartExecution={"executionArn": RUN}, stepfunctions__DescribeExecution=list(looks))


def test_a_state_machine_runs(moto: AwsSession) -> None:
    """From start to SUCCEEDED, with its output."""
    definition = {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": {"healed": True}, "End": True}}}
    moto.call("iam", "CreateRole", {"RoleName": "machine", "AssumeRolePolicyDocument": "{}"})
    role = "arn:aws:iam::123456789012:role/machine"
    wish = {"name": "heal", "definition": json.dumps(definition), "roleArn": role}
    arn = moto.call("stepfunctions", "CreateStateMachine", wish)["stateMachineArn"]

    outcome = succeeded(Rig(NAME, {"stateMachineArn": arn, "input": "{}"}, moto).finish(most=100_000))

    assert outcome.outputs["status"] == "SUCCEEDED"
    assert json.loads(str(outcome.outputs["output"])) == {"healed": True}


def test_outputs_are_text() -> None:
    """Eight of them, all strings; the ARN from the start."""
    facts = {
        "input": "{}",
        "output": '{"x":1}',
        "startDate": "2026-01-01T00:00:00+00:00",
        "stopDate": "2026-01-01T00:01:00+00:00",
    }
    step = Rig(NAME, WISH, running(state("RUNNING"), state("SUCCEEDED", **facts)))
    waiting(step.look())
    assert step.outputs == {"executionArn": RUN}

    outcome = succeeded(step.finish())

    assert outcome.outputs == {
        "executionArn": RUN,
        "stateMachineArn": MACHINE,
        "name": TOKEN,
        "status": "SUCCEEDED",
        **facts,
    }
    assert step.said == ["started", "the state machine is RUNNING"]


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_every_other_end_is_a_failure(status: str) -> None:
    """With the machine's error and cause."""
    outcome = failed(Rig(NAME, WISH, running(state(status, error="Boom", cause="it broke"))).finish())

    assert outcome.message == f"The state machine's execution {RUN} ended as {status} (Boom: it broke)"
    assert outcome.outputs["status"] == status


def test_the_execution_is_named_by_the_attempt_or_the_author() -> None:
    """A map is sent as JSON."""
    for name, sent in ((None, TOKEN), ("mine", "mine")):
        aws = running()
        Rig(NAME, {**WISH, "name": name}, aws).look()

        assert aws.params("stepfunctions:StartExecution") == {
            "stateMachineArn": MACHINE, "name": sent, "input": '{"a": 1}',
        }  # fmt: skip


def test_after_a_crash_the_execution_is_found_by_its_name() -> None:
    """Step Functions takes a name once."""
    exists = AwsRefused("ExecutionAlreadyExists", "exists")
    aws = answering(stepfunctions__StartExecution=exists, stepfunctions__DescribeExecution=state("SUCCEEDED"))
    step = Rig(NAME, WISH, aws)

    assert waiting(step.look(crashed=True)).memo == {"executionArn": RUN}
    succeeded(step.finish())


def test_without_a_crash_a_name_that_is_taken_is_a_failure() -> None:
    """It is somebody else's execution."""
    exists = AwsRefused("ExecutionAlreadyExists", "exists")

    assert failed(Rig(NAME, WISH, answering(stepfunctions__StartExecution=exists)).look()).message == "exists"


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
def test_trouble_in_passing_starts_nothing(trouble: Exception) -> None:
    """Throttling and a lost network only delay."""
    step = Rig(NAME, WISH, running(state("RUNNING"), trouble, state("SUCCEEDED")))

    succeeded(step.finish())

    assert step.aws.times("stepfunctions:StartExecution") == 1


def test_a_cancelled_step_stops_its_execution() -> None:
    """Also when the process has not heard the ARN."""
    for looks in (0, 1):
        step = Rig(NAME, WISH, running(state("RUNNING")))
        step.aws.answers["stepfunctions:StopExecution"] = [{}]
        for _ in range(looks):
            step.look()
        step.cancel()

        assert step.aws.params("stepfunctions:StopExecution")["executionArn"] == RUN
