"""What happened becomes what should stand in Slack: cards to paint, details for their threads.

Called by the relay with each event, once or more, in the transaction that moves its cursor; repetition paints the
same picture.
"""

from collections.abc import Mapping
from typing import Any, Final

from audit.trail import Entry
from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import card as card_blocks
from bot.slack.blocks import text as t
from bot.slack.store import CARD, DECISIONS, DETAILS, FAILURES, PROGRESS, SUGGESTION, TEXT, SlackMessage, SlackStore
from infra.clock import Clock
from infra.db import Transaction
from playbooks.queries import NotFound, Queries
from playbooks.story import sentence

LANES: Final[Mapping[str, int]] = {
    "execution.started": DECISIONS,
    "step.started": PROGRESS,
    "step.waiting": DECISIONS,
    "step.retried": PROGRESS,
    "step.recovered": PROGRESS,
    "step.ended": PROGRESS,
    "approval.asked": DECISIONS,
    "approval.decided": DECISIONS,
    "approval.concluded": DECISIONS,
    "execution.cancelling": DECISIONS,
    "execution.ended": FAILURES,
}
"""Events that repaint the card of their execution, and how urgently."""
READS: Final = ("Describe", "Get", "List", "Head", "BatchGet", "Query", "Scan", "Search")


def card_key(execution_id: str) -> str:
    """The card of an execution."""
    return f"card:{execution_id}"


class Notifier:
    """Turns events into wanted messages."""

    def __init__(self, store: SlackStore, queries: Queries, clock: Clock, *, channel: str) -> None:
        self._store, self._queries, self._clock, self._channel = store, queries, clock, channel

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """Want what this event calls for."""
        event = entry.event
        if event.name == "bot.started":
            self._came_up(tx, entry)
        elif event.name == "playbook.suggested":
            self._suggest(tx, entry)
        elif event.name == "alarm.received":
            self._alarm_moved(tx, entry)
        elif event.name in LANES:
            self._repaint(tx, entry)
        if event.name in ("approval.decided", "approval.refused", "aws.called", "step.ended", "execution.ended"):
            self._detail(tx, entry)

    def _repaint(self, tx: Transaction, entry: Entry) -> None:
        event = entry.event
        key = card_key(event.subject)
        if event.name == "execution.started":
            if event.data.get("parent"):
                return
            channel = str(event.data.get("channel") or self._channel)
            if not channel:
                return
            self._store.want(
                tx, key, kind=CARD, subject=event.subject, channel=channel, now=self._clock(), lane=DECISIONS
            )
            alarm_key = str(event.data.get("alarm_key") or "")
            if alarm_key and self._store.exists(tx, f"suggestion:{alarm_key}"):
                self._want_suggestion(tx, alarm_key, channel)
        elif self._store.exists(tx, key):
            lane = LANES[event.name]
            self._store.want(tx, key, kind=CARD, subject=event.subject, channel="", now=self._clock(), lane=lane)

    def _detail(self, tx: Transaction, entry: Entry) -> None:
        event, key = entry.event, card_key(entry.event.subject)
        if not self._store.exists(tx, key) or not _is_worth_telling(entry):
            return
        text = f"{t.who(event.actor)}: {t.escape(sentence(event))}" if event.actor.kind == "person" else ""
        text = text or t.escape(sentence(event))
        place = self._store.channel_of(tx, key)
        self._store.want(
            tx,
            f"detail:{entry.seq}",
            kind=TEXT,
            subject=event.subject,
            channel=place,
            now=self._clock(),
            lane=DETAILS,
            thread_key=key,
            text=t.cut(text, t.SECTION),
        )

    def _suggest(self, tx: Transaction, entry: Entry) -> None:
        channel = str(entry.event.data.get("channel") or self._channel)
        if channel:
            self._want_suggestion(tx, str(entry.event.data["alarm_key"]), channel)

    def _want_suggestion(self, tx: Transaction, alarm_key: str, channel: str) -> None:
        self._store.want(
            tx,
            f"suggestion:{alarm_key}",
            kind=SUGGESTION,
            subject=alarm_key,
            channel=channel,
            now=self._clock(),
            lane=DECISIONS,
        )

    def _alarm_moved(self, tx: Transaction, entry: Entry) -> None:
        """An alarm that has a card changed its state: the card says so, and so does its thread."""
        for key in self._store.cards_about(tx, self._queries.runs_of_alarm(tx, entry.event.subject)):
            subject = key.partition(":")[2]
            self._store.want(tx, key, kind=CARD, subject=subject, channel="", now=self._clock(), lane=FAILURES)
            data = entry.event.data
            self._store.want(
                tx,
                f"detail:{entry.seq}:{subject[:8]}",
                kind=TEXT,
                subject=subject,
                channel=self._store.channel_of(tx, key),
                now=self._clock(),
                lane=DETAILS,
                thread_key=key,
                text=alarm_blocks.recovered(str(data.get("name")), str(data.get("state"))),
            )

    def _came_up(self, tx: Transaction, entry: Entry) -> None:
        """The first message after a restart says what was missed and caught up."""
        text = _catch_up(entry.event.data)
        if not text or not self._channel:
            return
        self._store.want(
            tx,
            f"notice:{entry.seq}",
            kind=TEXT,
            subject="",
            channel=self._channel,
            now=self._clock(),
            lane=FAILURES,
            text=text,
        )


def _is_worth_telling(entry: Entry) -> bool:
    event = entry.event
    if event.name == "aws.called":
        return not str(event.data.get("operation", "")).startswith(READS) or bool(event.data.get("error"))
    if event.name == "step.ended":
        return event.data.get("status") not in ("Success", None)
    return True


def _catch_up(data: Mapping[str, Any]) -> str:
    running, asking = int(data.get("open_executions") or 0), int(data.get("open_approvals") or 0)
    if not data.get("last_event_at") or not running:
        return ""
    since = str(data["last_event_at"])[:16].replace("T", " ")
    interrupted = int(data.get("interrupted") or 0)
    parts = [f":arrows_counterclockwise: I was away since about {since} UTC and am back."]
    parts.append(f"{running} run{'s' if running != 1 else ''} taken up again")
    if interrupted:
        parts.append(f"{interrupted} of them had a step in flight, which I look at before I repeat anything")
    if asking:
        parts.append(f"{asking} question{'s' if asking != 1 else ''} still waiting for an answer")
    return f"{parts[0]} {', '.join(parts[1:])}. Buttons work as before."


class CardPainter:
    """Renders messages from the facts as they are when they are sent."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def paint(self, message: SlackMessage) -> Mapping[str, Any] | None:
        """`text` and `blocks`; None when the subject is gone."""
        try:
            if message.kind == CARD:
                facts = self._queries.execution(message.subject)
                return {"text": card_blocks.fallback(facts), "blocks": card_blocks.card(facts)}
            if message.kind == SUGGESTION:
                found = self._queries.suggestion(message.subject)
                return {"text": alarm_blocks.fallback(found), "blocks": alarm_blocks.suggestion(found)}
        except NotFound:
            return None
        return {"text": message.text}

    def mark(self, message: SlackMessage) -> str:
        """Cards carry the beginning of their execution's id."""
        return message.subject[:8] if message.kind == CARD else ""
