"""aws:runInstances: launch EC2 instances, and wait until they are ready to be used.

The ClientToken is the same on every repetition of an attempt, so a repeated call finds the first one's instances.
"""

import base64
import binascii
import re
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal

from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Stage, Succeeded, Waiting
from engine.actions.failures import call_failed, look_failed
from engine.actions.instance_state import UNEXPECTED, judged, statuses
from engine.actions.native import NativeInputs, params_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

RENAMED: Final = {"MinInstanceCount": "MinCount", "MaxInstanceCount": "MaxCount"}
OWN: Final = frozenset({"IamInstanceProfileArn", "IamInstanceProfileName", "UserData", "Monitoring"})
LAUNCHING: Final = "launching the instance(s)"
VERIFYING: Final = "verifying launched instance(s) are ready to be used"
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


class RunInstancesInputs(NativeInputs):
    """Inputs of aws:runInstances; what the guide lists beyond these is spelled as RunInstances spells it."""

    image_id: str
    instance_type: str = "m1.small"
    min_instance_count: int = 1
    max_instance_count: int = 1
    iam_instance_profile_arn: str | None = None
    iam_instance_profile_name: str | None = None
    user_data: str | None = None
    monitoring: Any = None
    client_token: str | None = None


class RunInstances(Action[RunInstancesInputs]):
    """Ready means: running, and both status checks passed."""

    name: ClassVar[str] = "aws:runInstances"
    permissions: ClassVar[tuple[str, ...]] = ("ec2:RunInstances", "ec2:DescribeInstanceStatus", "ec2:CreateTags")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = RunInstancesInputs

    def run(self, inputs: RunInstancesInputs, context: ActionContext) -> Outcome:
        """Launch once, then look."""
        launched = context.memo.get("InstanceIds")
        if not isinstance(launched, list):
            return _launched(inputs, context)
        ids = [str(each) for each in launched]
        try:
            found = statuses(ids, context)
        except (AwsRefused, AwsUnreachable) as error:
            if isinstance(error, AwsRefused) and error.code == "InvalidInstanceID.NotFound":
                return Waiting(until=context.now + context.poll, memo=context.memo, say="not visible yet")
            return look_failed(error, context, while_doing=VERIFYING)
        unexpected = UNEXPECTED["running"] | {"stopping", "stopped"}
        outcome = judged(found, ids, "running", context, unexpected=unexpected, while_doing=VERIFYING)
        return Succeeded({**outcome.outputs, "InstanceIds": launched}) if isinstance(outcome, Succeeded) else outcome


def _launched(inputs: RunInstancesInputs, context: ActionContext) -> Outcome:
    if inputs.iam_instance_profile_arn and inputs.iam_instance_profile_name:
        text = "give IamInstanceProfileArn or IamInstanceProfileName, not both"
        return Failed(text, Stage.INPUT_VALIDATION, is_final=True)
    try:
        model = context.aws.input_members("ec2", "RunInstances")
        params = {**params_of(inputs, model, renamed=RENAMED, own=OWN), **_translated(inputs)}
        answer = context.aws.call("ec2", "RunInstances", {"ClientToken": context.token, **params})
    except (AwsRefused, AwsUnreachable) as error:
        return call_failed(error, while_doing=LAUNCHING)
    ids: list[Json] = [str(instance["InstanceId"]) for instance in answer["Instances"]]
    memo: dict[str, Json] = {"InstanceIds": ids}
    say = f"launched {', '.join(str(each) for each in ids)}"
    return Waiting(until=context.now + context.poll, memo=memo, outputs=memo, say=say[:300])


def _translated(inputs: RunInstancesInputs) -> dict[str, Any]:
    """Inputs that RunInstances has in another form."""
    params: dict[str, Any] = {}
    if inputs.iam_instance_profile_arn:
        params["IamInstanceProfile"] = {"Arn": inputs.iam_instance_profile_arn}
    if inputs.iam_instance_profile_name:
        params["IamInstanceProfile"] = {"Name": inputs.iam_instance_profile_name}
    if inputs.monitoring is not None:
        is_map = isinstance(inputs.monitoring, dict)
        params["Monitoring"] = inputs.monitoring if is_map else {"Enabled": str(inputs.monitoring).lower() == "true"}
    if inputs.user_data:
        params["UserData"] = _script(inputs.user_data)
    return params


def _script(user_data: str) -> str | bytes:
    """User data itself: runbooks give it in Base64, and botocore encodes it once more."""
    compacted = "".join(user_data.split())
    if not _BASE64.fullmatch(compacted):
        return user_data
    try:
        return base64.b64decode(compacted, validate=True)
    except binascii.Error:
        return user_data
