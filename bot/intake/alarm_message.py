"""The message that an alarm's SNS action sends: PascalCase, dimensions as a list, from 2015's to today's. Pure."""

from collections.abc import Mapping
from typing import Any

from bot.intake import fields
from bot.intake.fields import PayloadRefused
from bot.intake.regions import region_of
from bot.intake.states import kind_of, state_of
from playbooks.alarm import Alarm, AlarmKind, AlarmMetric


def alarm_of_message(tree: Mapping[str, Any], source: str, *, topic_region: str = "") -> Alarm:
    """Read one; `topic_region` stands in where an old message says no Region that is known. Raises PayloadRefused."""
    trigger = fields.mapping(tree.get("Trigger"), "Trigger")
    metrics = _metrics(trigger)
    arn = fields.arn(tree.get("AlarmArn"), "AlarmArn")
    parts = arn.split(":")
    children = fields.sequence(tree.get("TriggeringChildren"), "TriggeringChildren")
    return Alarm(
        name=fields.name(tree.get("AlarmName"), "AlarmName"),
        state=state_of(tree.get("NewStateValue")),
        account=fields.account(tree.get("AWSAccountId") or (parts[4] if arn else "")),
        region=fields.region(parts[3] if arn else _region(tree, topic_region)),
        changed_at=fields.moment(fields.needed(tree, "StateChangeTime")),
        arn=arn,
        previous_state=fields.text(tree.get("OldStateValue")),
        reason=fields.text(tree.get("NewStateReason")),
        description=fields.text(tree.get("AlarmDescription")),
        kind=_kind(tree, trigger, metrics),
        metrics=metrics,
        children=tuple(fields.text(fields.mapping(child, "TriggeringChildren").get("Arn")) for child in children),
        rule=fields.text(tree.get("AlarmRule")),
        suppressed_by=fields.text(tree.get("ActionsSuppressedBy")),
        tags=fields.pairs(tree.get("AlarmTags"), "AlarmTags"),
        source=source,
    )


def _region(tree: Mapping[str, Any], topic_region: str) -> str:
    found = region_of(str(tree.get("Region") or "")) or topic_region
    if not found:
        shown = fields.shown(tree.get("Region"))
        raise PayloadRefused(f'the message has no AlarmArn, and its Region "{shown}" is not known')
    return found


def _kind(tree: Mapping[str, Any], trigger: Mapping[str, Any], metrics: tuple[AlarmMetric, ...]) -> AlarmKind:
    if "AlarmRule" in tree:
        return "composite"
    return "anomaly" if trigger.get("ThresholdMetricId") else kind_of(metrics)


def _metrics(trigger: Mapping[str, Any]) -> tuple[AlarmMetric, ...]:
    if "Metrics" in trigger:
        return tuple(
            _metric(fields.mapping(each, "Metrics")) for each in fields.sequence(trigger["Metrics"], "Metrics")
        )
    if not trigger.get("MetricName"):
        return ()
    dimensions = fields.pairs(trigger.get("Dimensions"), "Dimensions")
    return (AlarmMetric("m1", fields.text(trigger.get("Namespace")), fields.text(trigger["MetricName"]), dimensions),)


def _metric(each: Mapping[str, Any]) -> AlarmMetric:
    statistic = fields.mapping(each.get("MetricStat"), "MetricStat")
    metric = fields.mapping(statistic.get("Metric"), "Metric")
    return AlarmMetric(
        fields.text(each.get("Id")),
        fields.text(metric.get("Namespace")),
        fields.text(metric.get("MetricName")),
        fields.pairs(metric.get("Dimensions"), "Dimensions"),
        fields.text(each.get("Expression")),
        fields.account(each.get("AccountId")),
    )
