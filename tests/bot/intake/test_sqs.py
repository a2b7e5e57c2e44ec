"""Alarms from a queue: what is deleted when, and what stays."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bot.intake import sqs
from bot.intake.sqs import SqsIntake
from infra.aws_errors import AwsUnreachable
from infra.db import DatabaseUnavailable
from playbooks.operations import Operations
from tests.bot.intake.doors import Verbs
from tests.bot.intake.samples import sample

QUEUE = "https://sqs.eu-west-1.amazonaws.com/402715938824/playbook-alarms"


@dataclass
class Queue:
    """Hands out what lies there, ten at a time, until it is deleted."""

    bodies: dict[str, str] = field(default_factory=dict)
    trouble: Exception | None = None
    polls: int = 0

    def put(self, *bodies: dict[str, Any] | str) -> None:
        """Send messages."""
        for body in bodies:
            self.bodies[f"r{len(self.bodies)}-{self.polls}"] = body if isinstance(body, str) else json.dumps(body)

    def receive(self) -> list[dict[str, Any]]:
        """At most ten messages."""
        self.polls += 1
        if self.trouble is not None:
            raise self.trouble
        found = list(self.bodies.items())[:10]
        count = {"ApproximateReceiveCount": "1"}
        return [{"MessageId": key, "ReceiptHandle": key, "Body": body, "Attributes": count} for key, body in found]

    def delete(self, handle: str) -> None:
        """Forget a message."""
        if self.trouble is not None:
            raise self.trouble
        del self.bodies[handle]


@pytest.fixture
def queue() -> Queue:
    """An empty queue."""
    return Queue()


@pytest.fixture
def verbs() -> Verbs:
    """Verbs in order."""
    return Verbs()


def intake(queue: Queue, verbs: Verbs, *, regions: tuple[str, ...] = ()) -> SqsIntake:
    """An intake between the two."""
    operations = cast("Operations", verbs)
    return SqsIntake(operations, receive=queue.receive, delete=queue.delete, queue=QUEUE, regions=regions)


def test_every_shape_that_a_queue_brings_is_received_and_deleted(queue: Queue, verbs: Verbs) -> None:
    """An SNS envelope, raw delivery and EventBridge's event of one transition are one alarm, and gone."""
    queue.put(sample("sns_metric"), sample("message_metric"), sample("eventbridge_metric"), sample("sns_eventbridge"))

    assert intake(queue, verbs).pump() == 4
    assert [alarm.name for alarm in verbs.alarms] == ["shop-api system check"]
    assert queue.bodies == {}


def test_news_of_an_automation_is_heard_and_deleted(queue: Queue, verbs: Verbs) -> None:
    """What EventBridge says of an execution on AWS makes the bot look at it at once."""
    event = {
        "source": "aws.ssm",
        "detail-type": "EC2 Automation Step Status-change Notification",
        "region": "eu-west-1",
    }
    queue.put({**event, "detail": {"ExecutionId": "e-1", "Status": "Success"}}, {**event, "detail": {}})

    assert intake(queue, verbs).pump() == 2
    assert verbs.heard == ["e-1"]
    assert [reason for _, reason, _ in verbs.refusals] == ["the event names no ExecutionId"]


def test_what_is_no_alarm_is_deleted(queue: Queue, verbs: Verbs) -> None:
    """Other events and a stray confirmation do not come again."""
    queue.put(sample("eventbridge_instance_state"), sample("sns_plain_text"), sample("sns_subscription_confirmation"))

    assert intake(queue, verbs).pump() == 3
    assert (verbs.alarms, verbs.refusals, queue.bodies) == ([], [], {})


def test_what_cannot_be_read_is_noted_and_deleted(queue: Queue, verbs: Verbs) -> None:
    """A message that will never be readable stands in the trail once instead of coming again for days."""
    queue.put("{broken", "", "x" * 300_000, sample("message_metric"))

    assert intake(queue, verbs).pump() == 4
    assert [(door, sender) for door, _, sender in verbs.refusals] == [("sqs", QUEUE)] * 3
    assert len(verbs.alarms) == 1
    assert queue.bodies == {}


def test_a_region_that_is_not_listed_is_refused(queue: Queue, verbs: Verbs) -> None:
    """The settings' Regions hold for queues, too."""
    queue.put(sample("message_metric"))

    intake(queue, verbs, regions=("us-east-1",)).pump()

    assert verbs.alarms == []
    assert verbs.refusals == [("sqs", "alarms from eu-west-1 are not accepted here", QUEUE)]


def test_without_a_database_messages_stay(queue: Queue, verbs: Verbs) -> None:
    """Nothing is deleted that was not recorded; when the database is back all of it is taken."""
    verbs.is_down = True
    queue.put(sample("message_metric"), "{broken")
    taker = intake(queue, verbs)

    with pytest.raises(DatabaseUnavailable):
        taker.pump()
    assert len(queue.bodies) == 2

    verbs.is_down = False
    assert taker.pump() == 2
    assert (len(verbs.alarms), len(verbs.refusals), queue.bodies) == (1, 1, {})


def test_a_deletion_that_fails_makes_a_duplicate_and_no_second_start(queue: Queue, verbs: Verbs) -> None:
    """The alarm was recorded; coming again it is known, and deleted then."""
    queue.put(sample("message_metric"))
    message = queue.receive()
    queue.trouble = AwsUnreachable("no answer")
    operations = cast("Operations", verbs)
    taker = SqsIntake(operations, receive=lambda: message, delete=queue.delete, queue=QUEUE)

    with pytest.raises(AwsUnreachable):
        taker.pump()
    queue.trouble = None
    taker.pump()

    assert len(verbs.alarms) == 1
    assert queue.bodies == {}


def test_a_defect_of_ours_leaves_its_message_and_takes_the_others(queue: Queue, verbs: Verbs) -> None:
    """One message's trouble is its own: it stays for the dead-letter queue, and nobody waits behind it."""
    queue.put(sample("message_metric"), sample("eventbridge_instance_state"))
    verbs.defect = RuntimeError("a defect")

    assert intake(queue, verbs).pump() == 1
    assert [json.loads(body)["AlarmName"] for body in queue.bodies.values()] == ["shop-api system check"]


def test_the_loop_survives_everything_and_ends_when_it_is_told(
    queue: Queue, verbs: Verbs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS away, the database away, a defect in the poll: the loop goes on until `stop`."""
    monkeypatch.setattr(sqs, "PAUSE_AFTER_ERROR_SECONDS", 0)
    troubles: list[Exception | None] = [AwsUnreachable("away"), DatabaseUnavailable("away"), RuntimeError("odd"), None]
    stop, seen = threading.Event(), []

    def receive() -> list[dict[str, Any]]:
        if not troubles:
            stop.set()
            return []
        queue.trouble = troubles.pop(0)
        seen.append(queue.trouble)
        return queue.receive()

    queue.put(sample("message_metric"))
    SqsIntake(cast("Operations", verbs), receive=receive, delete=queue.delete, queue=QUEUE).run(stop)

    assert len(seen) == 4
    assert len(verbs.alarms) == 1
