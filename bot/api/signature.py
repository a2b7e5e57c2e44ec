"""Signature Version 4, checked with botocore's own signer. Pure.

As AWS does: five minutes of clock skew, every X-Amz- header signed, the body part of what is signed; the same request
may come again within those minutes, for clients repeat what got no answer (bot/api/replays.py says what comes of it).
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from bot.api.errors import ApiError
from bot.api.keys import AccessKey

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SKEW: Final = timedelta(minutes=5)
SERVICE: Final = "ssm"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_REGION: Final = re.compile(r"[a-z0-9-]{1,32}")
_NEEDED: Final = ("Credential", "SignedHeaders", "Signature")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request as it came; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Authorization:
    """The Authorization header, taken apart."""

    access_key: str
    date: str
    region: str
    signed: tuple[str, ...]
    signature: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed a call, and for which Region."""

    key: AccessKey
    region: str
    signature: str


def verify(call: Call, keys: Mapping[str, AccessKey], now: datetime) -> Signer:
    """Who signed this. Raises ApiError with AWS's codes; nobody learns more than whether it was accepted."""
    found = _authorization(call.headers.get("authorization", ""))
    _check_signed(found, call)
    stamp = _stamp(found, call, now)
    key = keys.get(found.access_key)
    if key is None or not _has_token(key, call):
        raise ApiError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if not _is_right(found, call, key, stamp):
        text = "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
        raise ApiError("InvalidSignatureException", f"{text}Access Key and signing method.")
    return Signer(key, found.region, found.signature)


def _authorization(header: str) -> Authorization:
    if not header:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise ApiError("IncompleteSignatureException", f"The Authorization header must begin with {ALGORITHM}.")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    missing = [f"Authorization header requires '{name}' parameter." for name in _NEEDED if not parts.get(name)]
    if missing:
        raise ApiError("IncompleteSignatureException", " ".join(missing))
    scope = parts["Credential"].rsplit("/", 4)
    if len(scope) != 5:
        raise ApiError(
            "IncompleteSignatureException", "Credential must have five parts: KEY/DATE/REGION/SERVICE/aws4_request."
        )
    access_key, date, region, service, end = scope
    if service != SERVICE or end != "aws4_request" or not _REGION.fullmatch(region):
        text = f"Credential should be scoped to a Region and to the correct service: '{SERVICE}'."
        raise ApiError("InvalidSignatureException", text)
    return Authorization(access_key, date, region, tuple(parts["SignedHeaders"].split(";")), parts["Signature"])


def _check_signed(found: Authorization, call: Call) -> None:
    needed = {"host", *(name for name in call.headers if name.startswith("x-amz-"))}
    for name in sorted(needed - set(found.signed)):
        text = f"'{name}' must be a 'SignedHeader' in the AWS Authorization."
        raise ApiError("InvalidSignatureException", text)
    for name in found.signed:
        if name not in call.headers:
            raise ApiError("InvalidSignatureException", f"The signed header '{name}' is not in the request.")
    said = call.headers.get("x-amz-content-sha256")
    if said is not None and said != hashlib.sha256(call.body).hexdigest():
        text = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise ApiError("InvalidSignatureException", text)


def _stamp(found: Authorization, call: Call, now: datetime) -> str:
    """When it was signed, as AWS spells it."""
    stamp = call.headers.get("x-amz-date", "")
    try:
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError:
        text = "Authorization header requires existence of an 'X-Amz-Date' header in ISO 8601 (20261125T030210Z)."
        raise ApiError("IncompleteSignatureException", text) from None
    if not stamp.startswith(found.date) or len(found.date) != 8:
        text = f"Date in Credential scope does not match X-Amz-Date: '{found.date}' != '{stamp[:8]}'."
        raise ApiError("InvalidSignatureException", text)
    if at < now - SKEW:
        text = f"Signature expired: {stamp} is now earlier than {now - SKEW:{_STAMP}} ({now:{_STAMP}} - 5 min.)"
        raise ApiError("InvalidSignatureException", text)
    if at > now + SKEW:
        text = f"Signature not yet current: {stamp} is still later than {now + SKEW:{_STAMP}} ({now:{_STAMP}} + 5 min.)"
        raise ApiError("InvalidSignatureException", text)
    return stamp


def _has_token(key: AccessKey, call: Call) -> bool:
    """A temporary key comes with its token, a lasting one with none."""
    said = call.headers.get("x-amz-security-token", "")
    return hmac.compare_digest(said.encode("utf-8", "replace"), key.token.encode())


def _is_right(found: Authorization, call: Call, key: AccessKey, stamp: str) -> bool:
    try:
        wanted = _signature(found, call, key, stamp)
    except ValueError:  # a host or a header that no client could have signed
        return False
    return hmac.compare_digest(wanted.encode(), found.signature.encode("utf-8", "replace"))


class _AsSigned(SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs exactly the headers of the request: those that the caller has signed."""

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name.lower()] = value
        return headers


def _signature(found: Authorization, call: Call, key: AccessKey, stamp: str) -> str:
    url = f"http://{call.headers['host']}{call.path}" + (f"?{call.query}" if call.query else "")
    headers = {name: call.headers[name] for name in found.signed}
    request = AWSRequest(method=call.method, url=url, data=call.body, headers=headers)
    request.context["timestamp"] = stamp
    signer = _AsSigned(Credentials(key.id, key.secret, key.token or None), SERVICE, found.region)
    canonical = signer.canonical_request(request)
    return str(signer.signature(signer.string_to_sign(request, canonical), request))
