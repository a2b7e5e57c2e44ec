"""aws:invokeWebhook: POST to a webhook integration, which is a SecureString of Parameter Store.

A POST carries no token, so one that was in flight when the process died is not repeated. The integration's address
and headers are secrets: they appear in no output, message or event.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from engine.action import Action, ActionContext, ActionInputs, Failed, FailureType, Outcome, Stage, Succeeded
from engine.actions.failures import call_failed, interrupted
from engine.expressions import compact
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json, encoded
from infra.https import PostRefused, PostUnanswered, post

FOLDER: Final = "/d9d01087-4a3f-49e0-b0b4-d568d7826553/ssm/integrations/webhook/"
"""Where Systems Manager keeps integrations (User Guide, "Creating integrations for Automation")."""


class InvokeWebhookInputs(ActionInputs):
    """Inputs of aws:invokeWebhook; Body replaces the integration's payload."""

    integration_name: str
    body: Any = None


@dataclass(frozen=True, slots=True)
class Integration:
    """A webhook as it was registered."""

    url: str
    headers: Mapping[str, str]
    payload: str


class InvokeWebhook(Action[InvokeWebhookInputs]):
    """A status of 400 or more is a failure."""

    name: ClassVar[str] = "aws:invokeWebhook"
    permissions: ClassVar[tuple[str, ...]] = ("ssm:GetParameter", "kms:Decrypt")
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    Inputs: ClassVar[type[ActionInputs]] = InvokeWebhookInputs

    def run(self, inputs: InvokeWebhookInputs, context: ActionContext) -> Outcome:
        """Read the integration and post, once."""
        if context.may_have_run:
            return interrupted(f"to the webhook {inputs.integration_name}")
        try:
            integration = _integration(inputs.integration_name, context)
            body = integration.payload if inputs.body is None else _text(inputs.body)
            send = context.services.get("post", post)
            answer = send(integration.url, integration.headers, encoded(body))
        except (AwsRefused, AwsUnreachable) as error:
            return call_failed(error)
        except PostRefused as error:
            text = f"The webhook {inputs.integration_name} cannot be called: {error}"
            return Failed(text, Stage.PRE_VERIFICATION, is_final=True)
        except PostUnanswered as error:
            return Failed(f"The webhook {inputs.integration_name}: {error}", type=FailureType.INTERNAL)
        outputs: dict[str, Json] = {"Response": answer.text, "ResponseCode": str(answer.status)}
        if answer.status >= 400:
            text = f"The webhook {inputs.integration_name} answered {answer.status}: {answer.text[:500]}"
            return Failed(text, outputs=outputs, response_code=str(answer.status))
        return Succeeded(outputs, response_code=str(answer.status))


def _integration(name: str, context: ActionContext) -> Integration:
    """Read it. Raises AwsRefused, AwsUnreachable, PostRefused."""
    params = {"Name": f"{FOLDER}{name}", "WithDecryption": True}
    value = context.aws.call("ssm", "GetParameter", params)["Parameter"]["Value"]
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise PostRefused("its parameter is not JSON with a url")
    headers = found.get("headers") or {}
    if not isinstance(headers, dict):
        raise PostRefused("its headers are not a map")
    named = {"Content-Type": "application/json", **{str(key): _text(value) for key, value in headers.items()}}
    return Integration(found["url"], named, _text(found.get("payload") or ""))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else compact(value)
