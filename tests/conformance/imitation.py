"""Moto with a few things mended: its own defects are answers, and Lambda functions run, as scripts in the jail."""

import base64
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from moto.awslambda.utils import get_backend

from engine.scripts.script import Script, ScriptEnd
from infra.aws import AwsSession
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_identity import Keys
from infra.canonical import Json
from tests.conformance.account import ACCOUNT

MOTO_DEFECT: Final = "MotoDefect"
LACKING: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("securityhub", "BatchUpdateFindings"): {"ProcessedFindings": [], "UnprocessedFindings": []},
}
"""Answers to operations that moto lacks, and that change nothing a document could look at."""
T = TypeVar("T")
CONTEXT: Final = (
    "\ndef _called(events, context):\n"
    "    class Context(dict):\n"
    "        function_name = 'conformance'; aws_request_id = 'one'; log_stream_name = 'one'\n"
    "        invoked_function_arn = 'arn:aws:lambda:eu-west-1:123456789012:function:conformance'\n"
    "        def get_remaining_time_in_millis(self): return 300000\n"
    "    return {handler}(events, Context(context))\n"
)
"""Calls a function's handler with what Lambda gives it."""


@dataclass
class ImitatedAws(AwsSession):
    """A session whose calls end as an AWS's would. `run_script` runs the code of functions."""

    run_script: Callable[[Script, Any], ScriptEnd] | None = None
    stored: Mapping[str, Json] = field(default_factory=dict)
    """What Parameter Store holds beside moto's, which takes no names of AWS's own."""

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call."""
        if (service, operation) == ("lambda", "Invoke") and params.get("InvocationType", "RequestResponse") != "DryRun":
            return self._invoked(params)
        if (service, operation) in LACKING:
            return dict(LACKING[service, operation])
        if (service, operation) == ("ssm", "GetParameter") and params.get("Name") in self.stored:
            value = self.stored[str(params["Name"])]
            text, kind = (
                (",".join(map(str, value)), "StringList") if isinstance(value, list) else (str(value), "String")
            )
            return {"Parameter": {"Name": params["Name"], "Type": kind, "Value": text}}
        return super().call(service, operation, params, region=region)

    def answer(
        self, service: str, operation: str, params: Mapping[str, Any], *, read: Callable[[dict[str, Any]], T],
        region: str = "", keys: Keys | None = None,
    ) -> T:  # fmt: skip
        """One call; an exception of moto's own code is a refusal that says so."""
        try:
            return super().answer(service, operation, params, read=read, region=region, keys=keys)
        except (AwsRefused, AwsUnreachable):
            raise
        except Exception as error:
            text = f"moto fails at {service}:{operation}: {error!r}"
            raise AwsRefused(MOTO_DEFECT, text, operation=operation) from error

    def _invoked(self, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            function: Any = get_backend(ACCOUNT, self.region).get_function(str(params["FunctionName"]))
        except Exception as error:
            text = f"An error occurred (ResourceNotFoundException) when calling the Invoke operation: {error}"
            raise AwsRefused("ResourceNotFoundException", text, operation="Invoke") from error
        try:
            events = json.loads(params.get("Payload") or "{}")
        except ValueError as error:
            text = f"An error occurred (InvalidRequestContentException) when calling the Invoke operation: {error}"
            raise AwsRefused("InvalidRequestContentException", text, operation="Invoke") from error
        source = _source_of(function)
        name = str(function.handler or "").rpartition(".")[2]
        if self.run_script is None or source is None:
            return super().call("lambda", "Invoke", params)
        script = Script(
            source=source + CONTEXT.replace("{handler}", name), handler="_called",
            events=events, context={}, region=self.region, token="function",
        )  # fmt: skip
        end = self.run_script(script, self)
        if end.how == "done":
            return {"StatusCode": 200, "Payload": end.payload}
        told = json.dumps({"errorMessage": (end.trace or end.failure)[-500:]})
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": told}


def _source_of(function: Any) -> str | None:
    """The Python of a function of one file."""
    code = function.code.get("ZipFile")
    if not code or not str(function.run_time or "").startswith("python"):
        return None
    data = code if isinstance(code, bytes) else str(code).encode()
    try:
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(data))) as archive:
            return archive.read(archive.namelist()[0]).decode()
    except (ValueError, zipfile.BadZipFile):
        return data.decode() if b"def " in data else None
