"""aws:createImage, aws:copyImage, aws:deleteImage."""

from typing import Any

import pytest

from engine.action import Failed, FailureType, Stage, Waiting
from engine.actions.image_state import MOST_MISSES
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from tests.engine.actions.conftest import image_of
from tests.engine.actions.rig import DENIED, SILENT, THROTTLED, TOKEN, Rig, answering, failed, succeeded, waiting

CREATE, COPY, DELETE = "aws:createImage", "aws:copyImage", "aws:deleteImage"
AMI = "ami-0123456789abcdef0"
UNKNOWN = AwsRefused("InvalidAMIID.NotFound", "An error occurred (InvalidAMIID.NotFound)")
WISH = {"InstanceId": "i-0123456789abcdef0", "ImageName": "backup"}


def image(state: str, **facts: Any) -> dict[str, Any]:
    """DescribeImages's answer."""
    return {"Images": [{"ImageId": AMI, "State": state, **facts}]}


def snapshots(moto: AwsSession) -> list[str]:
    """The snapshots of this account."""
    found = moto.call("ec2", "DescribeSnapshots", {"OwnerIds": ["self"]})["Snapshots"]
    return [each["SnapshotId"] for each in found]


def test_an_image_is_made_of_an_instance(moto: AwsSession, instance: str) -> None:
    """ImageName and ImageDescription are the API's Name and Description; the outputs name the image."""
    inputs = {
        "InstanceId": instance,
        "ImageName": "backup",
        "ImageDescription": "before the change",
        "NoReboot": "true",
    }

    outcome = succeeded(Rig(CREATE, inputs, moto).finish())

    [made] = moto.call("ec2", "DescribeImages", {"ImageIds": [str(outcome.outputs["ImageId"])]})["Images"]
    assert (made["Name"], made["Description"]) == ("backup", "before the change")
    assert outcome.outputs["ImageState"] == "available"


def test_an_image_is_copied_from_another_region(moto: AwsSession) -> None:
    """The copy is in the execution's Region."""
    source = image_of(moto)

    outcome = succeeded(
        Rig(COPY, {"SourceRegion": "eu-west-1", "SourceImageId": source, "ImageName": "copy"}, moto).finish()
    )

    assert outcome.outputs["ImageId"] != source


def test_an_image_is_deleted_with_its_snapshots(moto: AwsSession, instance: str) -> None:
    """Nothing of the image is left."""
    before = snapshots(moto)
    made = succeeded(Rig(CREATE, {"InstanceId": instance, "ImageName": "backup"}, moto).finish())
    assert snapshots(moto) != before

    succeeded(Rig(DELETE, {"ImageId": made.outputs["ImageId"]}, moto).finish())

    assert snapshots(moto) == before
    assert "does not exist" in failed(Rig(DELETE, {"ImageId": made.outputs["ImageId"]}, moto).finish()).message


@pytest.mark.parametrize(
    ("name", "operation", "inputs"),
    [(CREATE, "ec2__CreateImage", WISH),
     (COPY, "ec2__CopyImage", {"SourceRegion": "us-east-1", "SourceImageId": AMI, "ImageName": "copy"})],
)  # fmt: skip
class TestWaitingForAnImage:
    """Both wait for their image in the same way."""

    def rig(self, name: str, operation: str, inputs: dict[str, Any], *looks: Any) -> Rig:
        """A step whose looks are these."""
        return Rig(name, inputs, answering(**{operation: {"ImageId": AMI}}, ec2__DescribeImages=list(looks)))

    def test_it_waits_until_available(self, name: str, operation: str, inputs: dict[str, Any]) -> None:
        """Pending is waited for; a new image that EC2 does not know yet, too; the id is known at once."""
        step = self.rig(name, operation, inputs, UNKNOWN, image("pending"), image("available"))
        waiting(step.look())
        assert step.outputs == {"ImageId": AMI}

        assert succeeded(step.finish()).outputs == {"ImageId": AMI, "ImageState": "available"}
        assert step.said[1:] == [f"{AMI} is not visible yet", f"{AMI} is pending"]

    def test_a_failed_image_fails_the_step(self, name: str, operation: str, inputs: dict[str, Any]) -> None:
        """With EC2's reason, and with the id in the outputs for who cleans up."""
        reason = {"Message": "disk unreadable"}
        outcome = failed(self.rig(name, operation, inputs, image("failed", StateReason=reason)).finish())

        assert outcome.message == f"Image {AMI} entered unexpected state: failed (disk unreadable)"
        assert outcome.outputs == {"ImageId": AMI, "ImageState": "failed"}

    def test_an_image_that_vanishes_fails_the_step(self, name: str, operation: str, inputs: dict[str, Any]) -> None:
        """Not being visible is believed for a minute only."""
        step = self.rig(name, operation, inputs, UNKNOWN)

        assert failed(step.finish()).message == f"Image {AMI} does not exist any more"
        assert len(step.said) == MOST_MISSES + 1

    def test_a_restart_in_between_makes_no_second_image(
        self, name: str, operation: str, inputs: dict[str, Any]
    ) -> None:
        """The id is in the memo."""
        step = self.rig(name, operation, inputs, image("available"))
        waiting(step.look())

        succeeded(step.look(crashed=True))

        assert step.aws.times(operation.replace("__", ":")) == 1

    @pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
    def test_trouble_in_passing_makes_no_second_image(
        self, name: str, operation: str, inputs: dict[str, Any], trouble: Exception
    ) -> None:
        """Throttling and a lost network only delay."""
        step = self.rig(name, operation, inputs, image("pending"), trouble, image("available"))

        succeeded(step.finish())

        assert step.aws.times(operation.replace("__", ":")) == 1


