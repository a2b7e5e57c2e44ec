"""aws:createStack: create a CloudFormation stack, and wait until it is complete.

The request token is the same on every repetition of an attempt: CloudFormation, or the stack's first event, tells
whether a stack that is there already is this step's. A stack of the name that was rolled back (ROLLBACK_COMPLETE) can
only be deleted, so it is, as AWS's own simulator of documents does.
"""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from engine.action import (
    Action,
    ActionContext,
    ActionInputs,
    Failed,
    FailureType,
    Outcome,
    Stage,
    StringList,
    Succeeded,
    Waiting,
)
from engine.actions.failures import POLLING, look_failed
from engine.actions.native import NativeInputs, params_of
from engine.actions.stack_state import find_stack, is_under_way, outputs_of, status_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

ROLLED_BACK = "ROLLBACK_COMPLETE"


class CreateStackInputs(NativeInputs):
    """Inputs of aws:createStack."""

    stack_name: Annotated[str, Field(pattern=r"^[A-Za-z][-A-Za-z0-9]{0,127}$")]
    template_body: Any = None
    template_url: str | None = Field(default=None, alias="TemplateURL")
    capabilities: StringList | None = None
    client_request_token: Annotated[str, Field(max_length=128)] | None = None
    disable_rollback: bool | None = None
    on_failure: Literal["DO_NOTHING", "ROLLBACK", "DELETE"] | None = None
    notification_arns: Annotated[StringList, Field(max_length=5)] | None = Field(default=None, alias="NotificationARNs")
    parameters: Any = None
    resource_types: StringList | None = None
    role_arn: str | None = Field(default=None, alias="RoleARN")
    stack_policy_body: Any = None
    stack_policy_url: str | None = Field(default=None, alias="StackPolicyURL")
    tags: Any = None
    timeout_in_minutes: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "CreateStackInputs":
        if (self.template_body is None) == (self.template_url is None):
            raise ValueError("give exactly one of TemplateBody and TemplateURL")
        if self.disable_rollback is not None and self.on_failure is not None:
            raise ValueError("give DisableRollback or OnFailure, not both")
        if self.stack_policy_body is not None and self.stack_policy_url is not None:
            raise ValueError("give StackPolicyBody or StackPolicyURL, not both")
        return self


class CreateStack(Action[CreateStackInputs]):
    """Success is CREATE_COMPLETE and nothing else."""

    name: ClassVar[str] = "aws:createStack"
    permissions: ClassVar[tuple[str, ...]] = (
        "cloudformation:CreateStack",
        "cloudformation:DescribeStacks",
        "cloudformation:DescribeStackEvents",
        "cloudformation:DeleteStack",
    )
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = CreateStackInputs

    def run(self, inputs: CreateStackInputs, context: ActionContext) -> Outcome:
        """Clear the place, create, then look."""
        created = context.memo.get("StackId")
        try:
            if isinstance(created, str):
                return _judged(find_stack(created, context), inputs, context)
            return _cleared(inputs, context) or _created(inputs, context)
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context)


def _cleared(inputs: CreateStackInputs, context: ActionContext) -> Outcome | None:
    """Wait until a rolled back stack of the same name is gone; None when the place is free."""
    old = context.memo.get("clearing")
    stack = find_stack(str(old or inputs.stack_name), context)
    if stack is None or status_of(stack) == "DELETE_COMPLETE":
        return None
    if old and not is_under_way(stack):
        text = f"The rolled back stack {inputs.stack_name} could not be deleted: it is {status_of(stack)}"
        return Failed(text, while_doing="deleting a stack of the same name that was rolled back")
    if not old and status_of(stack) != ROLLED_BACK:
        return None
    if not old:
        context.aws.call("cloudformation", "DeleteStack", {"StackName": str(stack["StackId"])})
    say = f"deleting the rolled back stack {inputs.stack_name}"
    return Waiting(until=context.now + context.poll, memo={"clearing": str(stack["StackId"])}, say=say)


def _created(inputs: CreateStackInputs, context: ActionContext) -> Outcome:
    model = context.aws.input_members("cloudformation", "CreateStack")
    params = {"ClientRequestToken": context.token, **params_of(inputs, model)}
    try:
        stack_id = str(context.aws.call("cloudformation", "CreateStack", params)["StackId"])
    except AwsRefused as error:
        stack_id = _ours(inputs.stack_name, params["ClientRequestToken"], context) if context.may_have_run else ""
        if error.code != "AlreadyExistsException" or not stack_id:
            raise
    return _waiting(context, {"StackId": stack_id}, say=f"{inputs.stack_name} is being created")


def _ours(name: str, token: str, context: ActionContext) -> str:
    """The id of the stack of that name, if it was created under our token."""
    events = context.aws.call("cloudformation", "DescribeStackEvents", {"StackName": name}).get("StackEvents") or []
    return str(events[-1]["StackId"]) if events and events[-1].get("ClientRequestToken") == token else ""


def _judged(stack: dict[str, Any] | None, inputs: CreateStackInputs, context: ActionContext) -> Outcome:
    if stack is None:
        return Failed(f"The stack {inputs.stack_name} does not exist any more", while_doing=POLLING)
    reason = str(stack.get("StackStatusReason") or context.memo.get("reason") or "")
    outputs = outputs_of(stack, reason=reason)
    if is_under_way(stack):
        say = f"{inputs.stack_name} is {status_of(stack)}"
        return _waiting(context, {"StackId": outputs["StackId"], "reason": reason}, say=say)
    if status_of(stack) == "CREATE_COMPLETE":
        return Succeeded(outputs)
    text = f"Stack {inputs.stack_name} entered unexpected state: {status_of(stack)}" + (
        f" ({reason})" if reason else ""
    )
    return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, outputs=outputs, while_doing=POLLING)


def _waiting(context: ActionContext, memo: dict[str, Json], *, say: str) -> Waiting:
    outputs = {"StackId": memo["StackId"]}
    return Waiting(until=context.now + context.poll, memo=memo, outputs=outputs, say=say)
