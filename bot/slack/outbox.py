"""Every Slack write: rendered from current facts, within budgets, once.

A post is marked before it is made, and never re-sent blindly: after a crash, or an answer that got lost, it is looked
for first where the scopes allow it (channels:history). Edits are harmless to repeat.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack import budget as b
from bot.slack import files, stray_store
from bot.slack.address import split
from bot.slack.budget import Budget
from bot.slack.client import LOCKED_OUT, NO_ANSWER, code_of, is_unsent, is_unsure, retry_after
from bot.slack.clients import Clients, several
from bot.slack.lookup import CannotLook, find
from bot.slack.store import BELOW, DOUBTFUL, HOME, REPAINTED, STRAY, SlackMessage, SlackStore, message_table
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable, Transaction
from infra.leadership import ALONE, Lead

log = structlog.get_logger()

EDIT_PAUSE: Final = timedelta(seconds=1.5)
"""Between two edits of one message; a decision does not wait for it."""
LONGEST_BACKOFF_SECONDS: Final = 30
LONGEST_SILENCE_SECONDS: Final = 8
LOOK_FIRST: Final = timedelta(seconds=1)
"""Until a post whose answer was lost is looked for."""
CHANNEL_PAUSE: Final = timedelta(minutes=5)
"""A channel may come back, or the bot may be invited."""
LOCKED_OUT_PAUSE: Final = timedelta(seconds=30)
MOST_ATTEMPTS: Final = 12
MOST_AT_ONCE: Final = 25
"""Messages between two looks at whether the process shall stop."""
IDLE_SECONDS: Final = 30.0

GONE: Final = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
NO_CHANNEL: Final = frozenset(
    {"channel_not_found", "not_in_channel", "is_archived", "is_inactive", "restricted_action", "channel_is_archived"}
)
TOO_MUCH: Final = frozenset(
    {
        "block_mismatch",
        "invalid_arguments",
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "msg_too_long",
    }
)


class Painter(Protocol):
    """Renders a message from current facts."""

    def paint(self, message: SlackMessage) -> Mapping[str, Any] | None:
        """`text` and `blocks` (a `view` for a home), or None when there is nothing to show any more."""


LATE_CALL: Final = timedelta(seconds=2)
"""So long the last call of a process that led before may be on its way, before what it sent is looked for."""

Counted = Callable[[str, str], None]
_Change = Callable[[Transaction], object]


class _NotLeading(Exception):
    """Another process sends now: nothing may be sent or written here any more."""


def _count_nothing(_method: str, _outcome: str) -> None:
    """Used where nobody reads metrics."""


def _change_nothing(_tx: Transaction) -> None:
    """Nothing was done that somebody else has to know."""


class Outbox:
    """Sends what the store wants, in a thread of its own, woken by commits.

    `fallback` is the channel for what cannot stand where it should.
    """

    def __init__(
        self,
        db: Database,
        store: SlackStore,
        client: WebClient | Clients,
        painter: Painter,
        clock: Clock,
        *,
        fallback: str = "",
        count: Counted = _count_nothing,
    ) -> None:
        self._db, self._store, self._painter, self._clock = db, store, painter, clock
        self._clients = several(client)
        self._fallback, self._count = fallback, count
        self._budgets: defaultdict[str, Budget] = defaultdict(Budget)
        self._news = threading.Event()
        self._unsaved: deque[tuple[_Change, _Change]] = deque()
        self._silences = 0
        self._quiet_until: datetime | None = None
        self._locked_out: dict[str, datetime] = {}
        self._lead: Lead = ALONE
        self._without_files: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; what was interrupted is looked for first."""
        self._db.listen(self._news.set, table=message_table.name)
        self._unsaved.clear()
        self._unsaved.append((self._take_up, _change_nothing))
        while not stop.is_set():
            self._news.clear()
            try:
                pause = self.pump()
            except _NotLeading:
                log.warning("outbox left to another process")
                return
            except DatabaseUnavailable as error:
                log.warning("outbox waits for the database", error=str(error))
                pause = 1.0
            except Exception:  # the thread must live until the defect is mended
                log.exception("outbox failed")
                pause = 1.0
            self._news.wait(pause)
        with suppress(_NotLeading, DatabaseUnavailable):
            self._save_results()

    def led_by(self, lead: Lead) -> None:
        """There are several processes: this one sends while it leads, and asks before each call."""
        self._lead = lead

    def wake(self) -> None:
        """Look now."""
        self._news.set()

    def recover(self) -> None:
        """Take up what was on its way when the process died."""
        self._save(self._take_up)

    def _take_up(self, tx: Transaction) -> None:
        self._store.take_up(tx, until=None if self._lead is ALONE else self._clock() + LATE_CALL)

    def pump(self) -> float:
        """Send what may be sent now; returns how many seconds to sleep unless something happens."""
        self._save_results()
        for _ in range(MOST_AT_ONCE):
            now = self._clock()
            if self._quiet_until is not None and now < self._quiet_until:
                return _seconds(self._quiet_until - now)
            teams = self._clients.reachable()
            with self._db.reading() as connection:
                heads = self._store.heads(connection, now, teams=teams)
                following = self._store.next_moment(connection, now, teams=teams)
            moments = [self._ready_at(head, now) for head in heads]
            ready = next((head for head, moment in zip(heads, moments, strict=True) if moment <= now), None)
            if ready is None:
                soonest = min([*moments, *([following] if following else [])], default=None)
                return IDLE_SECONDS if soonest is None else min(_seconds(soonest - now), IDLE_SECONDS)
            self._handle(ready)
        return 0.0

    def _ready_at(self, message: SlackMessage, now: datetime) -> datetime:
        """When a message is within the budgets of its workspace, and that one listens to us."""
        place = self._clients.key(message.team)
        moment = self._budgets[place].ready_at(_method(message), message.channel, now)
        return max(moment, self._locked_out.get(place, now))

    def _handle(self, message: SlackMessage) -> None:
        """Send one message; its own defect must not silence all others."""
        try:
            self._send(message)
        except (DatabaseUnavailable, _NotLeading):
            raise
        except Exception:
            log.exception("message not sent", key=message.key)
            self._retry(message, "it cannot be rendered")

    def _send(self, message: SlackMessage) -> None:
        if message.kind == STRAY:
            self._take_away(message)
            return
        place = self._place(message)
        if place is None or (message.state == DOUBTFUL and not message.ts and self._stands_already(message, place)):
            return
        painted = self._painter.paint(message)
        with self._db.transaction() as tx:
            if not self._lead.confirm(tx):
                raise _NotLeading
            if painted is None:
                self._store.give_up(tx, message, "nothing to show")
                return
            if not self._store.sending(tx, message):
                return
        painted = _as_text(painted) if self._clients.key(message.team) in self._without_files else painted
        self._attempt(message, place, _marked(painted, message.key))

    def _take_away(self, message: SlackMessage) -> None:
        """Remove a post that came too late, unless it is the one that counts."""
        now = self._clock()
        with self._db.transaction() as tx:
            if not self._lead.confirm(tx):
                raise _NotLeading
            is_second = stray_store.is_second(tx, message)
            if is_second is None:
                self._store.postpone(tx, message, now + LATE_CALL, is_failure=False)
                return
            if not is_second:
                self._store.give_up(tx, message, "this is the one that counts")
                return
            if not self._store.sending(tx, message):
                return
        self._attempt(message, (message.channel, ""), {})

    def _attempt(self, message: SlackMessage, place: tuple[str, str], painted: Mapping[str, Any]) -> None:
        if not self._lead.is_held:
            raise _NotLeading
        method = _method(message)
        self._budgets[self._clients.key(message.team)].spend(method, place[0], self._clock())
        try:
            answer = self._call(message, place, painted)
        except SlackApiError as error:
            self._silences = 0
            self._refused(message, place, painted, error)
        except NO_ANSWER as error:
            self._unanswered(message, error)
        else:
            self._silences = 0
            self._count(method, "ok")
            channel = message.channel if message.kind == HOME else str(answer.get("channel") or place[0])
            self._stands(message, channel, str(answer.get("ts") or message.ts))

    def _call(self, message: SlackMessage, place: tuple[str, str], painted: Mapping[str, Any]) -> Any:
        channel, thread_ts = place
        client = self._clients.client(message.team)
        if message.kind == HOME:
            return client.views_publish(user_id=message.subject, view=painted["view"])
        if message.kind == STRAY:
            return client.chat_delete(channel=channel, ts=message.ts)
        if message.ts:
            return client.chat_update(channel=channel, ts=message.ts, parse="none", link_names=False, **painted)
        if "file" in painted:
            return self._shared(files.share(client, painted["file"], place, painted["comment"]), channel)
        return client.chat_postMessage(
            channel=channel,
            thread_ts=thread_ts or None,
            unfurl_links=False,
            unfurl_media=False,
            parse="none",
            link_names=False,
            **painted,
        )

    @staticmethod
    def _shared(answer: Any, channel: str) -> dict[str, str]:
        """As if it were a message: Slack does not say the ts of what it shows, so the file's id stands for it."""
        found = answer.get("files") or [{}]
        return {"channel": channel, "ts": str(found[0].get("id") or "file")}

    def _place(self, message: SlackMessage) -> tuple[str, str] | None:
        """(channel, ts to answer under or ""); None when the message to answer under stands there no more."""
        if not message.thread_key:
            return message.channel, ""
        if message.thread_key.startswith(BELOW):
            return message.channel, message.thread_key.removeprefix(BELOW)
        with self._db.reading() as connection:
            place = self._store.place(connection, message.thread_key)
        return (split(place[0])[1], place[1]) if place else None

    def _stands_already(self, message: SlackMessage, place: tuple[str, str]) -> bool:
        """Look for a post whose answer was lost; True when that settles it for now."""
        try:
            client = self._clients.client(message.team)
            ts = find(client, message.key, place, since=message.created_at, tail=files.tail(message.key))
        except CannotLook as error:
            if error.is_for_ever:
                log.warning("cannot look whether it was posted, posting it again", key=message.key, error=str(error))
                return False
            self._fall_silent()
            self._save(lambda tx: self._store.postpone(tx, message, self._clock(), is_failure=False, is_unsure=True))
            return True
        if ts:
            # What stands there was painted some time ago: what follows its subject is painted once more.
            found = replace(message, wanted=message.wanted - 1) if message.kind in REPAINTED else message
            self._stands(found, place[0], ts)
        return bool(ts)

    # -- what came of it

    def _stands(self, message: SlackMessage, channel: str, ts: str) -> None:
        pause = EDIT_PAUSE if message.kind in REPAINTED else timedelta(0)
        now = self._clock()
        self._save(
            lambda tx: self._store.sent(tx, message, channel=channel, ts=ts, now=now, pause=pause),
            late=lambda tx: stray_store.note(tx, message, channel=channel, ts=ts, now=now),
        )

    def _refused(
        self, message: SlackMessage, place: tuple[str, str], painted: Mapping[str, Any], error: SlackApiError
    ) -> None:
        code, method, now = code_of(error), _method(message), self._clock()
        self._count(method, code or "no_json")
        pause = retry_after(error)
        if pause is not None:
            self._budgets[self._clients.key(message.team)].pause(method, now + pause)
            self._later(message, timedelta(0), is_failure=False)
        elif "file" in painted and (code in files.WITHOUT_FILES or code not in (*GONE, *NO_CHANNEL, *LOCKED_OUT)):
            self._without_file(message, place, painted, error)
        elif code in LOCKED_OUT:
            log.error("Slack does not accept the bot's token", error=code, workspace=message.team or "home")
            self._locked_out[self._clients.key(message.team)] = now + LOCKED_OUT_PAUSE
            self._later(message, timedelta(0), is_failure=False)
        elif message.kind == STRAY and code in (*GONE, *NO_CHANNEL):
            self._save(lambda tx: self._store.give_up(tx, message, code))
        elif code in GONE:
            self._save(lambda tx: self._repost(tx, message))
        elif code in NO_CHANNEL:
            self._homeless(message, code)
        elif code in TOO_MUCH and painted.get("blocks"):
            log.error("Slack does not take these blocks, sending the text alone", key=message.key, error=code)
            self._attempt(message, place, {"text": painted["text"], "blocks": []})
        elif is_unsure(error):
            self._unanswered(message, error)
        else:
            self._retry(message, code)

    def _without_file(
        self, message: SlackMessage, place: tuple[str, str], painted: Mapping[str, Any], error: SlackApiError
    ) -> None:
        """The beginning as text, where Slack takes no file; a file whose answer was unsound is looked for first."""
        if is_unsure(error):
            self._unanswered(message, error)
            return
        code = code_of(error)
        log.warning("Slack takes no file, sending its beginning", key=message.key, error=code)
        if code in files.WITHOUT_FILES:
            self._without_files.add(self._clients.key(message.team))
        self._attempt(message, place, _as_text(painted))

    def _repost(self, tx: Transaction, message: SlackMessage) -> None:
        """It was deleted, or what it should be said below was."""
        now = self._clock()
        if message.ts:
            self._store.move(tx, message, message.channel, now)
        elif message.attempts:
            self._store.give_up(tx, message, "its thread was deleted")
        else:
            self._store.repost(tx, message.thread_key, now)
            self._store.postpone(tx, message, now + EDIT_PAUSE)

    def _homeless(self, message: SlackMessage, code: str) -> None:
        log.error("the channel cannot be written to", key=message.key, channel=message.address, error=code)
        team, channel = split(self._fallback)
        # What is said in one workspace is never moved to another one.
        is_here = self._clients.key(team) == self._clients.key(message.team)
        if channel and is_here and message.channel != channel and not message.thread_key:
            self._save(lambda tx: self._store.move(tx, message, channel, self._clock()))
        elif message.kind in REPAINTED:
            self._later(message, CHANNEL_PAUSE, is_failure=False)
        else:
            self._save(lambda tx: self._store.give_up(tx, message, code))

    def _retry(self, message: SlackMessage, why: str) -> None:
        if message.attempts >= MOST_ATTEMPTS or message.kind == HOME:
            log.error("message given up", key=message.key, error=why)
            self._save(lambda tx: self._store.give_up(tx, message, why))
            return
        log.warning("Slack refused, trying again", key=message.key, error=why)
        self._later(message, timedelta(seconds=min(2**message.attempts, LONGEST_BACKOFF_SECONDS)))

    def _unanswered(self, message: SlackMessage, error: Exception) -> None:
        """No answer: an edit is repeated; a post may stand there already, unless no connection was made at all."""
        self._count(_method(message), "no_answer")
        log.warning("no answer from Slack, trying again", key=message.key, error=str(error))
        self._fall_silent()
        is_unsure_ = not message.ts and message.kind != HOME and not is_unsent(error)
        was_unsure = message.state == DOUBTFUL
        pause = LOOK_FIRST if is_unsure_ else timedelta(0)
        until = self._clock() + pause
        self._save(
            lambda tx: self._store.postpone(tx, message, until, is_failure=False, is_unsure=is_unsure_ or was_unsure)
        )

    def _fall_silent(self) -> None:
        """Slack is away: nothing is tried for a while, so that no message pays for it with its own patience."""
        seconds = min(2**self._silences, LONGEST_SILENCE_SECONDS)
        self._silences += 1
        self._quiet_until = self._clock() + timedelta(seconds=seconds)

    def _later(self, message: SlackMessage, pause: timedelta, *, is_failure: bool = True) -> None:
        until = self._clock() + pause
        self._save(lambda tx: self._store.postpone(tx, message, until, is_failure=is_failure))

    def _save(self, change: _Change, *, late: _Change = _change_nothing) -> None:
        """Write down what came of a call, now or, when the database is away, before anything else is sent.

        `late` is written instead by a process that does not lead any more.
        """
        self._unsaved.append((change, late))
        self._save_results()

    def _save_results(self) -> None:
        while self._unsaved:
            change, late = self._unsaved[0]
            with self._db.transaction() as tx:
                is_leading = self._lead.confirm(tx)
                (change if is_leading else late)(tx)
            self._unsaved.popleft()
            if not is_leading:
                raise _NotLeading  # the next leader looks for what came of the call


def _method(message: SlackMessage) -> str:
    if message.kind in (HOME, STRAY):
        return b.HOME if message.kind == HOME else b.DELETE
    return b.EDIT if message.ts else b.POST


def _as_text(painted: Mapping[str, Any]) -> Mapping[str, Any]:
    """What stands there instead of a file."""
    return {name: painted[name] for name in painted if name not in ("file", "comment")}


def _marked(painted: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The first block carries the message's key, by which it is found again."""
    blocks = painted.get("blocks")
    return {**painted, "blocks": [{**blocks[0], "block_id": key}, *blocks[1:]]} if blocks else painted


def _seconds(wait: timedelta) -> float:
    return max(wait.total_seconds(), 0.01)
