"""Alarms of a mocked AWS that act."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bot.demo import moto_alarms
from tests.bot.api.worlds import nap, runbook
from tests.playbook_moto.conftest import Mocked

ID = {"InstanceId": {"type": "String"}, "Why": {"type": "String", "default": ""}}


def red(aws: Mocked, *actions: str, instance_id: str = "i-0123456789abcdef0") -> None:
    """An alarm with these actions turns red."""
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName="web-1-cpu", Namespace="AWS/EC2", MetricName="CPUUtilization", Period=60, EvaluationPeriods=1,
        Threshold=90, ComparisonOperator="GreaterThanThreshold", Statistic="Average", AlarmActions=list(actions),
        Dimensions=[{"Name": "InstanceId", "Value": instance_id}],
    )  # fmt: skip
    aws.client("cloudwatch").set_alarm_state(AlarmName="web-1-cpu", StateValue="ALARM", StateReason="too hot")


def test_an_alarm_tells_its_topic(aws: Mocked) -> None:
    """In the shape of CloudWatch's own message, once."""
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-west-1:123456789012:q")
    red(aws, topic)
    aws.client("cloudwatch").set_alarm_state(AlarmName="web-1-cpu", StateValue="ALARM", StateReason="still hot")
    messages = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    told = json.loads(json.loads(messages[0]["Body"])["Message"])

    assert len(messages) == 1
    assert (told["AlarmName"], told["NewStateValue"], told["NewStateReason"]) == ("web-1-cpu", "ALARM", "too hot")


def test_an_alarm_reboots_or_terminates_its_instance(aws: Mocked) -> None:
    """CloudWatch's EC2 actions."""
    instance_id = aws.instance()
    red(aws, "arn:aws:automate:eu-west-1:ec2:terminate", instance_id=instance_id)

    assert aws.state(instance_id) == "terminated"


def test_an_alarm_scales_a_group(aws: Mocked) -> None:
    """An Auto Scaling policy is executed, once."""
    scaling = aws.client("autoscaling")
    scaling.create_launch_configuration(LaunchConfigurationName="lc", ImageId="ami-12345678", InstanceType="t3.micro")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="web", LaunchConfigurationName="lc", MinSize=0, MaxSize=4, DesiredCapacity=1,
        AvailabilityZones=["eu-west-1a"],
    )  # fmt: skip
    scaling.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="one-more", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    (policy,) = scaling.describe_policies()["ScalingPolicies"]
    red(aws, policy["PolicyARN"])
    aws.client("cloudwatch").set_alarm_state(AlarmName="web-1-cpu", StateValue="ALARM", StateReason="still hot")

    (group,) = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    assert group["DesiredCapacity"] == 2


def test_an_alarm_invokes_a_function(aws: Mocked, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the shape of CloudWatch's own event; what the function makes of it stops nothing, nor does another action."""
    invoked: list[tuple[str, str | None, dict[str, Any]]] = []

    def invoke(name: str, qualifier: str | None, body: str, *_: Any) -> None:
        invoked.append((name, qualifier, json.loads(body)))
        raise RuntimeError("no Docker here")

    monkeypatch.setattr(moto_alarms, "get_backend", lambda *_: SimpleNamespace(invoke=invoke))
    function = "arn:aws:lambda:eu-west-1:123456789012:function:fix"
    red(aws, function, f"{function}:live", "arn:aws:ssm:eu-west-1:123456789012:opsitem:1")

    assert [each[:2] for each in invoked] == [("fix", None), ("fix", "live")]
    event = invoked[0][2]
    assert event["alarmArn"].endswith(":alarm:web-1-cpu")
    assert (event["source"], event["accountId"], event["region"]) == ("aws.cloudwatch", "123456789012", "eu-west-1")
    assert event["alarmData"]["state"]["value"] == "ALARM"


def test_a_rule_starts_a_runbook(aws: Mocked) -> None:
    """With the parameters that its input says, plain or made from the event."""
    aws.create("Note", runbook(nap(), parameters=ID))
    events = aws.client("events")
    pattern = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}}
    events.put_rule(Name="red", EventPattern=json.dumps(pattern))
    target = "arn:aws:ssm:eu-west-1:123456789012:automation-definition/Note"
    transformer = {
        "InputPathsMap": {"name": "$.detail.alarmName"},
        "InputTemplate": '{"InstanceId": ["i-2"], "Why": ["<name>"]}',
    }
    role = "arn:aws:iam::123456789012:role/events"
    events.put_targets(
        Rule="red",
        Targets=[
            {"Id": "plain", "Arn": f"{target}:1", "RoleArn": role, "Input": json.dumps({"InstanceId": "i-1"})},
            {"Id": "made", "Arn": target, "RoleArn": role, "InputTransformer": transformer},
        ],
    )
    red(aws)
    found = aws.client("ssm").describe_automation_executions()["AutomationExecutionMetadataList"]
    given = [aws.execution(each["AutomationExecutionId"])["Parameters"] for each in found]

    assert sorted(each["InstanceId"][0] for each in given) == ["i-1", "i-2"]
    assert sorted(each["Why"][0] for each in given) == ["", "web-1-cpu"]


def test_green_starts_nothing(aws: Mocked) -> None:
    """A rule for red alarms."""
    aws.create("Note", runbook(nap()))
    pattern = {"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["OK"]}}}
    aws.client("events").put_rule(Name="green", EventPattern=json.dumps(pattern))
    target = "arn:aws:ssm:eu-west-1:123456789012:automation-definition/Note"
    aws.client("events").put_targets(Rule="green", Targets=[{"Id": "1", "Arn": target}])
    red(aws)

    assert aws.client("ssm").describe_automation_executions()["AutomationExecutionMetadataList"] == []
