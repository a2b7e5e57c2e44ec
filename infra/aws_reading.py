"""Which calls only look and have no effect: all that a preview may make. Decided by botocore's models. Pure.

Stricter than "its name sounds like reading": what hands out credentials or tokens, makes what is not there yet, takes
an idempotency token or is no plain question in HTTP is no look. In doubt, no.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from infra.aws_models import operation_model, operation_name, service_name
from infra.aws_operations import is_reading, token_member

_HANDS_OUT: Final = re.compile(
    r"OrCreate|Credential|Token|SecretValue|ClientSecret|Password(?!Policy)|OpenId|AccessDetails|ParametersForImport"
    r"|EmbedUrl|SignedUrl|UploadUrl|Federation|GetId$|Impersonation|ConsoleUrl|SigningUrl"
)
"""Not only reading, or not to be shown in a preview."""
_WRITES: Final = frozenset({"PUT", "PATCH", "DELETE"})
MAKES_SOMETHING: Final = frozenset(
    {
        "redshift:GetClusterCredentials", "appconfigdata:GetLatestConfiguration", "kinesis:GetRecords",
        "timestream-query:Query",
    }
)  # fmt: skip
"""Named like a question, but has an effect, costs by the row, or moves a cursor."""


def why_no_look(service: str, operation: str, params: Mapping[str, Any]) -> str:
    """Why a call may not be made only to look; "" when it may. Raises AwsRefused for what does not exist."""
    name, action = service_name(service), operation_name(service, operation)
    model = operation_model(name, action)
    if not is_reading(action):
        return f"{name}:{action} may change something"
    if _HANDS_OUT.search(action) or f"{name}:{action}" in MAKES_SOMETHING:
        return f"{name}:{action} does more than look, or gives out what is secret"
    if token_member(model):
        return f"{name}:{action} takes an idempotency token: it makes something"
    if str(model.http.get("method", "POST")) in _WRITES:
        return f"{name}:{action} is a {model.http['method']}, no question"
    if str(params.get("WithDecryption", "")).lower() == "true":
        return f"{name}:{action} would decrypt a secret"
    if model.has_streaming_output or model.has_event_stream_output:
        return f"{name}:{action} answers with a stream"
    return ""
