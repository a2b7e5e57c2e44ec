"""The door: one signed HTTP request in, one answer out. A client's mistake is always AWS's own kind of error."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from bot.api import model
from bot.api.asked import Asked, Operation
from bot.api.errors import INTERNAL, ApiError
from bot.api.keys import AccessKey
from bot.api.replays import ONCE, Replays
from bot.api.signature import Call, Signer, verify
from infra.clock import Clock
from infra.db import DatabaseUnavailable
from playbooks.documents.refusals import SsmRefused
from playbooks.people import Directory

log = structlog.get_logger()

CONTENT_TYPE: Final = "application/x-amz-json-1.1"
PREFIX: Final = "AmazonSSM"
LARGEST_BODY: Final = 1_048_576
"""Bytes. The largest document has 64 KB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Door:
    """Answers calls. `count` hears the operation and the code of each one; "" is a good answer."""

    operations: Mapping[str, Operation]
    keys: Mapping[str, AccessKey]
    directory: Directory
    clock: Clock
    refused: Callable[[str, str], None] = lambda _reason, _sender: None
    """Hears why a call was not authentic, and from where it came."""
    count: Callable[[str, str], None] = lambda _operation, _code: None

    def __post_init__(self) -> None:
        self._replays = Replays(self.clock)

    def answer(self, call: Call, sender: str = "") -> Answer:
        """The answer to one call; never an exception."""
        request_id, target = str(uuid.uuid4()), call.headers.get("x-amz-target", "")
        name = target.partition(".")[2]
        try:
            body = self._answered(call, target, sender)
        except ApiError as error:
            return self._error(error, request_id, name)
        except SsmRefused as error:
            return self._error(ApiError(error.code, str(error)), request_id, name)
        except DatabaseUnavailable as error:
            log.warning("database unavailable", operation=name, error=str(error))
            text = f"The database does not answer; try again. (request {request_id})"
            return self._error(ApiError(INTERNAL, text, 500), request_id, name)
        except Exception:  # whatever is wrong here is our defect: one apology with an id, and the log
            log.exception("call failed", operation=name, request=request_id)
            text = f"This is a defect of playbook-bot; its log says more. (request {request_id})"
            return self._error(ApiError(INTERNAL, text, 500), request_id, name)
        self.count(name, "")
        return Answer(200, {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": request_id}, body)

    def _answered(self, call: Call, target: str, sender: str) -> bytes:
        if call.method != "POST" or call.path != "/":
            raise ApiError("UnknownOperationException", "SSM's API takes POST / only.", 404)
        if len(call.body) > LARGEST_BODY:
            raise ApiError("RequestEntityTooLargeException", f"A request has at most {LARGEST_BODY:,} bytes.", 413)
        signer = self._signer(call, sender)
        service, _, name = target.partition(".")
        operation = model.operation_model(name) if service == PREFIX else None
        if operation is None:
            text = f'There is no operation "{target[:100]}"; X-Amz-Target is {PREFIX}.<Operation>.'
            raise ApiError("UnknownOperationException", text)
        run = self.operations.get(name)
        if run is None:
            raise ApiError("UnknownOperationException", f"{name} is not one of the operations of this endpoint.")
        given = model.request(operation, call.body)
        principal = signer.key.principal
        by = self.directory.iam(principal.arn, name=principal.name, spellings=principal.spellings)
        asked = Asked(name, given, by, principal.arn, signer.region)
        if name in ONCE:
            return self._replays.once(signer.signature, lambda: model.answer(operation, run(asked)))
        return model.answer(operation, run(asked))

    def _signer(self, call: Call, sender: str) -> Signer:
        try:
            return verify(call, self.keys, self.clock())
        except ApiError as error:
            self.refused(f"{error.code}: {error}", sender)
            raise

    def _error(self, error: ApiError, request_id: str, operation: str) -> Answer:
        self.count(operation if operation in self.operations else "", error.code)
        member = "Message" if model.has_message(error.code) else "message"
        body = json.dumps({"__type": error.code, member: str(error)}, ensure_ascii=False)
        headers = {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
        return Answer(error.status, headers, body.encode("utf-8", "replace"))
