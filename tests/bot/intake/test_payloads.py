"""Reading alarm messages, and refusing what is none."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.intake.payloads import (
    LARGEST_BYTES,
    AutomationNews,
    Ignored,
    PayloadRefused,
    Read,
    SubscriptionConfirmation,
    read,
)
from playbooks.alarm import Alarm
from tests.bot.intake.samples import OURS, corpus, sample

ACCOUNT = "402715938824"
INSTANCE = {"InstanceId": "i-0b7d1c44e9f2a6d35"}
SYSTEM_CHECK = "shop-api system check"
ALARMS: dict[str, dict[str, Any]] = {
    "message_metric": {"name": SYSTEM_CHECK, "kind": "metric", "dimensions": INSTANCE, "previous_state": "OK"},
    "message_metric_ok": {"state": "OK", "previous_state": "ALARM", "dimensions": INSTANCE},
    "message_metric_insufficient": {"state": "INSUFFICIENT_DATA", "description": "", "dimensions": INSTANCE},
    "message_metric_2016": {"arn": "", "region": "ap-northeast-1", "dimensions": {"InstanceId": "i-4c1d2e3f"}},
    "sns_metric_2016_unknown_region": {"arn": "", "region": "ap-northeast-1", "source": "sqs"},
    "message_math": {"kind": "math", "dimensions": {"FunctionName": "checkout"}},
    "message_anomaly": {"kind": "anomaly", "dimensions": {"QueueName": "orders"}},
    "message_insights": {"kind": "insights", "dimensions": {}},
    "message_composite": {
        "kind": "composite",
        "children": (f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:shop-api-5xx",),
        "rule": 'ALARM("shop-api-5xx") AND ALARM("shop-web-5xx")',
        "is_silenced": False,
    },
    "message_composite_suppressed": {"kind": "composite", "children": (), "is_silenced": True},
    "eventbridge_metric": {"name": SYSTEM_CHECK, "kind": "metric", "dimensions": INSTANCE, "source": "eventbridge"},
    "eventbridge_metric_tagged": {"tags": {"team": "shop", "env": "prod"}, "is_silenced": False},
    "eventbridge_metric_muted": {"is_silenced": True, "dimensions": INSTANCE},
    "eventbridge_math_other_account": {"kind": "math", "account": ACCOUNT, "dimensions": {"FunctionName": "checkout"}},
    "eventbridge_anomaly": {"kind": "anomaly", "dimensions": {"QueueName": "orders"}},
    "eventbridge_contributor": {
        "kind": "insights",
        "contributor_id": "9c41d7f2b6a80e53",
        "dimensions": INSTANCE,
        "previous_state": "",
    },
    "eventbridge_composite_suppressed": {
        "kind": "composite",
        "suppressed_by": "maintenance",
        "children": (f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:shop-api-5xx",),
        "is_silenced": True,
    },
    "lambda_action_metric": {"name": SYSTEM_CHECK, "source": "lambda", "dimensions": INSTANCE},
    "lambda_action_composite": {"kind": "composite", "source": "lambda", "is_silenced": False},
    "sns_metric": {"name": SYSTEM_CHECK, "source": "sqs", "dimensions": INSTANCE},
    "sns_eventbridge": {"name": SYSTEM_CHECK, "source": "eventbridge", "dimensions": INSTANCE},
    "sns_lambda_metric": {"name": SYSTEM_CHECK, "source": "lambda", "dimensions": INSTANCE},
}
NO_ALARMS = {
    "eventbridge_configuration_change": 'the event is "CloudWatch Alarm Configuration Change"',
    "eventbridge_instance_state": 'the event is "EC2 Instance State-change Notification"',
    "sns_plain_text": "the notification is plain text",
    "sns_unsubscribe_confirmation": f"the subscription to arn:aws:sns:eu-west-1:{ACCOUNT}:playbook-alarms was ended",
    "not_an_alarm": "it is not a CloudWatch alarm message",
}


def outcome(body: bytes | str | dict[str, Any]) -> Read | str:
    """What is read, or the sentence by which it is refused."""
    try:
        return read(body, "sqs")
    except PayloadRefused as refused:
        return str(refused)


def alarm(body: bytes | str | dict[str, Any]) -> Alarm:
    """What is read must be an alarm."""
    found = read(body, "sqs")
    assert isinstance(found, Alarm), found
    return found


@pytest.mark.parametrize("name", ALARMS)
def test_every_shape_of_alarm_is_understood(name: str) -> None:
    """State, account, Region, kind, dimensions and what silences it are read from every wire format."""
    usual = {"state": "ALARM", "account": ACCOUNT, "region": "eu-west-1"}

    found = alarm((OURS / f"{name}.json").read_bytes())

    for field, value in {**usual, **ALARMS[name]}.items():
        assert getattr(found, field) == value, field


@pytest.mark.parametrize("name", NO_ALARMS)
def test_what_is_no_alarm_is_left_alone_with_a_reason(name: str) -> None:
    """Other events, plain texts and ended subscriptions are sound messages that start nothing."""
    found = read(sample(name), "sqs")

    assert isinstance(found, Ignored)
    assert found.reason.startswith(NO_ALARMS[name])


def test_a_subscription_confirmation_carries_what_the_api_needs() -> None:
    """The topic and the token are read; the address in it is not."""
    found = read(sample("sns_subscription_confirmation"), "sns")

    assert isinstance(found, SubscriptionConfirmation)
    assert found.topic_arn == f"arn:aws:sns:eu-west-1:{ACCOUNT}:playbook-alarms"
    assert found.token.startswith("2336412f")


def test_every_sample_has_its_test() -> None:
    """No sample lies there unread."""
    tried = {*ALARMS, *NO_ALARMS, "sns_subscription_confirmation", "sns_truncated"}

    assert {path.stem for path in OURS.glob("*.json")} == tried


def test_one_transition_has_one_key_on_every_road() -> None:
    """SNS, EventBridge and the Lambda action tell the same transition: it is known by the same key."""
    roads = ("message_metric", "sns_metric", "sns_lambda_metric", "eventbridge_metric", "lambda_action_metric")

    assert len({alarm(sample(name)).transition_key for name in roads}) == 1


def test_the_next_transition_has_another_key() -> None:
    """Recovery is another transition than the alarm."""
    assert alarm(sample("message_metric")).transition_key != alarm(sample("message_metric_ok")).transition_key


def test_the_corpus_is_understood_or_refused_with_a_reason(subtests: pytest.Subtests) -> None:
    """Every message of the corpus becomes an alarm of a known state, or has a sentence that says why not."""
    understood = 0
    for path in corpus():
        with subtests.test(path.name):
            found = outcome(path.read_bytes())
            understood += isinstance(found, Alarm)
            if isinstance(found, str):
                assert "<" in path.read_text(encoding="utf-8"), f"refused without a placeholder in it: {found}"
            if path.name.startswith(("eventbridge_configchange", "eventbridge_ec2")):
                assert isinstance(found, Ignored)
            if path.name.startswith("eventbridge_ssm_automation"):
                assert isinstance(found, AutomationNews)
            if "statechange" in path.name or path.name.startswith("lambda_action"):
                assert isinstance(found, Alarm)
    assert understood >= 20


# -- bad input


REFUSED = {
    "nothing": (b"", "the message is not JSON"),
    "truncated": (b'{"AlarmName": "x", "NewSta', "the message is not JSON"),
    "not UTF-8": (b'{"AlarmName": "\xff\xfe"}', "the message is not UTF-8 text (byte 15)"),
    "a list": (b"[1, 2]", "the message is a JSON list, not an object"),
    "too large": (b'{"a": "' + b"x" * 300_000 + b'"}', "the message is larger than 256 KB (300,009 bytes)"),
    "too deep": (b'{"a":' * 50_000, "the message is not JSON"),
    "a number without end": (b'{"a": ' + b"9" * 100_000 + b"}", "the message is not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_garbage_is_refused_with_a_sentence(case: str) -> None:
    """Truncated, oversized, foreign or mis-encoded bytes are named for what they are."""
    body, sentence = REFUSED[case]

    with pytest.raises(PayloadRefused, match=sentence.replace("(", r"\(").replace(")", r"\)")):
        read(body, "sqs")


def test_a_truncated_alarm_inside_a_sound_envelope_is_refused() -> None:
    """A message that begins like an alarm and breaks off is not mistaken for plain text."""
    with pytest.raises(PayloadRefused, match="the message is not JSON"):
        read(sample("sns_truncated"), "sns")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"NewStateValue": "RED"}, 'the alarm state "RED" is not one of ALARM, OK, INSUFFICIENT_DATA'),
        ({"StateChangeTime": None}, 'the message has no "StateChangeTime"'),
        ({"StateChangeTime": "yesterday"}, '"yesterday" is not a moment'),
        ({"StateChangeTime": "9999-12-31T23:59:59.999+0000"}, "is no moment at which an alarm could have changed"),
        ({"AlarmName": ""}, '"AlarmName" should be a name and is ""'),
        ({"AlarmName": {"a": 1}}, '"AlarmName" should be a name'),
        ({"AlarmName": "x" * 256}, '"AlarmName" has 256 characters, and 255 is the most'),
        ({"AlarmName": "a\x00b"}, '"AlarmName" holds control characters'),
        ({"AlarmName": "a\ud800b"}, '"AlarmName" holds control characters'),
        ({"AlarmArn": "arn:aws:s3:::bucket"}, '"AlarmArn" is not the ARN of an alarm'),
        ({"AlarmArn": None, "Region": "Atlantis"}, 'no AlarmArn, and its Region "Atlantis" is not known'),
        ({"AWSAccountId": "1; drop"}, '"1; drop" is not an account'),
        ({"Trigger": "high"}, '"Trigger" should be a map and is "high"'),
        ({"Trigger": {"MetricName": "a", "Dimensions": 5}}, '"Dimensions" should be a list and is "5"'),
        ({"Trigger": {"Metrics": [3]}}, '"Metrics" should be a map and is "3"'),
        ({"TriggeringChildren": "x"}, '"TriggeringChildren" should be a list'),
    ],
)
def test_a_broken_field_is_named(change: dict[str, Any], sentence: str) -> None:
    """What is wrong with an alarm message is said with the field and the value."""
    with pytest.raises(PayloadRefused) as refused:
        read({**sample("message_metric"), **change}, "sqs")

    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"resources": []}, "the event names no alarm in its resources"),
        ({"resources": [7]}, '"alarm ARN" should be a name'),
        ({"detail": "x"}, '"detail" should be a map'),
        ({"detail": {"alarmName": "x"}}, 'the message has no "state"'),
    ],
)
def test_a_broken_event_is_named(change: dict[str, Any], sentence: str) -> None:
    """The same holds for EventBridge's events."""
    with pytest.raises(PayloadRefused) as refused:
        read({**sample("eventbridge_metric"), **change}, "sqs")

    assert sentence in str(refused.value)


