"""One signed POST to an address of the settings, signed as standardwebhooks.com describes it."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import urllib.error
import urllib.request
from datetime import datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS: Final = 10
PREFIX: Final = "whsec_"


class WebhookUndelivered(Exception):
    """The receiver did not take it, or did not say so."""


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def signature(secret: str, event_id: str, at: int, body: bytes) -> str:
    """`v1,…`: HMAC-SHA256 over id, moment and body; what follows whsec_ in a secret is base64, as the standard says."""
    signed = f"{event_id}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            return secret.encode()
    return secret.encode()


def send(url: str, secret: str, event_id: str, body: bytes, now: datetime) -> None:
    """POST one event. Raises WebhookUndelivered unless the answer is 2xx."""
    at = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "playbook-bot",
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, event_id, at, body),
    }
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - the settings allow http(s) only
    host = urlsplit(url).hostname or ""
    proxies = [urllib.request.ProxyHandler({})] if _is_here(host) else []
    opener = urllib.request.build_opener(_NoRedirect, *proxies)
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        with error:
            raise WebhookUndelivered(f"{host} answered {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise WebhookUndelivered(f"{host} gave no answer: {getattr(error, 'reason', error)}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse: the answer is the redirect itself."""
