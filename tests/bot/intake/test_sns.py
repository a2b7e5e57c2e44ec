"""The SNS door: who may send, what is believed, and which answer makes SNS try again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.intake.certificates import Certificates, CertificateUnavailable
from bot.intake.sns import SnsDoor
from infra.aws_errors import AwsRefused, AwsUnreachable
from playbooks.operations import Operations
from tests.bot.intake.doors import (
    NOW,
    REGION,
    TOPIC,
    Verbs,
    certificate,
    confirmation,
    notification,
    private_key,
    signed,
)
from tests.bot.intake.samples import sample
from tests.fakes.clock import ManualClock

ALARM = sample("message_metric")
HEADERS = {"x-amz-sns-message-type": "Notification", "X-Amz-Sns-Topic-Arn": TOPIC}


@dataclass
class World:
    """The door, what stands behind it, and what it asked of the world."""

    verbs: Verbs = field(default_factory=Verbs)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    fetched: list[str] = field(default_factory=list)
    confirmed: list[tuple[str, str]] = field(default_factory=list)
    trouble: Exception | None = None
    """What AWS answers instead of a certificate or a confirmation."""

    def door(self, *, topics: tuple[str, ...] = (TOPIC,), regions: tuple[str, ...] = ()) -> SnsDoor:
        """A door for these topics and Regions."""
        return SnsDoor(
            cast("Operations", self.verbs),
            topics=topics,
            regions=regions,
            certificates=Certificates(fetch=self._fetch),
            confirm=self._confirm,
            clock=self.clock,
        )

    def post(
        self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] = HEADERS, **door: Any
    ) -> tuple[int, str]:
        """What SNS gets for an answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, text = self.door(**door).handle(headers, raw)
        return status, text.decode().strip()

    def _fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if self.trouble is not None:
            raise self.trouble
        return certificate()

    def _confirm(self, topic: str, token: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.confirmed.append((topic, token))


@pytest.fixture
def world() -> World:
    """A world in which all is well."""
    return World()


# -- what is accepted


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_alarm_is_received(world: World, version: str) -> None:
    """The alarm of a listed topic, signed by SNS, reaches the verbs."""
    assert world.post(signed(notification(ALARM), version=version)) == (200, "started")
    assert [alarm.name for alarm in world.verbs.alarms] == ["shop-api system check"]
    assert world.verbs.refusals == []


def test_an_event_of_eventbridge_in_an_envelope_is_received(world: World) -> None:
    """A topic that EventBridge feeds is as good."""
    assert world.post(signed(notification(sample("eventbridge_metric")))) == (200, "started")


def test_a_replay_starts_nothing(world: World) -> None:
    """The same message again, as SNS may send it or a stranger replay it, is a duplicate."""
    message = signed(notification(ALARM))

    assert [world.post(message)[1] for _ in range(3)] == ["started", "duplicate", "duplicate"]
    assert len(world.verbs.alarms) == 1


def test_the_same_transition_by_another_message_starts_nothing(world: World) -> None:
    """A second topic of the same alarm tells the same transition."""
    world.post(signed(notification(ALARM)))

    assert world.post(signed(notification(ALARM, MessageId="another"))) == (200, "duplicate")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The report is ready.", "ignored: the notification is plain text, not an alarm"),
        ('{"AlarmOfTheHouse": 1}', "ignored: it is not a CloudWatch alarm message"),
    ],
)
def test_what_is_no_alarm_is_taken_and_left_alone(world: World, text: str, answer: str) -> None:
    """Other messages of the topic are answered with 200, so that SNS does not repeat them."""
    assert world.post(signed(notification(text))) == (200, answer)
    assert world.verbs.alarms == []


def test_a_subscription_is_confirmed_through_the_api(world: World) -> None:
    """The token goes to the API; the address in the message is never fetched."""
    asked = confirmation(SubscribeURL="http://169.254.169.254/latest/meta-data/")

    assert world.post(signed(asked, version="1")) == (200, "confirmed")
    assert world.confirmed == [(TOPIC, "2336412f37fb687f")]
    assert all("169.254" not in url for url in world.fetched)


def test_an_ended_subscription_is_noted(world: World) -> None:
    """SNS's last word is taken; it is not undone."""
    status, text = world.post(signed(confirmation(Type="UnsubscribeConfirmation")))

    assert (status, text) == (200, f"ignored: the subscription to {TOPIC} was ended")
    assert world.confirmed == []


# -- what is not believed


