"""Every wire format of a CloudWatch alarm becomes an Alarm, or a reason why it is none. Pure.

Shapes: the SNS message of an alarm action, EventBridge's "CloudWatch Alarm State Change" (and of a contributor), the
Lambda action's event; each bare, in an SNS envelope (HTTP, SQS, Lambda), or as EventBridge puts it into a queue.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.intake import fields
from bot.intake.alarm_event import STATE_CHANGES, alarm_of_action, alarm_of_event
from bot.intake.alarm_message import alarm_of_message
from bot.intake.fields import PayloadRefused
from playbooks.alarm import Alarm

__all__ = ["LARGEST_BYTES", "AutomationNews", "Ignored", "PayloadRefused", "Read", "SubscriptionConfirmation", "read"]

LARGEST_BYTES: Final = 262_144
"""SNS, SQS and EventBridge all carry at most 256 KB."""
DEEPEST: Final = 3
"""EventBridge in SNS in a Lambda event."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that is sound, but no alarm's state change."""

    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionConfirmation:
    """SNS asks whether a topic may send here."""

    topic_arn: str
    token: str


@dataclass(frozen=True, slots=True)
class AutomationNews:
    """AWS Systems Manager says that an execution it runs, or a step of it, has changed its status."""

    execution_id: str
    region: str
    status: str


Read = Alarm | AutomationNews | Ignored | SubscriptionConfirmation
AUTOMATION_NEWS: Final = frozenset(
    {"EC2 Automation Execution Status-change Notification", "EC2 Automation Step Status-change Notification"}
)


def read(body: bytes | str | Mapping[str, Any], source: str) -> Read:
    """Understand one message. Raises PayloadRefused, and nothing else."""
    return _read(_tree(body), source, depth=0)


def _tree(body: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        return body
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    if len(raw) > LARGEST_BYTES:
        raise PayloadRefused(f"the message is larger than 256 KB ({len(raw):,} bytes)")
    try:
        tree = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PayloadRefused(f"the message is not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise PayloadRefused(f"the message is not JSON: {error}") from error
    if not isinstance(tree, Mapping):
        raise PayloadRefused(f"the message is a JSON {type(tree).__name__}, not an object")
    return tree


def _read(tree: Mapping[str, Any], source: str, *, depth: int, topic_region: str = "") -> Read:
    if depth > DEEPEST:
        raise PayloadRefused("the message is wrapped too often")
    records = tree.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], Mapping) and "Sns" in records[0]:
        return _recorded(records, depth)
    kind = tree.get("Type")
    if kind == "SubscriptionConfirmation" and "Token" in tree:
        return SubscriptionConfirmation(fields.text(tree.get("TopicArn")), fields.text(tree["Token"]))
    if kind == "UnsubscribeConfirmation":
        return Ignored(f"the subscription to {fields.shown(tree.get('TopicArn'))} was ended")
    if kind == "Notification" and "TopicArn" in tree:
        return _enveloped(tree, source, depth)
    if tree.get("source") == "aws.cloudwatch" and "alarmData" in tree:
        return alarm_of_action(tree)
    if "detail-type" in tree and "detail" in tree:
        return _event(tree)
    if "AlarmName" in tree and "NewStateValue" in tree:
        return alarm_of_message(tree, source, topic_region=topic_region)
    return Ignored("it is not a CloudWatch alarm message")


def _recorded(records: list[Any], depth: int) -> Read:
    if len(records) > 1:
        raise PayloadRefused(f"the message holds {len(records)} records, and SNS sends one at a time")
    return _enveloped(fields.mapping(records[0]["Sns"], "Sns"), "lambda", depth)


def _enveloped(tree: Mapping[str, Any], source: str, depth: int) -> Read:
    inner = str(tree.get("Message") or "")
    if not inner.lstrip().startswith("{"):
        return Ignored("the notification is plain text, not an alarm")
    parts = str(tree.get("TopicArn") or "").split(":")
    topic_region = parts[3] if len(parts) == 6 else ""
    return _read(_tree(inner), source, depth=depth + 1, topic_region=topic_region)


def _event(tree: Mapping[str, Any]) -> Read:
    kind = str(tree["detail-type"])
    if tree.get("source") == "aws.ssm" and kind in AUTOMATION_NEWS:
        return _news(tree)
    if tree.get("source") != "aws.cloudwatch" or kind not in STATE_CHANGES:
        return Ignored(f'the event is "{fields.shown(kind)}", not an alarm\'s state change')
    return alarm_of_event(tree)


def _news(tree: Mapping[str, Any]) -> Read:
    detail = fields.mapping(tree["detail"], "detail")
    execution_id = fields.text(detail.get("ExecutionId"))
    if not execution_id:
        raise PayloadRefused("the event names no ExecutionId")
    return AutomationNews(execution_id, fields.text(tree.get("region")), fields.text(detail.get("Status")))
