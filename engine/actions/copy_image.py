"""aws:copyImage: copy an AMI into the execution's Region, and wait until it is available.

The ClientToken is the same on every repetition of an attempt, so a repeated call finds the first one's image.
"""

from typing import ClassVar, Literal

from engine.action import Action, ActionContext, ActionInputs, Outcome
from engine.actions.failures import call_failed
from engine.actions.image_state import image_outcome, waiting_for
from engine.actions.native import NativeInputs, params_of
from infra.aws_errors import AwsRefused, AwsUnreachable

RENAMED = {"ImageName": "Name", "ImageDescription": "Description"}


class CopyImageInputs(NativeInputs):
    """Inputs of aws:copyImage."""

    source_region: str
    source_image_id: str
    image_name: str
    image_description: str | None = None
    encrypted: bool | None = None
    kms_key_id: str | None = None
    client_token: str | None = None


class CopyImage(Action[CopyImageInputs]):
    """From a Region into ours."""

    name: ClassVar[str] = "aws:copyImage"
    permissions: ClassVar[tuple[str, ...]] = ("ec2:CopyImage", "ec2:DescribeImages")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = CopyImageInputs

    def run(self, inputs: CopyImageInputs, context: ActionContext) -> Outcome:
        """Ask once, then look."""
        image_id = context.memo.get("ImageId")
        if isinstance(image_id, str):
            return image_outcome(context, image_id)
        try:
            params = params_of(inputs, context.aws.input_members("ec2", "CopyImage"), renamed=RENAMED)
            copied = str(context.aws.call("ec2", "CopyImage", {"ClientToken": context.token, **params})["ImageId"])
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return waiting_for(context, copied, say=f"{copied} is being copied from {inputs.source_region}")
