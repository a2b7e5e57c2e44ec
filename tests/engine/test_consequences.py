from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from engine.consequence import Consequence, InstanceFacts, TargetGroup, instances_of, told
from engine.consequence_facts import instance_facts
from engine.consequences import consequences_of
from infra.aws import Aws
from infra.aws_errors import AwsRefused

ID = "i-0123456789abcdef0"
BUSY = InstanceFacts(
    ID,
    state="running",
    instance_type="m5d.large",
    public_address="203.0.113.5",
    has_elastic_ip=False,
    instance_store_gb=75,
    auto_scaling_group="web",
    target_groups=(TargetGroup("front", 1, is_healthy=True), TargetGroup("back", 3, is_healthy=True)),
    deletes_volumes=("vol-1",),
    tags={"No-Auto-Remediate": ""},
)
CALM = InstanceFacts(ID, state="running", has_elastic_ip=True, public_address="203.0.113.5", instance_store_gb=0)


def said(operation: str, facts: InstanceFacts, **params: Any) -> list[str]:
    """The sentences about one instance."""
    found = consequences_of("ec2", operation, {"InstanceIds": [ID], **params}, {ID: facts})
    return [f"{each.weight}: {each.sentence}" for each in found]


def test_a_stop_takes_more_than_a_reboot() -> None:
    """Host, instance store and public address go with a stop; a reboot keeps them and says so."""
    stopped, rebooted = said("StopInstances", BUSY), said("RebootInstances", BUSY)

    assert "lost: everything on its 75 GB of instance store" in stopped
    assert any("203.0.113.5" in each for each in stopped)
    assert not any("instance store" in each or "203.0.113.5" in each for each in rebooted)
    assert "note: a reboot keeps host, disks and addresses" in rebooted


def test_a_stop_tells_who_else_notices() -> None:
    """The Auto Scaling group, the last healthy target, and the tag of its owners."""
    found = said("StopInstances", BUSY)

    assert any(each.startswith("lost: the Auto Scaling group web sees it as unhealthy") for each in found)
    assert "lost: it is the last healthy target of front: nobody is served while it is stopped" in found
    assert "changes: back has 2 healthy targets left while it is stopped" in found
    assert any(each.startswith("blocked: it is tagged no-auto-remediate") for each in found)


def test_an_elastic_ip_and_no_instance_store_leave_little() -> None:
    """Only what is in memory."""
    assert said("StopInstances", CALM) == ["lost: what it holds in memory, and every open connection"]


def test_a_reboot_does_not_heal_a_broken_host() -> None:
    """It stays where it is; only stop and start, or recovery, move it."""
    facts = InstanceFacts(ID, state="running", host_is_impaired=True)

    assert any("a reboot stays there" in each or "reboot stays" in each for each in said("RebootInstances", facts))


def test_protection_is_told_before_aws_refuses() -> None:
    """Each kind at its call."""
    facts = InstanceFacts(ID, has_stop_protection=True, has_termination_protection=True)

    assert any(each.startswith("blocked: it is protected from being stopped") for each in said("StopInstances", facts))
    assert any(
        each.startswith("blocked: it is protected from being term") for each in said("TerminateInstances", facts)
    )


def test_a_termination_takes_the_volumes_and_the_group_replaces_it() -> None:
    """What is deleted by name."""
    found = said("TerminateInstances", BUSY)

    assert "lost: its volumes, deleted with it: vol-1" in found
    assert any("starts another in its place" in each for each in found)


def test_force_is_told() -> None:
    """Caches are not written."""
    assert any(each.startswith("lost: force:") for each in said("StopInstances", CALM, Force=True))


def test_what_is_done_already_takes_nothing() -> None:
    """Stopping what is stopped, starting what runs."""
    assert said("StopInstances", InstanceFacts(ID, state="stopped")) == ["note: it is stopped already"]
    assert said("StartInstances", InstanceFacts(ID, state="running")) == ["note: it is running already"]


def test_what_could_not_be_looked_at_is_said() -> None:
    """A gap is not a reassurance."""
    facts = InstanceFacts(ID, not_looked_at=("its target groups (AccessDenied)",))

    assert "note: not known: its target groups (AccessDenied)" in said("StopInstances", facts)


@pytest.mark.parametrize(
    ("service", "operation", "params", "sentence"),
    [
        ("rds", "DeleteDBInstance", {"DBInstanceIdentifier": "db", "SkipFinalSnapshot": True},
         "lost: db: all of its data: no final snapshot is taken"),
        ("rds", "RebootDBInstance", {"DBInstanceIdentifier": "db", "ForceFailover": "true"},
         "changes: db: the standby takes over: connections break, the address stays"),
        ("sqs", "PurgeQueue", {"QueueUrl": "q"}, "lost: q: every message in the queue"),
        ("eks", "DeleteNodegroup", {"clusterName": "c", "nodegroupName": "n"},
         "lost: c / n: Delete nodegroup: it cannot be undone"),
        ("glue", "DeleteTable", {"DatabaseName": "d", "Name": "t"}, "lost: d / t: Delete table: it cannot be undone"),
    ],
)  # fmt: skip
def test_other_services_have_their_losses(service: str, operation: str, params: dict[str, Any], sentence: str) -> None:
    """The well-known ones in their own words, every other deletion by its name."""
    assert sentence in told(consequences_of(service, operation, params, {}))


