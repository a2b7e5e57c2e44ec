"""Alarm messages have the members AWS's have, in AWS's spelling."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from bot.demo import moto_messages
from bot.demo.moto_messages import State

ACCOUNT = "123456789012"
ROOT = Path(__file__).parents[3]
METRIC = {
    "Namespace": "AWS/EC2",
    "MetricName": "CPUUtilization",
    "Dimensions": [{"Name": "InstanceId", "Value": "i-1"}],
}
BASE = {
    "AlarmName": "cpu",
    "EvaluationPeriods": 2,
    "Threshold": 2.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def _made(client: Any, **alarm: Any) -> Any:
    client("cloudwatch").put_metric_alarm(**BASE, **alarm)
    return cloudwatch_backends[ACCOUNT]["us-east-1"].alarms["cpu"]


def _sample(name: str) -> Any:
    folder = Path(os.environ.get("PLAYBOOK_BOT_CORPUS", ROOT.parent / "shared" / "corpus"))
    file = folder / "alarms" / name
    if not file.exists():
        pytest.skip(f"{file} is not on this machine")
    return json.loads(file.read_text())


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in value.items()}
    return [_shape(one) for one in value[:1]] if isinstance(value, list) else ""


def test_a_metric_alarm_has_the_members_of_a_recorded_message(client: Any) -> None:
    """Members at every level are those of a message recorded from AWS in 2023."""
    sample = _sample("message_metric_setalarmstate_localstack_2023.json")
    topic = "arn:aws:sns:us-east-1:123456789012:t"
    alarm = _made(client, **METRIC, Statistic="Average", Period=10, AlarmActions=[topic], OKActions=[topic])

    message = moto_messages.sns_message(alarm, State.of(alarm), account=ACCOUNT)

    assert _shape(message) == _shape(sample)


def test_an_event_has_the_members_of_the_documented_one(client: Any) -> None:
    """Members at every level are those of the sample in AWS's documentation; an untold reasonData is left out."""
    sample = _sample("eventbridge_statechange_metric_docs.json")
    alarm = _made(client, **METRIC, Statistic="Average", Period=300, AlarmDescription="too much")
    old = State("OK", "fine", '{"version":"1.0"}', alarm.state_updated_timestamp)
    alarm.update_state("hot", '{"version":"1.0"}', "ALARM")

    event = moto_messages.event(alarm, old, account=ACCOUNT)

    assert _shape(event) == _shape(sample)


def test_metric_math_is_told_as_queries(client: Any) -> None:
    """An alarm on an expression has Metrics instead of a metric's name, in both messages."""
    stat = {"Metric": METRIC, "Period": 60, "Stat": "Average"}
    queries = [
        {"Id": "m1", "MetricStat": stat, "ReturnData": False},
        {"Id": "e1", "Expression": "m1 * 2", "Label": "twice", "ReturnData": True},
    ]
    alarm = _made(client, Metrics=queries)

    message = moto_messages.sns_message(alarm, State.of(alarm), account=ACCOUNT)
    event = moto_messages.event(alarm, State.of(alarm), account=ACCOUNT)

    assert "MetricName" not in message["Trigger"]
    assert [query["Id"] for query in message["Trigger"]["Metrics"]] == ["m1", "e1"]
    assert message["Trigger"]["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"] == [
        {"value": "i-1", "name": "InstanceId"}
    ]
    metrics = event["detail"]["configuration"]["metrics"]
    assert metrics[0]["metricStat"]["metric"]["dimensions"] == {"InstanceId": "i-1"}
    assert (metrics[1]["expression"], metrics[1]["returnData"]) == ("m1 * 2", True)


def test_a_percentile_is_an_extended_statistic(client: Any) -> None:
    """p99 is told as ExtendedStatistic and not as Statistic."""
    alarm = _made(client, **METRIC, ExtendedStatistic="p99", Period=60)

    trigger = moto_messages.sns_message(alarm, State.of(alarm), account=ACCOUNT)["Trigger"]

    assert (trigger["StatisticType"], trigger["ExtendedStatistic"]) == ("ExtendedStatistic", "p99")
    assert "Statistic" not in trigger


@pytest.mark.parametrize(
    ("region", "title"),
    [("us-east-1", "US East (N. Virginia)"), ("eu-west-1", "EU (Ireland)"), ("mars-1", "mars-1")],
)
def test_regions_have_cloudwatchs_titles(region: str, title: str) -> None:
    """CloudWatch writes the console's name of a Region, with EU for Europe."""
    assert moto_messages.region_title(region) == title


def test_a_long_name_does_not_break_the_subject(client: Any) -> None:
    """SNS refuses subjects over 100 characters."""
    client("cloudwatch", "us-east-1").put_metric_alarm(
        **{**BASE, "AlarmName": "a" * 200}, **METRIC, Statistic="Average", Period=60
    )

    alarm = cloudwatch_backends[ACCOUNT]["us-east-1"].alarms["a" * 200]

    assert len(moto_messages.sns_subject(alarm)) == 100