def test_an_unsigned_member_is_never_read(world: World) -> None:
    """Whoever holds one signed message of the topic cannot add an alarm of their own to it."""
    harmless = signed(notification("The report is ready."))
    forged = json.dumps({**ALARM, "AlarmName": "forged"})
    additions = {
        "Records": [{"Sns": {"TopicArn": TOPIC, "Message": forged}}],
        "AlarmName": "forged",
        "NewStateValue": "ALARM",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": sample("eventbridge_metric")["detail"],
        "source": "aws.cloudwatch",
        "alarmData": {},
        "Token": "x",
    }

    assert world.post({**harmless, **additions})[1].startswith("ignored: the notification is plain text")
    assert world.verbs.alarms == []


def test_nothing_is_fetched_for_a_foreign_topic(world: World) -> None:
    """A topic that is not listed is refused before its certificate is looked for."""
    foreign = TOPIC.replace("playbook-alarms", "other")

    answer = world.post(signed(notification(ALARM, TopicArn=foreign)))

    assert answer == (403, "messages of this topic are not accepted here")
    assert world.fetched == []
    assert world.verbs.refusals == [("sns", "messages of this topic are not accepted here", TOPIC)]


def test_an_empty_list_of_topics_means_nobody(world: World) -> None:
    """Without a list no message is accepted and no subscription confirmed."""
    assert world.post(signed(notification(ALARM)), topics=())[0] == 403
    assert world.post(signed(confirmation()), topics=())[0] == 403
    assert (world.fetched, world.confirmed) == ([], [])


def test_a_region_that_is_not_listed_is_refused_before_anything_is_fetched(world: World) -> None:
    """Both the topic's Region and the alarm's must be on the list, if there is one."""
    assert world.post(signed(notification(ALARM)), regions=("us-east-1",)) == (
        403,
        f"messages from {REGION} are not accepted here",
    )
    assert world.fetched == []

    elsewhere = {**ALARM, "AlarmArn": ALARM["AlarmArn"].replace(REGION, "ap-south-1")}
    answer = world.post(signed(notification(elsewhere)), regions=(REGION,))
    assert answer == (403, "alarms from ap-south-1 are not accepted here")


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(minutes=59), 200),
        (timedelta(minutes=61), 403),
        (timedelta(minutes=-4), 200),
        (timedelta(minutes=-6), 403),
        (timedelta(days=400), 403),
    ],
)
def test_a_stale_message_is_refused(world: World, age: timedelta, status: int) -> None:
    """SNS repeats a delivery for an hour; what is older, or of the future, is not SNS's."""
    sent = f"{NOW - age:%Y-%m-%dT%H:%M:%S}.000Z"

    found, text = world.post(signed(notification(ALARM, Timestamp=sent)))

    assert found == status
    if status == 403:
        assert "too far from now" in text
        assert world.fetched == []


FORGERIES: dict[str, tuple[Mapping[str, Any], int]] = {
    "another alarm": ({"Message": json.dumps({**ALARM, "AlarmName": "forged"})}, 403),
    "another time": ({"Timestamp": "2026-03-14T02:59:59.000Z"}, 403),
    "no signature": ({"Signature": None}, 403),
    "junk signature": ({"Signature": "\ud800 junk"}, 403),
    "signature of a number": ({"Signature": 7}, 403),
    "relabelled version": ({"SignatureVersion": "1"}, 403),
    "foreign host": ({"SigningCertURL": "https://evil.example/SimpleNotificationService-0.pem"}, 403),
    "no host": ({"SigningCertURL": None}, 403),
    "a list of hosts": ({"SigningCertURL": ["https://evil.example"]}, 403),
    "no time": ({"Timestamp": None}, 400),
    "junk time": ({"Timestamp": "tomorrow"}, 400),
    "no topic": ({"TopicArn": None}, 403),
    "a list of topics": ({"TopicArn": [TOPIC]}, 403),
    "no type": ({"Type": None}, 403),
    "another type": ({"Type": "SubscriptionConfirmation"}, 403),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_refused_and_noted(world: World, forgery: str) -> None:
    """Each one is answered with a sentence, never with an error of ours, and stands in the trail."""
    change, status = FORGERIES[forgery]

    found, text = world.post({**signed(notification(ALARM)), **change})

    assert (found, len(text) > 10) == (status, True)
    assert world.verbs.alarms == []
    assert [reason for _, reason, _ in world.verbs.refusals] == [text]


def test_a_strangers_key_proves_nothing(world: World) -> None:
    """A message signed by somebody else is no message of SNS's."""
    stranger = private_key(owner="stranger")

    assert world.post(signed(notification(ALARM), key=stranger))[0] == 403


def test_raw_delivery_is_refused_with_advice(world: World) -> None:
    """Without its envelope a message has no signature; the answer says what to switch off."""
    status, text = world.post(ALARM, {**HEADERS, "X-Amz-Sns-Rawdelivery": "true"})

    assert (status, "switch it off" in text) == (400, True)


GARBAGE: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "the message is not JSON"),
    "truncated": (json.dumps(notification(ALARM)).encode()[:300], 400, "the message is not JSON"),
    "not UTF-8": (b'{"Type": "\xff"}', 400, "the message is not UTF-8 text (byte 10)"),
    "a list": (b"[]", 400, "the message is not a JSON object"),
    "300 kB": (json.dumps(notification("x" * 300_000)).encode(), 413, "the message is larger than 256 KB"),
    "too deep": (b"[" * 100_000, 400, "the message is not JSON"),
    "NaN": (b"NaN", 400, "the message is not a JSON object"),
}


