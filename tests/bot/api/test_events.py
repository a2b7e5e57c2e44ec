"""Status-change events: their shape, and that each one arrives, whatever happens on the way."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bot.api.deliveries import GIVEN_UP_AFTER, Deliveries, Undelivered
from bot.api.event_store import EventStore
from bot.api.events import NAMES, Notification
from bot.api_events import deliveries, events_relay
from infra.db import Database, Transaction
from infra.leadership import ALONE
from infra.webhook import WebhookUndelivered, send, signature
from tests.bot.api.conftest import furnished
from tests.bot.api.worlds import LEE, REGION, ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock


class Target:
    """Somebody who is told, and may refuse."""

    def __init__(self) -> None:
        self.told: list[Notification] = []
        self.is_down = False

    def send(self, event: Notification) -> None:
        """Take an event, or not."""
        if self.is_down:
            raise Undelivered("down")
        self.told.append(event)


class Listening:
    """A world whose events go to two targets."""

    def __init__(self, world: ApiWorld) -> None:
        self.world, self.first, self.second = world, Target(), Target()
        targets = {"first": self.first.send, "second": self.second.send}
        service = world.service
        self.way = Deliveries(service.db, EventStore(), service.automation_facts, targets, world.clock)
        self.relay = events_relay(service, self.way)

    def deliver(self) -> None:
        """Let everything that is due go out."""
        self.relay.pump()
        while self.way.send():
            pass


@pytest.fixture
def listening(both: ApiWorld) -> Listening:
    """On SQLite and on PostgreSQL."""
    return Listening(both)


def finished(world: ApiWorld) -> str:
    """An execution that lee has approved and that has ended."""
    execution_id = world.start()
    world.client().send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")
    world.later(milliseconds=500)
    world.later(milliseconds=500)
    return execution_id


def test_steps_and_executions_are_told_of_in_the_shape_of_aws(listening: Listening) -> None:
    """As the user guide shows it, with Canceled for Cancelled and no event for what only goes on."""
    execution_id = finished(listening.world)
    listening.deliver()
    ask_event, nap_event, whole = listening.first.told

    assert [each["detail-type"] for each in (ask_event, nap_event, whole)] == [
        "EC2 Automation Step Status-change Notification",
        "EC2 Automation Step Status-change Notification",
        "EC2 Automation Execution Status-change Notification",
    ]
    assert nap_event["detail"] == {
        "ExecutionId": execution_id,
        "Definition": "Ask-First",
        "DefinitionVersion": 1.0,
        "Status": "Success",
        "StartTime": "Mar 1, 2026 3:02:10 AM",
        "EndTime": "Mar 1, 2026 3:02:11 AM",
        "Time": 1000.0,
        "StepName": "nap",
        "Action": "aws:sleep",
    }
    assert whole["detail"]["ExecutedBy"] == LEE
    assert {name: whole[name] for name in ("version", "source", "account", "region", "time", "resources")} == {
        "version": "0",
        "source": "aws.ssm",
        "account": "123456789012",
        "region": "eu-west-1",
        "time": "2026-03-01T03:02:11Z",
        "resources": [
            f"arn:aws:ssm:eu-west-1:123456789012:automation-execution/{execution_id}",
            "arn:aws:ssm:eu-west-1:123456789012:automation-definition/Ask-First:1",
        ],
    }
    assert listening.second.told == listening.first.told


def test_a_fan_out_tells_of_its_children_and_of_no_step_of_ours(listening: Listening) -> None:
    """A start on targets is carried by a step that no caller has written."""
    world = listening.world
    parameters = {"Name": {"type": "String"}}
    world.client().create_document(Name="Nap-Each", Content=runbook(nap(), parameters=parameters))
    targets = [{"Key": "ParameterValues", "Values": ["a"]}]
    parent = world.start("Nap-Each", Targets=targets, TargetParameterName="Name")
    world.later(seconds=2)
    listening.deliver()
    told = [
        (event["detail"]["ExecutionId"] == parent, event["detail"].get("StepName")) for event in listening.first.told
    ]

    assert told == [(False, "nap"), (False, None), (True, None)]


def test_a_cancelled_execution_is_canceled(listening: Listening) -> None:
    """EventBridge's spelling."""
    execution_id = listening.world.start()
    listening.world.client().stop_automation_execution(AutomationExecutionId=execution_id)
    listening.deliver()

    assert [event["detail"]["Status"] for event in listening.first.told] == ["Canceled", "Canceled"]


def test_what_happened_before_the_first_day_is_not_told(both: ApiWorld) -> None:
    """Switching events on does not tell of last year's executions."""
    finished(both)
    listening = Listening(both)
    listening.deliver()

    assert listening.first.told == []


