"""aws:executeScript: run a Python (or PowerShell) script in a jail; what its handler returns is the Payload.

The step's thread is busy while the script runs, at most 600 seconds. A script is not idempotent: when the bot stopped
while one ran, nobody knows what it has done, so the attempt fails and says so; maxAttempts decides about another.
Specification: reference/ssm-automation.md §3.8; limits: AWS General Reference, Systems Manager quotas.
"""

import json
import sys
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, Protocol

from pydantic import BeforeValidator

from engine.action import Action, ActionContext, ActionInputs, Failed, FailureType, Outcome, Stage, Succeeded, Waiting
from engine.scripts.script import LARGEST_PAYLOAD, LONGEST, PYTHON, Script, ScriptEnd, is_powershell
from infra.canonical import Json

LIMIT: Final = timedelta(seconds=LONGEST)
POLL_STAGE: Final = "Poll action status for completion"
"""AWS's name of the phase in which a script fails."""
CRASHED: Final = (
    "The bot stopped while this script was running. The script has done all, some or none of its work; look before you "
    "run it again"
)
HERE: Final = "python" + ".".join(map(str, sys.version_info[:2]))


class ScriptRuns(Protocol):
    """The script runner, as ActionContext.services["scripts"] offers it."""

    def run(self, script: Script, aws: Any) -> ScriptEnd:
        """Run it to its end."""

    def cancel(self, token: str) -> None:
        """End it."""


def _as_map(value: object) -> object:
    """InputPayload may be JSON text (a whole output of another step)."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise ValueError(f"InputPayload is text, but not JSON: {error}") from None
    return found


class ExecuteScriptInputs(ActionInputs):
    """Inputs of aws:executeScript."""

    runtime: str
    handler: str = ""
    input_payload: Annotated[Any, BeforeValidator(_as_map)] = None
    script: str = ""
    attachment: str = ""


class ExecuteScript(Action[ExecuteScriptInputs]):
    """Its own AWS calls are made by the bot and are in the trail."""

    name: ClassVar[str] = "aws:executeScript"
    impact: ClassVar[Literal["Undetermined"]] = "Undetermined"
    default_timeout: ClassVar[timedelta | None] = LIMIT
    max_timeout: ClassVar[timedelta | None] = LIMIT
    Inputs: ClassVar[type[ActionInputs]] = ExecuteScriptInputs

    def run(self, inputs: ExecuteScriptInputs, context: ActionContext) -> Outcome:
        """Run the script to its end."""
        runner: ScriptRuns | None = context.services.get("scripts")
        wrong = _what_is_wrong(inputs, context)
        if wrong:
            return Failed(wrong, Stage.INPUT_VALIDATION, is_final=True)
        if context.memo.get("timed_out"):
            return _failed(f"The script did not end within {_seconds(context):.0f} seconds")
        if context.may_have_run:
            return Failed(CRASHED, type=FailureType.INTERNAL)
        if runner is None:
            return Failed("Scripts cannot run here: this process has no script runner", type=FailureType.INTERNAL)
        return _outcome(inputs, context, runner.run(_script(inputs, context), context.aws))

    def cancel(self, inputs: ExecuteScriptInputs, context: ActionContext) -> None:
        """Kill the script."""
        runner: ScriptRuns | None = context.services.get("scripts")
        if runner is not None:
            runner.cancel(context.token)


def _what_is_wrong(inputs: ExecuteScriptInputs, context: ActionContext) -> str:
    """Why the step cannot run as it is written, or ""."""
    runtime = inputs.runtime.strip()
    if not (PYTHON.fullmatch(runtime) or is_powershell(runtime)):
        return f'Runtime "{runtime}" is unknown; python3.6 to python3.14 and PowerShell are'
    if not inputs.script and not inputs.attachment:
        return "aws:executeScript needs Script or Attachment"
    if is_powershell(runtime):
        return "PowerShell scripts have no Handler" if inputs.handler else ""
    if not inputs.handler:
        return "Handler is missing: the name of the function to call"
    if inputs.attachment and inputs.attachment not in context.files:
        return f'Attachment "{inputs.attachment}" is not there; it must be among the files of the document'
    return ""


def _script(inputs: ExecuteScriptInputs, context: ActionContext) -> Script:
    return Script(
        source=inputs.script,
        handler=inputs.handler,
        events={} if inputs.input_payload is None else inputs.input_payload,
        context=dict(context.system),
        region=context.aws.region,
        token=context.token,
        runtime=inputs.runtime.strip(),
        attachment_name=inputs.attachment,
        attachment=context.files.get(inputs.attachment, b""),
        seconds=_seconds(context),
    )


def _seconds(context: ActionContext) -> float:
    return min(context.timeout or LIMIT, LIMIT).total_seconds()


def _outcome(inputs: ExecuteScriptInputs, context: ActionContext, end: ScriptEnd) -> Outcome:
    ran_on = "" if inputs.runtime.strip() == HERE else f" ({inputs.runtime.strip()} was asked for; it ran on {HERE})"
    match end.how:
        case "timed_out":
            until = context.now + min(context.timeout or LIMIT, LIMIT)
            return Waiting(until=until, memo={"timed_out": True}, say="the script was stopped")
        case "cancelled":
            return _failed("The script was stopped because its step was cancelled")
        case "failed":
            return _failed(f"{end.trace.rstrip() or end.failure}{ran_on}")
    return _succeeded(end.payload)


def _succeeded(text: str) -> Outcome:
    """The payload comes from the script's process: it is read as the stranger's word it is."""
    try:
        payload: Json = json.loads(text) if len(text.encode()) <= LARGEST_PAYLOAD else _refuse("more than 100 KB")
        outcome: dict[str, Json] = {"Payload": payload}
        return Succeeded({**outcome, "OutputPayload": json.dumps(outcome, allow_nan=False)}, root=outcome)
    except (ValueError, RecursionError) as error:
        return _failed(f"The script's result cannot be used: {error}")


def _refuse(sentence: str) -> Json:
    raise ValueError(sentence)


def _failed(message: str) -> Failed:
    return Failed(message, Stage.INVOCATION, while_doing=POLL_STAGE)
