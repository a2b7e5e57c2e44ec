"""aws:changeInstanceState: asks once, waits for the state, says what it sees, fails when it will not come."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import FailureType, Stage
from engine.actions import BY_NAME
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from tests.engine.actions.rig import (
    DENIED,
    SILENT,
    THROTTLED,
    Rig,
    TableAws,
    answering,
    failed,
    succeeded,
    waiting,
)

ONE = "i-0123456789abcdef0"
TWO = "i-0123456789abcdef1"
NAME = "aws:changeInstanceState"


def statuses(*found: tuple[str, ...]) -> dict[str, Any]:
    """DescribeInstanceStatus's answer: (id, state[, system check, instance check])."""
    return {
        "InstanceStatuses": [
            {
                "InstanceId": row[0],
                "InstanceState": {"Name": row[1]},
                "SystemStatus": {"Status": (row[2:3] or ("not-applicable",))[0]},
                "InstanceStatus": {"Status": (row[3:4] or row[2:3] or ("not-applicable",))[0]},
            }
            for row in found
        ]
    }


def rig(aws: Any, desired: str = "stopped", **inputs: Any) -> Rig:
    """A step that changes ONE, unless said otherwise."""
    return Rig(NAME, {"InstanceIds": [ONE], "DesiredState": desired, **inputs}, aws)


def stopping(*looks: Any) -> TableAws:
    """An AWS that takes a stop and then answers these looks."""
    return answering(ec2__StopInstances={}, ec2__DescribeInstanceStatus=list(looks))


@pytest.mark.parametrize(
    ("desired", "end"), [("stopped", "stopped"), ("terminated", "terminated"), ("running", "running")]
)
def test_it_reaches_every_state(moto: AwsSession, instance: str, desired: str, end: str) -> None:
    """Each of the three states is asked for, waited for and told in InstanceStates."""
    outcome = Rig(NAME, {"InstanceIds": instance, "DesiredState": desired}, moto).finish()

    assert succeeded(outcome).outputs == {"InstanceStates": [end]}


def test_it_waits_and_says_what_it_sees() -> None:
    """While an instance is stopping, people read so; the call is made once."""
    aws = stopping(statuses((ONE, "stopping")), statuses((ONE, "stopping")), statuses((ONE, "stopped")))
    step = rig(aws)

    assert succeeded(step.finish()).outputs == {"InstanceStates": ["stopped"]}
    assert step.said == [f"{ONE} is stopping"] * 2
    assert aws.times("ec2:StopInstances") == 1
    assert step.elapsed.total_seconds() == 10


def test_running_means_both_checks_passed() -> None:
    """An instance that runs but is not checked yet is not there yet."""
    looks = [
        statuses((ONE, "pending")),
        statuses((ONE, "running", "initializing")),
        statuses((ONE, "running", "ok", "initializing")),
        statuses((ONE, "running", "ok")),
    ]
    step = rig(answering(ec2__StartInstances={}, ec2__DescribeInstanceStatus=looks), "running")

    assert succeeded(step.finish()).outputs == {"InstanceStates": ["running"]}
    assert step.said[-1] == f"{ONE} is running, checks: system ok, instance initializing"


@pytest.mark.parametrize("check", ["impaired", "insufficient-data", "not-applicable"])
def test_a_bad_check_ends_the_wait(check: str) -> None:
    """An instance that came up ill fails the step at once."""
    looks = [statuses((ONE, "pending")), statuses((ONE, "running", "ok", check))]
    outcome = failed(rig(answering(ec2__StartInstances={}, ec2__DescribeInstanceStatus=looks), "running").finish())

    assert outcome.message == f"Instance {ONE} runs with bad status checks: system ok, instance {check}"
    assert outcome.stage is Stage.POST_VERIFICATION


@pytest.mark.parametrize(
    ("desired", "state"), [("running", "terminated"), ("running", "shutting-down"), ("stopped", "terminated")]
)
def test_an_unexpected_state_ends_the_wait(desired: str, state: str) -> None:
    """Nobody waits an hour for an instance that is gone."""
    aws = answering(ec2__StartInstances={}, ec2__StopInstances={}, ec2__DescribeInstanceStatus=statuses((ONE, state)))
    outcome = failed(rig(aws, desired).finish())

    assert outcome.message == f"Instance {ONE} entered unexpected state: {state}"
    assert outcome.type is FailureType.VERIFICATION


def test_only_looking_changes_nothing() -> None:
    """CheckStateOnly waits for a state that somebody else brings about."""
    aws = answering(ec2__DescribeInstanceStatus=[statuses((ONE, "running", "ok")), statuses((ONE, "stopped"))])

    assert succeeded(rig(aws, CheckStateOnly="true").finish()).outputs == {"InstanceStates": ["stopped"]}


