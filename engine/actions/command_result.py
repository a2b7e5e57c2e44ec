"""How a command of Systems Manager ended: its outputs, and what to say of each instance on which it did not succeed."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.action import ActionContext, Failed, FailureType, Outcome, Stage, Succeeded
from engine.expressions import compact
from infra.aws_errors import AwsRefused
from infra.canonical import Json

VERIFYING: Final = "verifying the command has completed"
BETWEEN: Final = "\n----------ERROR-------\n"
"""What Systems Manager writes between a plugin's output and its errors."""
MOST_TOLD: Final = 10


def command_outcome(command: Mapping[str, Any], instance_ids: Sequence[str], context: ActionContext) -> Outcome:
    """The outcome of a command that has ended. Raises AwsRefused, AwsUnreachable."""
    command_id, status = str(command["CommandId"]), str(command["Status"])
    outputs: dict[str, Json] = {"CommandId": command_id, "Status": status}
    if len(instance_ids) == 1:
        outputs |= _result(command_id, instance_ids[0], context)
    outputs["OutputPayload"] = compact(outputs)
    root: dict[str, Json] = {**outputs, "Payload": _parsed_payload(outputs)}
    if status == "Success":
        return Succeeded(outputs, root=root)
    told = ", ".join(f"{name}=[{value}]" for name, value in outputs.items())
    text = f"Command ID returns unexpected invocation result: {{{told}}}"
    if len(instance_ids) != 1:
        text = f"{text} {_told(command_id, context)}".rstrip()
    return Failed(
        text,
        Stage.POST_VERIFICATION,
        FailureType.VERIFICATION,
        outputs=outputs,
        response_code=str(outputs.get("ResponseCode", "")),
        while_doing=VERIFYING,
    )


def _result(command_id: str, instance_id: str, context: ActionContext) -> dict[str, Json]:
    """ResponseCode and Output of one instance; a document of several plugins has no code of its own."""
    params = {"CommandId": command_id, "InstanceId": instance_id}
    try:
        found = context.aws.call("ssm", "GetCommandInvocation", params)
    except AwsRefused as error:
        if error.code != "InvalidPluginName":
            raise
        return {"Output": _output_of_plugins(params, context)}
    output, errors = str(found.get("StandardOutputContent") or ""), str(found.get("StandardErrorContent") or "")
    text = f"{output}{BETWEEN}{errors}" if errors else output
    return {"ResponseCode": found.get("ResponseCode", -1), "Output": text}


def _output_of_plugins(params: Mapping[str, str], context: ActionContext) -> str:
    answer = context.aws.call("ssm", "ListCommandInvocations", {**params, "Details": True})
    invocations = answer.get("CommandInvocations") or []
    return "\n".join(
        str(plugin.get("Output") or "") for each in invocations for plugin in each.get("CommandPlugins") or []
    )


def _told(command_id: str, context: ActionContext) -> str:
    """The instances that did not succeed, by name."""
    try:
        answer = context.aws.call("ssm", "ListCommandInvocations", {"CommandId": command_id, "MaxResults": 50})
    except AwsRefused:
        return ""
    bad = [each for each in answer.get("CommandInvocations") or [] if each.get("Status") != "Success"]
    lines = [f"{each.get('InstanceId')}: {each.get('StatusDetails') or each.get('Status')}" for each in bad]
    more = f" and {len(lines) - MOST_TOLD} more" if len(lines) > MOST_TOLD else ""
    return f"({'; '.join(lines[:MOST_TOLD])}{more})" if lines else ""


def _parsed_payload(outputs: Mapping[str, Json]) -> Json:
    """What selectors such as `$.Payload.err` see: the output's JSON, where it is some."""
    try:
        value: Json = json.loads(str(outputs.get("Output") or "null"))
    except (ValueError, RecursionError):
        return None
    return value