def test_after_a_crash_the_image_that_was_asked_for_is_found() -> None:
    """CreateImage knows no token; the name and the instance are looked for before another is made."""
    aws = answering(ec2__DescribeImages=[image("pending", SourceInstanceId=WISH["InstanceId"]), image("available")])
    step = Rig(CREATE, WISH, aws)
    waiting(step.look(crashed=True))

    assert succeeded(step.finish()).outputs["ImageId"] == AMI
    assert aws.asked[0][1] == {"Owners": ["self"], "Filters": [{"Name": "name", "Values": ["backup"]}]}


def test_after_a_crash_before_the_call_the_image_is_made() -> None:
    """Nothing of the name is there, or another instance's: the call had not arrived."""
    others: list[dict[str, Any]] = [{"Images": []}, image("available", SourceInstanceId="i-other")]
    for found in others:
        aws = answering(ec2__CreateImage={"ImageId": AMI}, ec2__DescribeImages=found)
        waiting(Rig(CREATE, WISH, aws).look(crashed=True))

        assert aws.times("ec2:CreateImage") == 1


def test_a_copy_is_recognised_by_its_token() -> None:
    """The attempt's token is sent with every repetition; the author's own wins."""
    wish = {"SourceRegion": "us-east-1", "SourceImageId": AMI, "ImageName": "copy", "Encrypted": "true"}
    aws = answering(ec2__CopyImage={"ImageId": AMI})
    Rig(COPY, wish, aws).look(crashed=True)
    assert aws.params("ec2:CopyImage")["ClientToken"] == TOKEN
    Rig(COPY, {**wish, "ClientToken": "mine"}, aws).look()

    assert aws.params("ec2:CopyImage") == {
        "SourceRegion": "us-east-1", "SourceImageId": AMI, "Name": "copy", "Encrypted": True, "ClientToken": "mine",
    }  # fmt: skip


DEVICES = [{"Ebs": {"SnapshotId": "snap-1"}}, {"VirtualName": "ephemeral0"}, {"Ebs": {"SnapshotId": "snap-2"}}]


def deletion(**answers: Any) -> Rig:
    """A step that deletes an image of two snapshots."""
    plain = {"ec2__DescribeImages": image("available", BlockDeviceMappings=DEVICES), "ec2__DeregisterImage": {}}
    return Rig(DELETE, {"ImageId": AMI}, answering(**{**plain, "ec2__DeleteSnapshot": {}, **answers}))


def test_snapshots_are_remembered_before_anything_is_deleted() -> None:
    """A crash between deregistering and deleting leaves no snapshot behind."""
    step = deletion()
    assert waiting(step.look()).memo == {"snapshots": ["snap-1", "snap-2"]}
    gone = AwsRefused("InvalidAMIID.Unavailable", "gone")
    half_done = deletion(
        ec2__DeregisterImage=gone, ec2__DeleteSnapshot=[AwsRefused("InvalidSnapshot.NotFound", "gone"), {}]
    )
    half_done.look()

    succeeded(half_done.look(crashed=True))

    assert half_done.aws.times("ec2:DeleteSnapshot") == 2


def test_a_snapshot_that_stays_is_named() -> None:
    """All are tried; the step fails naming the ones that could not be deleted."""
    step = deletion(ec2__DeleteSnapshot=[AwsRefused("UnauthorizedOperation", "not yours"), {}])

    outcome = failed(step.finish())

    assert outcome.message == (
        f"Image {AMI} is deregistered, but not all of its snapshots are deleted: snap-1: not yours"
    )
    assert step.aws.times("ec2:DeleteSnapshot") == 2


def test_a_snapshot_that_is_still_in_use_is_tried_again() -> None:
    """EC2 takes a moment to notice that the image is gone; an image that shares the snapshot ends the patience."""
    in_use = AwsRefused("InvalidSnapshot.InUse", "in use by ami-2")
    patient = deletion(ec2__DeleteSnapshot=[in_use, {}, in_use, {}])
    succeeded(patient.finish())
    assert patient.said[1:] == ["snap-1 in use", "snap-1 in use"]

    outcome = failed(deletion(ec2__DeleteSnapshot=in_use).finish())

    assert outcome.message.endswith("snap-1: in use by ami-2; snap-2: in use by ami-2")


def test_throttling_between_the_deletions_forgets_nothing() -> None:
    """The memo survives, and the deletion is taken up again."""
    step = deletion(ec2__DeleteSnapshot=[{}, THROTTLED, {}])

    succeeded(step.finish())

    assert isinstance(step.said[-1], str)
    assert step.aws.times("ec2:DeregisterImage") == 2


def test_an_image_that_may_not_be_deleted_fails_the_attempt() -> None:
    """A denial is a denial."""
    outcome = deletion(ec2__DeregisterImage=DENIED).finish()

    assert isinstance(outcome, Failed)
    assert outcome.type is FailureType.PERMISSION


def test_an_input_that_the_api_does_not_have_is_named() -> None:
    """What AWS added passes; a typing error is told with the right name."""
    passed = answering(ec2__CreateImage={"ImageId": AMI})
    tags = [{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert isinstance(Rig(CREATE, {**WISH, "TagSpecifications": tags}, passed).look(), Waiting)

    outcome = failed(Rig(CREATE, {**WISH, "NoRebot": True}, answering()).look())

    assert outcome.message == 'there is no input "NoRebot". Did you mean "NoReboot"?'
    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)
