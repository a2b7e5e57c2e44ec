"""aws:deleteImage: deregister an AMI and delete its snapshots.

Which snapshots belong to an image is known only while it is registered; they are remembered before the first call
that changes anything, so that a crash in between leaves none behind.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, Literal

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Succeeded, Waiting
from engine.actions.failures import call_failed, look_failed
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

GONE: Final = frozenset({"InvalidAMIID.NotFound", "InvalidAMIID.Unavailable", "InvalidSnapshot.NotFound"})
IN_USE: Final = "InvalidSnapshot.InUse"
MOST_TRIES: Final = 6


class DeleteImageInputs(ActionInputs):
    """Inputs of aws:deleteImage."""

    image_id: str


class DeleteImage(Action[DeleteImageInputs]):
    """First look, then delete."""

    name: ClassVar[str] = "aws:deleteImage"
    permissions: ClassVar[tuple[str, ...]] = ("ec2:DescribeImages", "ec2:DeregisterImage", "ec2:DeleteSnapshot")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = DeleteImageInputs

    def run(self, inputs: DeleteImageInputs, context: ActionContext) -> Outcome:
        """Remember the snapshots; on the second run, delete."""
        known = context.memo.get("snapshots")
        if not isinstance(known, list):
            return _remembered(inputs.image_id, context)
        try:
            _call(context, "DeregisterImage", ImageId=inputs.image_id)
            refused = _delete(known, context)
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context, while_doing="deleting the image")
        return _judged(inputs.image_id, refused, context)


def _judged(image_id: str, refused: Mapping[str, AwsRefused], context: ActionContext) -> Outcome:
    """Done, or failed; snapshots that are still in use just after the image is gone are tried again for a while."""
    if not refused:
        return Succeeded()
    tries = int(str(context.memo.get("tries", 0))) + 1
    if tries <= MOST_TRIES and all(error.code == IN_USE for error in refused.values()):
        memo: dict[str, Json] = {"snapshots": list(refused), "tries": tries}
        return Waiting(until=context.now + context.poll, memo=memo, say=f"{', '.join(refused)} in use"[:300])
    told = "; ".join(f"{snapshot}: {error}" for snapshot, error in refused.items())
    text = f"Image {image_id} is deregistered, but not all of its snapshots are deleted: {told}"
    return Failed(text, while_doing="deleting the image's snapshots")


def _remembered(image_id: str, context: ActionContext) -> Outcome:
    try:
        images = context.aws.call("ec2", "DescribeImages", {"ImageIds": [image_id]}).get("Images") or []
    except (AwsRefused, AwsUnreachable) as error:
        return call_failed(error)
    if not images:
        return Failed(f"The image {image_id} does not exist")
    devices = images[0].get("BlockDeviceMappings") or []
    snapshots: list[Json] = [
        device["Ebs"]["SnapshotId"] for device in devices if device.get("Ebs", {}).get("SnapshotId")
    ]
    say = f"{image_id} and {len(snapshots)} snapshots"
    return Waiting(until=context.now, memo={"snapshots": snapshots}, say=say)


def _delete(snapshots: Iterable[Json], context: ActionContext) -> dict[str, AwsRefused]:
    """What AWS said of each snapshot that it did not delete."""
    refused = {}
    for snapshot in snapshots:
        try:
            _call(context, "DeleteSnapshot", SnapshotId=str(snapshot))
        except AwsRefused as error:
            if error.is_throttling:
                raise
            refused[str(snapshot)] = error
    return refused


def _call(context: ActionContext, operation: str, **params: str) -> None:
    """Call, and take it for done when the thing is gone already."""
    try:
        context.aws.call("ec2", operation, params)
    except AwsRefused as error:
        if error.code not in GONE:
            raise
