"""Alarms of the taught moto reach queues, buses and HTTP subscribers exactly as AWS's do."""

import base64
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from bot.demo import moto_alarms, moto_sns

ACCOUNT = "123456789012"
PATIENCE = 10


@pytest.fixture(autouse=True)
def taught(moto_aws: None) -> None:
    """Every test here has acting alarms."""
    moto_alarms.install()


def _queue(client: Any, *, region: str = "us-east-1") -> tuple[str, str]:
    url = client("sqs", region).create_queue(QueueName="alarms")["QueueUrl"]
    return url, f"arn:aws:sqs:{region}:{ACCOUNT}:alarms"


def _topic(client: Any, endpoint: str, protocol: str = "sqs", **attributes: str) -> str:
    sns = client("sns")
    topic = str(sns.create_topic(Name="alarms", Attributes=attributes)["TopicArn"])
    sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    return topic


def _rule(client: Any, target: str, *, region: str = "us-east-1") -> None:
    events = client("events", region)
    events.put_rule(Name="alarms", EventPattern=json.dumps({"source": ["aws.cloudwatch"]}))
    events.put_targets(Rule="alarms", Targets=[{"Id": "1", "Arn": target}])


def _alarm(client: Any, *actions: str, region: str = "us-east-1", **more: Any) -> None:
    client("cloudwatch", region).put_metric_alarm(
        AlarmName="cpu",
        AlarmDescription="too much",
        Namespace="AWS/EC2",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "InstanceId", "Value": "i-1"}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=90.0,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=list(actions),
        **more,
    )


def _set(client: Any, value: str, *, region: str = "us-east-1") -> None:
    client("cloudwatch", region).set_alarm_state(AlarmName="cpu", StateValue=value, StateReason="because")


def _bodies(client: Any, url: str) -> list[dict[str, Any]]:
    messages = client("sqs", "us-east-1").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in messages]


def _verify(message: Mapping[str, Any]) -> None:
    """Raise unless the signature is SNS's own scheme over this message; written from AWS's page, not from ours."""
    pem = moto_sns.certificate(urlsplit(message["SigningCertURL"]).path)
    assert pem is not None
    key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


def test_a_transition_comes_by_both_roads_at_the_same_instant(client: Any) -> None:
    """A red alarm puts one SNS envelope and one EventBridge event into the queue, which agree on the moment."""
    url, arn = _queue(client)
    _rule(client, arn)
    _alarm(client, _topic(client, arn, SignatureVersion="2"))

    _set(client, "ALARM")

    event, envelope = sorted(_bodies(client, url), key=lambda body: "Type" in body)
    message = json.loads(envelope["Message"])
    assert (event["account"], event["region"], event["detail-type"]) == (
        ACCOUNT,
        "us-east-1",
        "CloudWatch Alarm State Change",
    )
    assert event["detail"]["state"]["timestamp"] == message["StateChangeTime"]
    assert (event["detail"]["previousState"]["value"], message["OldStateValue"]) == ("OK", "OK")
    assert event["resources"] == [message["AlarmArn"]]
    assert event["detail"]["configuration"]["metrics"][0]["metricStat"]["metric"]["dimensions"] == {"InstanceId": "i-1"}
    assert message["Trigger"]["Dimensions"] == [{"value": "i-1", "name": "InstanceId"}]
    assert envelope["Subject"] == 'ALARM: "cpu" in US East (N. Virginia)'


@pytest.mark.parametrize("version", ["1", "2"])
def test_the_envelope_is_signed_as_its_topic_says(client: Any, version: str) -> None:
    """Both signature versions verify with the certificate the message names, Subject included."""
    url, arn = _queue(client)
    _alarm(client, _topic(client, arn, SignatureVersion=version))

    _set(client, "ALARM")

    (envelope,) = _bodies(client, url)
    assert envelope["SignatureVersion"] == version
    _verify(envelope)


def test_only_transitions_are_told(client: Any) -> None:
    """Setting the state an alarm already has tells nobody."""
    url, arn = _queue(client)
    _alarm(client, _topic(client, arn))

    _set(client, "ALARM")
    _set(client, "ALARM")

    assert len(_bodies(client, url)) == 1


def test_disabled_actions_silence_topics_but_not_the_bus(client: Any) -> None:
    """As in AWS, EventBridge hears of every transition, a topic only when the alarm's actions are enabled."""
    url, arn = _queue(client)
    _rule(client, arn)
    _alarm(client, _topic(client, arn), ActionsEnabled=False)

    _set(client, "ALARM")

    (event,) = _bodies(client, url)
    assert event["source"] == "aws.cloudwatch"


def test_each_state_has_its_own_actions(client: Any) -> None:
    """An alarm without OK actions tells its topic of red only."""
    url, arn = _queue(client)
    _alarm(client, _topic(client, arn))

    _set(client, "ALARM")
    _set(client, "OK")
    _set(client, "INSUFFICIENT_DATA")

    assert [json.loads(body["Message"])["NewStateValue"] for body in _bodies(client, url)] == ["ALARM"]


