"""The demo's fleet: a few tagged instances in two Regions, their alarms, and the two roads by which alarms travel."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.demo import datapoints
from bot.demo.aws import ACCOUNT, HOME_REGION

REGIONS = (HOME_REGION, "eu-west-1")
IMAGE = "ami-12c6146b"
NAME = "playbook-alarms"
"""Of the topic in each Region, of the queue in the home Region and of the rules."""

Client = Callable[[str, str], Any]
"""A boto3 client for a service and a Region."""


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance to launch."""

    name: str
    region: str
    role: str
    type: str = "t3.small"
    owner: str = "shop"
    """The team that looks after it."""
    group: str = ""
    """The Auto Scaling group that owns it, or ""."""


@dataclass(frozen=True, slots=True)
class Watch:
    """An alarm to put on an instance: red when the metric reaches the threshold."""

    name: str
    machine: str
    metric: str
    statistic: str
    threshold: float
    red: float
    """A datapoint that breaches."""
    description: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What was built, by name."""

    queue_url: str
    topics: tuple[str, ...]
    instances: Mapping[str, str]
    """Machine name -> instance id."""


MACHINES = (
    Machine("web-1", HOME_REGION, "web"),
    Machine("web-2", HOME_REGION, "web", group="web"),
    Machine("batch-1", HOME_REGION, "batch", type="m5d.large", owner="data"),
    Machine("db-1", "eu-west-1", "database", type="t3.medium", owner="data"),
    Machine("web-3", "eu-west-1", "web"),
)


def _system_check(machine: str) -> Watch:
    return Watch(
        f"{machine}-system-check",
        machine,
        "StatusCheckFailed_System",
        "Maximum",
        1.0,
        1.0,
        f"The host under {machine} has failed its system status check.",
    )


def _cpu(machine: str, red: float) -> Watch:
    return Watch(
        f"{machine}-cpu-high", machine, "CPUUtilization", "Average", 90.0, red, f"{machine} has no CPU time left."
    )


WATCHES = (
    _system_check("web-1"),
    _system_check("web-2"),
    _system_check("batch-1"),
    _system_check("db-1"),
    _cpu("web-2", 98.7),
    _cpu("web-3", 96.4),
)
FIRST_RED = WATCHES[0].name
"""The alarm that turns red by itself."""


class UnknownAlarm(Exception):
    """The demo has no such alarm; the message lists those it has."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The demo has no alarm {name!r}. It has: {', '.join(watch.name for watch in WATCHES)}.")


def build(client: Client) -> Fleet:
    """Launch the instances, wire topics, bus and queue, and put the alarms, all green."""
    queue_url, queue_arn = _queue(client("sqs", HOME_REGION))
    topics = {region: _topic(client("sns", region), queue_arn) for region in REGIONS}
    for region in REGIONS:
        _rule(client("events", region), region, queue_arn)
    instances = {machine.name: _launch(client, machine) for machine in MACHINES}
    for watch in WATCHES:
        region = region_of(watch)
        _alarm(client("cloudwatch", region), watch, instances[watch.machine], topics[region])
    return Fleet(queue_url, tuple(topics.values()), instances)


def machine(name: str) -> Machine:
    """A machine of the fleet by its name."""
    return next(machine for machine in MACHINES if machine.name == name)


def watch(name: str) -> Watch:
    """An alarm of the fleet by its name. Raises UnknownAlarm."""
    found = next((watch for watch in WATCHES if watch.name == name), None)
    if found is None:
        raise UnknownAlarm(name)
    return found


def region_of(watch: Watch) -> str:
    """The Region of the instance an alarm watches."""
    return machine(watch.machine).region


def turn_red(client: Client, name: str) -> bool:
    """Let an alarm's metric breach now; one that is red already recovers first. Says whether it was red.

    Raises UnknownAlarm.
    """
    wanted = watch(name)
    cloudwatch = client("cloudwatch", region_of(wanted))
    alarm = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    was_red = bool(alarm["StateValue"] == "ALARM")
    if was_red:
        _set_state(cloudwatch, wanted, "OK", 0.0)
    _measure(cloudwatch, wanted, alarm["Dimensions"])
    _set_state(cloudwatch, wanted, "ALARM", wanted.red)
    return was_red


def instance_facts(client: Client, region: str, instance_id: str) -> dict[str, str]:
    """`state` and `launch_time` of an instance as EC2 tells them now."""
    found = client("ec2", region).describe_instances(InstanceIds=[instance_id])
    instance = found["Reservations"][0]["Instances"][0]
    return {"state": instance["State"]["Name"], "launch_time": instance["LaunchTime"].isoformat()}


