"""Gives moto's SNS what real subscribers see: true signatures of both versions, confirmation, headers, retries."""

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from moto.core.responses import ActionResult
from moto.sns.exceptions import InvalidParameterValue
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse
from moto.sqs.models import sqs_backends

RETRY_AFTER_SECONDS = (0.0, 1.0, 2.0, 5.0)
"""Waits before each further attempt; AWS goes on for longer, the demo does not."""
HTTP_TIMEOUT_SECONDS = 15
HTTP = ("http", "https")
AGENT = "Amazon Simple Notification Service Agent"
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
"""Members in the order in which SNS signs them; an absent Subject is left out."""

_plain_publish = Subscription.publish
_plain_subscribe = SNSBackend.subscribe


def install(*, certificates_at: str = "") -> None:
    """Teach this process's moto; the last call counts.

    HTTP subscribers are given `certificates_at` (http://HOST:PORT) as the place of the certificate where they could
    not reach AWS's; all others always get AWS's own address.
    """

    def place(subscription: Subscription) -> str:
        is_local = bool(certificates_at) and subscription.protocol in HTTP
        return certificates_at if is_local else f"https://sns.{_region(subscription)}.amazonaws.com"

    def get_post_data(
        self: Subscription,
        message: str,
        message_id: str,
        subject: str | None,
        message_attributes: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        told = _notification(self, message, message_id, subject, place(self))
        return {**told, "MessageAttributes": message_attributes} if message_attributes else told

    def subscribe(self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        subscription = _plain_subscribe(self, topic_arn, endpoint, protocol)
        if protocol in HTTP and not _token(subscription):
            vars(subscription)["_token"] = uuid4().hex * 4
            subscription.attributes["PendingConfirmation"] = "true"
            _post(subscription, _confirmation(subscription, place(subscription)))
        return subscription

    Subscription.publish = _publish  # type: ignore[method-assign, assignment]
    Subscription.get_post_data = get_post_data  # type: ignore[method-assign]
    SNSBackend.subscribe = subscribe  # type: ignore[method-assign]
    SNSResponse.confirm_subscription = _confirm_subscription  # type: ignore[method-assign]


def certificate(path: str) -> bytes | None:
    """The PEM file behind a SigningCertURL's path, or nothing when it is not ours."""
    name, pem = _identity()[1:]
    return pem if path == f"/{name}" else None


def sign(message: Mapping[str, Any], *, place: str, version: str) -> dict[str, Any]:
    """The message with its signature and where to find the certificate: at `place`, scheme and host."""
    key, name, _ = _identity()
    text = "".join(f"{member}\n{message[member]}\n" for member in SIGNED[message["Type"]] if member in message)
    digest = hashes.SHA256() if version == "2" else hashes.SHA1()
    signature = key.sign(text.encode(), padding.PKCS1v15(), digest)
    return {
        **message,
        "SignatureVersion": version,
        "Signature": base64.b64encode(signature).decode(),
        "SigningCertURL": f"{place}/{name}",
    }


@cache
def _identity() -> tuple[rsa.RSAPrivateKey, str, bytes]:
    """This process's key, the name of its certificate's file, and the certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    return key, f"SimpleNotificationService-{uuid4().hex}.pem", built.public_bytes(serialization.Encoding.PEM)


def _timestamp() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"


def _version(subscription: Subscription) -> str:
    return str(getattr(subscription.topic, "signature_version", "1"))


def _region(subscription: Subscription) -> str:
    return str(subscription.topic.sns_backend.region_name)


def _notification(
    subscription: Subscription, message: str, message_id: str, subject: str | None, place: str
) -> dict[str, Any]:
    plain = {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": subscription.topic.arn,
        **({"Subject": subject} if subject else {}),
        "Message": message,
        "Timestamp": _timestamp(),
    }
    host = f"https://sns.{_region(subscription)}.amazonaws.com"
    unsubscribe = {"UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"}
    return {**sign(plain, place=place, version=_version(subscription)), **unsubscribe}


def _publish(self: Subscription, message: str, message_id: str, subject: str | None = None, **more: Any) -> None:
    is_raw = str(self.attributes.get("RawMessageDelivery")).lower() == "true"
    is_over_http = self.protocol in HTTP
    if not is_over_http and (self.protocol != "sqs" or is_raw or more.get("message_structure")):
        _plain_publish(self, message, message_id, subject=subject, **more)
        return
    attributes = more.get("message_attributes")
    matcher = self._filter_policy_matcher
    is_pending = self.attributes.get("PendingConfirmation") == "true"
    if is_pending or (matcher is not None and not matcher.matches(attributes, message)):
        return
    envelope = self.get_post_data(message, message_id, subject, message_attributes=attributes)
    if is_over_http:
        _post(self, envelope, raw=message if is_raw else None)
        return
    _, _, _, region, account, queue = self.endpoint.split(":", 5)
    order = {"group_id": more.get("group_id"), "deduplication_id": more.get("deduplication_id")}
    sqs_backends[account][region].send_message(queue, _spelled(envelope), validate_group_id=False, **order)


def _spelled(envelope: Mapping[str, Any]) -> str:
    """An envelope as SNS writes it, spaces and order included."""
    return json.dumps(envelope, indent=2, separators=(",", " : "))


def _token(subscription: Subscription) -> str:
    return str(vars(subscription).get("_token", ""))


def _confirmation(subscription: Subscription, place: str) -> dict[str, Any]:
    host, arn = f"https://sns.{_region(subscription)}.amazonaws.com", subscription.topic.arn
    token = _token(subscription)
    plain = {
        "Type": "SubscriptionConfirmation",
        "MessageId": str(uuid4()),
        "Token": token,
        "TopicArn": arn,
        "Message": f"You have chosen to subscribe to the topic {arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message.",
        "SubscribeURL": f"{host}/?Action=ConfirmSubscription&TopicArn={arn}&Token={token}",
        "Timestamp": _timestamp(),
    }
    return sign(plain, place=place, version=_version(subscription))


def _confirm_subscription(self: SNSResponse) -> ActionResult:
    arn, token = self._get_param("TopicArn"), self._get_param("Token")
    for subscription in self.backend.subscriptions.values():
        if token and subscription.topic.arn == arn and _token(subscription) == token:
            subscription.attributes["PendingConfirmation"] = "false"
            return ActionResult({"SubscriptionArn": subscription.arn})
    raise InvalidParameterValue("Invalid parameter: Token")


def _post(subscription: Subscription, envelope: Mapping[str, Any], *, raw: str | None = None) -> None:
    """Deliver in the background: a subscriber's trouble is never the publisher's."""
    headers = {
        "x-amz-sns-message-type": envelope["Type"],
        "x-amz-sns-message-id": envelope["MessageId"],
        "x-amz-sns-topic-arn": envelope["TopicArn"],
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": AGENT,
    }
    if envelope["Type"] == "Notification":
        headers["x-amz-sns-subscription-arn"] = subscription.arn
    if raw is not None:
        headers["x-amz-sns-rawdelivery"] = "true"
    body = (raw if raw is not None else _spelled(envelope)).encode()
    threading.Thread(target=_attempt, args=(subscription.endpoint, body, headers), daemon=True).start()


def _attempt(endpoint: str, body: bytes, headers: Mapping[str, str]) -> None:
    never = threading.Event()
    for wait in RETRY_AFTER_SECONDS:
        never.wait(wait)
        request = urllib.request.Request(endpoint, data=body, headers=dict(headers))
        try:
            with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_SECONDS):
                return
        except urllib.error.HTTPError as refusal:
            refusal.close()
            if refusal.code != 429 and refusal.code < 500:
                return
        except OSError:
            continue