def test_a_target_that_is_down_gets_its_events_later_and_holds_nobody_up(listening: Listening) -> None:
    """The other target has them at once; the pauses grow; nothing is lost or repeated."""
    listening.first.is_down = True
    finished(listening.world)
    listening.deliver()

    assert (len(listening.first.told), len(listening.second.told)) == (0, 3)

    listening.first.is_down = False
    listening.deliver()

    assert listening.first.told == []

    listening.world.clock.advance(timedelta(seconds=2))
    listening.deliver()

    assert listening.first.told == listening.second.told


def test_what_cannot_be_delivered_for_a_day_is_given_up(listening: Listening) -> None:
    """As EventBridge does."""
    listening.first.is_down = True
    finished(listening.world)
    listening.deliver()
    listening.world.clock.advance(GIVEN_UP_AFTER)
    listening.deliver()
    listening.first.is_down = False
    listening.world.clock.advance(timedelta(hours=1))
    listening.deliver()

    assert listening.first.told == []


def test_a_defect_of_one_way_out_does_not_stop_the_other(listening: Listening) -> None:
    """It is logged, and tried again."""

    def broken(_: Notification) -> None:
        raise ZeroDivisionError

    listening.way._targets = {"first": broken, "second": listening.second.send}
    finished(listening.world)
    listening.deliver()

    assert len(listening.second.told) == 3


class Died(BaseException):
    """The process is killed."""


def test_a_sender_that_dies_leaves_its_events_to_the_next(listening: Listening) -> None:
    """At once, and with the same ids, as some of them may have arrived."""
    finished(listening.world)
    listening.relay.pump()
    arrived = []

    def arrive_and_die(event: Notification) -> None:
        arrived.append(event["id"])
        raise Died

    targets, listening.way._targets = listening.way._targets, {"first": arrive_and_die, "second": arrive_and_die}
    with pytest.raises(Died):
        listening.way.send()
    listening.way._targets = targets
    listening.deliver()

    assert arrived[0] in {event["id"] for event in listening.first.told}
    assert len(listening.first.told) == len(listening.second.told) == 3


@dataclass
class Following:
    """Another process leads; `is_held` may not know it yet."""

    is_held: bool

    def confirm(self, _tx: Transaction) -> bool:
        """It does."""
        return False


@pytest.mark.parametrize("knows", [True, False])
def test_whoever_does_not_lead_settles_nothing(listening: Listening, *, knows: bool) -> None:
    """A process that was frozen sends one event at most again, and leaves every row to the leader."""
    finished(listening.world)
    listening.relay.pump()
    listening.way.led_by(Following(is_held=not knows))

    assert listening.way.send() == 0
    assert len(listening.first.told) + len(listening.second.told) == (0 if knows else 1)
    listening.way.led_by(ALONE)
    listening.deliver()
    assert {len(listening.first.told), len(listening.second.told)} <= {3, 4}


def test_a_thread_sends_what_is_committed(sqlite_database: Database, clock: ManualClock) -> None:
    """Woken by the commit, stopped by the event."""
    listening, stop, arrived = Listening(furnished(sqlite_database, clock)), threading.Event(), threading.Event()

    def send_and_say(event: Notification) -> None:
        listening.first.send(event)
        if len(listening.first.told) == 3:
            arrived.set()

    listening.way._targets = {"first": send_and_say}
    thread = threading.Thread(target=listening.way.run, args=(stop,))
    thread.start()
    finished(listening.world)
    listening.relay.pump()

    assert arrived.wait(10)
    stop.set()
    listening.way.wake()
    thread.join(10)
    assert not thread.is_alive()


def test_only_what_the_settings_name_is_a_target(sqlite_database: Database, clock: ManualClock) -> None:
    """Nothing, where they name nothing."""
    assert deliveries(ApiWorld(sqlite_database, clock).service) is None
    assert set(NAMES) == {"execution.ended", "step.ended"}


def test_loops_tell_of_each_round(world: ApiWorld) -> None:
    """A step that ends many times is told of many times."""
    inputs = {"Iterators": ["a", "b"], "Steps": [nap()]}
    loop = {"name": "again", "action": "aws:loop", "inputs": inputs}
    world.client().create_document(Name="Loop", Content=runbook(loop, ask()))
    listening = Listening(world)
    world.start("Loop")
    world.later(seconds=1)
    world.later(seconds=1)
    listening.deliver()

    assert [event["detail"]["StepName"] for event in listening.first.told] == ["nap", "nap", "again"]
    assert [event["detail"]["EndTime"] for event in listening.first.told[:2]] == [
        "Mar 1, 2026 3:02:11 AM",
        "Mar 1, 2026 3:02:12 AM",
    ]


# -- webhooks


