"""An alarm's state change as EventBridge and a Lambda action tell it: camelCase, dimensions as a map. Pure.

EventBridge also tells of changes whose actions are suppressed or muted, so both are read here and honoured later.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from bot.intake import fields
from bot.intake.fields import PayloadRefused
from bot.intake.states import kind_of, state_of
from playbooks.alarm import Alarm, AlarmMetric

STATE_CHANGES: Final = ("CloudWatch Alarm State Change", "CloudWatch Alarm Contributor State Change")


def alarm_of_event(tree: Mapping[str, Any]) -> Alarm:
    """Read an EventBridge event of one of STATE_CHANGES. Raises PayloadRefused."""
    resources = fields.sequence(tree.get("resources"), "resources")
    if not resources:
        raise PayloadRefused("the event names no alarm in its resources")
    detail = fields.mapping(tree["detail"], "detail")
    return _alarm(detail, resources[0], tree.get("account"), "eventbridge")


def alarm_of_action(tree: Mapping[str, Any]) -> Alarm:
    """Read the event of an alarm's Lambda action. Raises PayloadRefused."""
    detail = fields.mapping(tree["alarmData"], "alarmData")
    return _alarm(detail, tree.get("alarmArn"), tree.get("accountId"), "lambda")


def _alarm(detail: Mapping[str, Any], found_arn: object, account: object, source: str) -> Alarm:
    arn = fields.arn(fields.name(found_arn, "alarm ARN", longest=fields.LONGEST_ARN), "alarm ARN")
    configuration = fields.mapping(detail.get("configuration"), "configuration")
    state = fields.mapping(fields.needed(detail, "state"), "state")
    contributor = fields.mapping(detail.get("alarmContributor"), "alarmContributor")
    metrics = tuple(_metric(each) for each in fields.sequence(configuration.get("metrics"), "metrics"))
    is_composite = "alarmRule" in configuration
    return Alarm(
        name=fields.name(detail.get("alarmName"), "alarmName"),
        state=state_of(state.get("value")),
        account=fields.account(account or arn.split(":")[4]),
        region=fields.region(arn.split(":")[3]),
        changed_at=fields.moment(fields.needed(state, "timestamp")),
        arn=arn,
        previous_state=fields.text(fields.mapping(detail.get("previousState"), "previousState").get("value")),
        reason=fields.text(state.get("reason")),
        description=fields.text(configuration.get("description")),
        kind="composite" if is_composite else kind_of(metrics),
        metrics=metrics,
        children=_triggering(state) if is_composite else (),
        rule=fields.text(configuration.get("alarmRule")),
        suppressed_by=_suppressor(state, configuration),
        muted_by=_muted(detail),
        tags=fields.pairs(detail.get("alarmTags"), "alarmTags"),
        contributor_id=fields.identifier(contributor.get("id")),
        contributor_attributes=fields.pairs(contributor.get("attributes"), "attributes"),
        source=source,
    )


def _metric(found: object) -> AlarmMetric:
    each = fields.mapping(found, "metrics")
    metric = fields.mapping(fields.mapping(each.get("metricStat"), "metricStat").get("metric"), "metric")
    return AlarmMetric(
        fields.text(each.get("id")),
        fields.text(metric.get("namespace")),
        fields.text(metric.get("name")),
        fields.pairs(metric.get("dimensions"), "dimensions"),
        fields.text(each.get("expression")),
        fields.account(each.get("accountId")),
    )


def _suppressor(state: Mapping[str, Any], configuration: Mapping[str, Any]) -> str:
    """The suppressing alarm; AWS says in the state only that it does (`Alarm`, `WaitPeriod`, `ExtensionPeriod`)."""
    by = state.get("actionsSuppressedBy")
    return fields.text(configuration.get("actionsSuppressor") or by) if by else ""


def _muted(detail: Mapping[str, Any]) -> str:
    mute = detail.get("muteDetail")
    if not mute:
        return ""
    return (fields.text(mute.get("mutedByArn")) if isinstance(mute, Mapping) else "") or "a mute rule"


def _triggering(state: Mapping[str, Any]) -> tuple[str, ...]:
    """The children behind a composite alarm; their list is JSON inside JSON, and may be anything."""
    try:
        data = json.loads(str(state.get("reasonData") or "{}"))
    except (ValueError, RecursionError):
        return ()
    triggering = data.get("triggeringAlarms") if isinstance(data, dict) else None
    found = triggering if isinstance(triggering, list) else []
    return tuple(fields.text(each["arn"]) for each in found if isinstance(each, dict) and each.get("arn"))
