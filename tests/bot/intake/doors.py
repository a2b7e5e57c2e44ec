"""What the doors' tests stand on: an SNS that signs, and verbs that remember what they were asked."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from infra.db import DatabaseUnavailable
from playbooks.alarm import Alarm
from playbooks.operations import Received

NOW = datetime(2026, 3, 14, 3, 0, tzinfo=UTC)
REGION = "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:402715938824:playbook-alarms"
CERTIFICATE_URL = f"https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{'0' * 32}.pem"
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def private_key(bits: int = 2048, owner: str = "sns") -> rsa.RSAPrivateKey:
    """A key: SNS's, unless said otherwise."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    """A key that SNS would never have."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    *,
    since: datetime = NOW - timedelta(days=1),
    until: datetime = NOW + timedelta(days=1),
) -> bytes:
    """A certificate of a key, as PEM."""
    owner = key or private_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(owner.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
    return builder.sign(owner, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def signed(message: Mapping[str, Any], *, version: str = "2", key: rsa.RSAPrivateKey | None = None) -> dict[str, Any]:
    """The message with SNS's signature, made by SNS's rule."""
    members = NOTIFICATION if message["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{message[name]}\n" for name in members if message.get(name) is not None)
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = (key or private_key()).sign(text.encode(), padding.PKCS1v15(), digest)
    proof = {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}
    return {**message, **proof, "SigningCertURL": CERTIFICATE_URL}


def notification(alarm: Mapping[str, Any] | str, **changes: Any) -> dict[str, Any]:
    """An SNS notification, not signed yet."""
    return {
        "Type": "Notification",
        "MessageId": "5a0c9f2e-7a43-5d0e-9b37-c1d7e2f3a481",
        "TopicArn": TOPIC,
        "Subject": "ALARM",
        "Message": alarm if isinstance(alarm, str) else json.dumps(alarm),
        "Timestamp": "2026-03-14T02:59:31.611Z",
        **changes,
    }


def confirmation(**changes: Any) -> dict[str, Any]:
    """SNS's question whether a topic may send, not signed yet."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": "8d1f7c20-6c0e-4a0b-8e55-a3b1a8a0c6f7",
        "Token": "2336412f37fb687f",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe.",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "Timestamp": "2026-03-14T02:59:31.611Z",
        **changes,
    }


class Verbs:
    """Stands in for the operations: knows each transition once, and may be out of order."""

    def __init__(self) -> None:
        self.alarms: list[Alarm] = []
        self.refusals: list[tuple[str, str, str]] = []
        self.heard: list[str] = []
        self.known: set[str] = set()
        self.is_down = False
        self.defect: Exception | None = None

    def receive(self, alarm: Alarm) -> Received:
        """Take an alarm."""
        self._work()
        if self.defect is not None:
            raise self.defect
        if alarm.transition_key in self.known:
            return Received("duplicate")
        self.known.add(alarm.transition_key)
        self.alarms.append(alarm)
        return Received("started")

    def hear_from_aws(self, aws_execution_id: str) -> None:
        """Take news of an execution."""
        self._work()
        self.heard.append(aws_execution_id)

    def refuse_request(self, door: str, reason: str, *, sender: str = "") -> None:
        """Note a refusal."""
        self._work()
        self.refusals.append((door, reason, sender))

    def _work(self) -> None:
        if self.is_down:
            raise DatabaseUnavailable("the database is away")