class Receiver:
    """An HTTP server that notes what it is sent."""

    def __init__(self) -> None:
        receiver = self
        self.status = 200
        self.got: list[tuple[dict[str, str], bytes]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Location", "http://127.0.0.1:9/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """Stop."""
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.mark.parametrize("secret", ["a-plain-secret", "whsec_" + base64.b64encode(b"key").decode()])
def test_a_webhook_is_signed_as_the_standard_says(receiver: Receiver, clock: ManualClock, secret: str) -> None:
    """Anybody with the secret can check id, moment and body."""
    send(receiver.url, secret, "event-1", b'{"a":1}', clock())
    headers, body = receiver.got[0]
    key = b"key" if secret.startswith("whsec_") else secret.encode()
    signed = f"event-1.{int(clock().timestamp())}.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

    assert headers["webhook-id"] == "event-1"
    assert headers["webhook-timestamp"] == str(int(clock().timestamp()))
    assert headers["webhook-signature"] == f"v1,{wanted}"


def test_the_standards_own_example_holds() -> None:
    """The vector that the standard's libraries are tested with."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    found = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [302, 400, 503])
def test_only_2xx_is_an_arrival(receiver: Receiver, clock: ManualClock, status: int) -> None:
    """A redirect is not followed: who is meant stands in the settings."""
    receiver.status = status
    with pytest.raises(WebhookUndelivered, match=f"127.0.0.1 answered {status}"):
        send(receiver.url, "s", "e", b"{}", clock())

    assert len(receiver.got) == 1


def test_nobody_there_is_no_arrival(receiver: Receiver, clock: ManualClock) -> None:
    """The reason is one sentence."""
    receiver.close()
    with pytest.raises(WebhookUndelivered, match="gave no answer"):
        send(receiver.url, "s", "e", b"{}", clock())


def test_a_world_with_a_webhook_tells_it(receiver: Receiver, sqlite_database: Database, clock: ManualClock) -> None:
    """From the settings to the wire."""
    world = ApiWorld(sqlite_database, clock, event_webhook_url=receiver.url, event_webhook_secret="s3cret")
    world.client().create_document(Name="Nap-Only", Content=runbook(nap()))
    way = deliveries(world.service)
    assert way is not None
    relay = events_relay(world.service, way)
    world.start("Nap-Only")
    world.later(seconds=1)
    relay.pump()
    way.send()

    assert [json.loads(body)["detail"]["Status"] for _, body in receiver.got] == ["Success", "Success"]


# -- through AWS


def test_a_queue_and_a_bus_are_told_through_aws(sqlite_database: Database, clock: ManualClock) -> None:
    """A queue gets AWS's own envelope; a bus gets it under a source that AWS lets others use."""
    with mock_aws():
        sqs, events = boto3.client("sqs", REGION), boto3.client("events", REGION)
        queue, heard = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("told", "heard"))
        events.create_event_bus(Name="ours")
        events.put_rule(Name="all", EventBusName="ours", EventPattern='{"source": ["playbook-bot.ssm"]}')
        heard_arn = f"arn:aws:sqs:{REGION}:123456789012:heard"
        events.put_targets(Rule="all", EventBusName="ours", Targets=[{"Id": "1", "Arn": heard_arn}])
        world = ApiWorld(sqlite_database, clock, event_queue_url=queue, event_bus="ours")
        world.client().create_document(Name="Nap-Only", Content=runbook(nap()))
        way = deliveries(world.service)
        assert way is not None
        relay = events_relay(world.service, way)
        execution_id = world.start("Nap-Only")
        world.later(seconds=1)
        relay.pump()
        way.send()
        told = [
            json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        ]
        bus = [
            json.loads(each["Body"]) for each in sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10)["Messages"]
        ]

    for events_found, source in ((told, "aws.ssm"), (bus, "playbook-bot.ssm")):
        assert [each["source"] for each in events_found] == [source, source]
        assert {each["detail"]["ExecutionId"] for each in events_found} == {execution_id}
        assert {each["detail-type"].split()[2] for each in events_found} == {"Step", "Execution"}


def test_aws_that_refuses_is_tried_again(sqlite_database: Database, clock: ManualClock) -> None:
    """A queue that is not there yet gets its events when it is."""
    with mock_aws():
        sqs = boto3.client("sqs", REGION)
        url = sqs.create_queue(QueueName="late")["QueueUrl"]
        sqs.delete_queue(QueueUrl=url)
        world = ApiWorld(sqlite_database, clock, event_queue_url=url)
        world.client().create_document(Name="Nap-Only", Content=runbook(nap()))
        way = deliveries(world.service)
        assert way is not None
        relay = events_relay(world.service, way)
        world.start("Nap-Only")
        world.later(seconds=1)
        relay.pump()
        way.send()
        sqs.create_queue(QueueName="late")
        clock.advance(timedelta(seconds=5))
        way.send()
        told = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]

    assert len(told) == 2
