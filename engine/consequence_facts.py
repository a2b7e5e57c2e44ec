"""Looks at what a call is about, with questions only, so that its consequences can be told."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from engine.consequence import InstanceFacts, TargetGroup
from infra.aws_errors import AwsRefused, AwsUnreachable

MOST_TARGET_GROUPS: Final = 100


class Looking(Protocol):
    """AWS, as far as it answers questions."""

    def call(self, service: str, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """One question. Raises AwsRefused, AwsUnreachable."""


def instance_facts(aws: Looking, ids: Sequence[str]) -> dict[str, InstanceFacts]:
    """What is known of the instances; what could not be looked at is said in them."""
    if not ids:
        return {}
    try:
        found = aws.call("ec2", "DescribeInstances", {"InstanceIds": list(ids)})
    except (AwsRefused, AwsUnreachable) as error:
        return {each: InstanceFacts(each, not_looked_at=(f"the instance ({_why(error)})",)) for each in ids}
    described = [each for group in found.get("Reservations", ()) for each in group.get("Instances", ())]
    facts = {str(each["InstanceId"]): _basic(each) for each in described}
    for look, what in _LOOKS:
        try:
            facts = {**facts, **look(aws, facts)}
        except (AwsRefused, AwsUnreachable) as error:
            gap = f"{what} ({_why(error)})"
            facts = {name: replace(each, not_looked_at=(*each.not_looked_at, gap)) for name, each in facts.items()}
    return facts


def _why(error: AwsRefused | AwsUnreachable) -> str:
    return error.code if isinstance(error, AwsRefused) else "no answer"


def _basic(found: Mapping[str, Any]) -> InstanceFacts:
    tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in found.get("Tags", ())}
    association = [each.get("Association") or {} for each in found.get("NetworkInterfaces", ())]
    volumes = tuple(
        str(each["Ebs"]["VolumeId"])
        for each in found.get("BlockDeviceMappings", ())
        if each.get("Ebs", {}).get("DeleteOnTermination")
    )
    return InstanceFacts(
        str(found["InstanceId"]),
        state=str(found.get("State", {}).get("Name", "")),
        name=tags.get("Name", ""),
        instance_type=str(found.get("InstanceType", "")),
        vpc=str(found.get("VpcId") or ""),
        public_address=str(found.get("PublicIpAddress") or ""),
        has_elastic_ip=any(each.get("IpOwnerId") not in (None, "amazon") for each in association) or None,
        root_is_instance_store=found.get("RootDeviceType") == "instance-store",
        auto_scaling_group=tags.get("aws:autoscaling:groupName", ""),
        deletes_volumes=volumes,
        is_spot=found.get("InstanceLifecycle") == "spot",
        tags=tags,
    )


Known = Mapping[str, InstanceFacts]


def _addresses(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    filters = [{"Name": "instance-id", "Values": sorted(facts)}]
    found = aws.call("ec2", "DescribeAddresses", {"Filters": filters}).get("Addresses", ())
    fixed = {str(each.get("InstanceId")) for each in found}
    return {name: replace(each, has_elastic_ip=name in fixed) for name, each in facts.items()}


def _types(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    types = sorted({each.instance_type for each in facts.values() if each.instance_type})
    found = aws.call("ec2", "DescribeInstanceTypes", {"InstanceTypes": types}).get("InstanceTypes", ()) if types else ()
    sizes = {
        str(each["InstanceType"]): int((each.get("InstanceStorageInfo") or {}).get("TotalSizeInGB") or 0)
        for each in found
    }
    return {name: replace(each, instance_store_gb=sizes.get(each.instance_type)) for name, each in facts.items()}


def _groups(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    answer = aws.call("autoscaling", "DescribeAutoScalingInstances", {"InstanceIds": sorted(facts)})
    found = {
        str(each["InstanceId"]): str(each["AutoScalingGroupName"]) for each in answer.get("AutoScalingInstances", ())
    }
    return {name: replace(each, auto_scaling_group=found.get(name, "")) for name, each in facts.items()}


def _attribute(aws: Looking, instance: str, attribute: str, member: str) -> bool:
    answer = aws.call("ec2", "DescribeInstanceAttribute", {"InstanceId": instance, "Attribute": attribute})
    return bool((answer.get(member) or {}).get("Value"))


def _termination(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    what = ("disableApiTermination", "DisableApiTermination")
    return {k: replace(each, has_termination_protection=_attribute(aws, k, *what)) for k, each in facts.items()}


def _stopping(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    what = ("disableApiStop", "DisableApiStop")
    return {k: replace(each, has_stop_protection=_attribute(aws, k, *what)) for k, each in facts.items()}


def _health(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    answer = aws.call("ec2", "DescribeInstanceStatus", {"InstanceIds": sorted(facts), "IncludeAllInstances": True})
    impaired = {
        str(each["InstanceId"])
        for each in answer.get("InstanceStatuses", ())
        if (each.get("SystemStatus") or {}).get("Status") == "impaired"
    }
    return {name: replace(each, host_is_impaired=name in impaired) for name, each in facts.items()}


def _targets(aws: Looking, facts: Known) -> dict[str, InstanceFacts]:
    """AWS has no way from a target to its groups: those of the same network are asked one by one."""
    groups, is_cut = _target_groups(aws, {each.vpc for each in facts.values()})
    found: dict[str, list[TargetGroup]] = {name: [] for name in facts}
    for group in groups:
        health = aws.call("elbv2", "DescribeTargetHealth", {"TargetGroupArn": group["TargetGroupArn"]})
        targets = [
            (str(each["Target"]["Id"]), each.get("TargetHealth", {}).get("State") == "healthy")
            for each in health.get("TargetHealthDescriptions", ())
        ]
        healthy = len({name for name, is_healthy in targets if is_healthy})
        for name in {each for each, _ in targets} & found.keys():
            is_healthy = (name, True) in targets
            found[name].append(TargetGroup(str(group["TargetGroupName"]), healthy, is_healthy))
    gap = (f"target groups beyond the first {MOST_TARGET_GROUPS}",) if is_cut else ()
    return {
        name: replace(each, target_groups=tuple(found[name]), not_looked_at=(*each.not_looked_at, *gap))
        for name, each in facts.items()
    }


def _target_groups(aws: Looking, networks: Collection[str]) -> tuple[list[Mapping[str, Any]], bool]:
    """The groups that may hold one of the instances, and whether there are more than are looked at."""
    found: list[Mapping[str, Any]] = []
    marker: dict[str, str] = {}
    while len(found) <= MOST_TARGET_GROUPS:
        answer = aws.call("elbv2", "DescribeTargetGroups", {"PageSize": 400, **marker})
        found += [
            each
            for each in answer.get("TargetGroups", ())
            if each.get("TargetType", "instance") == "instance" and each.get("VpcId", "") in networks
        ]
        if not answer.get("NextMarker"):
            break
        marker = {"Marker": str(answer["NextMarker"])}
    return found[:MOST_TARGET_GROUPS], len(found) > MOST_TARGET_GROUPS


_LOOKS: Final[tuple[tuple[Callable[[Looking, Known], dict[str, InstanceFacts]], str], ...]] = (
    (_addresses, "its Elastic IP"),
    (_types, "its instance store"),
    (_groups, "its Auto Scaling group"),
    (_termination, "whether it is protected from being terminated"),
    (_stopping, "whether it is protected from being stopped"),
    (_health, "its status checks"),
    (_targets, "its target groups"),
)
"""Each look by itself: what one may not see does not hide the others."""
