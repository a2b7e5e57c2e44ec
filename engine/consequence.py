"""What a consequence is, what is known of an instance, and how both are told. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Weight = Literal["lost", "changes", "blocked", "note"]
"""lost = gone for good; changes = other than before; blocked = AWS or a person says no; note = to know."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """One thing that the call brings about, about one resource."""

    weight: Weight
    resource: str
    sentence: str


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group that an instance stands in."""

    name: str
    healthy: int
    """How many of its targets are healthy now, this one included."""
    is_healthy: bool
    """Whether this one is."""


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What is known of an instance; None = it could not be looked at."""

    id: str
    state: str = ""
    name: str = ""
    instance_type: str = ""
    vpc: str = ""
    public_address: str = ""
    has_elastic_ip: bool | None = None
    root_is_instance_store: bool = False
    instance_store_gb: int | None = None
    """Gigabytes of instance store that its type has; 0 = none."""
    auto_scaling_group: str = ""
    target_groups: tuple[TargetGroup, ...] = ()
    deletes_volumes: tuple[str, ...] = ()
    """Volumes that go with it when it is terminated."""
    has_stop_protection: bool = False
    has_termination_protection: bool = False
    is_spot: bool = False
    host_is_impaired: bool = False
    """Whether the system status check fails."""
    tags: Mapping[str, str] = field(default_factory=dict)
    not_looked_at: tuple[str, ...] = ()
    """What could not be read, in words."""


Facts = Mapping[str, InstanceFacts]


def instances_of(service: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The instances that a call names."""
    if service not in ("ec2", "autoscaling", "ssm", "elbv2", "elb"):
        return ()
    found: list[Any] = [params.get("InstanceId"), *listed(params.get("InstanceIds"))]
    for key in ("Targets", "Instances"):
        found += [each.get("Id", each.get("InstanceId")) for each in listed(params.get(key)) if isinstance(each, dict)]
    return tuple(dict.fromkeys(str(each) for each in found if isinstance(each, str) and each.startswith("i-")))


def listed(value: Any) -> list[Any]:
    """A value as a list; nothing is an empty one."""
    return value if isinstance(value, list) else [value] if value else []


def told(found: Sequence[Consequence]) -> tuple[str, ...]:
    """The sentences as people read them, the worst first."""
    order = {"blocked": 0, "lost": 1, "changes": 2, "note": 3}
    words = {"blocked": "stands in the way", "lost": "lost", "changes": "changes", "note": "to know"}
    ranked = sorted(found, key=lambda each: order[each.weight])
    return tuple(": ".join(filter(None, (words[each.weight], each.resource, each.sentence))) for each in ranked)
