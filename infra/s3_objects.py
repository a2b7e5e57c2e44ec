"""Objects of S3: at a presigned URL, or as a session may read them; never more of one than fits."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from infra.aws import AwsSession
from infra.aws_errors import AwsRefused

SECONDS: Final = 10
_HOST: Final = re.compile(r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\.s3(\.[a-z0-9-]{9,16})?\.amazonaws\.com")


class ObjectUnread(Exception):
    """The object could not be had; the message says why, without what signs the URL."""


def at_url(url: str, *, largest: int, endpoint: str = "", handlers: tuple[Any, ...] = ()) -> bytes:
    """The object's bytes. Raises ObjectUnread. No other address that a caller names is ever read.

    `endpoint` stands in for S3 where the settings say that AWS is elsewhere. A redirect is followed nowhere: S3 answers
    so for a bucket of another Region, and the URL should name that.
    """
    parts, bucket = _checked(url)
    query = f"?{parts.query}" if parts.query else ""
    place = f"{endpoint.rstrip('/')}/{bucket}" if endpoint else f"https://{parts.hostname}"
    request = urllib.request.Request(f"{place}{parts.path}{query}")  # noqa: S310 - https, or as the settings say
    name = f"s3://{bucket}{parts.path}"
    try:
        with urllib.request.build_opener(_NoRedirect, *handlers).open(request, timeout=SECONDS) as answer:
            content: bytes = answer.read(largest + 1)
    except urllib.error.HTTPError as error:
        with error:
            raise ObjectUnread(f"S3 answered {error.code} for {name}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise ObjectUnread(f"{name} gave no answer: {getattr(error, 'reason', error)}") from error
    if len(content) > largest:
        raise ObjectUnread(f"{name} is larger than {largest:,} bytes")
    return content


def place_of(url: str) -> tuple[str, str]:
    """Bucket and key of a presigned URL. Raises ObjectUnread."""
    parts, bucket = _checked(url)
    return bucket, unquote(parts.path.removeprefix("/"))


def content(session: AwsSession, bucket: str, key: str, *, largest: int) -> bytes:
    """An object that the session's identity may read. Raises ObjectUnread, AwsUnreachable."""
    try:
        found = session.answer(
            "s3", "GetObject", {"Bucket": bucket, "Key": key}, read=lambda answer: _read(answer["Body"], largest)
        )
    except AwsRefused as error:
        raise ObjectUnread(f"s3://{bucket}/{key} cannot be read: {error}") from error
    if len(found) > largest:
        raise ObjectUnread(f"s3://{bucket}/{key} is larger than {largest:,} bytes")
    return found


@dataclass(frozen=True, slots=True)
class S3Objects:
    """S3 as the identity of `session` may read it."""

    session: Callable[[], AwsSession]

    def content(self, bucket: str, key: str, *, largest: int) -> bytes:
        """One object. Raises ObjectUnread, AwsUnreachable."""
        return content(self.session(), bucket, key, largest=largest)

    def keys(self, bucket: str, prefix: str, *, most: int) -> list[str]:
        """At most so many keys that begin so. Raises AwsRefused, AwsUnreachable."""
        members = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": most}
        answer = self.session().call("s3", "ListObjectsV2", members)
        return [str(each["Key"]) for each in answer.get("Contents") or ()]


def _read(body: Any, largest: int) -> bytes:
    with body:
        found: bytes = body.read(largest + 1)
    return found


def _checked(url: str) -> tuple[SplitResult, str]:
    """The URL's parts and its bucket; what looks like a bucket may be the password of another host. Raises."""
    try:
        parts = urlsplit(url)
        found, port = _HOST.fullmatch(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ObjectUnread(f"the URL makes no sense: {error}") from error
    if parts.scheme != "https" or found is None or "@" in parts.netloc or port not in (None, 443) or parts.fragment:
        raise ObjectUnread("the URL must be one of an object: https://BUCKET.s3.REGION.amazonaws.com/KEY, presigned")
    return parts, found["bucket"]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: the answer is the redirect itself."""
