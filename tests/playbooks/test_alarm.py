"""What an alarm is known by."""

from datetime import timedelta

import pytest

from tests.playbooks.worlds import NOON, alarm, metric


def test_the_id_is_the_arn_where_there_is_one() -> None:
    """An old message has no ARN: account, Region and name stand in."""
    assert alarm(arn="arn:aws:cloudwatch:eu-west-1:1:alarm:x").id == "arn:aws:cloudwatch:eu-west-1:1:alarm:x"
    assert alarm().id == "402715938824:eu-west-1:web-1-cpu"


@pytest.mark.parametrize("field", ["suppressed_by", "muted_by"])
def test_a_suppressed_or_muted_alarm_is_silenced(field: str) -> None:
    """Either one keeps everything from starting."""
    assert alarm(**{field: "maintenance"}).is_silenced
    assert not alarm().is_silenced


def test_dimensions_of_all_metrics_are_merged() -> None:
    """What every metric agrees on counts; what varies does not; a contributor adds its own."""
    metrics = (metric(InstanceId="i-1", Az="a"), metric(InstanceId="i-1", Az="b"), metric("AWS/EBS", VolumeId="v-1"))

    assert alarm(metrics=metrics).dimensions == {"InstanceId": "i-1", "VolumeId": "v-1"}
    assert alarm(metrics=(), contributor_attributes={"InstanceId": "i-9"}).dimensions == {"InstanceId": "i-9"}
    assert alarm(metrics=metrics, contributor_attributes={"InstanceId": "i-9"}).dimensions == {"VolumeId": "v-1"}


def test_a_transition_has_one_key_whatever_the_road() -> None:
    """Source, ARN, texts and fractions of a second do not matter."""
    one = alarm(source="sns", changed_at=NOON + timedelta(milliseconds=120))
    other = alarm(source="eventbridge", arn="arn:…", reason="because", changed_at=NOON + timedelta(milliseconds=121))

    assert one.transition_key == other.transition_key


@pytest.mark.parametrize(
    "change",
    [
        {"state": "OK"},
        {"name": "other"},
        {"account": "1"},
        {"region": "us-east-1"},
        {"contributor_id": "x"},
        {"changed_at": NOON + timedelta(minutes=1)},
    ],
)
def test_another_transition_has_another_key(change: dict[str, object]) -> None:
    """State, alarm, place, contributor and moment make a transition."""
    assert alarm(**change).transition_key != alarm().transition_key
