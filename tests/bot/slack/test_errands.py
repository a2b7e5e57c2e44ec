"""Errands for an alarm's card: what AWS tells of the resource, and the metric's picture below it."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from sqlalchemy import select

from bot.slack.errands import MOST_TRIES, Errands
from bot.slack.store import message_table
from infra.aws_errors import AwsRefused, AwsUnreachable
from playbooks.alarm_look import AlarmLooks
from tests.bot.slack.rig import Rig
from tests.bot.slack.test_alarms import INSTANCE, alarm, cards, later, receive

PNG = b"\x89PNG..."


@dataclass
class PicturingAws:
    """Answers from a table; `png` is CloudWatch's picture, or what it raises."""

    answers: Mapping[str, Any]
    png: bytes | Exception = PNG
    asked: list[str] = field(default_factory=list)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Answer from the table, or raise what stands there."""
        self.asked.append(f"{service}:{operation}")
        answer = self.answers[f"{service}:{operation}"]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def answer(self, service: str, operation: str, params: Mapping[str, Any], *, read: Any) -> bytes:
        """The picture."""
        self.asked.append(f"{service}:{operation}")
        if isinstance(self.png, Exception):
            raise self.png
        return bytes(read({"MetricWidgetImage": self.png}))


class Uploads:
    """A Web API that takes files, or refuses them."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.error = ""

    def files_upload_v2(self, **arguments: Any) -> dict[str, Any]:
        """Take one."""
        if self.error:
            raise SlackApiError("no", {"ok": False, "error": self.error, "headers": {}})  # type: ignore[no-untyped-call]
        self.taken.append(arguments)
        return {"ok": True}


RESERVATION = {
    "Instances": [
        {
            "InstanceId": INSTANCE, "InstanceType": "m5.large", "State": {"Name": "running"},
            "Placement": {"AvailabilityZone": "eu-west-1a"},
            "Tags": [{"Key": "Name", "Value": "web-1"}, {"Key": "Team", "Value": "payments"}],
        }
    ]
}  # fmt: skip
EVENTS = [
    {"EventName": "DescribeInstances", "Username": "x", "EventTime": "2026-03-01T02:59:00+00:00", "ReadOnly": "true"},
    {"EventName": "ModifyInstanceAttribute", "Username": "lee", "EventTime": "2026-03-01T02:55:00+00:00"},
]


@pytest.fixture
def aws() -> PicturingAws:
    """An instance, and somebody who changed it."""
    known = {"ec2:DescribeInstances": {"Reservations": [RESERVATION]}, "cloudtrail:LookupEvents": {"Events": EVENTS}}
    return PicturingAws(defaultdict(dict, known))


@pytest.fixture
def uploads() -> Uploads:
    """A place for files."""
    return Uploads()


@pytest.fixture
def errands(rig: Rig, aws: PicturingAws, uploads: Uploads) -> Errands:
    """The loop, driven by hand."""
    looks = AlarmLooks(rig.service.db, rig.service.alarms, lambda _: aws, rig.clock)
    care = rig.service.alarm_care
    return Errands(rig.service.db, rig.store, uploads, looks, care, rig.clock)  # type: ignore[arg-type]


def state(rig: Rig) -> str:
    """What became of the errand."""
    with rig.service.db.reading() as connection:
        query = select(message_table.c.state).where(message_table.c.kind == "errand")
        return str(connection.execute(query).scalar())


def test_the_card_tells_the_resource_and_its_picture_stands_below(rig: Rig, errands: Errands, uploads: Uploads) -> None:
    """Name, state, owner, tags and who changed it lately; the picture says in words what it shows."""
    rig.service.operations.receive(alarm(ago=1))
    early = errands.pump()
    rig.settle()
    first = json.dumps(cards(rig)[0])
    done = errands.pump()
    later(rig)
    told = json.dumps(cards(rig)[0], ensure_ascii=False)

    assert (early, done, errands.pump()) == (0, 1, 0)
    assert "Owner" not in first
    assert "`i-0abc` web-1 · running · m5.large · eu-west-1a" in told
    assert "Owner: *payments*" in told
    assert "ModifyInstanceAttribute by lee, 2026-03-01 02:55 UTC" in told
    assert "DescribeInstances" not in told
    [picture] = uploads.taken
    assert (picture["content"], picture["thread_ts"]) == (PNG, cards(rig)[0]["ts"])
    assert "web-1" in picture["alt_txt"]
    assert state(rig) == "sent"


