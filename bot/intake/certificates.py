"""SNS's signing certificates: where they may come from, fetched once, and the signature they check."""

import base64
import binascii
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

FETCH_SECONDS: Final = 5
LARGEST_BYTES: Final = 65_536
MOST_KEPT: Final = 64
MOST_WAITING: Final = 4
"""Requests that may wait for a certificate at once: strangers who name ever new ones must not hold all threads."""
SHORTEST_KEY: Final = 2048
PATH: Final = re.compile(r"/SimpleNotificationService-[0-9a-f]{32}\.pem")
SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""What each type of message signs, in this order."""


class NotAuthentic(Exception):
    """The message was not signed by SNS."""


class CertificateUnavailable(Exception):
    """The certificate cannot be had at the moment; the message may be authentic, and will come again."""


def download(url: str) -> bytes:
    """Fetch a certificate; redirects are not followed. Raises NotAuthentic, CertificateUnavailable."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            found: bytes = answer.read(LARGEST_BYTES)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise CertificateUnavailable(f"the signing certificate was answered with HTTP {error.code}") from error
        raise NotAuthentic(f"there is no such signing certificate (HTTP {error.code})") from error
    except (OSError, ValueError) as error:
        raise CertificateUnavailable(f"the signing certificate could not be fetched: {error}") from error
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse."""


class Certificates:
    """Fetches certificates from SNS's own hosts only, and remembers their keys.

    `extra_hosts` (HOST or HOST:PORT) are taken over plain HTTP, too: an SNS of a test or a demo.
    """

    def __init__(self, *, extra_hosts: Collection[str] = (), fetch: Callable[[str], bytes] = download) -> None:
        self._extra_hosts, self._fetch = frozenset(host.lower() for host in extra_hosts), fetch
        self._known: dict[str, x509.Certificate] = {}
        self._waiting, self._fetching = threading.BoundedSemaphore(MOST_WAITING), threading.Lock()

    def verify(self, message: Mapping[str, Any], *, region: str, now: datetime) -> dict[str, str]:
        """The members that SNS of that Region has signed; nothing else in `message` may be believed.

        Raises NotAuthentic, CertificateUnavailable.
        """
        signed = _signed_members(message)
        url = str(message.get("SigningCertURL") or message.get("SigningCertUrl") or "")
        self._check_url(url, region)
        version = str(message.get("SignatureVersion") or "")
        if version not in ("1", "2"):
            raise NotAuthentic(f'the signature version "{version[:20]}" is not 1 or 2')
        try:
            signature = base64.b64decode(str(message.get("Signature") or ""), validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotAuthentic("the signature is not base64") from error
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - SNS's version 1
        try:
            self._key(url, now).verify(signature, canonical(signed), padding.PKCS1v15(), algorithm)
        except InvalidSignature as error:
            raise NotAuthentic("the signature does not belong to the message") from error
        return signed

    def _check_url(self, url: str, region: str) -> None:
        try:
            parts = urlsplit(url)
            host, has_other_port = (parts.hostname or "").lower(), parts.port not in (None, 443)
        except ValueError as error:
            raise NotAuthentic("the certificate's address makes no sense") from error
        if parts.netloc.lower() in self._extra_hosts and parts.scheme in ("http", "https"):
            return
        suffix = ".amazonaws.com.cn" if region.startswith("cn-") else ".amazonaws.com"
        is_ours = parts.scheme == "https" and host == f"sns.{region}{suffix}" and not has_other_port
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
        if not (is_ours and is_plain and PATH.fullmatch(parts.path)):
            raise NotAuthentic("the certificate does not come from SNS of that Region")

    def _key(self, url: str, now: datetime) -> rsa.RSAPublicKey:
        certificate = self._known.get(url) or self._fetched(url)
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise NotAuthentic("the signing certificate is not valid at this time")
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < SHORTEST_KEY:
            raise NotAuthentic(f"the signing certificate holds no RSA key of at least {SHORTEST_KEY} bits")
        return key

    def _fetched(self, url: str) -> x509.Certificate:
        with self._turn():
            known = self._known.get(url)
            if known is not None:
                return known
            try:
                certificate = x509.load_pem_x509_certificate(self._fetch(url))
                certificate.public_key()
            except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
                raise NotAuthentic("the signing certificate cannot be read") from error
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[url] = certificate
            return certificate

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One fetch at a time; those who want the same certificate find it when their turn comes."""
        if not self._waiting.acquire(blocking=False):
            raise CertificateUnavailable("too many messages wait for a certificate")
        try:
            with self._fetching:
                yield
        finally:
            self._waiting.release()


def _signed_members(message: Mapping[str, Any]) -> dict[str, str]:
    """The members that a signature covers, all of them text. Raises NotAuthentic.

    The type must be SNS's to the letter: the text that is signed has no quotes, so that with a type of their own
    making, others could cut a message of their own topic into the members of somebody else's.
    """
    kind = message.get("Type")
    if not isinstance(kind, str) or kind not in SIGNED:
        raise NotAuthentic("the message is of no type that SNS signs")
    found = {key: message[key] for key in SIGNED[kind] if message.get(key) is not None}
    missing = [key for key in SIGNED[kind] if key not in found and key != "Subject"]
    if missing or not all(isinstance(value, str) for value in found.values()):
        raise NotAuthentic(f"the message lacks {missing[0]}" if missing else "a signed member is not text")
    return found


def canonical(signed: Mapping[str, str]) -> bytes:
    """What SNS signs: names and values, a line each, in SNS's order."""
    keys = [key for key in SIGNED[signed["Type"]] if key in signed]
    return "".join(f"{key}\n{signed[key]}\n" for key in keys).encode("utf-8", "surrogatepass")
