"""aws:runCommand: agents first, sent once, looked at until every instance is done."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import FailureType, Stage
from engine.actions import BY_NAME
from engine.selectors import select
from infra.aws import AwsSession
from infra.aws_errors import NOT_IMPLEMENTED, AwsRefused
from tests.engine.actions.rig import DENIED, SILENT, THROTTLED, Rig, TableAws, answering, failed, succeeded, waiting

NAME = "aws:runCommand"
ONE, TWO = "i-0123456789abcdef0", "i-0123456789abcdef1"
ID = "11111111-2222-4333-8444-555555555555"
MARK = "[0f8fad5bd9cb469f]"
WISH = {"DocumentName": "AWS-RunShellScript", "InstanceIds": [ONE], "Parameters": {"commands": "uptime"}}


def command(status: str, **facts: Any) -> dict[str, Any]:
    """ListCommands's answer."""
    return {"Commands": [{"CommandId": ID, "Status": status, "TargetCount": 1, "CompletedCount": 0, **facts}]}


def agents(**pings: str) -> dict[str, Any]:
    """DescribeInstanceInformation's answer: one=Online."""
    ids = {"one": ONE, "two": TWO}
    return {"InstanceInformationList": [{"InstanceId": ids[key], "PingStatus": ping} for key, ping in pings.items()]}


def sending(*looks: Any, **answers: Any) -> TableAws:
    """An AWS whose agents are there, which takes a command and answers these looks."""
    plain = {
        "ssm__DescribeInstanceInformation": agents(one="Online", two="Online"),
        "ssm__SendCommand": {"Command": {"CommandId": ID}},
        "ssm__ListCommands": list(looks),
        "ssm__GetCommandInvocation": {"Status": "Success", "ResponseCode": 0, "StandardOutputContent": "up 3 days\n"},
    }
    return answering(**{**plain, **answers})


def test_a_command_runs(moto: AwsSession, instance: str) -> None:
    """Against an AWS that cannot tell of agents, the command is sent all the same."""
    outcome = succeeded(Rig(NAME, {**WISH, "InstanceIds": instance}, moto).finish())

    assert outcome.outputs["Status"] == "Success"
    assert outcome.outputs["ResponseCode"] == 0


def test_output_and_code_of_one_instance_are_outputs() -> None:
    """Progress is told, CommandId is an output from the start."""
    step = Rig(NAME, WISH, sending(command("InProgress"), command("Success")))
    waiting(step.look())
    assert step.outputs == {"CommandId": ID}

    outcome = succeeded(step.finish())

    assert {key: outcome.outputs[key] for key in ("Status", "ResponseCode", "Output", "CommandId")} == {
        "Status": "Success", "ResponseCode": 0, "Output": "up 3 days\n", "CommandId": ID,
    }  # fmt: skip
    assert json.loads(str(outcome.outputs["OutputPayload"]))["Output"] == "up 3 days\n"
    assert step.said == ["sent", "the command is InProgress, 0 of 1 instances are done"]


def test_selectors_see_output_and_what_it_says_in_json() -> None:
    """`$.Output`, `$.CommandId`, and `$.Payload.x` where the command wrote JSON."""
    invocation = {"ResponseCode": 0, "StandardOutputContent": '{"err": "none"}'}
    outcome = succeeded(Rig(NAME, WISH, sending(command("Success"), ssm__GetCommandInvocation=invocation)).finish())

    root: Any = outcome.root
    assert [select(selector, root) for selector in ("$.CommandId", "$.Output", "$.Payload.err")] == [
        ID, '{"err": "none"}', "none",
    ]  # fmt: skip


def test_a_failed_command_fails_with_its_code_and_output() -> None:
    """The message is AWS's own; errors stand below the output as Systems Manager writes them."""
    invocation = {"ResponseCode": 2, "StandardOutputContent": "begun", "StandardErrorContent": "boom"}
    aws = sending(command("Failed"), ssm__GetCommandInvocation=invocation)

    outcome = failed(Rig(NAME, WISH, aws).finish())

    assert outcome.message.startswith(
        f"Command ID returns unexpected invocation result: {{CommandId=[{ID}], Status=[Failed], ResponseCode=[2], "
        "Output=[begun\n----------ERROR-------\nboom], OutputPayload=["
    )
    assert (outcome.stage, outcome.while_doing) == (Stage.POST_VERIFICATION, "verifying the command has completed")
    assert (outcome.response_code, outcome.outputs["ResponseCode"]) == ("2", 2)


