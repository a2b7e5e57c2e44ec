"""A list says what fires a playbook, so that a reader need not open its file."""

import pytest

from playbooks.playbook import AlarmTrigger


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (AlarmTrigger(name="web-*"), "alarm web-*"),
        (AlarmTrigger(), "alarm *"),
        (
            AlarmTrigger(namespace="AWS/EC2", metric="StatusCheckFailed_System"),
            "an alarm on AWS/EC2 StatusCheckFailed_System",
        ),
        (AlarmTrigger(name="web-*", metric="CPUUtilization"), "alarm web-* on CPUUtilization"),
        (AlarmTrigger(dimensions={"ClusterName": "prod-*"}), "an alarm (ClusterName=prod-*)"),
    ],
)
def test_what_fires_it_in_words(trigger: AlarmTrigger, words: str) -> None:
    """By the alarm's name, else by what it measures."""
    assert trigger.in_words == words