def test_texts_are_made_harmless() -> None:
    """What people read loses control characters, halves of characters and marks that turn writing around."""
    body = {**sample("message_metric"), "NewStateReason": "a\x00b\ud800c\u202ed\r\ne", "AlarmDescription": "x" * 20_000}

    found = alarm(body)

    assert found.reason == "a�b�c�d\ne"
    assert len(found.description) == 8_192


def test_names_may_be_in_any_language() -> None:
    """An alarm's name keeps its blanks, brackets and letters, also in its ARN."""
    name = "Aurora CPU 알람 (60% over)"
    body = {**sample("message_metric"), "AlarmName": name, "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:1:alarm:{name}"}

    found = alarm(body)

    assert found.name == name
    assert found.arn.endswith(name)


def test_messages_wrapped_in_one_another_end_somewhere() -> None:
    """An envelope in an envelope in an envelope is refused, not followed."""
    body = sample("sns_metric")
    for _ in range(5):
        body = {**sample("sns_metric"), "Message": json.dumps(body)}

    with pytest.raises(PayloadRefused, match="wrapped too often"):
        read(body, "sqs")


def test_several_records_are_not_taken_for_one() -> None:
    """SNS sends one record at a time; a second one is not dropped in silence."""
    body = sample("sns_lambda_metric")

    with pytest.raises(PayloadRefused, match="holds 2 records"):
        read({"Records": body["Records"] * 2}, "sqs")


