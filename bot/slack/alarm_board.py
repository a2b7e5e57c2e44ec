"""Cards of alarms: one for each alarm however it flaps, one for many at once, and reminders of what stays red."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from audit.trail import Entry
from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor
from bot.slack.store import (
    DETAILS,
    ERRAND,
    FAILURES,
    HELD,
    PROGRESS,
    REMINDER,
    STORM,
    SUGGESTION,
    TEXT,
    SlackMessage,
    SlackStore,
)
from infra.clock import Clock
from infra.db import Transaction
from playbooks.queries import Queries

STORM_AT: Final = 5
"""So many cards of alarms in a channel within `STORM_WITHIN`: what follows shares one card."""
STORM_WITHIN: Final = timedelta(minutes=1)
STORM_LASTS: Final = timedelta(minutes=10)
"""Then a new card begins: an old one is far up in the channel."""
REMINDERS: Final = (1, 2, 4, 8)
"""In how many times the setting's span a red alarm is told of again."""
MUTED: Final = "mute"
"""What a reminder is for that comes when a mute is over."""
MOVING: Final = frozenset({"alarm.received", "alarm.acknowledged", "alarm.muted", "alarm.unmuted"})
SHOWN_FOR: Final = timedelta(days=1)
"""So old a card is not looked at any more when a run ends that another alarm, or a person, has started."""
MOST_LOOKED_AT: Final = 50
MOST_REPAINTED: Final = 5
"""Of cards of other alarms, when a run on their resource ends: an outage of many alarms is no reason for many edits."""


def suggestion_key(alarm_key: str) -> str:
    """The card that was posted for a state of an alarm."""
    return f"suggestion:{alarm_key}"


def subject_of(card: str) -> str:
    """The state of an alarm that a card was posted for."""
    return card.partition(":")[2]


