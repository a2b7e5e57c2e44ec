"""aws:executeAwsApi: call any operation of any AWS service.

After a crash between intent and answer the call may or may not have happened. It is repeated only where that is
harmless (infra/aws_operations.py): it reads, it names the wanted state, or AWS recognises it by an idempotency token
that is the same on every repetition. Otherwise the attempt fails and says so; maxAttempts decides about another.
There is no OutputPayload: the whole answer (which may be a secret) is kept nowhere, only what `outputs` select.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded
from engine.actions.api_inputs import api_params
from engine.actions.failures import call_failed, interrupted
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_operations import is_repeatable


class ExecuteAwsApiInputs(ActionInputs):
    """Inputs of aws:executeAwsApi; everything else is the operation's own."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=False)

    service: str
    api: str


def model_of(service: str, api: str, context: ActionContext) -> Any:
    """Botocore's model of the operation. Raises AwsRefused where runbooks cannot call it."""
    model = context.aws.input_members(service, api)
    if model.has_streaming_output or model.has_event_stream_output:
        raise AwsRefused("StreamedAnswer", f"{model.name} answers with a stream, which runbooks cannot read")
    return model


def call_api(inputs: Mapping[str, Any], model: Any, context: ActionContext) -> dict[str, Any]:
    """Make the call that a step's inputs describe. Raises AwsRefused, AwsUnreachable."""
    return context.aws.call(str(inputs["Service"]), model.name, api_params(inputs, model, context.token))


class ExecuteAwsApi(Action[ExecuteAwsApiInputs]):
    """One call; selectors see the whole answer."""

    name: ClassVar[str] = "aws:executeAwsApi"
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = timedelta(seconds=3600)
    Inputs: ClassVar[type[ActionInputs]] = ExecuteAwsApiInputs

    def run(self, inputs: ExecuteAwsApiInputs, context: ActionContext) -> Outcome:
        """Call, once."""
        try:
            model = model_of(inputs.service, inputs.api, context)
            if context.may_have_run and not is_repeatable(model):
                return interrupted(model.name)
            answer = call_api(inputs.model_dump(by_alias=True), model, context)
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        return Succeeded(root=answer)