def test_a_disabled_rule_is_quiet(client: Any) -> None:
    """A rule that is switched off delivers nothing."""
    url, arn = _queue(client)
    _rule(client, arn)
    client("events", "us-east-1").disable_rule(Name="alarms")
    _alarm(client)

    _set(client, "ALARM")

    assert _bodies(client, url) == []


def test_an_event_keeps_its_region_on_another_bus(client: Any) -> None:
    """Forwarded to a bus of another Region, an event still says where it happened."""
    url, arn = _queue(client)
    _rule(client, arn)
    _rule(client, f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default", region="eu-west-1")
    _alarm(client, region="eu-west-1")

    _set(client, "ALARM", region="eu-west-1")

    (event,) = _bodies(client, url)
    assert event["region"] == "eu-west-1"
    assert event["resources"] == [f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:cpu"]


def test_an_unknown_alarm_is_still_an_error(client: Any) -> None:
    """SetAlarmState of an alarm that does not exist answers ResourceNotFound."""
    with pytest.raises(ClientError, match="ResourceNotFound"):
        _set(client, "ALARM")


class Subscriber:
    """An HTTP endpoint on loopback that keeps what SNS posts to it, and answers what a test says."""

    def __init__(self) -> None:
        self.received: queue.Queue[tuple[dict[str, str], str]] = queue.Queue()
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.received.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(outer.answers.pop(0) if outer.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/sns"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> tuple[dict[str, str], Any]:
        """The next request: headers, and the body as JSON."""
        headers, body = self.received.get(timeout=PATIENCE)
        return headers, json.loads(body)


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    """A subscriber that is gone after the test."""
    endpoint = Subscriber()
    yield endpoint
    endpoint.server.shutdown()
    endpoint.server.server_close()


def test_an_http_subscriber_confirms_first(client: Any, subscriber: Subscriber) -> None:
    """It gets a signed confirmation, nothing else until it confirms through the API, then signed notifications."""
    _alarm(client, _topic(client, subscriber.url, "http", SignatureVersion="2"))
    headers, confirmation = subscriber.next()
    _set(client, "ALARM")
    _set(client, "OK")
    client("sns").confirm_subscription(TopicArn=confirmation["TopicArn"], Token=confirmation["Token"])

    _set(client, "ALARM")

    told, notification = subscriber.next()
    _verify(confirmation)
    _verify(notification)
    assert headers["x-amz-sns-message-type"] == "SubscriptionConfirmation"
    assert told["x-amz-sns-message-type"] == "Notification"
    assert told["x-amz-sns-topic-arn"] == notification["TopicArn"]
    assert told["content-type"] == "text/plain; charset=UTF-8"
    assert json.loads(notification["Message"])["NewStateValue"] == "ALARM"
    assert subscriber.received.empty()


def test_a_local_subscriber_finds_the_certificate_where_it_can_reach_it(client: Any, subscriber: Subscriber) -> None:
    """With a place of its own for HTTP subscribers, queues are still told AWS's address."""
    moto_alarms.install(certificates_at="http://127.0.0.1:5000")
    url, arn = _queue(client)
    topic = _topic(client, subscriber.url, "http")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    client("sns").publish(TopicArn=topic, Message="hello")

    places = [subscriber.next()[1]["SigningCertURL"], _bodies(client, url)[0]["SigningCertURL"]]

    assert [place.partition("/SimpleNotificationService-")[0] for place in places] == [
        "http://127.0.0.1:5000",
        "https://sns.us-east-1.amazonaws.com",
    ]


def test_a_wrong_token_confirms_nothing(client: Any, subscriber: Subscriber) -> None:
    """ConfirmSubscription with a token that was never given out is refused."""
    topic = _topic(client, subscriber.url, "http")
    subscriber.next()

    with pytest.raises(ClientError, match="Token"):
        client("sns").confirm_subscription(TopicArn=topic, Token="guessed")


def test_a_failing_subscriber_is_tried_again(
    client: Any, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 5xx answer is retried, and the publisher never notices."""
    monkeypatch.setattr(moto_sns, "RETRY_AFTER_SECONDS", (0.0, 0.0, 0.0))
    subscriber.answers = [503, 500]

    _topic(client, subscriber.url, "http")

    ids = {subscriber.next()[1]["MessageId"] for _ in range(3)}
    assert len(ids) == 1


def test_raw_delivery_over_http_posts_the_message_itself(client: Any, subscriber: Subscriber) -> None:
    """With RawMessageDelivery the body is the alarm, and a header says so."""
    sns = client("sns")
    topic = _topic(client, subscriber.url, "http")
    _, confirmation = subscriber.next()
    arn = sns.confirm_subscription(TopicArn=topic, Token=confirmation["Token"])["SubscriptionArn"]
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
    _alarm(client, topic)

    _set(client, "ALARM")

    headers, body = subscriber.next()
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert body["AlarmName"] == "cpu"
