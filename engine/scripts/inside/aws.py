"""boto3 inside the jail: the real library, whose calls are made by the bot, with the execution's role.

botocore builds clients, waiters, paginators, resources and exceptions as always; only the one method that would sign
and send a request asks the bot instead. What that method would do to parameters and answers, the bot's botocore does.
"""

import io
import os
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
import botocore.awsrequest
import botocore.client
import botocore.exceptions
import botocore.handlers
import botocore.loaders
import botocore.response
import botocore.session
import botocore.utils
import botocore.validate

from . import wire

DONE_BY_THE_BOT: Final = ("before-parameter-build", "provide-client-params", "after-call")
"""botocore's own hooks at these events run in the bot, once; here only those of boto3's resources and of the script."""
OF_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn", ".on.aws")
WARM: Final = ("ec2", "ssm", "s3", "sts", "iam", "cloudwatch", "rds", "autoscaling", "lambda", "dynamodb", "sns")
"""Services whose models are read before any script asks for them."""
PIECE: Final = 1 << 20


class Channel:
    """The stream to the bot: one question at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._lock = descriptor, threading.Lock()
        self._frames = wire.Frames(largest=wire.LARGEST_ANSWER)

    def receive(self) -> Any:
        """The next value from the bot; its streams are botocore's. Ends the process when the bot is gone."""
        pieces: list[tuple[bytes, bytes]] = []
        while not pieces:
            piece = os.read(self._descriptor, PIECE)
            if not piece:
                os._exit(1)
            pieces = self._frames.feed(piece)
        return wire.opened(*pieces[0], stream=stream_of)

    def send(self, value: object) -> None:
        """Send a value. Raises wire.Unsendable."""
        rest = memoryview(wire.frame(value, largest=wire.LARGEST_QUESTION))
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Send a question and wait for the answer."""
        with self._lock:
            self.send(question)
            return self.receive()


def stream_of(content: bytes) -> Any:
    """A body as botocore gives it, with read(), iter_lines() and iter_chunks()."""
    return botocore.response.StreamingBody(io.BytesIO(content), len(content))


def prepare() -> None:
    """Change botocore once, before any script; read what most scripts need."""
    kept = [entry for entry in botocore.handlers.BUILTIN_HANDLERS if not entry[0].startswith(DONE_BY_THE_BOT)]
    botocore.handlers.BUILTIN_HANDLERS[:] = kept
    shared = botocore.loaders.create_loader()
    botocore.loaders.create_loader = botocore.session.create_loader = lambda *_, **__: shared
    session = boto3.session.Session(region_name="us-east-1")
    for service in WARM:
        session.client(service)
    session.resource("ec2")


def connect(channel: Channel) -> None:
    """From now on, AWS is what the channel leads to."""

    def relayed(client: Any, operation_name: str, api_params: dict[str, Any]) -> Any:
        return _call(channel, client, operation_name, api_params)

    seam: Any = botocore.client.BaseClient
    seam._make_api_call = relayed  # noqa: SLF001 - everything above this method stays botocore's


def _call(channel: Channel, client: Any, name: str, params: dict[str, Any]) -> Any:
    model = client.meta.service_model.operation_model(name)
    context = {
        "client_region": client.meta.region_name,
        "client_config": client.meta.config,
        "has_streaming_input": model.has_streaming_input,
        "auth_type": None,
    }
    params = client._emit_api_params(api_params=params, operation_model=model, context=context)  # noqa: SLF001
    _require_aws(client.meta.endpoint_url)
    question = {
        "service": client.meta.service_model.service_name,
        "operation": name,
        "params": params,
        "region": _region(client),
        "keys": _keys(client),
    }
    try:
        answer = channel.ask(question)
    except wire.Unsendable as error:
        _complain(params, model)
        raise botocore.exceptions.ParamValidationError(report=str(error)) from error
    return _concluded(client, model, context, answer)


def _region(client: Any) -> str:
    """The client's Region; "" for a service that has only one place (aws-global)."""
    region = client.meta.region_name or ""
    return "" if region.endswith("-global") else region


def _keys(client: Any) -> dict[str, str] | None:
    """Credentials that the script itself gave to the client (of a role it has assumed), or None."""
    given = client._request_signer._credentials  # noqa: SLF001 - no public way to a client's credentials
    if given is None:
        return None
    frozen = given.get_frozen_credentials()
    return {"id": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token or ""}


def _require_aws(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if not host.endswith(OF_AWS):
        raise botocore.exceptions.EndpointConnectionError(endpoint_url=url)


def _complain(params: Mapping[str, Any], model: Any) -> None:
    """Say what is wrong with parameters as botocore would."""
    if model.input_shape is not None:
        report = botocore.validate.ParamValidator().validate(params, model.input_shape)
        if report.has_errors():
            raise botocore.exceptions.ParamValidationError(report=report.generate_report())


def _concluded(client: Any, model: Any, context: dict[str, Any], answer: Mapping[str, Any]) -> Any:
    if "raised" in answer:
        raise _exception(answer["raised"])
    parsed = answer.get("refused") or answer.get("answer") or {}
    if answer.get("is_plain") and model.output_shape is not None:
        parsed = _typed(parsed, model.output_shape)
    meta = parsed.setdefault("ResponseMetadata", {})
    status = meta.setdefault("HTTPStatusCode", 400 if "refused" in answer else 200)
    http = botocore.awsrequest.AWSResponse(client.meta.endpoint_url, status, meta.get("HTTPHeaders", {}), io.BytesIO())
    client.meta.events.emit(
        f"after-call.{client.meta.service_model.service_id.hyphenize()}.{model.name}",
        http_response=http, parsed=parsed, model=model, context=context,
    )  # fmt: skip
    if "refused" in answer:
        raise client.exceptions.from_code(parsed.get("Error", {}).get("Code"))(parsed, model.name)
    return parsed


def _exception(found: Mapping[str, Any]) -> Exception:
    """The exception of that name, as the bot's botocore raised it."""
    kind = getattr(botocore.exceptions, found["type"], None)
    try:
        if isinstance(kind, type) and issubclass(kind, botocore.exceptions.BotoCoreError):
            raised: Exception = kind(**found["facts"])
            return raised
    except (KeyError, TypeError):
        pass
    other: Exception = botocore.exceptions.HTTPClientError(error=found["message"])
    return other


def _typed(value: Any, shape: Any) -> Any:
    """An answer of JSON's types with botocore's own, by the model: times and bytes."""
    if shape.type_name == "structure" and isinstance(value, dict):
        streamed = shape.serialization.get("payload")
        found = {}
        for name, item in value.items():
            member = shape.members.get(name)
            found[name] = item if member is None else _typed(item, member)
            if name == streamed and member.type_name == "blob":
                found[name] = stream_of(found[name])
        return found
    if shape.type_name == "list" and isinstance(value, list):
        return [_typed(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _typed(item, shape.value) for key, item in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, str):
        return botocore.utils.parse_timestamp(value)
    return value.encode() if shape.type_name == "blob" and isinstance(value, str) else value
