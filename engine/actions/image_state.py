"""Images on their way to available: what aws:createImage and aws:copyImage wait for."""

from typing import Any, Final

from engine.action import ActionContext, Failed, FailureType, Outcome, Stage, Succeeded, Waiting
from engine.actions.failures import look_failed
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

VERIFYING: Final = "verifying the image is available"
UNDER_WAY: Final = frozenset({"pending", "transient"})
MOST_MISSES: Final = 12
"""How often in a row a new image may be unknown to EC2 (it answers from copies that lag behind)."""


def image_outcome(context: ActionContext, image_id: str) -> Outcome:
    """How far the image is."""
    try:
        found = context.aws.call("ec2", "DescribeImages", {"ImageIds": [image_id]}).get("Images") or []
    except (AwsRefused, AwsUnreachable) as error:
        if not isinstance(error, AwsRefused) or error.code != "InvalidAMIID.NotFound":
            return look_failed(error, context)
        found = []
    return _judged(found[0], context) if found else _missed(context, image_id)


def _judged(image: dict[str, Any], context: ActionContext) -> Outcome:
    image_id, state = str(image["ImageId"]), str(image.get("State", "pending"))
    outputs = {"ImageId": image_id, "ImageState": state}
    if state == "available":
        return Succeeded(outputs)
    if state in UNDER_WAY:
        return waiting_for(context, image_id, say=f"{image_id} is {state}")
    reason = str(image.get("StateReason", {}).get("Message", ""))
    text = f"Image {image_id} entered unexpected state: {state}" + (f" ({reason})" if reason else "")
    return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, outputs={**outputs}, while_doing=VERIFYING)


def _missed(context: ActionContext, image_id: str) -> Outcome:
    misses = int(str(context.memo.get("misses", 0))) + 1
    if misses > MOST_MISSES:
        text = f"Image {image_id} does not exist any more"
        return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, while_doing=VERIFYING)
    return waiting_for(context, image_id, say=f"{image_id} is not visible yet", misses=misses)


def waiting_for(context: ActionContext, image_id: str, *, say: str, misses: int = 0) -> Waiting:
    """Look at the image again in a while."""
    memo: dict[str, Json] = {"ImageId": image_id, "misses": misses}
    return Waiting(until=context.now + context.poll, memo=memo, outputs={"ImageId": image_id}, say=say)
