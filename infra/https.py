"""One HTTPS POST to a public address: the webhooks of aws:invokeWebhook. No redirects, no other scheme."""

import http.client
import ipaddress
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS: Final = 25
LARGEST_ANSWER: Final = 100_000
"""Bytes of an answer that are kept."""


class PostRefused(Exception):
    """The address is none that may be posted to; nothing was sent."""


class PostUnanswered(Exception):
    """There was no answer; what was sent may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whatever its status."""

    status: int
    text: str


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the Internet rather than to a network that happens to be near."""
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return found.is_global and not found.is_multicast


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    allowed: Callable[[str], bool] = is_public,
    handlers: tuple[Any, ...] = (),
) -> Answer:
    """POST `body`. Raises PostRefused, PostUnanswered."""
    host, port = _place(url)
    _check_addresses(host, port, allowed)
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - https, checked above
    opener = urllib.request.build_opener(_NoRedirect, *handlers)
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return _read(answer)
    except urllib.error.HTTPError as error:
        return _read(error)
    except (urllib.error.URLError, OSError, http.client.HTTPException, ValueError) as error:
        raise PostUnanswered(f"{host} gave no answer: {getattr(error, 'reason', error)}") from error


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError as error:
        raise PostRefused(f"the address makes no sense: {error}") from error
    if parts.scheme != "https" or not host or "@" in parts.netloc:
        raise PostRefused("the address must begin with https:// and hold no credentials")
    return host, port


def _check_addresses(host: str, port: int, allowed: Callable[[str], bool]) -> None:
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise PostRefused(f"{host} is not known: {error}") from error
    private = sorted(address for address in found if not allowed(address))
    if private:
        raise PostRefused(f"{host} is not on the Internet ({', '.join(private)})")


def _read(answer: Any) -> Answer:
    with answer:
        return Answer(int(answer.status), answer.read(LARGEST_ANSWER).decode("utf-8", "replace"))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: the answer is the redirect itself."""
