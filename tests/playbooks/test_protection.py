"""Tags of what an alarm would work on: read of AWS before the start, and taken for set where they cannot be read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.aws import Aws
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import Database
from playbooks.alarm import Alarm
from playbooks.protection import FRESH, Protection, names_in, protects
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import LEE, Waist, gate
from tests.playbooks.worlds import INSTANCE, alarm, metric

TAG = "no-auto-remediate"
KEYS = (f"402715938824/eu-west-1/ec2/{INSTANCE}",)
ARN = f"arn:aws:ec2:eu-west-1:402715938824:instance/{INSTANCE}"


@dataclass
class Tags:
    """What carries the tag, as AWS answers, page by page; or how it fails."""

    arns: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call."""
        self.asked.append((operation, region))
        if self.error is not None:
            raise self.error
        if operation == "DescribeTags":
            return {"Tags": [{"ResourceId": name, "Key": TAG, "Value": value} for name, value in self.groups.items()]}
        at = int(params.get("PaginationToken") or 0)
        found = [*self.arns.items()][at : at + 1]
        listed = [{"ResourceARN": arn, "Tags": [{"Key": TAG, "Value": value}]} for arn, value in found]
        token = str(at + 1) if at + 1 < len(self.arns) else ""
        return {"ResourceTagMappingList": listed, "PaginationToken": token}


def looking(tags: Tags, clock: ManualClock, **fields: Any) -> Protection:
    """What asks it."""
    return Protection((TAG,), lambda _alarm: tags, clock, **fields)


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        (ARN, INSTANCE),
        ("arn:aws:rds:eu-west-1:402715938824:db:orders", "orders"),
        ("arn:aws:ecs:eu-west-1:402715938824:service/shop/web", "shop/web"),
        ("arn:aws:ecs:eu-west-1:402715938824:service/shop/web", "web"),
        ("arn:aws:elasticloadbalancing:eu-west-1:402715938824:loadbalancer/app/web/50dc6c49", "app/web/50dc6c49"),
        ("arn:aws:sqs:eu-west-1:402715938824:jobs", "jobs"),
        ("arn:aws:lambda:eu-west-1:402715938824:function:resize", "resize"),
    ],
)
def test_a_resource_is_found_by_whatever_it_is_called(clock: ManualClock, arn: str, name: str) -> None:
    """Parameters and dimensions use ids, names and paths of their own."""
    assert name in names_in(arn)
    found = looking(Tags({"arn:aws:s3:::other": "", arn: "true"}), clock)
    keys = (f"-/eu-west-1/resource/{name}",)

    assert found.why_not(alarm(metrics=()), keys) == f"{name} has the tag {TAG}"
    assert looking(Tags({arn: "false"}), clock).why_not(alarm(metrics=()), keys) == ""


def test_what_the_alarm_is_about_counts_too(clock: ManualClock) -> None:
    """A run that names no resource is still one on what its alarm watches; so are Auto Scaling groups."""
    group = alarm(metrics=(metric(AutoScalingGroupName="web"),))

    assert looking(Tags({ARN: ""}), clock).why_not(alarm(), ()) == f"{INSTANCE} has the tag {TAG}"
    assert looking(Tags(groups={"web": "yes"}), clock).why_not(group, ()) == f"web has the tag {TAG}"
    assert looking(Tags(), clock).why_not(group, ()) == ""


@pytest.mark.parametrize(
    "error",
    [
        AwsUnreachable("no route to host"),
        AwsRefused("AccessDeniedException", "not authorized to perform: tag:GetResources"),
    ],
)
def test_what_cannot_be_read_is_not_started(clock: ManualClock, error: Exception) -> None:
    """Failing safe: nobody takes a tag for absent because AWS is away, or says no."""
    found = looking(Tags(error=error), clock).why_not(alarm(), KEYS)

    assert found.startswith(f"the tags of {INSTANCE} cannot be read (")


def test_another_account_and_another_region(clock: ManualClock) -> None:
    """A resource is looked for where it is; in an account that the bot does not look into it is taken for protected."""
    tags = Tags()
    found = looking(tags, clock)

    assert found.why_not(alarm(metrics=()), (f"402715938824/us-east-1/ec2/{INSTANCE}",)) == ""
    assert {region for _, region in tags.asked} == {"us-east-1"}
    assert "another account (999999999999)" in found.why_not(alarm(), (f"999999999999/eu-west-1/ec2/{INSTANCE}",))


