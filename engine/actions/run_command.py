"""aws:runCommand: run a command document on instances through SSM, and wait until all are done.

SendCommand knows no token, so the command's comment carries one: after a crash the command that has it is ours.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from engine.action import Action, ActionContext, ActionInputs, JsonObject, Outcome, StringList, Waiting
from engine.actions.command_result import command_outcome
from engine.actions.failures import call_failed, look_failed
from engine.actions.native import NativeInputs, params_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

AGENT: Final = "verifying the SSM Agent availability on the target instance(s)"
LONGEST_COMMENT: Final = 100
ENDED: Final = frozenset({"Success", "Cancelled", "Failed", "TimedOut"})
YOUNG: Final = frozenset({"InvalidCommandId", "InvocationDoesNotExist"})


class RunCommandInputs(NativeInputs):
    """Inputs of aws:runCommand; TimeoutSeconds is the time for delivery, not for the step."""

    document_name: str
    instance_ids: Annotated[StringList, Field(max_length=50)] | None = None
    targets: Any = None
    parameters: JsonObject | None = None
    comment: str | None = None
    timeout_seconds: Annotated[int, Field(ge=30, le=2_592_000)] | None = None
    document_version: str | None = None
    document_hash: str | None = None
    document_hash_type: Literal["Sha256", "Sha1"] | None = None
    max_concurrency: str | None = None
    max_errors: str | None = None
    output_s3_bucket_name: str | None = Field(default=None, alias="OutputS3BucketName")
    output_s3_key_prefix: str | None = Field(default=None, alias="OutputS3KeyPrefix")
    service_role_arn: str | None = None
    cloud_watch_output_config: Any = None
    notification_config: Any = None

    @model_validator(mode="after")
    def _where(self) -> "RunCommandInputs":
        if not self.instance_ids and not self.targets:
            raise ValueError("give InstanceIds or Targets")
        return self


class RunCommand(Action[RunCommandInputs]):
    """Success is Success on every instance; a cancelled step cancels its command."""

    name: ClassVar[str] = "aws:runCommand"
    permissions: ClassVar[tuple[str, ...]] = (
        "ssm:SendCommand",
        "ssm:ListCommands",
        "ssm:ListCommandInvocations",
        "ssm:GetCommandInvocation",
        "ssm:CancelCommand",
        "ssm:DescribeInstanceInformation",
    )
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = RunCommandInputs

    def run(self, inputs: RunCommandInputs, context: ActionContext) -> Outcome:
        """Wait for the agents, send once, then look."""
        command_id = context.memo.get("CommandId")
        try:
            if isinstance(command_id, str):
                return _looked(command_id, inputs, context)
            missing = _without_agent(inputs.instance_ids or [], context)
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context)
        if missing:
            say = f"the SSM Agent of {', '.join(missing)} does not answer"
            return Waiting(until=context.now + context.poll, memo={"agents": False}, say=say[:300])
        try:
            sent = (_ours(inputs, context) if context.may_have_run else "") or _sent(inputs, context)
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return _waiting(context, sent, say="sent")

    def cancel(self, inputs: RunCommandInputs, context: ActionContext) -> None:
        """Cancel the command, also one whose id was not heard."""
        command_id = str(context.memo.get("CommandId") or _ours(inputs, context))
        if command_id:
            context.aws.call("ssm", "CancelCommand", {"CommandId": command_id})


def _without_agent(instance_ids: list[str], context: ActionContext) -> list[str]:
    """Instances that Systems Manager cannot reach. Where it may not be asked, SendCommand will say so itself."""
    if not instance_ids:
        return []
    params = {"Filters": [{"Key": "InstanceIds", "Values": instance_ids}], "MaxResults": 50}
    try:
        answer = context.aws.call("ssm", "DescribeInstanceInformation", params)
    except AwsRefused as error:
        if error.is_denied or error.is_not_implemented:
            return []
        raise
    found = answer.get("InstanceInformationList") or []
    online = {each.get("InstanceId") for each in found if each.get("PingStatus") == "Online"}
    return [instance_id for instance_id in instance_ids if instance_id not in online]


def _mark(context: ActionContext) -> str:
    return f"[{context.token.replace('-', '')[:16]}]"


def _sent(inputs: RunCommandInputs, context: ActionContext) -> str:
    mark = _mark(context)
    comment = f"{(inputs.comment or 'playbook-bot')[: LONGEST_COMMENT - len(mark) - 1]} {mark}"
    params = {**params_of(inputs, context.aws.input_members("ssm", "SendCommand")), "Comment": comment}
    return str(context.aws.call("ssm", "SendCommand", params)["Command"]["CommandId"])


def _ours(inputs: RunCommandInputs, context: ActionContext) -> str:
    """The id of the command that this attempt has sent, or ""."""
    params: dict[str, Any] = {"InstanceId": inputs.instance_ids[0]} if inputs.instance_ids else {}
    commands = context.aws.call("ssm", "ListCommands", params).get("Commands") or []
    return next((str(each["CommandId"]) for each in commands if _mark(context) in str(each.get("Comment"))), "")


def _looked(command_id: str, inputs: RunCommandInputs, context: ActionContext) -> Outcome:
    try:
        commands = context.aws.call("ssm", "ListCommands", {"CommandId": command_id}).get("Commands") or []
    except AwsRefused as error:
        if error.code not in YOUNG:
            raise
        commands = []
    command: Mapping[str, Any] = commands[0] if commands else {}
    status = str(command.get("Status", "Pending"))
    if status not in ENDED:
        done, total = command.get("CompletedCount", 0), command.get("TargetCount", 0)
        return _waiting(context, command_id, say=f"the command is {status}, {done} of {total} instances are done")
    return command_outcome(command, inputs.instance_ids or [], context)


def _waiting(context: ActionContext, command_id: str, *, say: str) -> Waiting:
    memo: dict[str, Json] = {"CommandId": command_id}
    return Waiting(until=context.now + context.poll, memo=memo, outputs=memo, say=say)
