"""Instances of the taught moto take their time, and refuse what EC2 refuses."""

from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bot.demo import moto_instances
from bot.demo.moto_instances import Pace
from tests.bot.demo.conftest import Later

PACE = Pace(stopping=3, pending=2, shutting_down=4, rebooting=5, initializing=6)


@pytest.fixture
def ec2(client: Any, later: Later) -> Any:
    """EC2 with slow instances."""
    moto_instances.install(PACE)
    return client("ec2")


@pytest.fixture
def instance(ec2: Any) -> str:
    """A running instance."""
    return str(ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"])


def _state(ec2: Any, instance: str) -> str:
    found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    return str(found["State"]["Name"])


def _system_status(ec2: Any, instance: str) -> str:
    found = ec2.describe_instance_status(InstanceIds=[instance], IncludeAllInstances=True)["InstanceStatuses"][0]
    return str(found["SystemStatus"]["Status"])


def test_stopping_takes_time(ec2: Any, instance: str, later: Later) -> None:
    """An instance is stopping before it is stopped."""
    ec2.stop_instances(InstanceIds=[instance])
    at_first = _state(ec2, instance)

    waited = later.run_out()

    assert (at_first, waited, _state(ec2, instance)) == ("stopping", [3], "stopped")


def test_starting_takes_time_and_is_checked(ec2: Any, instance: str, later: Later) -> None:
    """An instance is pending, then running but initializing, then well."""
    ec2.stop_instances(InstanceIds=[instance])
    later.run_out()
    ec2.start_instances(InstanceIds=[instance])
    states = [(_state(ec2, instance), _system_status(ec2, instance))]

    for _ in range(2):
        later.run_out()
        states.append((_state(ec2, instance), _system_status(ec2, instance)))

    assert states == [("pending", "not-applicable"), ("running", "initializing"), ("running", "ok")]


def test_a_start_changes_the_launch_time(
    ec2: Any, instance: str, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop and start give a new launch time, as on a new host."""
    before = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["LaunchTime"]
    ec2.stop_instances(InstanceIds=[instance])
    later.run_out()

    monkeypatch.setattr(moto_instances, "utcnow", lambda: datetime(2130, 1, 1))

    ec2.start_instances(InstanceIds=[instance])

    after = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["LaunchTime"]
    assert (before.year < 2130, after.year) == (True, 2130)


def test_a_stopping_instance_cannot_be_started(ec2: Any, instance: str) -> None:
    """EC2 answers IncorrectInstanceState, and so does this."""
    ec2.stop_instances(InstanceIds=[instance])

    with pytest.raises(ClientError, match="not in a state from which it can be started") as refusal:
        ec2.start_instances(InstanceIds=[instance])

    assert refusal.value.response["Error"]["Code"] == "IncorrectInstanceState"


def test_a_terminated_instance_stays_so(ec2: Any, instance: str, later: Later) -> None:
    """Terminating takes time too, and there is no way back."""
    ec2.terminate_instances(InstanceIds=[instance])
    at_first = _state(ec2, instance)
    later.run_out()

    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.start_instances(InstanceIds=[instance])

    assert (at_first, _state(ec2, instance)) == ("shutting-down", "terminated")


def test_asking_twice_is_harmless(ec2: Any, instance: str, later: Later) -> None:
    """Stopping what stops and starting what runs are accepted and change nothing."""
    ec2.start_instances(InstanceIds=[instance])
    nothing_set = later.waiting == []
    ec2.stop_instances(InstanceIds=[instance])
    ec2.stop_instances(InstanceIds=[instance])

    assert nothing_set
    assert len(later.waiting) == 1


def test_terminating_while_stopping_ends_terminated(ec2: Any, instance: str, later: Later) -> None:
    """A timer of an earlier transition does not undo a later one."""
    ec2.stop_instances(InstanceIds=[instance])
    ec2.terminate_instances(InstanceIds=[instance])

    later.run_out()

    assert _state(ec2, instance) == "terminated"


def test_a_reboot_keeps_the_state_and_the_launch_time(ec2: Any, instance: str, later: Later) -> None:
    """A rebooting instance is running all the while, and initializes its checks after."""
    ec2.reboot_instances(InstanceIds=[instance])
    at_first = _state(ec2, instance)

    waited = later.run_out()

    assert (at_first, waited, _system_status(ec2, instance)) == ("running", [5], "initializing")