def test_what_aws_does_not_tell_is_said_on_the_card(rig: Rig, errands: Errands, aws: PicturingAws) -> None:
    """The card stands in every case; a service that is only imitated is no trouble."""
    denied = AwsRefused("AccessDenied", "you may not", operation="LookupEvents")
    aws.answers = {"ec2:DescribeInstances": AwsUnreachable("no answer"), "cloudtrail:LookupEvents": denied}
    receive(rig, alarm(ago=1))
    errands.pump()
    later(rig)
    told = json.dumps(cards(rig)[0])

    assert "EC2 does not describe it: no answer" in told
    assert "CloudTrail does not tell who changed it" in told


def test_an_aws_without_pictures_has_one_drawn(rig: Rig, errands: Errands, aws: PicturingAws, uploads: Uploads) -> None:
    """From the metric's own values, with the threshold, where matplotlib is installed; else there is none."""
    metric = {"MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Statistic": "Maximum", "Threshold": 90.0}
    points = [{"Timestamp": f"2026-03-01T02:{minute}:00+00:00", "Maximum": minute + 40.0} for minute in range(10, 59)]
    aws.answers = {
        "ec2:DescribeInstances": {}, "cloudtrail:LookupEvents": AwsRefused("NotImplemented", "no", operation="x"),
        "cloudwatch:DescribeAlarms": {"MetricAlarms": [metric]},
        "cloudwatch:GetMetricStatistics": {"Datapoints": points[::-1]},
    }  # fmt: skip
    aws.png = AwsRefused("NotImplemented", "no pictures", operation="GetMetricWidgetImage")
    pytest.importorskip("matplotlib", reason="matplotlib is not installed, so nothing is drawn")
    receive(rig, alarm(ago=1))
    errands.pump()

    [picture] = uploads.taken
    assert picture["content"].startswith(b"\x89PNG\r\n")
    assert picture["alt_txt"] == "Curve of web-1: between 50 and 98, 98 at last; its threshold is 90"


def test_without_anything_to_draw_there_is_no_picture(
    rig: Rig, errands: Errands, aws: PicturingAws, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a trouble nor an empty file."""
    aws.png = AwsRefused("NotImplemented", "no pictures", operation="GetMetricWidgetImage")
    receive(rig, alarm(ago=1))
    errands.pump()
    monkeypatch.setattr("playbooks.alarm_look.can_draw", lambda: False)
    receive(rig, alarm(ago=1, name="web-2"))
    errands.pump()

    assert uploads.taken == []


@pytest.mark.parametrize(("error", "end"), [("internal_error", "dead"), ("missing_scope", "dead")])
def test_a_picture_that_cannot_be_shown_is_given_up(
    rig: Rig, errands: Errands, uploads: Uploads, error: str, end: str
) -> None:
    """After a few tries where it may pass, at once where it cannot; the card stays as it is."""
    uploads.error = error
    receive(rig, alarm(ago=1))
    tries = 0
    for _ in range(MOST_TRIES + 2):
        rig.clock_on()
        tries += errands.pump()

    assert state(rig) == end
    assert tries == (MOST_TRIES if error == "internal_error" else 1)
    assert "web-1" in cards(rig)[0]["text"]


def test_an_alarm_about_nothing_we_know_has_only_its_picture(rig: Rig, errands: Errands, aws: PicturingAws) -> None:
    """An alarm without a telling dimension asks CloudWatch alone."""
    with rig.service.db.transaction() as tx:
        rig.store.want(
            tx, "look:gone", kind="errand", subject="gone", channel="C1", now=rig.clock(), thread_key="ts:1.1"
        )
    errands.pump()

    assert aws.asked == []
    assert state(rig) == "sent"
