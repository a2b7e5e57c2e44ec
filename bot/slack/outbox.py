"""Every Slack write: rendered from current facts, within budgets, once.

A post is marked before it is made, and never re-sent blindly: after a crash, or an answer that got lost, the channel
is read first where the scope allows it. Edits are harmless to repeat.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.budget import Budget
from bot.slack.store import TEXT, SlackMessage, SlackStore, reset_interrupted
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable

log = structlog.get_logger()

EDIT_PAUSE: Final = timedelta(seconds=1.2)
"""Between two edits of one card; a decision does not wait for it."""
PARENT_PAUSE: Final = timedelta(seconds=0.5)
LONGEST_BACKOFF_SECONDS: Final = 30
GONE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
HOPELESS: Final = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "invalid_blocks", "msg_too_long", "msg_blocks_too_long"}
)
LOOK_BACK: Final = 100
IDLE_SECONDS: Final = 30.0


class Painter(Protocol):
    """Renders a message from current facts."""

    def paint(self, message: SlackMessage) -> Mapping[str, Any] | None:
        """`text` and `blocks`, or None when there is nothing to show any more."""

    def mark(self, message: SlackMessage) -> str:
        """A text that only this message contains, to find it again; "" = cannot be found."""


Counted = Callable[[str, str], None]


def _count_nothing(_method: str, _outcome: str) -> None:
    """Used where nobody reads metrics."""


class Outbox:
    """Sends what the store wants, in a thread of its own, woken by commits."""

    def __init__(
        self,
        db: Database,
        store: SlackStore,
        client: WebClient,
        painter: Painter,
        clock: Clock,
        *,
        count: Counted = _count_nothing,
    ) -> None:
        self._db, self._store, self._client, self._painter, self._clock = db, store, client, painter, clock
        self._count = count
        self._budget = Budget()
        self._news = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; what was interrupted is looked for first."""
        self._db.listen(self._news.set)
        is_recovered = False
        while not stop.is_set():
            try:
                if not is_recovered:
                    self.recover()
                    is_recovered = True
                pause = self.pump()
            except DatabaseUnavailable as error:
                log.warning("outbox waits for the database", error=str(error))
                pause = 1.0
            except Exception:  # one message's trouble must not silence all others
                log.exception("outbox failed")
                pause = 1.0
            self._news.wait(pause)
            self._news.clear()

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def recover(self) -> None:
        """Find out what became of posts that were on their way when the process died."""
        with self._db.reading() as connection:
            interrupted = self._store.interrupted(connection)
        for message in interrupted:
            place = None if message.ts else self._find(message)
            with self._db.transaction() as tx:
                if place is not None:
                    self._store.sent(tx, message, channel=place[0], ts=place[1], next_at=self._clock())
                reset_interrupted(tx, [message.key] if place is None or message.kind != TEXT else [])

    def _find(self, message: SlackMessage) -> tuple[str, str] | None:
        mark = self._painter.mark(message)
        if not mark:
            return None
        try:
            answer = self._client.conversations_history(channel=message.channel, limit=LOOK_BACK)
        except (SlackApiError, SlackClientError, URLError, OSError, TimeoutError):
            return None
        for found in answer.get("messages") or []:
            if found.get("bot_id") and mark in str(found):
                return message.channel, str(found["ts"])
        return None

    def pump(self) -> float:
        """Send what may be sent now; returns how many seconds to sleep unless something happens."""
        now = self._clock()
        with self._db.reading() as connection:
            ready = self._store.ready(connection, now)
        soonest: datetime | None = None
        for message in ready:
            method = "chat.update" if message.ts else "chat.postMessage"
            moment = self._budget.ready_at(method, message.channel, self._clock())
            if moment > self._clock():
                soonest = moment if soonest is None else min(soonest, moment)
                continue
            self._send(message, method)
        with self._db.reading() as connection:
            following = self._store.next_moment(connection)
        moments = [each for each in (soonest, following if not ready or soonest is None else None) if each is not None]
        if not moments:
            return IDLE_SECONDS
        return min(max((min(moments) - self._clock()).total_seconds(), 0.01), IDLE_SECONDS)

    def _send(self, message: SlackMessage, method: str) -> None:
        thread_ts = self._thread_of(message)
        if thread_ts is None:
            self._later(message, PARENT_PAUSE, is_failure=False)
            return
        painted = self._painter.paint(message)
        with self._db.transaction() as tx:
            if painted is None:
                self._store.give_up(tx, message, "nothing to show")
                return
            if not self._store.sending(tx, message):
                return
        self._budget.spend(method, message.channel, self._clock())
        try:
            answer = self._call(message, painted, thread_ts)
        except SlackApiError as error:
            self._refused(message, method, error)
        except (SlackClientError, URLError, OSError, TimeoutError) as error:
            self._lost(message, method, error)
        else:
            self._count(method, "ok")
            self._stands(message, str(answer.get("channel") or message.channel), str(answer.get("ts") or message.ts))

    def _call(self, message: SlackMessage, painted: Mapping[str, Any], thread_ts: str) -> Any:
        if message.ts:
            return self._client.chat_update(channel=message.channel, ts=message.ts, **painted)
        return self._client.chat_postMessage(
            channel=message.channel, thread_ts=thread_ts or None, unfurl_links=False, unfurl_media=False, **painted
        )

    def _thread_of(self, message: SlackMessage) -> str | None:
        """The ts to answer under, "" for none, None when the parent does not stand there yet."""
        if not message.thread_key:
            return ""
        with self._db.reading() as connection:
            place = self._store.place(connection, message.thread_key)
        return place[1] if place else None

    def _stands(self, message: SlackMessage, channel: str, ts: str) -> None:
        pause = EDIT_PAUSE if message.kind != TEXT else timedelta(0)
        with self._db.transaction() as tx:
            self._store.sent(tx, message, channel=channel, ts=ts, next_at=self._clock() + pause)

    def _later(self, message: SlackMessage, pause: timedelta, *, is_failure: bool = True) -> None:
        with self._db.transaction() as tx:
            self._store.postpone(tx, message, self._clock() + pause, is_failure=is_failure)

    def _refused(self, message: SlackMessage, method: str, error: SlackApiError) -> None:
        code = str(error.response.get("error") or error.response.status_code)
        self._count(method, code)
        if error.response.status_code == 429 or code in ("ratelimited", "rate_limited"):
            seconds = int(error.response.headers.get("Retry-After") or 1)
            self._budget.pause(method, self._clock() + timedelta(seconds=seconds))
            self._later(message, timedelta(seconds=seconds), is_failure=False)
        elif code in GONE and message.ts:
            with self._db.transaction() as tx:
                self._store.forget_place(tx, message, self._clock())
        elif code in HOPELESS:
            log.error("Slack will not take this message", key=message.key, channel=message.channel, error=code)
            with self._db.transaction() as tx:
                self._store.give_up(tx, message, code)
        else:
            log.warning("Slack refused, trying again", key=message.key, error=code)
            self._later(message, _backoff(message.attempts))

    def _lost(self, message: SlackMessage, method: str, error: Exception) -> None:
        """No answer: an edit is repeated; a post is looked for first, as it may stand there already."""
        self._count(method, "no_answer")
        log.warning("no answer from Slack, trying again", key=message.key, error=str(error))
        place = None if message.ts else self._find(message)
        if place is not None:
            self._stands(message, *place)
            return
        self._later(message, _backoff(message.attempts))


def _backoff(attempts: int) -> timedelta:
    return timedelta(seconds=min(2**attempts, LONGEST_BACKOFF_SECONDS))
