"""What happened becomes what should stand in Slack: cards to paint, details for their threads.

Called by the relay with each event, once or more, in the transaction that moves its cursor; repetition paints the
same picture.
"""

from collections.abc import Mapping
from typing import Any, Final

from audit.trail import Entry
from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import replies
from bot.slack.blocks import text as t
from bot.slack.guards import tell
from bot.slack.store import (
    CARD,
    DECISIONS,
    DETAILS,
    FAILURES,
    HELD,
    OUTPUT,
    PROGRESS,
    QUESTION,
    REPORT,
    STOPPED,
    TEXT,
    SlackStore,
)
from infra.clock import Clock
from infra.db import Transaction
from playbooks.done import READS, TELLING
from playbooks.queries import Queries
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
    "approval.escalated": DECISIONS,
    "approval.looked": DECISIONS,
    "approval.reminded": DECISIONS,
    "approval.revoked": DECISIONS,
    "approval.delegated": DECISIONS,
    "approval.invalidated": DECISIONS,
    "approval.held": DECISIONS,
    "breakglass.used": DECISIONS,
    "breakglass.reminded": DECISIONS,
    "breakglass.reviewed": DECISIONS,
    "execution.accepted": PROGRESS,
    "execution.unobserved": FAILURES,
    "execution.observed": PROGRESS,
    "signal.accepted": PROGRESS,
    "signal.refused": FAILURES,
    "execution.held": DECISIONS,
    "execution.paused": PROGRESS,
    "execution.cancelling": DECISIONS,
    "execution.ended": FAILURES,
}
"""Events that repaint the card of their execution, and how urgently."""
TOLD_OF_QUESTIONS: Final = (
    "approval.voided",
    "approval.revoked",
    "approval.delegated",
    "approval.held",
    "approval.invalidated",
    "breakglass.used",
    "breakglass.reviewed",
)
"""Events of a question that its thread tells."""
CALLING: Final = frozenset(
    {
        "approval.asked",
        "approval.escalated",
        "approval.reminded",
        "approval.delegated",
        "approval.invalidated",
        "breakglass.used",
        "breakglass.reminded",
    }
)
"""Events after which those who may answer are called below the card."""


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
        elif event.name == "alarm.received":
            self._alarm_moved(tx, entry)
        elif event.name in LANES:
            self._repaint(tx, entry)
            self._more(tx, entry)
        elif event.name == "breakglass.reported":
            self._reported(tx, entry)
        elif event.name in ("bot.paused", "bot.resumed", "person.away", "person.back"):
            self._switched(tx)
        tell(tx, entry, self._store, self._clock, channel=self._channel, command="/playbook")
        if event.name in (
            "approval.decided",
            "approval.refused",
            *TOLD_OF_QUESTIONS,
            "start.refused",
            "lock.taken_over",
            "aws.called",
            "step.ended",
            "execution.ended",
        ):
            self._detail(tx, entry)

    def _repaint(self, tx: Transaction, entry: Entry) -> None:
        event, now = entry.event, self._clock()
        key, lane = card_key(event.subject), LANES[event.name]
        if event.name == "execution.started":
            self._first_card(tx, entry)
            return
        state = self._store.state(tx, key)
        if not state:
            return
        if event.name in CALLING:
            self._store.release(tx, key)
            self._call_for_an_answer(tx, entry)
        self._store.want(tx, key, kind=CARD, subject=event.subject, channel="", now=now, lane=lane)

    def _first_card(self, tx: Transaction, entry: Entry) -> None:
        event, now, key = entry.event, self._clock(), card_key(entry.event.subject)
        parent = str(event.data.get("parent") or "")
        if parent:
            # A child works behind its parent's card, and shows itself only when it asks people.
            channel = self._store.channel_of(tx, card_key(parent)) or self._channel
            if channel:
                self._store.hold(tx, key, subject=event.subject, channel=channel, now=now)
            return
        channel = str(event.data.get("channel") or self._channel)
        if not channel:
            return
        # In a storm of alarms a card that asks something overtakes those that only say what began.
        lane = DECISIONS if event.actor.kind == "person" else FAILURES
        self._store.want(tx, key, kind=CARD, subject=event.subject, channel=channel, now=now, lane=lane)

    def _call_for_an_answer(self, tx: Transaction, entry: Entry) -> None:
        """Below the card, once per question: who may answer is notified there, as an edit notifies nobody."""
        event, key = entry.event, card_key(entry.event.subject)
        request_id = str(event.data.get("request_id") or "")
        again = "" if event.name == "approval.asked" else f":{entry.seq}"
        self._store.want(
            tx,
            f"question:{request_id}{again}",
            kind=QUESTION,
            subject=request_id,
            channel=self._store.channel_of(tx, key),
            now=self._clock(),
            lane=DECISIONS,
            thread_key=key,
        )

    def _more(self, tx: Transaction, entry: Entry) -> None:
        """What a step has put out, what a stop left behind: rendered when it is sent."""
        event, data = entry.event, entry.event.data
        if event.name == "step.ended" and data.get("status") == "Success" and data.get("action") in TELLING:
            self._below(tx, entry, f"output:{entry.seq}", OUTPUT, f"{event.subject}|{data.get('step')}")
        elif event.name == "execution.ended" and data.get("status") == "Cancelled":
            self._below(tx, entry, f"stopped:{event.subject}", STOPPED, event.subject)
        elif event.name == "execution.started" and data.get("retry_of"):
            earlier = str(data["retry_of"])
            if self._store.state(tx, card_key(earlier)):
                self._store.want(
                    tx, card_key(earlier), kind=CARD, subject=earlier, channel="", now=self._clock(), lane=FAILURES
                )

    def _below(self, tx: Transaction, entry: Entry, message: str, kind: str, subject: str) -> None:
        key = card_key(entry.event.subject)
        if self._store.state(tx, key) in ("", HELD):
            return
        self._store.want(
            tx,
            message,
            kind=kind,
            subject=subject[:200],
            channel=self._store.channel_of(tx, key),
            now=self._clock(),
            lane=DETAILS,
            thread_key=key,
        )

    def _detail(self, tx: Transaction, entry: Entry) -> None:
        event, key = entry.event, card_key(entry.event.subject)
        if self._store.state(tx, key) in ("", HELD) or not _is_worth_telling(entry):
            return
        told = t.line(sentence(event), 1500)
        text = f"{t.who(event.actor)}: {told}" if event.actor.kind == "person" else told
        self._store.want(
            tx,
            f"detail:{entry.seq}",
            kind=TEXT,
            subject=event.subject,
            channel=self._store.channel_of(tx, key),
            now=self._clock(),
            lane=DETAILS,
            thread_key=key,
            text=text,
        )

    def _alarm_moved(self, tx: Transaction, entry: Entry) -> None:
        """An alarm that started runs changed its state: their cards say so, and so do their threads."""
        alarm_id, now, data = entry.event.subject, self._clock(), entry.event.data
        cards = [card_key(each) for each in self._queries.runs_of_alarm(tx, alarm_id)]
        for key in self._store.known(tx, cards):
            subject = key.partition(":")[2]
            self._store.want(tx, key, kind=CARD, subject=subject, channel="", now=now, lane=FAILURES)
            self._store.want(
                tx,
                f"detail:{entry.seq}:{subject}",
                kind=TEXT,
                subject=subject,
                channel=self._store.channel_of(tx, key),
                now=now,
                lane=DETAILS,
                thread_key=key,
                text=alarm_blocks.recovered(str(data.get("name")), str(data.get("state"))),
            )

    def _reported(self, tx: Transaction, entry: Entry) -> None:
        """The week's break-glass, rendered when it is sent."""
        data, channel = entry.event.data, str(entry.event.data.get("channel") or self._channel)
        if not channel:
            return
        self._store.want(
            tx,
            f"breakglass:{data.get('week')}",
            kind=REPORT,
            subject=f"{data.get('week')}|{data.get('zone')}",
            channel=channel,
            now=self._clock(),
            lane=DETAILS,
        )

    def _switched(self, tx: Transaction) -> None:
        """Every card of what is open says whether everything is paused, and who is asked."""
        for key in self._store.known(tx, [card_key(each) for each in self._queries.open_runs(tx)]):
            subject = key.partition(":")[2]
            self._store.want(tx, key, kind=CARD, subject=subject, channel="", now=self._clock(), lane=PROGRESS)

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
        return not str(event.data.get("operation", "")).lower().startswith(READS) or bool(event.data.get("error"))
    if event.name == "step.ended":
        return event.data.get("status") not in ("Success", None)
    if event.name == "approval.refused":
        # Who only came too late is told so in private; the thread is for what somebody was not allowed to do.
        return event.data.get("status") in (None, "Waiting")
    return True


def _catch_up(data: Mapping[str, Any]) -> str:
    running, asking = int(data.get("open_executions") or 0), int(data.get("open_approvals") or 0)
    if not data.get("last_event_at") or not running:
        return ""
    since = str(data["last_event_at"])[:16].replace("T", " ")
    interrupted = int(data.get("interrupted") or 0)
    return replies.came_back(since, running=running, interrupted=interrupted, asking=asking)