@pytest.mark.parametrize("status", ["Cancelled", "TimedOut"])
def test_only_success_is_success(status: str) -> None:
    """A command that was cancelled or not delivered in time is a failure, too."""
    assert f"Status=[{status}]" in failed(Rig(NAME, WISH, sending(command(status))).finish()).message


def test_several_instances_are_named_when_they_fail() -> None:
    """There is no Output of several; who failed, and how, is told."""
    invocations = {"CommandInvocations": [
        {"InstanceId": ONE, "Status": "Success"},
        {"InstanceId": TWO, "Status": "TimedOut", "StatusDetails": "DeliveryTimedOut"},
    ]}  # fmt: skip
    aws = sending(command("TimedOut"), ssm__ListCommandInvocations=invocations)

    outcome = failed(Rig(NAME, {**WISH, "InstanceIds": [ONE, TWO]}, aws).finish())

    assert outcome.message.endswith(f"({TWO}: DeliveryTimedOut)")
    assert "Output" not in outcome.outputs


def test_targets_are_not_looked_up() -> None:
    """Which instances a tag means is Systems Manager's knowledge."""
    wish = {"DocumentName": "d", "Targets": [{"Key": "tag:App", "Values": "web"}], "MaxErrors": 1}
    aws = sending(command("Success"))

    outcome = succeeded(Rig(NAME, wish, aws).finish())

    assert aws.times("ssm:DescribeInstanceInformation") == 0
    assert aws.params("ssm:SendCommand")["Targets"] == [{"Key": "tag:App", "Values": ["web"]}]
    assert set(outcome.outputs) == {"CommandId", "Status", "OutputPayload"}


def test_a_document_of_several_plugins_has_no_code() -> None:
    """Its outputs are joined."""
    several = AwsRefused("InvalidPluginName", "name a plugin")
    plugins = {"CommandInvocations": [{"CommandPlugins": [{"Output": "a"}, {"Output": "b"}]}]}
    aws = sending(command("Success"), ssm__GetCommandInvocation=several, ssm__ListCommandInvocations=plugins)

    outcome = succeeded(Rig(NAME, WISH, aws).finish())

    assert outcome.outputs["Output"] == "a\nb"
    assert "ResponseCode" not in outcome.outputs


def test_parameters_become_lists_of_text() -> None:
    """Scalars are wrapped, maps are JSON, JSON text of all parameters is read."""
    for parameters in ({"commands": "ls", "n": 5, "b": True, "gone": None}, '{"commands": "ls", "n": 5, "b": true}'):
        aws = sending(command("Success"))
        Rig(NAME, {**WISH, "Parameters": parameters, "TimeoutSeconds": "60"}, aws).finish()

        sent = aws.params("ssm:SendCommand")
        assert sent["TimeoutSeconds"] == 60
        assert sent["Parameters"] == {"commands": ["ls"], "n": ["5"], "b": ["true"]}


def test_agents_are_waited_for() -> None:
    """A command is not sent into the void; who does not answer is named."""
    pings = [agents(one="ConnectionLost"), {}, agents(one="Online")]
    step = Rig(NAME, WISH, sending(command("Success"), ssm__DescribeInstanceInformation=pings))

    succeeded(step.finish())

    assert step.said[:2] == [f"the SSM Agent of {ONE} does not answer"] * 2
    assert step.aws.times("ssm:SendCommand") == 1


@pytest.mark.parametrize("error", [DENIED, AwsRefused(NOT_IMPLEMENTED, "no", status=501)])
def test_where_agents_may_not_be_asked_for_the_command_is_sent(error: Exception) -> None:
    """SendCommand refuses an unknown instance itself."""
    succeeded(Rig(NAME, WISH, sending(command("Success"), ssm__DescribeInstanceInformation=error)).finish())


