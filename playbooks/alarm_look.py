"""A look at what an alarm is about: its resource with tags and owner, who changed it lately, and its metric's picture.

Questions only, asked behind the card, which never waits for them; what cannot be told is left out, with its reason.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog

from infra.aws_calls import CallsAws
from infra.aws_errors import NOT_IMPLEMENTED, AwsRefused, AwsUnreachable
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database
from infra.drawing import NotDrawn, can_draw, curve
from playbooks.alarm import Alarm
from playbooks.alarm_board import resources_of
from playbooks.store import AlarmStore

log = structlog.get_logger(__name__)

SPAN: Final = timedelta(hours=3)
OWNER_TAGS: Final = ("owner", "team", "contact", "service-owner")
MOST_CHANGES: Final = 4
MOST_TAGS: Final = 30
WIDTH, HEIGHT = 800, 320
NOT_THERE: Final = (NOT_IMPLEMENTED, "500")
"""An imitation of AWS lacks the operation; one says so, another breaks without a code."""


class DrawingAws(CallsAws, Protocol):
    """AWS that hands over a picture as botocore has it, too."""

    def answer(
        self, service: str, operation: str, params: Mapping[str, Any], *, read: Callable[[dict[str, Any]], bytes]
    ) -> bytes:
        """What `read` makes of botocore's own answer. Raises as `call`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG, and what it shows in words."""

    png: bytes
    title: str
    words: str


@dataclass
class AlarmLooks:
    """Composed in bot/service.py; `session` gives AWS of an alarm's Region and account."""

    db: Database
    alarms: AlarmStore
    session: Callable[[Alarm], DrawingAws]
    clock: Clock

    def seen(self, key: str) -> Mapping[str, Json]:
        """What AWS tells of the resource, for AlarmCare.remember; {} where the alarm names none. Takes seconds."""
        alarm = self._alarm(key)
        resources = resources_of(alarm) if alarm is not None else ()
        if alarm is None or not resources:
            return {}
        aws, problems = self.session(alarm), list[str]()
        found: dict[str, Json] = {"name": "", "detail": "", "owner": "", "tags": {}}
        if resources[0] == alarm.dimensions.get("InstanceId"):
            found |= _attempt(lambda: _instance(aws, resources[0]), problems, "EC2 does not describe it") or {}
        changes = _attempt(lambda: _changes(aws, resources[0]), problems, "CloudTrail does not tell who changed it")
        return {
            **found, "at": self.clock().isoformat(), "id": resources[0], "changes": list(changes or ()),
            "problems": list(problems),
        }  # fmt: skip

    def picture(self, key: str) -> Picture | None:
        """The alarm's metric of the last hours: CloudWatch's own picture, else one drawn here; None = there is none.

        Raises AwsUnreachable: it may be asked for again.
        """
        alarm = self._alarm(key)
        if alarm is None:
            return None
        aws, title = self.session(alarm), f"{alarm.name}, last 3 hours"
        widget = _widget(alarm)
        if widget is None:
            return None
        params = {"MetricWidget": json.dumps(widget), "OutputFormat": "png"}
        try:
            png = aws.answer(
                "cloudwatch", "GetMetricWidgetImage", params, read=lambda found: found["MetricWidgetImage"]
            )
        except AwsRefused:
            return self._drawn(aws, alarm, title)
        return Picture(png, title, f"Curve of the metric behind {alarm.name} over the last three hours")

    def _drawn(self, aws: DrawingAws, alarm: Alarm, title: str) -> Picture | None:
        if not can_draw():
            return None
        try:
            points, threshold = _points(aws, alarm, self.clock())
        except AwsRefused:
            return None
        if not points:
            return None
        values = [value for _, value in points]
        words = f"Curve of {alarm.name}: between {min(values):g} and {max(values):g}, {values[-1]:g} at last"
        words += f"; its threshold is {threshold:g}" if threshold is not None else ""
        try:
            return Picture(curve(title, points, threshold=threshold), title, words)
        except NotDrawn as error:
            log.warning("no picture could be drawn", alarm=alarm.name, reason=str(error))
            return None

    def _alarm(self, key: str) -> Alarm | None:
        with self.db.reading() as connection:
            record = self.alarms.get(connection, key)
        return record.alarm if record is not None else None


