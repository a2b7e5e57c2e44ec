"""Alarms from an SQS queue: SNS envelopes, raw messages and EventBridge events; deleted only after the commit."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import structlog

from bot.intake.payloads import AutomationNews, Ignored, PayloadRefused, SubscriptionConfirmation, read
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import DatabaseUnavailable
from playbooks.operations import Operations

log = structlog.get_logger()

PAUSE_AFTER_ERROR_SECONDS: Final = 5.0

Receive = Callable[[], Sequence[Mapping[str, Any]]]
Delete = Callable[[str], None]


class SqsIntake:
    """Takes messages from one queue until it is told to stop.

    What becomes of a message:

    - an alarm is deleted once it is recorded; if that deletion fails it comes again and is found to be known
    - one that is no alarm is deleted; one that cannot be read is recorded in the trail and deleted: it would only
      come again
    - while the database is away it stays, and comes again by itself
    - one that meets a defect of ours stays, too: after as many tries as the queue's redrive policy says, SQS moves it
      to the dead-letter queue, from where it can be sent again once the defect is gone
    """

    def __init__(
        self,
        operations: Operations,
        *,
        receive: Receive,
        delete: Delete,
        queue: str,
        regions: Collection[str] = (),
    ) -> None:
        self._operations, self._receive, self._delete, self._queue = operations, receive, delete, queue
        self._regions = frozenset(regions)

    def run(self, stop: threading.Event) -> None:
        """Long-poll until `stop` is set."""
        while not stop.is_set():
            try:
                self.pump()
            except (AwsRefused, AwsUnreachable, DatabaseUnavailable) as error:
                log.warning("queue not read, trying again", queue=self._queue, error=str(error))
                stop.wait(PAUSE_AFTER_ERROR_SECONDS)
            except Exception:  # the loop must go on: the next poll may well succeed
                log.exception("intake failed", queue=self._queue)
                stop.wait(PAUSE_AFTER_ERROR_SECONDS)

    def pump(self) -> int:
        """Take what there is once; returns how many messages were dealt with.

        Raises AwsRefused, AwsUnreachable, DatabaseUnavailable; the messages not dealt with come again.
        """
        done = 0
        for message in self._receive():
            if self._is_dealt_with(message):
                self._delete(str(message["ReceiptHandle"]))
                done += 1
        return done

    def _is_dealt_with(self, message: Mapping[str, Any]) -> bool:
        """Whether the message may go; a defect that one of them meets must not hold up the others."""
        try:
            self._take(str(message.get("Body") or ""))
        except (AwsRefused, AwsUnreachable, DatabaseUnavailable):
            raise
        except Exception:  # one message's trouble is its own; it stays on the queue
            tries = message.get("Attributes", {}).get("ApproximateReceiveCount", "?")
            log.exception("message left on the queue", queue=self._queue, id=message.get("MessageId"), tries=tries)
            return False
        return True

    def _take(self, body: str) -> None:
        try:
            found = read(body, "sqs")
        except PayloadRefused as error:
            self._refuse(str(error))
            return
        if isinstance(found, (Ignored, SubscriptionConfirmation)):
            reason = found.reason if isinstance(found, Ignored) else "a queue's subscription needs no confirmation"
            log.info("queue message ignored", queue=self._queue, reason=reason)
            return
        if self._regions and found.region not in self._regions:
            self._refuse(f"alarms from {found.region} are not accepted here")
            return
        if isinstance(found, AutomationNews):
            self._operations.hear_from_aws(found.execution_id)
            return
        received = self._operations.receive(found)
        log.info("alarm received", alarm=found.name, state=found.state, verdict=received.verdict)

    def _refuse(self, reason: str) -> None:
        log.warning("queue message refused", queue=self._queue, reason=reason)
        self._operations.refuse_request("sqs", reason, sender=self._queue)
