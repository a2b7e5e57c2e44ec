"""The playbooks that come with the program: rehearsed against every turn, and run on moto's EC2."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from moto import mock_aws

from audit.events import Actor
from engine.actions import BY_NAME
from engine.execution import Execution
from engine.foreground import Foreground
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.rehearsal import Played, play
from engine.rehearsal_file import Rehearsal, read_rehearsals
from engine.signals import Signal, SignalType
from infra.aws import Aws, AwsSession
from playbooks.catalog import LIBRARY, Catalog
from playbooks.mapping import parameters_from
from playbooks.matching import matching
from playbooks.playbook import Playbook
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import INSTANCE, alarm, catalog, metric

NAMES = ("reboot-instance", "recover-instance", "restart-instance", "start-instance", "stop-instance")
ALLOWED = {
    "aws:approve",
    "aws:assertAwsResourceProperty",
    "aws:branch",
    "aws:changeInstanceState",
    "aws:executeAwsApi",
    "aws:pause",
    "aws:sleep",
    "aws:waitForAwsResourceProperty",
}
LEE = Actor("person", "person:lee", "Lee")


@cache
def library() -> Catalog:
    """The library, read once."""
    return catalog(LIBRARY)


def shipped(name: str) -> Playbook:
    """One of its playbooks."""
    found = library().get(name)
    assert found is not None
    return found


@cache
def rehearsals(name: str) -> tuple[Rehearsal, ...]:
    """The rehearsals of one playbook."""
    path = LIBRARY / name / "rehearsal.yaml"
    return read_rehearsals(path.read_text(encoding="utf-8"), shipped(name).runbook, file=str(path))


@cache
def played(name: str) -> tuple[Played, ...]:
    """What came of them."""
    return tuple(play(shipped(name).runbook, rehearsal, actions=BY_NAME) for rehearsal in rehearsals(name))


# -- as shipped


def test_these_playbooks_are_shipped() -> None:
    """The catalog has them all, each with its three files."""
    assert tuple(one.name for one in library().all) == NAMES
    for name in NAMES:
        files = {path.name for path in (LIBRARY / name).iterdir()}
        assert files == {"playbook.yaml", "runbook.yaml", "rehearsal.yaml"}


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_uses_only_what_is_there_from_the_start(name: str) -> None:
    """No script and no other document: it can be read by whoever approves it, and uploaded as it is."""
    assert {step.action for step in shipped(name).runbook.all_steps()} <= ALLOWED


@pytest.mark.parametrize("name", NAMES)
def test_every_step_tells_people_what_it_is_for(name: str) -> None:
    """The card shows descriptions; a question names the instance and is short enough to be read at night."""
    runbook = shipped(name).runbook
    for step in runbook.all_steps():
        assert 5 < len(step.description) <= 80
        if step.action == "aws:approve":
            assert "{{ InstanceId }}" in str(step.inputs["Message"])
            assert len(str(step.inputs["Message"])) < 500


@pytest.mark.parametrize("name", NAMES)
def test_only_responders_run_and_approve(name: str) -> None:
    """Shipped playbooks name a group; where the settings have no such group, that is nobody."""
    one = shipped(name)

    assert one.may_run == ("group:responders",)
    assert one.approvers == (("group:responders",) if one.needs_approval else ())
    assert not one.may_approve_own


def test_only_a_failed_host_starts_something_by_itself() -> None:
    """And that asks before it changes anything."""
    assert [one.name for one in library().all if one.start == "auto"] == ["recover-instance"]
    assert shipped("recover-instance").needs_approval


@pytest.mark.parametrize(
    ("name", "metric_name", "suggested"),
    [
        ("web-1-system", "StatusCheckFailed_System", ["recover-instance"]),
        ("web-1-instance", "StatusCheckFailed_Instance", ["reboot-instance"]),
        ("web-1-cpu", "CPUUtilization", ["restart-instance"]),
        ("web-1-network", "NetworkIn", []),
    ],
)
def test_alarms_find_their_playbook(name: str, metric_name: str, suggested: list[str]) -> None:
    """EC2's own metrics lead to what usually helps, with the instance filled in."""
    red = alarm(name=name, metrics=(metric("AWS/EC2", metric_name),))

    found = matching(library().all, red)

    assert [one.name for one in found] == suggested
    for one in found:
        assert parameters_from(one, red) == {"InstanceId": INSTANCE, "Approvers": ["group:responders"]}


# -- rehearsed


@pytest.mark.parametrize("name", NAMES)
def test_rehearsals_go_as_expected(name: str, subtests: pytest.Subtests) -> None:
    """Every rehearsal of every playbook."""
    for each in played(name):
        with subtests.test(each.rehearsal.name):
            assert [str(problem) for problem in each.problems] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_step_is_rehearsed(name: str) -> None:
    """There is no step that no rehearsal comes to."""
    ran = {step.name for each in played(name) if each.state for step in each.state.steps}

    assert ran == {step.name for step in shipped(name).runbook.all_steps()}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "start-instance"])
