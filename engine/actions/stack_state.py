"""Stacks as CloudFormation tells of them: what aws:createStack and aws:deleteStack look at."""

from typing import Any

from engine.action import ActionContext
from infra.aws_errors import AwsRefused
from infra.canonical import Json


def find_stack(name_or_id: str, context: ActionContext) -> dict[str, Any] | None:
    """The stack, or None where there is none of that name. Raises AwsRefused, AwsUnreachable."""
    try:
        stacks = context.aws.call("cloudformation", "DescribeStacks", {"StackName": name_or_id}).get("Stacks") or []
    except AwsRefused as error:
        if error.code == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return stacks[0] if stacks else None


def status_of(stack: dict[str, Any]) -> str:
    """CREATE_IN_PROGRESS, DELETE_COMPLETE and so on."""
    return str(stack.get("StackStatus", ""))


def is_under_way(stack: dict[str, Any]) -> bool:
    """Whether CloudFormation still works on it."""
    return status_of(stack).endswith("_IN_PROGRESS")


def outputs_of(stack: dict[str, Any], *, reason: str = "") -> dict[str, Json]:
    """StackId, StackStatus and StackStatusReason."""
    return {
        "StackId": str(stack.get("StackId", "")),
        "StackStatus": status_of(stack),
        "StackStatusReason": str(stack.get("StackStatusReason") or reason),
    }
