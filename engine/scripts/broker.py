"""A script's calls to AWS, made by the bot: as the execution's role, within the allow-list, each one recorded."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol, runtime_checkable

from engine.action import AwsApi
from engine.scripts.inside import wire
from infra.aws_calls import AwsCall, resource_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_identity import Keys

REGION: Final = re.compile(r"[a-z0-9-]{0,40}")
NAME: Final = re.compile(r"[A-Za-z0-9-]{1,100}")
MOST_CALLS: Final = 10_000
"""AWS calls of one script: more is a loop that has run away, and each one stands in the trail."""
HAND_OUT_KEYS: Final = frozenset(
    {
        "AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot", "GetSessionToken",
        "GetFederationToken",
    }
)  # fmt: skip
NOT_ALLOWED: Final = "NotAllowedForScripts"
"""Stands in the trail as the error of a call that was refused here."""
KEPT: Final = "kept-by-playbook-bot"
"""What a script sees instead of a secret key: the bot signs for it."""


@runtime_checkable
class ScriptAws(Protocol):
    """AWS as scripts need it: answers in botocore's own types, and calls signed with a role the script has assumed."""

    def answer(
        self, service: str, operation: str, params: Mapping[str, Any], *, read: Callable[[dict[str, Any]], bytes],
        region: str = "", keys: Keys | None = None,
    ) -> bytes:  # fmt: skip
        """What `read` makes of the answer, whose streams are unread. Raises AwsRefused, AwsUnreachable."""

    def record(self, call: AwsCall) -> None:
        """Remember a call that was not made."""


@dataclass
class Broker:
    """One script's way to AWS. `allowed` are patterns like `ec2:Describe*`; empty = all that the role may do."""

    aws: AwsApi
    allowed: Sequence[str] = ()
    calls: int = 0
    _kept: dict[str, Keys] = field(default_factory=dict)

    def reply(self, question: object) -> bytes:
        """The frame that answers a question. Raises wire.BrokenFrame for one that no botocore would ask."""
        service, operation, params, region, keys = _understood(question)
        self.calls += 1
        refusal = self._refusal(service, operation)
        if refusal:
            self._note_refusal(service, operation, params, region)
            return wire.frame({"refused": _denied(refusal)})
        try:
            return self._made(service, operation, params, region=region, keys=keys)
        except AwsRefused as error:
            return wire.frame(_as_raised_or_refused(error))
        except AwsUnreachable as error:
            facts = {**_facts(error.__cause__), "error": str(error)}
            return wire.frame(_raised(type(error.__cause__).__name__, facts))
        except wire.Unsendable as error:
            return wire.frame(_raised("HTTPClientError", {"error": f"the answer cannot be given to a script: {error}"}))

    def _made(self, service: str, operation: str, params: dict[str, Any], *, region: str, keys: Keys | None) -> bytes:
        known = keys and self._kept.get(keys[0], keys)
        if isinstance(self.aws, ScriptAws):
            hides = service == "sts" and operation in HAND_OUT_KEYS

            def read(answer: dict[str, Any]) -> bytes:
                return wire.frame({"answer": self._without_keys(answer) if hides else answer})

            return self.aws.answer(service, operation, params, read=read, region=region, keys=known)
        if keys is not None:
            return wire.frame({"refused": _denied("keys of one's own cannot be used here")})
        return wire.frame({"answer": self.aws.call(service, operation, params, region=region), "is_plain": True})

    def _without_keys(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Keep the keys of an assumed role here; the script names them by their id."""
        found = answer.get("Credentials")
        if not isinstance(found, dict):
            return answer
        keys = (str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found.get("SessionToken", "")))
        self._kept[keys[0]] = keys
        return {**answer, "Credentials": {**found, "SecretAccessKey": KEPT, "SessionToken": KEPT}}

    def _refusal(self, service: str, operation: str) -> str:
        if self.calls > MOST_CALLS:
            return f"a script may make {MOST_CALLS:,} calls, and this one has"
        name = f"{service}:{operation}".lower()
        if self.allowed and not any(fnmatchcase(name, pattern.lower()) for pattern in self.allowed):
            return f"scripts may not call {service}:{operation} here (allowed: {', '.join(self.allowed)})"
        return ""

    def _note_refusal(self, service: str, operation: str, params: dict[str, Any], region: str) -> None:
        if isinstance(self.aws, ScriptAws) and self.calls <= MOST_CALLS:
            where = region or getattr(self.aws, "region", "")
            self.aws.record(AwsCall(service, operation, where, resource_of(params), "", NOT_ALLOWED, 0.0))


def _understood(question: object) -> tuple[str, str, dict[str, Any], str, Keys | None]:
    given: object
    match question:
        case {
            "service": str(service),
            "operation": str(operation),
            "params": dict(params),
            "region": str(region),
            "keys": given,
        }:
            pass
        case _:
            raise wire.BrokenFrame("a message is no call to AWS")
    if not (NAME.fullmatch(service) and NAME.fullmatch(operation) and REGION.fullmatch(region)):
        raise wire.BrokenFrame("a call to AWS names nothing that exists")
    match given:
        case None:
            return service, operation, params, region, None
        case {"id": str(key), "secret": str(secret), "token": str(token)}:
            return service, operation, params, region, (key, secret, token)
        case _:
            raise wire.BrokenFrame("a call to AWS has keys that are none")


def _denied(sentence: str) -> dict[str, Any]:
    return {
        "Error": {"Code": "AccessDeniedException", "Message": f"playbook-bot: {sentence}"},
        "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "", "RetryAttempts": 0, "HTTPHeaders": {}},
    }


def _as_raised_or_refused(error: AwsRefused) -> dict[str, Any]:
    response = getattr(error.__cause__, "response", None)
    if isinstance(response, dict):
        return {"refused": response}
    if error.is_invalid_input:
        facts = _facts(error.__cause__) or {"report": str(error)}
        return _raised("ParamValidationError", facts)
    meta = {"HTTPStatusCode": error.status or 400, "RequestId": error.request_id, "RetryAttempts": 0, "HTTPHeaders": {}}
    return {"refused": {"Error": {"Code": error.code, "Message": str(error)}, "ResponseMetadata": meta}}


def _facts(error: BaseException | None) -> dict[str, str]:
    """What a botocore exception is made of."""
    return {str(name): str(value) for name, value in getattr(error, "kwargs", {}).items()}


def _raised(kind: str, facts: Mapping[str, str]) -> dict[str, Any]:
    return {"raised": {"type": kind, "facts": dict(facts), "message": facts.get("error", kind)}}
