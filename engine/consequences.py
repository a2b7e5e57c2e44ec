"""What a call takes away from people: facts in, sentences out. For previews, approvals and cards alike. Pure.

Stop, reboot and recover are not the same: a reboot keeps the host, its disks and its addresses; a stop and start moves
to another host, loses instance store and gives a new public address; a recovery moves without being asked.
Sources: EC2 User Guide, "Instance lifecycle", "Instance store", "Elastic IP"; Auto Scaling User Guide, "Health checks".
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from engine.consequence import Consequence, Facts, InstanceFacts, Weight, instances_of, listed

NO_AUTO: Final = "no-auto-remediate"
"""A tag by which people say: not by a machine."""


def consequences_of(service: str, operation: str, params: Mapping[str, Any], facts: Facts) -> tuple[Consequence, ...]:
    """What the call takes away; `facts` are of the instances that it names."""
    special = _SPECIAL.get(f"{service}:{operation}")
    found = list(special(params, facts)) if special is not None else []
    if special is None and operation.startswith(DELETING):
        found.append(Consequence("lost", _subject(params), f"{_words(operation)}: it cannot be undone"))
    for instance in instances_of(service, params):
        if instance in facts:
            found += _of_anybody(facts[instance])
    return tuple(dict.fromkeys(found))


DELETING: Final = (
    "Delete",
    "Terminate",
    "Purge",
    "Deregister",
    "Destroy",
    "Release",
    "BatchDelete",
    "Remove",
    "Revoke",
)


def _subject(params: Mapping[str, Any]) -> str:
    """Everything in the parameters that is a name: `cluster / nodegroup`."""
    names: list[str] = []
    for key, value in params.items():
        if key == "Bucket" or key.endswith(("Id", "Name", "Arn", "Identifier", "Ids", "Names", "Arns")):
            names += [str(each) for each in listed(value) if isinstance(each, (str, int))]
    return " / ".join(names)


def _words(operation: str) -> str:
    spelled = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in operation).strip()
    return spelled[:1].upper() + spelled[1:]


# -- instances


def _of_anybody(instance: InstanceFacts) -> Iterator[Consequence]:
    """What is to be known before anything is done to an instance."""
    if NO_AUTO in {key.lower() for key in instance.tags}:
        yield Consequence("blocked", instance.id, f"it is tagged {NO_AUTO}: its owners asked machines to keep off")
    for what in instance.not_looked_at:
        yield Consequence("note", instance.id, f"not known: {what}")


def _each(
    rule: Callable[[InstanceFacts, Mapping[str, Any]], Iterator[Consequence]],
) -> Callable[[Mapping[str, Any], Facts], Iterator[Consequence]]:
    def of_all(params: Mapping[str, Any], facts: Facts) -> Iterator[Consequence]:
        for instance in instances_of("ec2", params):
            yield from rule(facts.get(instance, InstanceFacts(instance, not_looked_at=("the instance",))), params)

    return of_all


def _stop(instance: InstanceFacts, params: Mapping[str, Any]) -> Iterator[Consequence]:
    if instance.state in ("stopped", "terminated"):
        yield Consequence("note", instance.id, f"it is {instance.state} already")
        return
    if instance.root_is_instance_store:
        yield Consequence(
            "blocked", instance.id, "its root disk is instance store: it cannot be stopped, only rebooted"
        )
    if instance.has_stop_protection:
        yield Consequence("blocked", instance.id, "it is protected from being stopped: AWS will refuse")
    yield Consequence("lost", instance.id, "what it holds in memory, and every open connection")
    yield from _off_its_host(instance)
    yield from _unserved(instance, "while it is stopped")
    yield from _replaced(instance, "sees it as unhealthy, terminates it and starts another")
    if str(params.get("Force", "")).lower() == "true":
        yield Consequence("lost", instance.id, "force: the system gets no chance to write its caches to disk")
    if instance.is_spot:
        yield Consequence(
            "note", instance.id, "it is a spot instance: there may be no capacity when it is to start again"
        )


def _off_its_host(instance: InstanceFacts) -> Iterator[Consequence]:
    if instance.instance_store_gb:
        size = f"{instance.instance_store_gb:,} GB of instance store"
        yield Consequence("lost", instance.id, f"everything on its {size}")
    if instance.public_address and instance.has_elastic_ip is False:
        text = f"its public address {instance.public_address}: it has no Elastic IP, the next start gives another one"
        yield Consequence("changes", instance.id, text)
    elif instance.public_address and instance.has_elastic_ip is None:
        yield Consequence(
            "changes", instance.id, f"its public address {instance.public_address}, unless that is elastic"
        )


def _unserved(instance: InstanceFacts, while_: str) -> Iterator[Consequence]:
    for group in instance.target_groups:
        if group.is_healthy and group.healthy <= 1:
            text = f"it is the last healthy target of {group.name}: nobody is served {while_}"
            yield Consequence("lost", instance.id, text)
        elif group.is_healthy:
            left = group.healthy - 1
            yield Consequence("changes", instance.id, f"{group.name} has {left} healthy targets left {while_}")


def _replaced(instance: InstanceFacts, does: str) -> Iterator[Consequence]:
    if instance.auto_scaling_group:
        yield Consequence("lost", instance.id, f"the Auto Scaling group {instance.auto_scaling_group} {does}")


def _reboot(instance: InstanceFacts, _: Mapping[str, Any]) -> Iterator[Consequence]:
    yield Consequence("lost", instance.id, "what it holds in memory, and every open connection")
    yield Consequence("note", instance.id, "a reboot keeps host, disks and addresses")
    if instance.host_is_impaired:
        text = (
            "its host fails the system status check, and a reboot stays there: only stop and start, or recovery, move"
        )
        yield Consequence("note", instance.id, text)
    yield from _unserved(instance, "for some minutes")
    if instance.auto_scaling_group:
        text = (
            f"the Auto Scaling group {instance.auto_scaling_group} may replace it if it fails health checks meanwhile"
        )
        yield Consequence("changes", instance.id, text)


def _terminate(instance: InstanceFacts, _: Mapping[str, Any]) -> Iterator[Consequence]:
    if instance.state == "terminated":
        yield Consequence("note", instance.id, "it is terminated already")
        return
    if instance.has_termination_protection:
        yield Consequence("blocked", instance.id, "it is protected from being terminated: AWS will refuse")
    yield Consequence("lost", instance.id, "the instance itself: it cannot be started again")
    if instance.deletes_volumes:
        yield Consequence("lost", instance.id, f"its volumes, deleted with it: {', '.join(instance.deletes_volumes)}")
    if instance.instance_store_gb:
        yield Consequence("lost", instance.id, f"everything on its {instance.instance_store_gb:,} GB of instance store")
    if instance.public_address and not instance.has_elastic_ip:
        yield Consequence("lost", instance.id, f"its public address {instance.public_address}")
    yield from _unserved(instance, "until another takes its place")
    yield from _replaced(instance, "starts another in its place")


def _start(instance: InstanceFacts, _: Mapping[str, Any]) -> Iterator[Consequence]:
    if instance.state == "running":
        yield Consequence("note", instance.id, "it is running already")
        return
    if instance.has_elastic_ip is False:
        yield Consequence(
            "changes", instance.id, "it gets a new public address, if its subnet gives any: no Elastic IP"
        )
    if instance.auto_scaling_group:
        yield Consequence("note", instance.id, f"it belongs to the Auto Scaling group {instance.auto_scaling_group}")


def _leave_targets(params: Mapping[str, Any], facts: Facts) -> Iterator[Consequence]:
    for instance in instances_of("elbv2", params):
        yield from _unserved(facts.get(instance, InstanceFacts(instance)), "from then on")


def _shrink(params: Mapping[str, Any], facts: Facts) -> Iterator[Consequence]:
    shrinks = str(params.get("ShouldDecrementDesiredCapacity", "")).lower() == "true"
    does = "does not replace it: its desired capacity shrinks" if shrinks else "starts another in its place"
    for instance in instances_of("autoscaling", params):
        known = facts.get(instance, InstanceFacts(instance))
        yield from _terminate(
            InstanceFacts(
                known.id, known.state, public_address=known.public_address, has_elastic_ip=known.has_elastic_ip,
                instance_store_gb=known.instance_store_gb, target_groups=known.target_groups,
                deletes_volumes=known.deletes_volumes,
            ), params,
        )  # fmt: skip
        yield Consequence("changes", instance, f"its Auto Scaling group {does}")


# -- databases, disks and the rest


def _delete_database(params: Mapping[str, Any], _: Facts) -> Iterator[Consequence]:
    name = str(params.get("DBInstanceIdentifier") or params.get("DBClusterIdentifier") or "")
    yield Consequence("lost", name, "the database and its automated backups")
    if str(params.get("SkipFinalSnapshot", "")).lower() == "true":
        yield Consequence("lost", name, "all of its data: no final snapshot is taken")
    else:
        snapshot = params.get("FinalDBSnapshotIdentifier") or "a final snapshot"
        yield Consequence("note", name, f"its data stays as {snapshot}")


def _reboot_database(params: Mapping[str, Any], _: Facts) -> Iterator[Consequence]:
    name = str(params.get("DBInstanceIdentifier") or "")
    if str(params.get("ForceFailover", "")).lower() == "true":
        yield Consequence("changes", name, "the standby takes over: connections break, the address stays")
    else:
        yield Consequence("lost", name, "every connection, for as long as it restarts")


def _stop_database(params: Mapping[str, Any], _: Facts) -> Iterator[Consequence]:
    name = str(params.get("DBInstanceIdentifier") or params.get("DBClusterIdentifier") or "")
    yield Consequence("lost", name, "every connection, until it is started; AWS starts it by itself after seven days")


def _said(weight: Weight, sentence: str, *keys: str) -> Callable[[Mapping[str, Any], Facts], Iterator[Consequence]]:
    def told(params: Mapping[str, Any], _: Facts) -> Iterator[Consequence]:
        subject = next((params[key] for key in keys if params.get(key)), "")
        yield Consequence(weight, ", ".join(map(str, listed(subject))), sentence)

    return told


_SPECIAL: Final[Mapping[str, Callable[[Mapping[str, Any], Facts], Iterator[Consequence]]]] = {
    "ec2:StopInstances": _each(_stop),
    "ec2:RebootInstances": _each(_reboot),
    "ec2:TerminateInstances": _each(_terminate),
    "ec2:StartInstances": _each(_start),
    "ec2:DeleteVolume": _said("lost", "the volume and all on it; only snapshots stay", "VolumeId"),
    "ec2:DetachVolume": _said("changes", "the instance no longer has this disk", "VolumeId"),
    "ec2:DeleteSnapshot": _said("lost", "the snapshot: nothing can be restored from it any more", "SnapshotId"),
    "ec2:DeregisterImage": _said("lost", "the image: nothing can be launched from it any more", "ImageId"),
    "ec2:ReleaseAddress": _said("lost", "the Elastic IP: somebody else may get it", "AllocationId", "PublicIp"),
    "ec2:DisassociateAddress": _said("changes", "the instance loses its fixed public address", "AssociationId"),
    "autoscaling:TerminateInstanceInAutoScalingGroup": _shrink,
    "autoscaling:DeleteAutoScalingGroup": _said(
        "lost", "the group; with ForceDelete also its instances", "AutoScalingGroupName"
    ),
    "elbv2:DeregisterTargets": _leave_targets,
    "rds:DeleteDBInstance": _delete_database,
    "rds:DeleteDBCluster": _delete_database,
    "rds:RebootDBInstance": _reboot_database,
    "rds:StopDBInstance": _stop_database,
    "rds:StopDBCluster": _stop_database,
    "rds:FailoverDBCluster": _said("changes", "a reader becomes the writer: connections break", "DBClusterIdentifier"),
    "s3:DeleteObject": _said("lost", "the object, unless the bucket keeps versions", "Key"),
    "s3:DeleteObjects": _said("lost", "the objects, unless the bucket keeps versions", "Bucket"),
    "s3:DeleteBucket": _said("lost", "the bucket; its name may go to somebody else", "Bucket"),
    "sqs:PurgeQueue": _said("lost", "every message in the queue", "QueueUrl"),
    "cloudformation:DeleteStack": _said(
        "lost", "the stack and its resources, but those with a DeletionPolicy of Retain", "StackName"
    ),
    "dynamodb:DeleteTable": _said("lost", "the table and all items; only backups stay", "TableName"),
    "kms:ScheduleKeyDeletion": _said("lost", "after the waiting time, all that this key encrypts", "KeyId"),
    "kms:DisableKey": _said("changes", "nothing can be decrypted with this key while it is disabled", "KeyId"),
}
