"""aws:deleteStack: delete a CloudFormation stack, and wait until it is gone. A stack that is not there is deleted."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

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
from engine.actions.stack_state import find_stack, is_under_way, status_of
from infra.aws_errors import AwsRefused, AwsUnreachable

MEMBER = "RetainResources.member."


class DeleteStackInputs(NativeInputs):
    """Inputs of aws:deleteStack; the guide spells RetainResources.member.N, too."""

    stack_name: str
    client_request_token: str | None = None
    retain_resources: StringList | None = None
    role_arn: str | None = Field(default=None, alias="RoleARN")

    @model_validator(mode="before")
    @classmethod
    def _members(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        members = [given[key] for key in sorted(given) if key.startswith(MEMBER)]
        plain = {key: value for key, value in given.items() if not key.startswith(MEMBER)}
        return {**plain, "RetainResources": members} if members else plain


class DeleteStack(Action[DeleteStackInputs]):
    """Deleting twice is deleting once, so after a crash it is simply asked for again."""

    name: ClassVar[str] = "aws:deleteStack"
    permissions: ClassVar[tuple[str, ...]] = ("cloudformation:DeleteStack", "cloudformation:DescribeStacks")
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = DeleteStackInputs

    def run(self, inputs: DeleteStackInputs, context: ActionContext) -> Outcome:
        """Ask once, then look."""
        asked = context.memo.get("StackId")
        try:
            stack = find_stack(str(asked or inputs.stack_name), context)
            if stack is None or status_of(stack) == "DELETE_COMPLETE":
                return Succeeded()
            if not asked:
                return _asked(inputs, str(stack["StackId"]), context)
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context)
        if is_under_way(stack):
            return _waiting(context, str(asked), say=f"{inputs.stack_name} is {status_of(stack)}")
        reason = str(stack.get("StackStatusReason") or "")
        text = f"Stack {inputs.stack_name} entered unexpected state: {status_of(stack)}" + (
            f" ({reason})" if reason else ""
        )
        return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, while_doing=POLLING)


def _asked(inputs: DeleteStackInputs, stack_id: str, context: ActionContext) -> Outcome:
    model = context.aws.input_members("cloudformation", "DeleteStack")
    params = {"ClientRequestToken": context.token, **params_of(inputs, model), "StackName": stack_id}
    context.aws.call("cloudformation", "DeleteStack", params)
    return _waiting(context, stack_id, say=f"{inputs.stack_name} is being deleted")


def _waiting(context: ActionContext, stack_id: str, *, say: str) -> Waiting:
    return Waiting(until=context.now + context.poll, memo={"StackId": stack_id}, say=say)
