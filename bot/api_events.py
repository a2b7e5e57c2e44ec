"""Status-change events put together from the parts of the process: where the settings say they go, and the relay."""

import json
from collections.abc import Callable
from typing import Final

from audit.relay import Relay
from bot.api.deliveries import Deliveries, Send, Undelivered
from bot.api.event_store import EventStore
from bot.api.events import NAMES, Notification
from bot.service import Service
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.webhook import WebhookUndelivered
from infra.webhook import send as send_webhook

RELAY: Final = "events"


def deliveries(service: Service) -> Deliveries | None:
    """The way out; None where the settings name no target."""
    settings = service.settings
    targets: dict[str, Send] = {}
    if settings.event_bus:
        targets["bus"] = _translated(lambda event: _to_bus(service, event))
    if settings.event_queue_url:
        targets["queue"] = _translated(lambda event: _to_queue(service, event))
    if settings.event_webhook_url:
        targets["webhook"] = _translated(lambda event: _to_webhook(service, event))
    if not targets:
        return None
    return Deliveries(service.db, EventStore(), service.automation_facts, targets, service.clock)


def events_relay(service: Service, way: Deliveries) -> Relay:
    """The reader of the trail. It begins with what happens from its first day on: nobody wants last year's events."""
    with service.db.transaction() as tx:
        if service.audit.cursor(tx, RELAY) is None:
            service.audit.lock_cursor(tx, RELAY)
            service.audit.move_cursor(tx, RELAY, service.audit.head(tx)[0])
    return Relay(service.db, service.audit, name=RELAY, handle=way.handle, clock=service.clock, names=NAMES)


def _to_bus(service: Service, event: Notification) -> None:
    entry = {
        "Source": service.settings.event_source,
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "Resources": event["resources"],
        "Time": event["time"],
    }
    service.aws.put_event(service.settings.event_bus, entry)


def _to_queue(service: Service, event: Notification) -> None:
    body = json.dumps(event, ensure_ascii=False)
    group = event["detail"]["ExecutionId"]
    service.aws.send_message(service.settings.event_queue_url, body, group=group, message_id=event["id"])


def _to_webhook(service: Service, event: Notification) -> None:
    settings, body = service.settings, json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")
    secret = settings.event_webhook_secret.get_secret_value()
    send_webhook(settings.event_webhook_url, secret, event["id"], body, service.clock())


def _translated(send: Callable[[Notification], None]) -> Send:
    def translated(event: Notification) -> None:
        try:
            send(event)
        except (AwsRefused, AwsUnreachable, WebhookUndelivered) as error:
            raise Undelivered(str(error)) from error

    return translated
