"""Status-change events on their way out: kept with what they tell of, sent by a thread, repeated until they arrive."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

import structlog

from audit.trail import Entry
from bot.api.event_store import Delivery, EventStore
from bot.api.events import Notification, notification
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable, Transaction
from infra.leadership import ALONE, Lead
from playbooks.automation_facts import AutomationFacts

log = structlog.get_logger()

FIRST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(minutes=5)
GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""As EventBridge does."""
AT_ONCE: Final = 20
SWEEP: Final = 5.0
"""Seconds: the safety net for what other processes have kept."""

Send = Callable[[Notification], None]


class Undelivered(Exception):
    """The target did not take the event; it is tried again."""


class Deliveries:
    """Keeps and sends. `targets` are the ways out by name: bus, queue, webhook."""

    def __init__(
        self, db: Database, store: EventStore, facts: AutomationFacts, targets: Mapping[str, Send], clock: Clock
    ) -> None:
        self._db, self._store, self._facts, self._targets, self._clock = db, store, facts, targets, clock
        self._news = threading.Event()
        self._lead: Lead = ALONE

    def led_by(self, lead: Lead) -> None:
        """There are several processes: this one sends while it leads, and asks before each call."""
        self._lead = lead

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """Keep the event of one fact, for every target; the relay calls this."""
        told = self._facts.told(tx, entry.event.subject)
        event = notification(entry, told.state, executed_by=told.executed_by) if told else None
        if event is not None:
            body = json.dumps(event, ensure_ascii=False)
            for target in self._targets:
                self._store.add(tx, event["id"], target, body, self._clock(), seq=entry.seq)

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set."""
        self._db.listen(self._news.set)
        while not stop.is_set():
            self._news.clear()
            try:
                while self.send():
                    pass
                pause = self._pause()
            except DatabaseUnavailable as error:
                log.warning("events wait for the database", error=str(error))
                pause = SWEEP
            self._news.wait(pause)

    def wake(self) -> None:
        """Look up."""
        self._news.set()

    def send(self) -> int:
        """Try what is due; returns how many events that were.

        Whoever dies between a call and its row leaves it to the next, who sends it again under the same id.
        """
        with self._db.reading() as connection:
            due = self._store.due(connection, self._clock(), AT_ONCE)
        for number, delivery in enumerate(due):
            if not self._lead.is_held or not self._is_settled(delivery):
                return number
        return len(due)

    def _pause(self) -> float:
        with self._db.reading() as connection:
            due = self._store.next_at(connection)
        return SWEEP if due is None else min(SWEEP, max(0.0, (due - self._clock()).total_seconds()))

    def _is_settled(self, delivery: Delivery) -> bool:
        """Send one, and write what came of it; False when another process leads by now."""
        problem = self._sent(delivery)
        with self._db.transaction() as tx:
            if not self._lead.confirm(tx):
                return False
            if problem:
                self._in_vain(tx, delivery, problem)
            else:
                self._store.done(tx, delivery)
        return True

    def _in_vain(self, tx: Transaction, delivery: Delivery, problem: str) -> None:
        now = self._clock()
        if now - delivery.created_at >= GIVEN_UP_AFTER:
            log.error("event given up", event_id=delivery.event_id, target=delivery.target, reason=problem)
            self._store.done(tx, delivery)
            return
        pause = min(FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 20), LONGEST_PAUSE)
        log.warning("event not delivered", event_id=delivery.event_id, target=delivery.target, reason=problem)
        self._store.later(tx, delivery, now + pause)

    def _sent(self, delivery: Delivery) -> str:
        """Why it did not arrive, or ""."""
        send = self._targets.get(delivery.target)
        if send is None:
            return "the settings no longer name this target"
        try:
            send(json.loads(delivery.body))
        except Undelivered as error:
            return str(error)
        except Exception as error:  # a defect must not keep the other events from being sent
            log.exception("event could not be sent", event_id=delivery.event_id, target=delivery.target)
            return repr(error)
        return ""
