"""Alarms of a mocked AWS that act."""

import json

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
