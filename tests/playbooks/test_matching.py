"""Which playbooks an alarm concerns, and why."""

from typing import Any

import pytest

from playbooks.matching import explain, matching
from playbooks.playbook import AlarmTrigger
from tests.playbooks.worlds import INSTANCE, alarm, metric, playbook


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"name": "web-*"},
        {"name": "web-?-cpu"},
        {"namespace": "AWS/EC2"},
        {"namespace": "AWS/*", "metric": "CPU*"},
        {"dimensions": {"InstanceId": "i-0b*"}},
        {"tags": {"team": "shop"}},
        {"accounts": ("1", "402715938824")},
        {"regions": ("eu-west-1",)},
        {"states": ("OK", "ALARM")},
    ],
)
def test_an_alarm_that_meets_every_rule_matches(rules: dict[str, Any]) -> None:
    """What is not said matches anything; what is said may be a glob."""
    one = playbook(AlarmTrigger(**rules))

    assert matching([one], alarm()) == (one,)


@pytest.mark.parametrize(
    "rules",
    [
        {"name": "WEB-*"},
        {"namespace": "AWS/RDS"},
        {"metric": "NetworkIn"},
        {"dimensions": {"InstanceId": "i-9*"}},
        {"dimensions": {"VolumeId": "*"}},
        {"tags": {"team": "mail"}},
        {"tags": {"env": "*"}},
        {"accounts": ("1",)},
        {"regions": ("us-east-1",)},
        {"states": ("OK",)},
        {"name": "web-*", "regions": ("us-east-1",)},
    ],
)
def test_one_rule_that_is_not_met_is_enough(rules: dict[str, Any]) -> None:
    """Every given rule must hold; case matters; a dimension or tag that is absent matches no pattern."""
    assert matching([playbook(AlarmTrigger(**rules))], alarm()) == ()


def test_namespace_and_metric_must_be_of_one_metric() -> None:
    """An alarm over EC2's network and RDS's CPU is no alarm over EC2's CPU."""
    mixed = alarm(metrics=(metric("AWS/EC2", "NetworkIn"), metric("AWS/RDS", "CPUUtilization")))

    assert matching([playbook(AlarmTrigger(namespace="AWS/EC2", metric="CPUUtilization"))], mixed) == ()
    assert matching([playbook(AlarmTrigger(namespace="AWS/EC2", metric="NetworkIn"))], mixed)


def test_a_playbook_without_a_trigger_is_for_people() -> None:
    """No alarm concerns it."""
    assert matching([playbook(None)], alarm()) == ()


def test_a_composite_alarm_matches_by_its_name_only() -> None:
    """It looks at no metric itself."""
    composite = alarm(kind="composite", metrics=())

    assert matching([playbook(AlarmTrigger(namespace="AWS/EC2"))], composite) == ()
    assert matching([playbook(AlarmTrigger(name="web-*"))], composite)


def test_the_most_specific_comes_first() -> None:
    """A longer name, or another rule, is narrower; equal ones stand by name."""
    triggers = {
        "any": AlarmTrigger(),
        "metric": AlarmTrigger(metric="CPUUtilization"),
        "both": AlarmTrigger(namespace="AWS/EC2", metric="CPUUtilization"),
        "other-both": AlarmTrigger(namespace="AWS/EC2", metric="CPUUtilization"),
        "named": AlarmTrigger(name="web-1-cpu", namespace="AWS/EC2", metric="CPUUtilization"),
    }

    found = matching([playbook(trigger, name=name) for name, trigger in triggers.items()], alarm())

    assert [one.name for one in found] == ["named", "both", "other-both", "metric", "any"]


def test_every_rule_is_explained() -> None:
    """Who asks why sees each rule, whether it was met, and what was found instead."""
    trigger = AlarmTrigger(
        name="db-*", namespace="AWS/EC2", dimensions={"InstanceId": "i-*"}, tags={"env": "prod"}, regions=("us-east-1",)
    )

    assert explain(trigger, alarm()) == [
        ("alarm name like db-*", False, "web-1-cpu"),
        ("state ALARM", True, "ALARM"),
        ("a metric like AWS/EC2 *", True, "AWS/EC2 CPUUtilization"),
        ("dimension InstanceId like i-*", True, INSTANCE),
        ("tag env like prod", False, ""),
        ("Region us-east-1", False, "eu-west-1"),
    ]