def test_a_storm_asks_once_and_nothing_is_asked_for_nothing(clock: ManualClock) -> None:
    """An answer counts for ten seconds; without a target or without protected tags there is no question."""
    tags = Tags()
    found = looking(tags, clock)
    for _ in range(100):
        found.why_not(alarm(), KEYS)
    assert len(tags.asked) == 2

    clock.advance(FRESH + timedelta(seconds=1))
    tags.arns = {ARN: ""}
    assert found.why_not(alarm(), KEYS)
    asked = len(tags.asked)
    assert looking(tags, clock).why_not(alarm(metrics=()), ()) == ""
    assert Protection((), lambda _alarm: tags, clock).why_not(alarm(), KEYS) == ""
    assert len(tags.asked) == asked


@pytest.mark.parametrize(
    ("value", "holds"), [("", True), ("true", True), ("yes", True), (" False ", False), ("0", False)]
)
def test_the_value_may_switch_a_tag_off(value: str, *, holds: bool) -> None:
    """As for the tags of an alarm."""
    assert protects(value) is holds


def test_a_protected_resource_makes_a_suggestion_that_says_why(database: Database, clock: ManualClock) -> None:
    """A person may start it all the same; the trail has the reason."""
    tags = Tags({ARN: "true"})
    waist = Waist(database, clock, gate(start="auto"), protected=looking(tags, clock).why_not)

    received = waist.operations.receive(alarm())
    waist.settle()

    assert received.verdict == "suggested"
    (refused,) = waist.trail("start.refused")
    assert refused.event.data["why"] == "protected"
    suggestion = waist.queries.suggestion(received.key)
    assert suggestion.why == (f"gate did not start by itself: {INSTANCE} has the tag {TAG}. A person may start it.")
    waist.run(by=LEE, InstanceId=INSTANCE)
    assert waist.question()


def test_no_question_is_asked_inside_a_transaction_or_for_silenced_alarms(
    database: Database, clock: ManualClock
) -> None:
    """AWS is asked before, once per message that could start something."""
    seen: list[tuple[str, ...]] = []

    def protected(_alarm: Alarm, keys: tuple[str, ...]) -> str:
        with database.transaction():  # would not open within another one of this thread
            seen.append(keys)
        return ""

    waist = Waist(database, clock, gate(start="auto"), gate(name="other"), protected=protected)
    assert waist.operations.receive(alarm()).verdict == "started"
    waist.operations.receive(alarm(state="OK", changed_at=clock()))

    assert seen == [(f"402715938824/eu-west-1/ec2/{INSTANCE}",)]


@pytest.fixture
def tagged() -> Iterator[dict[str, str]]:
    """An instance, a database, a cluster and a group that carry the tag, and one that does not."""
    with mock_aws():
        keys = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "y"}
        ec2, rds, ecs, asg = (boto3.client(each, **keys) for each in ("ec2", "rds", "ecs", "autoscaling"))
        image = ec2.register_image(Name="base")["ImageId"]  # moto's own are not always there
        tag = {"Key": TAG, "Value": "true"}
        marked = [{"ResourceType": "instance", "Tags": [tag]}]
        instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=marked)
        free = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
        rds.create_db_instance(DBInstanceIdentifier="orders", DBInstanceClass="db.t3.micro", Engine="mysql", Tags=[tag])
        ecs.create_cluster(clusterName="shop", tags=[{"key": TAG, "value": "true"}])
        asg.create_launch_configuration(LaunchConfigurationName="lc", ImageId=image, InstanceType="t3.micro")
        asg.create_auto_scaling_group(
            AutoScalingGroupName="web", LaunchConfigurationName="lc", MinSize=0, MaxSize=1,
            AvailabilityZones=["eu-west-1a"], Tags=[{**tag, "PropagateAtLaunch": True}],
        )  # fmt: skip
        yield {
            "instance": instance["Instances"][0]["InstanceId"], "database": "orders", "cluster": "shop",
            "group": "web", "free": free["Instances"][0]["InstanceId"],
        }  # fmt: skip


def test_against_an_aws(tagged: dict[str, str], clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operations are there and answer as they are read here."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    session = Aws(region="eu-west-1").session("", region="eu-west-1", account="123456789012")
    found = Protection((TAG,), lambda _alarm: session, clock)
    here = alarm(account="123456789012", metrics=())

    for what, name in tagged.items():
        why = found.why_not(here, (f"123456789012/eu-west-1/resource/{name}",))
        assert bool(why) == (what != "free"), what