@dataclass(frozen=True)
class AlarmBoard:
    """Turns what happens to alarms into wanted messages; repetition wants the same ones."""

    store: SlackStore
    queries: Queries
    clock: Clock
    channel: str
    remind_after: timedelta

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """Called by the relay with each event, once or more."""
        name, data = entry.event.name, entry.event.data
        if name == "playbook.suggested":
            self._suggested(tx, str(data["alarm_key"]), str(data.get("channel") or self.channel))
        elif name in MOVING or (name == "execution.started" and data.get("alarm_key")):
            self._repaint(tx, self._card(tx, str(data["alarm_key"])))
        elif name == "execution.ended":
            self._ended(tx, entry.event.subject)
        if name == "alarm.muted":
            self._remind(tx, self._card(tx, str(data["alarm_key"])), MUTED, _moment(data["until"]))

    def _ended(self, tx: Transaction, execution_id: str) -> None:
        """Have the cards that tell of a run say how it ended: its own alarm's, and those of others on its resource."""
        alarm_key = self.queries.alarm_of_run(tx, execution_id)
        if alarm_key is None:
            return
        since = self.clock() - SHOWN_FOR
        recent = [subject_of(each) for each in self.store.lately(tx, SUGGESTION, since=since, most=MOST_LOOKED_AT)]
        telling = [suggestion_key(each) for each in self.queries.alarms_showing(tx, execution_id, recent)]
        own = self._card(tx, alarm_key) if alarm_key else ""
        for card in dict.fromkeys([*([own] if own else ()), *telling[:MOST_REPAINTED]]):
            self._want(tx, card, SUGGESTION, subject_of(card), self.store.channel_of(tx, card), PROGRESS)

    def _suggested(self, tx: Transaction, key: str, channel: str) -> None:
        if not channel:
            return
        card = self._card(tx, key)
        if not card:
            self._first_card(tx, suggestion_key(key), key, channel)
            return
        if card != suggestion_key(key) and self.store.state(tx, card) != HELD:
            # An edit notifies nobody, so the thread says that it is red again.
            self._say_again(tx, card, key)
        if not self._repaint(tx, card):
            self._remind(tx, card, key)

    def _first_card(self, tx: Transaction, card: str, key: str, channel: str) -> None:
        """A card of its own, or a line on the card of many, which has just been wanted."""
        storm = self._storm(tx, channel)
        if storm:
            self.store.hold(tx, card, kind=SUGGESTION, subject=key, channel=channel, now=self.clock(), below=storm)
            return
        self._want(tx, card, SUGGESTION, key, channel)
        self._look(tx, card, key, channel)
        self._remind(tx, card, key)

    def _card(self, tx: Transaction, key: str) -> str:
        """The card that this state of an alarm belongs on; "" when there is none yet."""
        keys = [suggestion_key(each) for each in self.queries.card_keys(tx, key)]
        return next(iter(self.store.wanted_of(tx, keys)), "")

    def _storm(self, tx: Transaction, channel: str) -> str:
        """The card for many, where there are too many for their own."""
        now = self.clock()
        if self.store.count_lately(tx, SUGGESTION, channel, since=now - STORM_WITHIN) < STORM_AT:
            return ""
        known = self.store.newest_of(tx, STORM, channel, since=now - STORM_LASTS)
        key = known or f"storm:{channel}:{int(now.timestamp())}"
        self._want(tx, key, STORM, key, channel)
        if not known:
            self._remind(tx, key, "storm")
        return key

    def _repaint(self, tx: Transaction, card: str) -> str:
        """Paint anew what shows an alarm: its card, and the card of the many that it is among, which is returned."""
        if not card:
            return ""
        self._want(tx, card, SUGGESTION, subject_of(card), self.store.channel_of(tx, card))
        storm = self.store.parent_of(tx, card)
        if storm:
            self._want(tx, storm, STORM, storm, self.store.channel_of(tx, storm))
        return storm

    def _want(self, tx: Transaction, key: str, kind: str, subject: str, channel: str, lane: int = FAILURES) -> None:
        self.store.want(tx, key, kind=kind, subject=subject, channel=channel, now=self.clock(), lane=lane)

    def _look(self, tx: Transaction, card: str, key: str, channel: str) -> None:
        """Have AWS asked about it once its card stands there."""
        now = self.clock()
        self.store.want(
            tx, f"look:{key}", kind=ERRAND, subject=key, channel=channel, now=now, lane=DETAILS, thread_key=card
        )

    def _say_again(self, tx: Transaction, card: str, key: str) -> None:
        self.store.want(
            tx,
            f"again:{key}",
            kind=TEXT,
            subject=key,
            channel=self.store.channel_of(tx, card),
            now=self.clock(),
            lane=DETAILS,
            thread_key=card,
            text=alarm_blocks.red_again(self.queries.suggestion(subject_of(card))),
        )

    def _remind(self, tx: Transaction, card: str, of: str, at: datetime | None = None) -> None:
        """Have it said below a card, at times to come, that its alarm is still red; whether it is, is seen then."""
        now = self.clock()
        spans = {f"{times}": now + self.remind_after * times for times in REMINDERS if self.remind_after}
        moments = {f"{int(at.timestamp())}": at} if at else spans
        for label, moment in moments.items() if card else ():
            self.store.want(
                tx,
                f"remind:{of}:{label}:{card}"[:200],
                kind=REMINDER,
                subject=card,
                channel=self.store.channel_of(tx, card),
                now=now,
                lane=FAILURES,
                thread_key=card,
                text=of,
                at=moment,
            )


def _moment(text: object) -> datetime:
    return datetime.fromisoformat(str(text))


def storm_of(door: SlackDoor, message: SlackMessage) -> Mapping[str, Any]:
    """The card of many alarms."""
    with door.db.reading() as connection:
        keys = door.store.subjects_below(connection, message.key, SUGGESTION)
    facts = door.queries.storm(keys, message.created_at)
    return {"text": alarm_blocks.storm_fallback(facts), "blocks": alarm_blocks.storm(facts)}


def reminder_of(door: SlackDoor, message: SlackMessage) -> Mapping[str, Any] | None:
    """Said only while it is true: still red, nobody looks after it, nothing runs, not muted."""
    kind, _, key = message.subject.partition(":")
    if kind == "storm":
        with door.db.reading() as connection:
            keys = door.store.subjects_below(connection, message.subject, SUGGESTION)
        many = door.queries.storm(keys, message.created_at)
        text = alarm_blocks.storm_reminder(many) if many.red else ""
    else:
        facts, now = door.queries.suggestion(key), door.clock()
        is_muted = facts.muted_until is not None and now < facts.muted_until
        # What was wanted for an earlier red is not said of a later one, except that a mute is over.
        is_later = facts.red_since is not None and facts.red_since > message.created_at
        is_of_old = is_later and message.text != MUTED
        is_cared_for = facts.acknowledged_by is not None or is_muted or facts.is_running
        text = "" if not facts.is_red or is_of_old or is_cared_for else alarm_blocks.reminder(facts)
    return {"text": text, "blocks": t.paragraphs(text)} if text else None
