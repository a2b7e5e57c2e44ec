"""aws:executeStateMachine: run a Step Functions state machine, and wait for its end.

Without a name of its own an execution is named by the attempt's token. Step Functions takes a name once: repeating
the call after a crash finds the execution that is there.
"""

import json
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field

from engine.action import Action, ActionContext, ActionInputs, Failed, FailureType, Outcome, Stage, Succeeded, Waiting
from engine.actions.failures import POLLING, look_failed
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

OUTPUTS = ("executionArn", "input", "name", "output", "startDate", "stateMachineArn", "status", "stopDate")


class ExecuteStateMachineInputs(ActionInputs):
    """Inputs of aws:executeStateMachine, in lower case as Step Functions spells them."""

    state_machine_arn: str = Field(validation_alias=AliasChoices("stateMachineArn", "StateMachineArn"))
    name: str | None = Field(default=None, validation_alias=AliasChoices("name", "Name"))
    input: Any = Field(default=None, validation_alias=AliasChoices("input", "Input"))


class ExecuteStateMachine(Action[ExecuteStateMachineInputs]):
    """Success is SUCCEEDED and nothing else; a cancelled step stops what it started."""

    name: ClassVar[str] = "aws:executeStateMachine"
    permissions: ClassVar[tuple[str, ...]] = (
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
    )
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    Inputs: ClassVar[type[ActionInputs]] = ExecuteStateMachineInputs

    def run(self, inputs: ExecuteStateMachineInputs, context: ActionContext) -> Outcome:
        """Start once, then look."""
        arn = context.memo.get("executionArn")
        try:
            if not isinstance(arn, str):
                return _waiting(context, _started(inputs, context), say="started")
            found = context.aws.call("stepfunctions", "DescribeExecution", {"executionArn": arn})
        except (AwsRefused, AwsUnreachable) as error:
            return look_failed(error, context)
        return _judged(found, context)

    def cancel(self, inputs: ExecuteStateMachineInputs, context: ActionContext) -> None:
        """Stop the execution."""
        arn = context.memo.get("executionArn") or _arn(inputs, context)
        cause = f"The automation {context.execution_id} was stopped at its step {context.step_name}."
        context.aws.call("stepfunctions", "StopExecution", {"executionArn": str(arn), "cause": cause})


def _started(inputs: ExecuteStateMachineInputs, context: ActionContext) -> str:
    params = {"stateMachineArn": inputs.state_machine_arn, "name": inputs.name or context.token}
    if inputs.input is not None:
        params["input"] = inputs.input if isinstance(inputs.input, str) else json.dumps(inputs.input)
    try:
        return str(context.aws.call("stepfunctions", "StartExecution", params)["executionArn"])
    except AwsRefused as error:
        if error.code != "ExecutionAlreadyExists" or not context.may_have_run:
            raise
    return _arn(inputs, context)


def _arn(inputs: ExecuteStateMachineInputs, context: ActionContext) -> str:
    machine = inputs.state_machine_arn.replace(":stateMachine:", ":execution:", 1)
    return f"{machine}:{inputs.name or context.token}"


def _judged(found: dict[str, Any], context: ActionContext) -> Outcome:
    outputs: dict[str, Json] = {name: str(found[name]) for name in OUTPUTS if found.get(name) is not None}
    status = str(found.get("status", ""))
    if status == "SUCCEEDED":
        return Succeeded(outputs)
    if status in ("RUNNING", "PENDING_REDRIVE"):
        return _waiting(context, str(found["executionArn"]), say=f"the state machine is {status}")
    why = ": ".join(str(found[key]) for key in ("error", "cause") if found.get(key))
    text = f"The state machine's execution {found.get('executionArn')} ended as {status}" + (f" ({why})" if why else "")
    return Failed(text, Stage.POST_VERIFICATION, FailureType.VERIFICATION, outputs=outputs, while_doing=POLLING)


def _waiting(context: ActionContext, arn: str, *, say: str) -> Waiting:
    memo: dict[str, Json] = {"executionArn": arn}
    return Waiting(until=context.now + context.poll, memo=memo, outputs=memo, say=say)