def _attempt(ask: Callable[[], Any], problems: list[str], what: str) -> Any:
    try:
        return ask()
    except AwsUnreachable as error:
        problems.append(f"{what}: {error}")
    except AwsRefused as refused:
        if refused.code not in NOT_THERE:
            problems.append(f"{what}: {refused}")
    return None


def _instance(aws: DrawingAws, instance_id: str) -> dict[str, Json]:
    answer = aws.call("ec2", "DescribeInstances", {"InstanceIds": [instance_id]})
    found: Mapping[str, Any] = next(
        (each for group in answer.get("Reservations") or [] for each in group.get("Instances") or []), {}
    )
    tags = tags_of(found)
    zone = (found.get("Placement") or {}).get("AvailabilityZone")
    detail = " · ".join(filter(None, ((found.get("State") or {}).get("Name"), found.get("InstanceType"), zone)))
    return {"name": tags.get("Name", ""), "detail": detail, "owner": _owner(tags), "tags": dict(tags)}


def tags_of(described: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a resource as EC2 describes it."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in (described.get("Tags") or [])[:MOST_TAGS]}


def called_by(tags: Mapping[str, str]) -> str:
    """What people call a resource, and whose it is, by its tags: `web-1, of payments`; "" where they say neither."""
    owner = _owner(tags)
    return ", ".join(filter(None, (tags.get("Name", ""), f"of {owner}" if owner else "")))


def _owner(tags: Mapping[str, str]) -> str:
    by_name = {name.lower(): value for name, value in tags.items()}
    return next((by_name[name] for name in OWNER_TAGS if by_name.get(name)), "")


def _changes(aws: DrawingAws, resource: str) -> Sequence[str]:
    """The latest calls that changed the resource, as CloudTrail tells them, newest first."""
    attribute = {"AttributeKey": "ResourceName", "AttributeValue": resource}
    answer = aws.call("cloudtrail", "LookupEvents", {"LookupAttributes": [attribute], "MaxResults": 20})
    return [*_told(answer.get("Events") or [])][:MOST_CHANGES]


def _told(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for event in events:
        if str(event.get("ReadOnly", "")).lower() == "true":
            continue
        at = f"{str(event.get('EventTime'))[:16].replace('T', ' ')} UTC"
        yield f"{event.get('EventName')} by {event.get('Username') or 'somebody'}, {at}"


def _widget(alarm: Alarm) -> dict[str, Any] | None:
    """CloudWatch's own picture of an alarm has its threshold; one of an old message is made of its metrics."""
    common = {"width": WIDTH, "height": HEIGHT, "start": "-PT3H", "title": alarm.name[:255], "timezone": "+0000"}
    if alarm.arn and alarm.kind in ("metric", "math", "anomaly"):
        return {**common, "annotations": {"alarms": [alarm.arn]}}
    metrics = [_metric(alarm, number) for number, each in enumerate(alarm.metrics) if each.namespace]
    return {**common, "metrics": metrics} if metrics else None


def _metric(alarm: Alarm, number: int) -> list[str]:
    metric = alarm.metrics[number]
    return [metric.namespace, metric.name, *(part for pair in metric.dimensions.items() for part in pair)]


def _points(aws: DrawingAws, alarm: Alarm, now: datetime) -> tuple[list[tuple[datetime, float]], float | None]:
    """The metric's values as the alarm looks at them. Raises AwsRefused, AwsUnreachable."""
    answer = aws.call("cloudwatch", "DescribeAlarms", {"AlarmNames": [alarm.name]})
    described: Mapping[str, Any] = next(iter(answer.get("MetricAlarms") or []), {})
    if not described.get("MetricName"):
        return [], None
    statistic = str(described.get("Statistic") or "Average")
    params = {
        "Namespace": described["Namespace"], "MetricName": described["MetricName"],
        "Dimensions": described.get("Dimensions") or [], "Period": max(int(described.get("Period") or 60), 60),
        "Statistics": [statistic], "StartTime": (now - SPAN).isoformat(), "EndTime": now.isoformat(),
    }  # fmt: skip
    found = aws.call("cloudwatch", "GetMetricStatistics", params).get("Datapoints") or []
    points = sorted((datetime.fromisoformat(str(each["Timestamp"])), float(each[statistic])) for each in found)
    threshold = described.get("Threshold")
    return points, float(threshold) if threshold is not None else None
