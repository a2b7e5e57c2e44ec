"""What it means for a step that AWS refused, throttled or did not answer a call. Pure."""

from typing import Final

from engine.action import ActionContext, Failed, FailureType, Outcome, Stage, Waiting
from infra.aws_errors import AwsRefused, AwsUnreachable

NEVER_LEFT: Final = frozenset({"ParamValidation", "UnknownService", "UnknownOperation", "StreamedAnswer"})
POLLING: Final = "Poll action status for completion"
SLOWER: Final = 3
"""How many polling intervals to wait after AWS throttled a look, or did not answer it."""


def call_failed(error: AwsRefused | AwsUnreachable, *, while_doing: str = "Execute/Cancelling action") -> Failed:
    """An AWS error as a failed attempt. Inputs that do not fit AWS's model are not tried again."""
    if isinstance(error, AwsUnreachable):
        return Failed(str(error), type=FailureType.INTERNAL, while_doing=while_doing)
    if error.code in NEVER_LEFT:
        return Failed(str(error), Stage.INPUT_VALIDATION, is_final=True, while_doing=while_doing)
    kind = FailureType.PERMISSION if error.is_denied else FailureType.ACTION
    kind = FailureType.THROTTLING if error.is_throttling else kind
    return Failed(str(error), Stage.INVOCATION, kind, response_code=error.code, while_doing=while_doing)


def look_failed(error: AwsRefused | AwsUnreachable, context: ActionContext, *, while_doing: str = POLLING) -> Outcome:
    """An AWS error while waiting for something that has begun (before that, it is a failed call).

    Throttling and a network that is gone cost time, not the step: what was begun is remembered in the memo, and is
    looked at again; the step's time-out is the end. Anything else fails the attempt.
    """
    if not context.memo:
        return call_failed(error)
    if isinstance(error, AwsRefused) and not error.is_throttling:
        return call_failed(error, while_doing=while_doing)
    say = f"AWS cannot be asked at the moment: {error}"
    return Waiting(until=context.now + SLOWER * context.poll, memo=context.memo, say=say[:300])


def interrupted(operation: str) -> Failed:
    """The process died while a call was in flight that must not be repeated blindly."""
    text = f"The bot stopped while the call {operation} was in flight; it may or may not have happened"
    return Failed(text, type=FailureType.INTERNAL)
