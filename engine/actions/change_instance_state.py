"""aws:changeInstanceState: start, stop or terminate instances, and wait until they are so.

After a crash it looks first: instances that are on their way already are not asked again, unless by force.
"""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from engine.action import Action, ActionContext, ActionInputs, Outcome, StringList, Succeeded
from engine.actions.failures import call_failed, look_failed
from engine.actions.instance_state import UNEXPECTED, judged, state_of, statuses
from infra.aws_errors import AwsRefused, AwsUnreachable

OPERATIONS = {"running": "StartInstances", "stopped": "StopInstances", "terminated": "TerminateInstances"}
UNDER_WAY = {
    "running": frozenset({"pending", "running"}),
    "stopped": frozenset({"stopping", "stopped"}),
    "terminated": frozenset({"shutting-down", "terminated"}),
}
"""States that show that the call was made."""
VERIFYING = "verifying the instance(s) have reached the desired state"


class ChangeInstanceStateInputs(ActionInputs):
    """Inputs of aws:changeInstanceState; FailOnUnexpectedStopped is undocumented, AWS-StartEC2Instance has it."""

    instance_ids: Annotated[StringList, Field(min_length=1)]
    desired_state: Literal["running", "stopped", "terminated"]
    check_state_only: bool = False
    force: bool | None = None
    additional_info: str | None = None
    fail_on_unexpected_stopped: bool = False


class ChangeInstanceState(Action[ChangeInstanceStateInputs]):
    """Running means: running, and both status checks passed."""

    name: ClassVar[str] = "aws:changeInstanceState"
    permissions: ClassVar[tuple[str, ...]] = (
        "ec2:StartInstances",
        "ec2:StopInstances",
        "ec2:TerminateInstances",
        "ec2:DescribeInstanceStatus",
    )
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = ChangeInstanceStateInputs

    def run(self, inputs: ChangeInstanceStateInputs, context: ActionContext) -> Outcome:
        """Ask once, then look."""
        if not context.memo and not inputs.check_state_only:
            try:
                if inputs.force or not (context.may_have_run and _is_under_way(inputs, context)):
                    context.aws.call("ec2", OPERATIONS[inputs.desired_state], _params(inputs))
            except (AwsRefused, AwsUnreachable) as error:
                return call_failed(error)
        try:
            found = statuses(inputs.instance_ids, context)
        except (AwsRefused, AwsUnreachable) as error:
            if _is_gone(error, inputs, context):
                return Succeeded({"InstanceStates": ["terminated" for _ in inputs.instance_ids]})
            return look_failed(error, context)
        unexpected = set(UNEXPECTED[inputs.desired_state])
        if inputs.fail_on_unexpected_stopped and inputs.desired_state == "running" and context.memo:
            unexpected.add("stopped")
        return judged(
            found, inputs.instance_ids, inputs.desired_state, context, unexpected=unexpected, while_doing=VERIFYING
        )


def _is_under_way(inputs: ChangeInstanceStateInputs, context: ActionContext) -> bool:
    """Whether every instance shows that it was asked already. Raises AwsRefused, AwsUnreachable."""
    found = statuses(inputs.instance_ids, context)
    wanted = UNDER_WAY[inputs.desired_state]
    return len(found) == len(set(inputs.instance_ids)) and all(state_of(status) in wanted for status in found)


def _is_gone(error: AwsRefused | AwsUnreachable, inputs: ChangeInstanceStateInputs, context: ActionContext) -> bool:
    """A terminated instance is forgotten by EC2 after a while, which may fall between two looks."""
    is_unknown = isinstance(error, AwsRefused) and error.code == "InvalidInstanceID.NotFound"
    return is_unknown and inputs.desired_state == "terminated" and bool(context.memo)


def _params(inputs: ChangeInstanceStateInputs) -> dict[str, Any]:
    params: dict[str, Any] = {"InstanceIds": inputs.instance_ids}
    if inputs.desired_state == "stopped" and inputs.force is not None:
        params["Force"] = inputs.force
    if inputs.desired_state == "running" and inputs.additional_info:
        params["AdditionalInfo"] = inputs.additional_info
    return params