def test_a_refused_command_fails_the_attempt() -> None:
    """AWS's own sentence."""
    error = AwsRefused("InvalidInstanceId", "Instances not in a valid state")

    outcome = failed(Rig(NAME, WISH, sending(ssm__SendCommand=error)).finish())

    assert (outcome.message, outcome.type) == ("Instances not in a valid state", FailureType.ACTION)


def test_a_restart_in_between_sends_nothing_twice() -> None:
    """The command's id is in the memo."""
    step = Rig(NAME, WISH, sending(command("Success")))
    waiting(step.look())

    succeeded(step.look(crashed=True))

    assert step.aws.times("ssm:SendCommand") == 1


@pytest.mark.parametrize("comment", ["", "please", "x" * 150])
def test_after_a_crash_the_command_is_known_by_its_comment(comment: str) -> None:
    """SendCommand knows no token, so the comment carries one, whatever the author wrote."""
    first = sending(command("Success"))
    Rig(NAME, {**WISH, "Comment": comment}, first).look()
    sent = first.params("ssm:SendCommand")["Comment"]
    assert len(sent) <= 100
    assert sent.startswith(comment[:80] or "playbook-bot")
    again = sending({"Commands": [{"CommandId": "other", "Comment": "x"}, {"CommandId": ID, "Comment": sent}]})

    outcome = waiting(Rig(NAME, {**WISH, "Comment": comment}, again).look(crashed=True))

    assert outcome.memo == {"CommandId": ID}
    assert again.times("ssm:SendCommand") == 0


def test_after_a_crash_before_the_call_the_command_is_sent() -> None:
    """No command carries the mark: it had not arrived."""
    aws = sending({"Commands": [{"CommandId": "other", "Comment": "x"}]})
    waiting(Rig(NAME, WISH, aws).look(crashed=True))

    assert aws.times("ssm:SendCommand") == 1


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT, AwsRefused("InvalidCommandId", "unknown")])
def test_trouble_in_passing_sends_nothing_twice(trouble: Exception) -> None:
    """Throttling, a lost network, a command not visible yet: all only delay."""
    step = Rig(NAME, WISH, sending(command("InProgress"), trouble, command("Success")))

    succeeded(step.finish())

    assert step.aws.times("ssm:SendCommand") == 1


def test_a_cancelled_step_cancels_its_command() -> None:
    """Also when the process has not heard the command's id."""
    known = Rig(NAME, WISH, sending(command("InProgress"), ssm__CancelCommand={}))
    known.look()
    known.cancel()
    unheard = Rig(NAME, WISH, sending(command("InProgress", Comment=f"playbook-bot {MARK}"), ssm__CancelCommand={}))
    unheard.cancel()
    never_sent = Rig(NAME, WISH, sending(command("InProgress", Comment="another")))
    never_sent.cancel()

    assert known.aws.params("ssm:CancelCommand") == unheard.aws.params("ssm:CancelCommand") == {"CommandId": ID}


@pytest.mark.parametrize(
    "inputs",
    [
        {"InstanceIds": None},
        {"InstanceIds": [f"i-{number}" for number in range(51)]},
        {"TimeoutSeconds": 29},
        {"TimeoutSeconds": 2_592_001},
        {"DocumentHashType": "Md5"},
        {"Parameters": "not json"},
    ],
)
def test_inputs_beyond_the_limits_are_refused(inputs: dict[str, Any]) -> None:
    """Fifty instances, thirty seconds to thirty days, a map."""
    with pytest.raises(ValidationError):
        BY_NAME[NAME].Inputs.model_validate({**WISH, **inputs})


def test_empty_options_count_as_absent() -> None:
    """AWS's own runbooks hand on empty parameters for options that nobody set."""
    aws = sending(command("Success"))
    Rig(NAME, {**WISH, "OutputS3BucketName": "", "ServiceRoleArn": "", "Comment": None}, aws).look()

    assert set(aws.params("ssm:SendCommand")) == {"DocumentName", "InstanceIds", "Parameters", "Comment"}