def test_nothing_is_changed_before_somebody_has_agreed(name: str) -> None:
    """In no rehearsal does a call that changes something come without the approval before it."""
    changed = 0
    for each in played(name):
        assert each.state is not None
        approved = any(step.name == "approve" and step.status == "Success" for step in each.state.steps)
        changes = [made.operation for made in each.calls if made.changes]
        assert approved or not changes
        changed += bool(changes)
    assert changed


@pytest.mark.parametrize("name", [name for name in NAMES if name != "start-instance"])
def test_a_no_and_a_silence_are_rehearsed(name: str) -> None:
    """A rejection and, but for the plainest, a question that nobody answers."""
    people = [each.rehearsal.people.get("approve") for each in played(name)]

    assert ["Reject"] in people


# -- on moto


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsSession]:
    """An account with nothing in it."""
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with mock_aws():
        yield Aws(region="eu-west-1").session()


def launch(moto: AwsSession, **params: Any) -> str:
    """A running instance."""
    image = moto.call("ec2", "RegisterImage", {"Name": "base", "RootDeviceName": "/dev/sda1"})["ImageId"]
    wish = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.small", **params}
    return str(moto.call("ec2", "RunInstances", wish)["Instances"][0]["InstanceId"])


def run(moto: AwsSession, name: str, instance: str) -> Execution:
    """Run a playbook's runbook against moto, approving whatever is asked, with a clock that leaps."""
    clock = ManualClock()
    performer = Performer(BY_NAME, lambda _: moto, clock, poll=timedelta(seconds=5))
    engine = Foreground(actions=BY_NAME, performer=performer, clock=clock, pause=clock.advance)
    parameters: Mapping[str, Any] = {"InstanceId": instance}
    if "Approvers" in shipped(name).runbook.parameters:
        parameters = {**parameters, "Approvers": ["lee"]}
    order = StartOrder(shipped(name).runbook, parameters, LEE, moto.region, moto.account)
    try:
        return engine.run(order, lambda state: Signal(SignalType.APPROVE, LEE, state.step.id if state.step else ""))
    finally:
        engine.close()


def state_of(moto: AwsSession, instance: str) -> str:
    """What EC2 says of it."""
    found = moto.call("ec2", "DescribeInstances", {"InstanceIds": [instance]})
    return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("reboot-instance", "running"),
        ("recover-instance", "running"),
        ("restart-instance", "running"),
        ("start-instance", "running"),
        ("stop-instance", "stopped"),
    ],
)
def test_it_works_on_motos_ec2(moto: AwsSession, name: str, after: str) -> None:
    """The calls are real ones: botocore takes them, and moto does them."""
    instance = launch(moto)
    if name == "start-instance":
        moto.call("ec2", "StopInstances", {"InstanceIds": [instance]})
    moto.drain()

    state = run(moto, name, instance)

    assert (str(state.status), state.failure_message) == ("Success", "")
    assert state_of(moto, instance) == after


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_instance_is_named_before_anybody_is_asked(moto: AwsSession, name: str) -> None:
    """The first step finds out."""
    state = run(moto, name, "i-0123456789abcdef0")

    assert str(state.status) == "Failed"
    assert "i-0123456789abcdef0" in state.failure_message
    assert len(state.steps) == 1


def test_instance_store_is_not_recovered_on_moto(moto: AwsSession) -> None:
    """EC2's own facts about a type with local disks stop it before anybody is asked."""
    instance = launch(moto, InstanceType="m5d.large")

    state = run(moto, "recover-instance", instance)

    assert (str(state.status), state.steps[-1].name) == ("Failed", "assertNoInstanceStore")


@pytest.mark.parametrize("name", ["recover-instance", "restart-instance", "stop-instance"])
def test_a_protected_instance_is_not_asked_about_on_moto(moto: AwsSession, name: str) -> None:
    """Stop protection is seen first."""
    instance = launch(moto)
    protection = {"InstanceId": instance, "DisableApiStop": {"Value": True}}
    moto.call("ec2", "ModifyInstanceAttribute", protection)

    state = run(moto, name, instance)

    assert (str(state.status), state.steps[-1].name) == ("Failed", "assertMayBeStopped")


@pytest.mark.parametrize("name", ["recover-instance", "restart-instance", "stop-instance"])
def test_a_group_member_is_not_asked_about_on_moto(moto: AwsSession, name: str) -> None:
    """The Auto Scaling group that owns it is found, and named."""
    image = moto.call("ec2", "RegisterImage", {"Name": "base", "RootDeviceName": "/dev/sda1"})["ImageId"]
    template = {"LaunchTemplateName": "web", "LaunchTemplateData": {"ImageId": image, "InstanceType": "t3.small"}}
    moto.call("ec2", "CreateLaunchTemplate", template)
    group = {
        "AutoScalingGroupName": "web-group",
        "LaunchTemplate": {"LaunchTemplateName": "web", "Version": "$Latest"},
        "MinSize": 1,
        "MaxSize": 1,
        "AvailabilityZones": ["eu-west-1a"],
    }
    moto.call("autoscaling", "CreateAutoScalingGroup", group)
    members = moto.call("autoscaling", "DescribeAutoScalingInstances", {})["AutoScalingInstances"]

    state = run(moto, name, members[0]["InstanceId"])

    assert (str(state.status), state.steps[-1].name) == ("Failed", "refuseGroupMember")
    assert "web-group" in state.failure_message
