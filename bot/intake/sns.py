"""SNS over HTTPS: who may send, proof that they did, and a subscription confirmed through the API."""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog

from bot.intake.certificates import Certificates, CertificateUnavailable, NotAuthentic
from bot.intake.fields import moment, shown
from bot.intake.payloads import AutomationNews, Ignored, PayloadRefused, SubscriptionConfirmation, read
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import Clock
from infra.db import DatabaseUnavailable
from playbooks.operations import Operations

log = structlog.get_logger()

LARGEST_BYTES: Final = 262_144 + 16_384
"""SNS's 256 KB and an envelope; an alarm's message has a few thousand bytes."""
OLDEST: Final = timedelta(hours=1)
"""SNS retries a delivery for that long."""
SKEW: Final = timedelta(minutes=5)
COMES_AGAIN: Final = "not taken now; send it again"

Answer = tuple[int, Mapping[str, str], bytes]


class _Refused(Exception):
    """Not accepted; carries the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class SnsDoor:
    """Accepts messages of the listed topics. Nothing is fetched for any other, and an empty list means none.

    A message delivered twice, or replayed within its hour, is found to be known by the alarm's transition.
    """

    def __init__(
        self,
        operations: Operations,
        *,
        topics: Collection[str],
        regions: Collection[str],
        certificates: Certificates,
        confirm: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._operations, self._topics, self._regions = operations, frozenset(topics), frozenset(regions)
        self._certificates, self._confirm, self._clock = certificates, confirm, clock

    def handle(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one POST: 200 once the alarm is recorded, 4xx with a sentence, 503 where SNS shall try again.

        SNS gives a message up at any 4xx, so what may pass by itself is never answered so.
        """
        lowered = {name.lower(): value for name, value in headers.items()}
        try:
            return _answer(200, self._accept(lowered, body))
        except _Refused as refusal:
            return self._refuse(refusal, lowered)
        except (DatabaseUnavailable, AwsUnreachable, CertificateUnavailable) as error:
            log.warning("SNS message not taken, it will come again", error=str(error))
            return _answer(503, COMES_AGAIN)

    def _refuse(self, refusal: _Refused, headers: Mapping[str, str]) -> Answer:
        log.warning("SNS message refused", reason=str(refusal))
        try:
            self._operations.refuse_request("sns", str(refusal), sender=shown(headers.get("x-amz-sns-topic-arn", "")))
        except DatabaseUnavailable as error:
            log.warning("refusal not audited", error=str(error))
        return _answer(refusal.status, str(refusal))

    def _accept(self, headers: Mapping[str, str], body: bytes) -> str:
        message = self._authentic(headers, body)
        try:
            found = read(message, "sns")
        except PayloadRefused as error:
            raise _Refused(400, str(error)) from error
        if isinstance(found, SubscriptionConfirmation):
            return self._confirmed(found)
        if isinstance(found, Ignored):
            log.info("SNS message ignored", topic=message["TopicArn"], reason=found.reason)
            return f"ignored: {found.reason}"
        if self._regions and found.region not in self._regions:
            raise _Refused(403, f"alarms from {found.region} are not accepted here")
        if isinstance(found, AutomationNews):
            self._operations.hear_from_aws(found.execution_id)
            return "heard"
        received = self._operations.receive(found)
        log.info("alarm received", alarm=found.name, state=found.state, verdict=received.verdict)
        return received.verdict

    def _confirmed(self, found: SubscriptionConfirmation) -> str:
        try:
            self._confirm(found.topic_arn, found.token)
        except AwsRefused as error:
            if error.is_throttling:
                raise AwsUnreachable(str(error)) from error
            raise _Refused(403, f"the subscription could not be confirmed: {error}") from error
        log.info("subscription confirmed", topic=found.topic_arn)
        return "confirmed"

    def _authentic(self, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        """What SNS has signed, once it is proved that it did, for a topic that may send here."""
        if headers.get("x-amz-sns-rawdelivery", "").lower() == "true":
            raise _Refused(400, "raw message delivery has no signature; switch it off for this subscription")
        if len(body) > LARGEST_BYTES:
            raise _Refused(413, f"the message is larger than 256 KB ({len(body):,} bytes)")
        message = _envelope(body)
        topic = message.get("TopicArn")
        if not isinstance(topic, str) or topic not in self._topics or topic.count(":") != 5:
            raise _Refused(403, "messages of this topic are not accepted here")
        region = topic.split(":")[3]
        if self._regions and region not in self._regions:
            raise _Refused(403, f"messages from {region} are not accepted here")
        self._check_age(message)
        try:
            return self._certificates.verify(message, region=region, now=self._clock())
        except NotAuthentic as error:
            raise _Refused(403, str(error)) from error

    def _check_age(self, message: Mapping[str, Any]) -> None:
        try:
            sent = moment(message.get("Timestamp") or "")
        except PayloadRefused as error:
            raise _Refused(400, f"the message has no sound Timestamp: {error}") from error
        now = self._clock()
        if sent < now - OLDEST or sent > now + SKEW:
            raise _Refused(403, f"the message is of {sent:%F %T} UTC, which is too far from now")


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        message = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _Refused(400, f"the message is not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:
        raise _Refused(400, "the message is not JSON") from error
    if not isinstance(message, dict):
        raise _Refused(400, "the message is not a JSON object")
    return message


def _answer(status: int, text: str) -> Answer:
    return status, {"Content-Type": "text/plain; charset=utf-8"}, f"{text}\n".encode("utf-8", "replace")
