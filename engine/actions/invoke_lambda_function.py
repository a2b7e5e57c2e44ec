"""aws:invokeLambdaFunction: call a function and take what it returns.

An invocation carries no token, so one that was in flight when the process died is not repeated.
"""

import json
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal

from pydantic import model_validator

from engine.action import Action, ActionContext, ActionInputs, Failed, FailureType, Outcome, Stage, Succeeded
from engine.actions.failures import call_failed, interrupted
from engine.expressions import compact
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json, encoded

LARGEST: Final = 200 * 1024
"""Bytes of a payload, in either direction (SSM quota)."""


class InvokeLambdaFunctionInputs(ActionInputs):
    """Inputs of aws:invokeLambdaFunction; InputPayload wins over Payload."""

    function_name: str
    qualifier: str | None = None
    invocation_type: Literal["RequestResponse", "Event", "DryRun"] = "RequestResponse"
    log_type: Literal["Tail", "None"] | None = None
    client_context: Any = None
    input_payload: Any = None
    payload: Any = None

    @model_validator(mode="after")
    def _tail(self) -> "InvokeLambdaFunctionInputs":
        if self.log_type == "Tail" and self.invocation_type != "RequestResponse":
            raise ValueError("LogType Tail needs InvocationType RequestResponse")
        return self


class InvokeLambdaFunction(Action[InvokeLambdaFunctionInputs]):
    """Selectors of declared outputs see what the function returned, not the call's answer."""

    name: ClassVar[str] = "aws:invokeLambdaFunction"
    permissions: ClassVar[tuple[str, ...]] = ("lambda:InvokeFunction",)
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=300)
    max_timeout: ClassVar[timedelta | None] = timedelta(seconds=300)
    Inputs: ClassVar[type[ActionInputs]] = InvokeLambdaFunctionInputs

    def run(self, inputs: InvokeLambdaFunctionInputs, context: ActionContext) -> Outcome:
        """Invoke, once."""
        if context.may_have_run and inputs.invocation_type != "DryRun":
            return interrupted("Invoke")
        params = _params(inputs)
        if len(encoded(params.get("Payload", ""))) > LARGEST:
            return Failed("The payload is larger than 200 KB", Stage.INPUT_VALIDATION, is_final=True)
        try:
            answer = context.aws.call("lambda", "Invoke", params)
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return _judged(inputs.function_name, answer)


def _params(inputs: InvokeLambdaFunctionInputs) -> dict[str, str]:
    payload = inputs.input_payload if inputs.input_payload is not None else inputs.payload
    found = {
        "FunctionName": inputs.function_name,
        "Qualifier": inputs.qualifier,
        "InvocationType": inputs.invocation_type,
        "LogType": inputs.log_type,
        "ClientContext": _text(inputs.client_context),
        "Payload": _text(payload),
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else compact(value)


def _judged(function: str, answer: dict[str, Any]) -> Outcome:
    text = str(answer.get("Payload") or "")
    if len(encoded(text)) > LARGEST:
        return Failed(f"The function {function} returned more than 200 KB", Stage.POST_VERIFICATION)
    value = _returned(text)
    kept = ("StatusCode", "FunctionError", "LogResult")
    outputs: dict[str, Json] = {name: answer[name] for name in kept if answer.get(name) is not None}
    outputs |= {"Payload": value, "OutputPayload": compact({**outputs, "Payload": value})}
    if answer.get("FunctionError"):
        message = f"The function {function} failed ({answer['FunctionError']}): {text[:2000]}"
        return Failed(message, type=FailureType.ACTION, outputs=outputs, response=text[:2000])
    return Succeeded(outputs, root=value)


def _returned(text: str) -> Json:
    """What the function returned: the payload's JSON, or its text."""
    try:
        value: Json = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text
    return value