@pytest.mark.parametrize("case", GARBAGE)
def test_garbage_is_refused_with_a_sentence(world: World, case: str) -> None:
    """Truncated, oversized and mis-encoded bodies get 4xx and are noted."""
    body, status, sentence = GARBAGE[case]

    found, text = world.post(body)

    assert found == status
    assert text.startswith(sentence)
    assert [reason for _, reason, _ in world.verbs.refusals] == [text]
    assert world.fetched == []


def test_a_signed_but_broken_alarm_is_refused(world: World) -> None:
    """What a topic's own publisher gets wrong is said, too."""
    status, text = world.post(signed(notification({**ALARM, "NewStateValue": "RED"})))

    assert (status, text) == (400, 'the alarm state "RED" is not one of ALARM, OK, INSUFFICIENT_DATA')


@given(body=st.binary(max_size=200), headers=st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=4))
def test_no_request_makes_an_error_of_ours(body: bytes, headers: dict[str, str]) -> None:
    """Whatever arrives is answered with 4xx and a sentence."""
    world = World()

    status, text = world.post(body, headers)

    assert 400 <= status < 500
    assert text


@given(st.dictionaries(st.sampled_from([*signed(notification("x"))]), st.none() | st.integers() | st.text(max_size=30)))
def test_no_envelope_makes_an_error_of_ours(changes: dict[str, Any]) -> None:
    """Any value in any member of an envelope is answered, and believed only if SNS signed it."""
    world = World()

    status, _ = world.post({**signed(notification(ALARM)), **changes})

    assert status in (200, 400, 403)
    assert len(world.verbs.alarms) == (status == 200)


# -- what passes by itself


def test_without_a_certificate_the_message_has_to_come_again(world: World) -> None:
    """SNS gives up at 4xx: a certificate that cannot be fetched now is answered with 503, and nothing is noted."""
    world.trouble = CertificateUnavailable("the network is away")
    message = signed(notification(ALARM))

    assert world.post(message)[0] == 503
    assert world.verbs.refusals == []

    world.trouble = None
    assert world.post(message) == (200, "started")


def test_without_a_database_the_message_has_to_come_again(world: World) -> None:
    """Nothing is lost while the database is away: neither alarms nor, as a log line, refusals."""
    world.verbs.is_down = True

    assert world.post(signed(notification(ALARM)))[0] == 503
    assert world.post(b"junk")[0] == 400

    world.verbs.is_down = False
    assert world.post(signed(notification(ALARM))) == (200, "started")


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (AwsUnreachable("no answer"), 503),
        (AwsRefused("Throttling", "slow down"), 503),
        (AwsRefused("InvalidParameter", "Invalid token"), 403),
        (AwsRefused("AuthorizationError", "not authorized"), 403),
    ],
)
def test_a_confirmation_that_fails_says_whether_to_try_again(world: World, trouble: Exception, status: int) -> None:
    """AWS away or busy: again. AWS refuses: the reason stands in the trail, for whoever looks for the alarm."""
    message = signed(confirmation())
    door = world.door()
    door.handle(HEADERS, json.dumps(signed(notification(ALARM))).encode())
    world.trouble = trouble

    found, _, text = door.handle(HEADERS, json.dumps(message).encode())

    assert found == status
    assert bool(world.verbs.refusals) == (status == 403)
    if status == 403:
        assert text.decode().startswith("the subscription could not be confirmed")
