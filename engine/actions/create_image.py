"""aws:createImage: make an AMI of an instance, and wait until it is available.

CreateImage knows no token. An image name is unique, so after a crash the image of that name and instance is ours.
"""

from typing import Any, ClassVar, Literal

from engine.action import Action, ActionContext, ActionInputs, Outcome
from engine.actions.failures import call_failed
from engine.actions.image_state import image_outcome, waiting_for
from engine.actions.native import NativeInputs, params_of
from infra.aws_errors import AwsRefused, AwsUnreachable

RENAMED = {"ImageName": "Name", "ImageDescription": "Description"}


class CreateImageInputs(NativeInputs):
    """Inputs of aws:createImage."""

    instance_id: str
    image_name: str
    image_description: str | None = None
    no_reboot: bool | None = None
    block_device_mappings: Any = None


class CreateImage(Action[CreateImageInputs]):
    """NoReboot is false unless said otherwise: EC2 restarts a running instance."""

    name: ClassVar[str] = "aws:createImage"
    permissions: ClassVar[tuple[str, ...]] = ("ec2:CreateImage", "ec2:DescribeImages")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = CreateImageInputs

    def run(self, inputs: CreateImageInputs, context: ActionContext) -> Outcome:
        """Ask once, then look."""
        image_id = context.memo.get("ImageId")
        if isinstance(image_id, str):
            return image_outcome(context, image_id)
        try:
            created = _found(inputs, context) if context.may_have_run else ""
            if not created:
                params = params_of(inputs, context.aws.input_members("ec2", "CreateImage"), renamed=RENAMED)
                created = str(context.aws.call("ec2", "CreateImage", params)["ImageId"])
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return waiting_for(context, created, say=f"{created} is being made")


def _found(inputs: CreateImageInputs, context: ActionContext) -> str:
    params = {"Owners": ["self"], "Filters": [{"Name": "name", "Values": [inputs.image_name]}]}
    images = context.aws.call("ec2", "DescribeImages", params).get("Images") or []
    ours = (image for image in images if image.get("SourceInstanceId", inputs.instance_id) == inputs.instance_id)
    return next((str(image["ImageId"]) for image in ours), "")