def test_the_worst_comes_first() -> None:
    """What stands in the way, what is lost, what changes, what is to be known."""
    found = [Consequence(weight, "", weight) for weight in ("note", "changes", "lost", "blocked")]

    assert [each.split(": ")[1] for each in told(found)] == ["blocked", "lost", "changes", "note"]


PARAMS = st.dictionaries(
    st.sampled_from(["InstanceIds", "InstanceId", "Targets", "Instances", "Force", "Name"]),
    st.none() | st.text() | st.booleans() | st.lists(st.text() | st.dictionaries(st.text(), st.text()), max_size=3),
)


@given(st.sampled_from(["StopInstances", "TerminateInstances", "RebootInstances", "DeleteVolume", "X"]), PARAMS)
def test_no_parameters_break_it(operation: str, params: dict[str, Any]) -> None:
    """Unresolved templates, wrong types: sentences or none, never an error."""
    for service in ("ec2", "autoscaling", "elbv2"):
        told(consequences_of(service, operation, params, {}))
        instances_of(service, params)


@pytest.fixture
def fleet() -> Iterator[Any]:
    """An EC2 client of an account with nothing in it."""
    with mock_aws():
        yield boto3.client("ec2", region_name="eu-west-1")


def test_facts_are_gathered_by_questions(fleet: Any) -> None:
    """Type, address, Elastic IP, group, protection and tags of a real (imitated) instance."""
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web-1"}]}]
    made = fleet.run_instances(
        ImageId="ami-12c6146b", MinCount=2, MaxCount=2, InstanceType="m5d.large", TagSpecifications=tags
    )["Instances"]
    one, other = (each["InstanceId"] for each in made)
    address = fleet.allocate_address(Domain="vpc")["AllocationId"]
    fleet.associate_address(InstanceId=other, AllocationId=address)
    fleet.modify_instance_attribute(InstanceId=one, DisableApiTermination={"Value": True})
    session = Aws(region="eu-west-1").session()
    facts = instance_facts(session, [one, other])

    assert (facts[one].name, facts[one].state, facts[one].instance_store_gb) == ("web-1", "running", 75)
    assert (facts[one].has_elastic_ip, facts[other].has_elastic_ip) == (False, True)
    assert (facts[one].has_termination_protection, facts[other].has_termination_protection) == (True, False)
    assert {call.operation for call in session.drain()} <= {
        "DescribeInstances", "DescribeAddresses", "DescribeInstanceTypes", "DescribeAutoScalingInstances",
        "DescribeInstanceAttribute", "DescribeInstanceStatus", "DescribeTargetGroups",
    }  # fmt: skip


def test_the_last_healthy_target_is_found(fleet: Any) -> None:
    """The instance's target groups are found by asking those of its network."""
    made = fleet.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"][0]
    balancing = boto3.client("elbv2", region_name="eu-west-1")
    networks = (made["VpcId"], fleet.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"])
    for name, vpc in zip(("front", "elsewhere"), networks, strict=True):
        balancing.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc)
    arn = balancing.describe_target_groups(Names=["front"])["TargetGroups"][0]["TargetGroupArn"]
    balancing.register_targets(TargetGroupArn=arn, Targets=[{"Id": made["InstanceId"]}])
    session = Aws(region="eu-west-1").session()
    facts = instance_facts(session, [made["InstanceId"]])[made["InstanceId"]]

    assert [group.name for group in facts.target_groups] == ["front"]
    asked = [call.resource for call in session.drain() if call.operation == "DescribeTargetHealth"]
    assert asked == [arn]


class ManyGroups:
    """An AWS with more target groups than anybody would ask."""

    def call(self, service: str, operation: str, params: Any) -> dict[str, Any]:
        """A page of groups, or nothing."""
        if operation == "DescribeInstances":
            return {"Reservations": [{"Instances": [{"InstanceId": ID, "VpcId": "vpc-1"}]}]}
        if operation == "DescribeTargetGroups":
            page = int(params.get("Marker", 0))
            groups = [
                {"TargetGroupArn": f"arn:{page}:{number}", "TargetGroupName": f"g{page}-{number}", "VpcId": "vpc-1"}
                for number in range(60)
            ]
            return {"TargetGroups": groups, "NextMarker": str(page + 1)}
        return {}


def test_what_was_cut_off_is_said() -> None:
    """A hundred groups are asked; that there are more is a gap, not silence."""
    assert "target groups beyond the first 100" in instance_facts(ManyGroups(), [ID])[ID].not_looked_at


class Denied:
    """An AWS that only lets instances be described."""

    def call(self, service: str, operation: str, params: Any) -> dict[str, Any]:
        """Answer or refuse."""
        if operation == "DescribeInstances":
            return {"Reservations": [{"Instances": [{"InstanceId": ID, "State": {"Name": "running"}}]}]}
        raise AwsRefused("AccessDenied", f"no {service}:{operation} for you")


def test_one_missing_permission_does_not_hide_the_rest() -> None:
    """Each gap is named with AWS's reason."""
    facts = instance_facts(Denied(), [ID])[ID]

    assert facts.state == "running"
    assert "its Elastic IP (AccessDenied)" in facts.not_looked_at
    assert "its target groups (AccessDenied)" in facts.not_looked_at
