"""The exact shapes in which AWS tells the world of an alarm's transition: SNS message and EventBridge event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from botocore.loaders import create_loader
from moto.cloudwatch.models import Alarm

from bot.demo.datapoints import instant

EVENT_TYPE = "CloudWatch Alarm State Change"


@dataclass(frozen=True, slots=True)
class State:
    """An alarm's state at one moment. `at` is naive UTC, as moto keeps it."""

    value: str
    reason: str
    reason_data: str
    at: datetime

    @classmethod
    def of(cls, alarm: Alarm) -> "State":
        """The state the alarm is in now."""
        return cls(alarm.state_value, alarm.state_reason, alarm.state_reason_data, alarm.state_updated_timestamp)


def sns_message(alarm: Alarm, old: State, *, account: str) -> dict[str, Any]:
    """What CloudWatch publishes to an alarm's SNS topic."""
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description or None,
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": instant(alarm.configuration_updated_timestamp),
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": instant(alarm.state_updated_timestamp),
        "Region": region_title(alarm.region_name),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": old.value,
        "OKActions": list(alarm.ok_actions),
        "AlarmActions": list(alarm.alarm_actions or []),
        "InsufficientDataActions": list(alarm.insufficient_data_actions),
        "Trigger": _trigger(alarm),
    }


def sns_subject(alarm: Alarm) -> str:
    """The subject line CloudWatch gives to its SNS messages; SNS allows 100 characters."""
    return f'{alarm.state_value}: "{alarm.name}" in {region_title(alarm.region_name)}'[:100]


def event(alarm: Alarm, old: State, *, account: str) -> dict[str, Any]:
    """The EventBridge event of a transition, in AWS's order of members."""
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": EVENT_TYPE,
        "source": "aws.cloudwatch",
        "account": account,
        "time": alarm.state_updated_timestamp.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": alarm.region_name,
        "resources": [alarm.alarm_arn],
        "detail": {
            "alarmName": alarm.name,
            "state": _event_state(State.of(alarm)),
            "previousState": _event_state(old),
            "configuration": _event_configuration(alarm),
        },
    }


def lambda_event(alarm: Alarm, old: State, *, account: str) -> dict[str, Any]:
    """What CloudWatch invokes a function with."""
    told = event(alarm, old, account=account)
    return {
        "source": told["source"],
        "alarmArn": alarm.alarm_arn,
        "accountId": account,
        "time": alarm.state_updated_timestamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
        "region": told["region"],
        "alarmData": told["detail"],
    }


@cache
def region_title(region: str) -> str:
    """A Region as CloudWatch spells it in messages: `US East (N. Virginia)`, `EU (Ireland)`."""
    partitions: list[Mapping[str, Any]] = create_loader().load_data("endpoints")["partitions"]
    titles = {name: facts["description"] for part in partitions for name, facts in part["regions"].items()}
    return str(titles.get(region, region)).replace("Europe (", "EU (")


def _trigger(alarm: Alarm) -> dict[str, Any]:
    evaluated = {
        "Period": _whole(alarm.period),
        "EvaluationPeriods": _whole(alarm.evaluation_periods),
        **({"DatapointsToAlarm": _whole(alarm.datapoints_to_alarm)} if alarm.datapoints_to_alarm else {}),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold or 0),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    if alarm.metric_data_queries:
        return {**evaluated, "Metrics": [_sns_query(query) for query in alarm.metric_data_queries]}
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        **_statistic(alarm),
        "Unit": alarm.unit,
        "Dimensions": [{"value": dimension.value, "name": dimension.name} for dimension in alarm.dimensions],
        **evaluated,
    }


def _statistic(alarm: Alarm) -> dict[str, str]:
    if alarm.extended_statistic:
        return {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": alarm.extended_statistic}
    return {"StatisticType": "Statistic", "Statistic": (alarm.statistic or "").upper()}


def _sns_query(query: Any) -> dict[str, Any]:
    shown = {"Id": query.id, "ReturnData": _is_true(query.return_data)}
    if query.metric_stat is None:
        return {"Expression": query.expression, **shown, "Label": query.label or ""}
    metric = query.metric_stat.metric
    dimensions = [{"value": dimension.value, "name": dimension.name} for dimension in metric.dimensions]
    named = {"Dimensions": dimensions, "MetricName": metric.metric_name, "Namespace": metric.namespace}
    stat = {"Metric": named, "Period": _whole(query.metric_stat.period), "Stat": query.metric_stat.stat}
    return {**shown, "MetricStat": stat}


def _event_state(state: State) -> dict[str, Any]:
    data = {"reasonData": state.reason_data} if state.reason_data not in (None, "", "{}") else {}
    return {"value": state.value, "reason": state.reason, **data, "timestamp": instant(state.at)}


def _event_configuration(alarm: Alarm) -> dict[str, Any]:
    described = {"description": alarm.description} if alarm.description else {}
    if alarm.metric_data_queries:
        return {**described, "metrics": [_event_query(query) for query in alarm.metric_data_queries]}
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": {dimension.name: dimension.value for dimension in alarm.dimensions},
    }
    stat = {"metric": metric, "period": _whole(alarm.period), "stat": alarm.extended_statistic or alarm.statistic}
    one = {"id": str(uuid5(NAMESPACE_URL, alarm.alarm_arn)), "metricStat": stat, "returnData": True}
    return {**described, "metrics": [one]}


def _event_query(query: Any) -> dict[str, Any]:
    shown = {"id": query.id, "returnData": _is_true(query.return_data)}
    if query.metric_stat is None:
        return {**shown, "expression": query.expression, "label": query.label or ""}
    metric = query.metric_stat.metric
    named = {
        "namespace": metric.namespace,
        "name": metric.metric_name,
        "dimensions": {dimension.name: dimension.value for dimension in metric.dimensions},
    }
    stat = {"metric": named, "period": _whole(query.metric_stat.period), "stat": query.metric_stat.stat}
    return {**shown, "metricStat": stat}


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


def _is_true(value: Any) -> bool:
    return str(value).lower() != "false"
