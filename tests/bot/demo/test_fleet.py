"""The fleet is what the playbooks are about: tagged machines in two Regions, watched, with two roads to one queue."""

import json
from typing import Any

import pytest

from bot.demo import fleet, moto_alarms
from bot.demo.fleet import UnknownAlarm


@pytest.fixture
def built(client: Any) -> fleet.Fleet:
    """The fleet, with acting alarms."""
    moto_alarms.install()
    return fleet.build(client)


def _instance(client: Any, built: fleet.Fleet, name: str) -> dict[str, Any]:
    ec2 = client("ec2", fleet.machine(name).region)
    found = ec2.describe_instances(InstanceIds=[built.instances[name]])["Reservations"][0]["Instances"][0]
    return {**found, "Tags": {tag["Key"]: tag["Value"] for tag in found["Tags"]}}


def _queued(client: Any, built: fleet.Fleet) -> list[dict[str, Any]]:
    got = client("sqs").receive_message(QueueUrl=built.queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in got.get("Messages", [])]


def test_every_machine_runs_and_is_tagged(client: Any, built: fleet.Fleet) -> None:
    """Each has its name, role and environment as tags, in its own Region."""
    found = {machine.name: _instance(client, built, machine.name) for machine in fleet.MACHINES}

    assert {machine.region for machine in fleet.MACHINES} == {"us-east-1", "eu-west-1"}
    assert all(one["State"]["Name"] == "running" for one in found.values())
    assert all(one["Tags"]["Name"] == name and one["Tags"]["env"] == "demo" for name, one in found.items())


def test_one_belongs_to_a_group_and_one_has_an_instance_store(client: Any, built: fleet.Fleet) -> None:
    """The fleet has a machine for each precondition that a recovery must check."""
    batch = _instance(client, built, "batch-1")["InstanceType"]
    types = client("ec2").describe_instance_types(InstanceTypes=[batch])["InstanceTypes"][0]

    assert _instance(client, built, "web-2")["Tags"]["aws:autoscaling:groupName"] == "web"
    assert "aws:autoscaling:groupName" not in _instance(client, built, "web-1")["Tags"]
    assert types["InstanceStorageSupported"] is True


def test_all_is_green_and_quiet_at_first(client: Any, built: fleet.Fleet) -> None:
    """No alarm is red, and nothing is queued."""
    states = [
        alarm["StateValue"]
        for region in fleet.REGIONS
        for alarm in client("cloudwatch", region).describe_alarms()["MetricAlarms"]
    ]

    assert states == ["OK"] * len(fleet.WATCHES)
    assert _queued(client, built) == []


@pytest.mark.parametrize("name", ["web-1-system-check", "db-1-system-check"])
def test_a_red_alarm_arrives_by_two_roads(client: Any, built: fleet.Fleet, name: str) -> None:
    """From both Regions the SNS envelope and the EventBridge event reach the one queue, and agree."""
    fleet.turn_red(client, name)

    event, envelope = sorted(_queued(client, built), key=lambda body: "Type" in body)
    message = json.loads(envelope["Message"])
    region = fleet.region_of(fleet.watch(name))
    assert (event["region"], message["AlarmArn"].split(":")[3]) == (region, region)
    assert envelope["TopicArn"] in built.topics
    assert event["detail"]["state"]["timestamp"] == message["StateChangeTime"]
    assert message["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [1.0 (")


def test_red_again_is_a_new_transition(client: Any, built: fleet.Fleet) -> None:
    """An alarm that is red recovers first, so that somebody hears of it."""
    first = fleet.turn_red(client, "web-3-cpu-high")
    _queued(client, built)

    second = fleet.turn_red(client, "web-3-cpu-high")

    states = [json.loads(body["Message"])["NewStateValue"] for body in _queued(client, built) if "Type" in body]
    assert (first, second) == (False, True)
    assert sorted(states) == ["ALARM", "OK"]


def test_an_unknown_alarm_is_told_with_those_there_are(client: Any, built: fleet.Fleet) -> None:
    """A typo is answered with the names."""
    with pytest.raises(UnknownAlarm, match=r"no alarm 'web-9'\. It has: web-1-system-check"):
        fleet.turn_red(client, "web-9")