def test_moments_are_read_in_all_of_aws_spellings() -> None:
    """`+0000`, `Z`, nanoseconds and no fraction at all mean the same moment."""
    spellings = ("2026-03-14T02:59:31+0000", "2026-03-14T02:59:31Z", "2026-03-14T03:59:31.000000000+01:00")

    found = {alarm({**sample("message_metric"), "StateChangeTime": each}).changed_at for each in spellings}

    assert found == {datetime(2026, 3, 14, 2, 59, 31, tzinfo=UTC)}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


@given(st.data())
def test_whatever_stands_in_a_field_no_error_but_a_refusal_comes_out(data: st.DataObject) -> None:
    """Any value in any place of any sample is read, ignored or refused: never a traceback."""
    tree: Any = sample(data.draw(st.sampled_from(sorted(ALARMS))))
    place = tree
    for _ in range(data.draw(st.integers(0, 4))):
        below = [key for key, value in place.items() if isinstance(value, dict)]
        if not below:
            break
        place = place[data.draw(st.sampled_from(below))]
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON_VALUES)

    for body in (tree, json.dumps(tree)):
        assert outcome(body)


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_no_bytes_do_harm(body: bytes | str) -> None:
    """Random input is ignored or refused."""
    assert isinstance(outcome(body), (Ignored, str))


def test_the_limit_is_awss_own() -> None:
    """256 KB are still taken."""
    body = json.dumps({"a": "x" * (LARGEST_BYTES - 9)})

    assert isinstance(read(body, "sqs"), Ignored)