def test_a_restart_in_between_does_not_ask_twice() -> None:
    """After a crash between two looks the wait goes on where it was."""
    aws = stopping(statuses((ONE, "stopping")), statuses((ONE, "stopped")))
    step = rig(aws)
    waiting(step.look())

    succeeded(step.look(crashed=True))

    assert aws.times("ec2:StopInstances") == 1


@pytest.mark.parametrize(
    ("states", "force", "times"),
    [(["stopping"], False, 0), (["running", "stopping"], False, 1), (["stopping"], True, 1)],
)
def test_a_crash_within_the_call_looks_first(states: list[str], *, force: bool, times: int) -> None:
    """What is on its way already is not asked again; what is not yet, or shall be forced, is."""
    aws = stopping(*(statuses((ONE, state)) for state in states))
    extra: dict[str, Any] = {"Force": True} if force else {}
    waiting(rig(aws, **extra).look(crashed=True))

    assert aws.times("ec2:StopInstances") == times


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
def test_a_look_that_fails_in_passing_costs_time_only(trouble: Exception) -> None:
    """Throttling and a lost network delay the wait; the stop is not asked for again."""
    aws = stopping(statuses((ONE, "stopping")), trouble, statuses((ONE, "stopped")))
    step = rig(aws)

    succeeded(step.finish())

    assert aws.times("ec2:StopInstances") == 1
    assert step.said[1].startswith("AWS cannot be asked at the moment")
    assert step.elapsed.total_seconds() == 20


def test_a_denied_call_is_a_permission_failure() -> None:
    """What is missing is a permission, and AWS's sentence says which."""
    outcome = failed(rig(answering(ec2__StopInstances=DENIED)).finish())

    assert (outcome.type, outcome.stage, outcome.is_final) == (FailureType.PERMISSION, Stage.INVOCATION, False)


def test_an_unknown_instance_fails(moto: AwsSession) -> None:
    """AWS's own sentence names the instance."""
    outcome = failed(Rig(NAME, {"InstanceIds": [ONE], "DesiredState": "stopped"}, moto).finish())

    assert "InvalidInstanceID.NotFound" in outcome.message
    assert outcome.response_code == "InvalidInstanceID.NotFound"


def test_a_terminated_instance_may_be_forgotten() -> None:
    """EC2 forgets terminated instances: that is what was wanted."""
    gone = AwsRefused("InvalidInstanceID.NotFound", "An error occurred (InvalidInstanceID.NotFound)")
    aws = answering(ec2__TerminateInstances={}, ec2__DescribeInstanceStatus=[statuses((ONE, "shutting-down")), gone])

    assert succeeded(rig(aws, "terminated").finish()).outputs == {"InstanceStates": ["terminated"]}


def test_all_instances_must_arrive() -> None:
    """Two instances are done when both are, in the order they were named; one not visible yet is waited for."""
    looks = [statuses((TWO, "stopped")), statuses((TWO, "stopped"), (ONE, "stopping")),
             statuses((TWO, "stopped"), (ONE, "stopped"))]  # fmt: skip
    step = rig(stopping(*looks), InstanceIds=[ONE, TWO])

    assert succeeded(step.finish()).outputs == {"InstanceStates": ["stopped", "stopped"]}
    assert step.said[0] == f"{TWO} is stopped; {ONE} is not visible yet"


def test_force_goes_to_the_stop_only() -> None:
    """Force belongs to StopInstances, AdditionalInfo to StartInstances."""
    stop, start = (
        stopping(statuses((ONE, "stopped"))),
        answering(ec2__StartInstances={}, ec2__DescribeInstanceStatus=statuses((ONE, "running", "ok"))),
    )
    rig(stop, Force="true", AdditionalInfo="x").finish()
    rig(start, "running", Force=True, AdditionalInfo="x").finish()

    assert stop.params("ec2:StopInstances") == {"InstanceIds": [ONE], "Force": True}
    assert start.params("ec2:StartInstances") == {"InstanceIds": [ONE], "AdditionalInfo": "x"}


def test_falling_back_to_stopped_can_end_the_wait() -> None:
    """FailOnUnexpectedStopped: an instance that stops again while it should start fails the step."""
    looks = [statuses((ONE, "pending")), statuses((ONE, "stopped"))]
    aws = answering(ec2__StartInstances={}, ec2__DescribeInstanceStatus=looks)

    outcome = failed(rig(aws, "running", FailOnUnexpectedStopped=True).finish())

    assert outcome.message == f"Instance {ONE} entered unexpected state: stopped"


@pytest.mark.parametrize(
    "inputs",
    [{"InstanceIds": []}, {"DesiredState": "sleeping"}, {"CheckStateOnly": "perhaps"}, {"Instances": [ONE]}],
)
def test_inputs_that_make_no_sense_are_refused(inputs: dict[str, Any]) -> None:
    """An empty list must never mean all instances."""
    with pytest.raises(ValidationError):
        BY_NAME[NAME].Inputs.model_validate({"InstanceIds": [ONE], "DesiredState": "stopped", **inputs})