def _measure(cloudwatch: Any, watch: Watch, dimensions: Any) -> None:
    """Let the metric have a past, so that its picture has something to show."""
    found = datapoints.course(watch.red, watch.threshold, at=datetime.now(UTC))
    one = {"MetricName": watch.metric, "Dimensions": dimensions}
    cloudwatch.put_metric_data(
        Namespace="AWS/EC2", MetricData=[{**one, "Timestamp": at, "Value": value} for at, value in found]
    )


def _set_state(cloudwatch: Any, watch: Watch, value: str, datapoint: float) -> None:
    now, threshold = datetime.now(UTC), watch.threshold
    comparison = "GreaterThanOrEqualToThreshold"
    cloudwatch.set_alarm_state(
        AlarmName=watch.name,
        StateValue=value,
        StateReason=datapoints.reason(value, datapoint, threshold=threshold, comparison=comparison, at=now),
        StateReasonData=datapoints.reason_data(
            datapoint, statistic=watch.statistic, period=60, threshold=threshold, at=now
        ),
    )


def _queue(sqs: Any) -> tuple[str, str]:
    arn = f"arn:aws:sqs:{HOME_REGION}:{ACCOUNT}:{NAME}"
    sqs.create_queue(QueueName=f"{NAME}-dead")
    redrive = json.dumps({"deadLetterTargetArn": f"{arn}-dead", "maxReceiveCount": 5})
    attributes = {"VisibilityTimeout": "30", "RedrivePolicy": redrive}
    return str(sqs.create_queue(QueueName=NAME, Attributes=attributes)["QueueUrl"]), arn


def _topic(sns: Any, queue_arn: str) -> str:
    topic = sns.create_topic(Name=NAME, Attributes={"SignatureVersion": "2"})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    return str(topic)


def _rule(events: Any, region: str, queue_arn: str) -> None:
    """Alarm events go to the queue; from another Region they go over the home Region's bus, as AWS wants it."""
    pattern = {"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}
    events.put_rule(Name=NAME, EventPattern=json.dumps(pattern), State="ENABLED")
    bus = f"arn:aws:events:{HOME_REGION}:{ACCOUNT}:event-bus/default"
    target = queue_arn if region == HOME_REGION else bus
    events.put_targets(Rule=NAME, Targets=[{"Id": "playbook-bot", "Arn": target}])


def _launch(client: Client, machine: Machine) -> str:
    ec2 = client("ec2", machine.region)
    tags = [
        {"Key": "Name", "Value": machine.name},
        {"Key": "role", "Value": machine.role},
        {"Key": "env", "Value": "demo"},
        {"Key": "owner", "Value": machine.owner},
    ]
    launch = {"ImageId": IMAGE, "InstanceType": machine.type}
    specification = [{"ResourceType": "instance", "Tags": tags}]
    if not machine.group:
        ran = ec2.run_instances(**launch, MinCount=1, MaxCount=1, TagSpecifications=specification)
        return str(ran["Instances"][0]["InstanceId"])
    template = {**launch, "TagSpecifications": specification}
    ec2.create_launch_template(LaunchTemplateName=machine.group, LaunchTemplateData=template)
    scaling = client("autoscaling", machine.region)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=machine.group,
        LaunchTemplate={"LaunchTemplateName": machine.group, "Version": "$Latest"},
        MinSize=1,
        MaxSize=2,
        AvailabilityZones=[f"{machine.region}a"],
    )
    group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[machine.group])["AutoScalingGroups"][0]
    instance_id = str(group["Instances"][0]["InstanceId"])
    ec2.create_tags(Resources=[instance_id], Tags=tags)
    return instance_id


def _alarm(cloudwatch: Any, watch: Watch, instance_id: str, topic: str) -> None:
    cloudwatch.put_metric_alarm(
        AlarmName=watch.name,
        AlarmDescription=watch.description,
        Namespace="AWS/EC2",
        MetricName=watch.metric,
        Dimensions=[{"Name": "InstanceId", "Value": instance_id}],
        Statistic=watch.statistic,
        Period=60,
        EvaluationPeriods=1,
        DatapointsToAlarm=1,
        Threshold=watch.threshold,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="missing",
        AlarmActions=[topic],
        OKActions=[topic],
        Tags=[{"Key": "env", "Value": "demo"}, {"Key": "role", "Value": machine(watch.machine).role}],
    )
