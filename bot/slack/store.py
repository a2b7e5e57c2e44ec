"""The messages of the bot in Slack: what should stand there, what stands there, and what is on its way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from bot.slack.address import joined, split
from infra.db import Instant, Transaction, metadata

message_table = Table(
    "slack_message",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("thread_key", String(200), nullable=False),
    Column("ts", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("lane", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("painted", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("text", Text, nullable=False),
    Column("team", String(32), nullable=True),
    Index("ix_slack_message_state", "state", "lane", "next_at"),
    Index("ix_slack_message_subject", "subject"),
)

CARD: Final = "card"
SUGGESTION: Final = "suggestion"
HOME: Final = "home"
TEXT: Final = "text"
ERRAND: Final = "errand"
"""Left to bot/slack/errands.py, once the card stands for which it is done."""
STORM: Final = "storm"
"""Many alarms on one card."""
REMINDER: Final = "reminder"
QUESTION: Final = "question"
OUTPUT: Final = "output"
"""What a step has put out; a file where it is long."""
STOPPED: Final = "stopped"
"""What a stop has left behind."""
TALE: Final = "tale"
"""A story, to be read in the thread."""
STORY: Final = "story"
"""An export, as a file."""
DIGEST: Final = "digest"
"""The morning's."""
REPORT: Final = "report"
"""The week's, of break-glass."""
STRAY: Final = "stray"
"""A post that came too late (bot/slack/stray_store.py); its `subject` is the key of what should stand there once."""
ANSWER: Final = "answer"
"""Its `text` is JSON: the `text` and `blocks` as they were made."""
REPAINTED: Final = frozenset({CARD, SUGGESTION, STORM, HOME})
"""Kinds that follow their subject; the others are said once."""

WANTED: Final = "wanted"
SENDING: Final = "sending"
DOUBTFUL: Final = "doubtful"
"""A post whose answer was lost: it may stand there, so it is looked for before it is posted."""
SENT: Final = "sent"
HELD: Final = "held"
"""The card of a child execution: it shows itself when it asks something."""
DEAD: Final = "dead"

DECISIONS, FAILURES, PROGRESS, DETAILS = 0, 1, 2, 3
"""Lanes: what people wait for goes first."""
BELOW: Final = "ts:"
"""Begins the thread_key of an answer to somebody else's message, followed by its ts."""


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """One message that should stand somewhere. `wanted` and `painted` count its revisions."""

    key: str
    kind: str
    subject: str
    channel: str
    thread_key: str
    ts: str
    state: str
    lane: int
    wanted: int
    painted: int
    attempts: int
    next_at: datetime
    created_at: datetime
    text: str
    team: str = ""
    """The workspace it is in; "" is home, the only one where there are not several."""

    @property
    def address(self) -> str:
        """Its channel, as it is written among those of several workspaces."""
        return joined(self.team, self.channel)


_table = message_table.c
_parent = message_table.alias("parent")
_IS_OPEN: Final = _table.state.in_((WANTED, DOUBTFUL))
_HAS_ITS_PARENT: Final = or_(
    _table.thread_key == "",
    _table.thread_key.like(f"{BELOW}%"),
    exists().where(_parent.c.key == _table.thread_key, _parent.c.ts != ""),
)
_ROAD: Final = case((_table.kind.in_((HOME, STRAY)), _table.kind), (_table.ts != "", "edit"), else_=_table.channel)


_TEAM: Final = func.coalesce(_table.team, "")
"""Rows of the home workspace name none, as those did that were written when there was only one."""


class SlackStore:
    """The outbox, and the memory of what was posted where."""

    # -- what should stand there

    def want(
        self,
        tx: Transaction,
        key: str,
        *,
        kind: str,
        subject: str,
        channel: str,
        now: datetime,
        lane: int = PROGRESS,
        thread_key: str = "",
        text: str = "",
        at: datetime | None = None,
    ) -> None:
        """Have a message stand there, as its subject is when it is sent; wanting it again repaints it.

        Not before `at`, where that is given. `channel` may be one of another workspace: `T0123/C0456`.
        """
        row = {
            **_place(channel), "key": key, "kind": kind, "subject": subject, "thread_key": thread_key, "ts": "",
            "state": WANTED, "lane": lane, "wanted": 1, "painted": 0, "attempts": 0, "next_at": at or now,
            "created_at": now, "text": text,
        }  # fmt: skip
        statement = insert(tx).values(**row)
        if kind in REPAINTED:
            again = wanted_again(tx, lane, now)
            if kind == HOME:
                again |= {"text": text, "created_at": now}  # what is searched for in it, and when it was looked at
            tx.execute(statement.on_conflict_do_update(index_elements=["key"], set_=again))
        else:
            tx.execute(statement.on_conflict_do_nothing())

    def hold(
        self,
        tx: Transaction,
        key: str,
        *,
        subject: str,
        channel: str,
        now: datetime,
        kind: str = CARD,
        below: str = "",
    ) -> None:
        """Know of a card that is not shown yet; `below` is the message in whose thread it would stand."""
        row = {
            **_place(channel), "key": key, "kind": kind, "subject": subject, "thread_key": below, "ts": "",
            "state": HELD, "lane": DETAILS, "wanted": 1, "painted": 0, "attempts": 0, "next_at": now,
            "created_at": now, "text": "",
        }  # fmt: skip
        tx.execute(insert(tx).values(**row).on_conflict_do_nothing())

    def repaint_homes(self, tx: Transaction, now: datetime, *, since: datetime) -> None:
        """Have every home painted anew that somebody opened lately."""
        lately = and_(_table.kind == HOME, _table.state != DEAD, _table.created_at >= since)
        tx.execute(update(message_table).where(lately).values(**wanted_again(tx, PROGRESS, now)))

    def release(self, tx: Transaction, key: str) -> None:
        """Show a card that was held."""
        held = and_(_table.key == key, _table.state == HELD)
        tx.execute(update(message_table).where(held).values(state=WANTED))

    # -- sending

    def heads(
        self, connection: Connection, now: datetime, *, teams: Collection[str] | None = None
    ) -> list[SlackMessage]:
        """The most urgent message of each road (edits, homes, posts of each channel) that may be sent now.

        With `teams`, only of those workspaces: what is for another one is set aside until it can be reached.
        """
        order = (_table.lane, _table.next_at, _table.created_at)
        place = func.row_number().over(partition_by=(_TEAM, _ROAD), order_by=order)
        is_due = and_(_IS_OPEN, _table.kind != ERRAND, _table.next_at <= now, _HAS_ITS_PARENT, _within(teams))
        ready = select(message_table, place.label("place")).where(is_due)
        first = ready.subquery("ready")
        query = select(first).where(first.c.place == 1).order_by(first.c.lane, first.c.next_at, first.c.key)
        return [_message(row) for row in connection.execute(query).mappings()]

    def errands(
        self, connection: Connection, now: datetime, *, teams: Collection[str] | None = None
    ) -> list[SlackMessage]:
        """What is to be found out for cards that stand there."""
        is_due = and_(_IS_OPEN, _table.kind == ERRAND, _table.next_at <= now, _HAS_ITS_PARENT, _within(teams))
        query = select(message_table).where(is_due).order_by(_table.next_at, _table.key).limit(10)
        return [_message(row) for row in connection.execute(query).mappings()]

    def next_moment(
        self, connection: Connection, now: datetime, *, teams: Collection[str] | None = None
    ) -> datetime | None:
        """When something may be sent next that may not be sent yet."""
        is_later = and_(_IS_OPEN, _table.kind != ERRAND, _HAS_ITS_PARENT, _table.next_at > now, _within(teams))
        query = select(func.min(_table.next_at)).where(is_later)
        return connection.execute(query).scalar()

    def sending(self, tx: Transaction, message: SlackMessage) -> bool:
        """Take a message for sending; False when another process has it.

        Its lane is emptied: what is wanted while it is on its way writes there how urgent that is.
        """
        mine = and_(_table.key == message.key, _IS_OPEN, _table.wanted == message.wanted)
        change = update(message_table).where(mine).values(state=SENDING, lane=DETAILS)
        return tx.execute(change).rowcount == 1

    def sent(
        self, tx: Transaction, message: SlackMessage, *, channel: str, ts: str, now: datetime, pause: timedelta
    ) -> None:
        """It stands there. If it was wanted anew meanwhile, it stays wanted; a decision does not wait for the pause."""
        is_newer = _table.wanted > message.wanted
        is_urgent = and_(is_newer, _table.lane <= FAILURES)
        values = {
            "channel": channel,
            "ts": ts,
            "painted": message.wanted,
            "attempts": 0,
            "state": case((is_newer, WANTED), else_=SENT),
            "next_at": case((is_urgent, _instant(now)), else_=_instant(now + pause)),
        }
        tx.execute(update(message_table).where(_table.key == message.key).values(**values))

    def postpone(
        self,
        tx: Transaction,
        message: SlackMessage,
        until: datetime,
        *,
        is_failure: bool = True,
        is_unsure: bool = False,
    ) -> None:
        """Try again later; `is_unsure` when it may stand there already."""
        values = {
            "state": DOUBTFUL if is_unsure else WANTED,
            "next_at": until,
            "attempts": message.attempts + is_failure,
            "lane": _least(tx, _table.lane, message.lane),
        }
        tx.execute(update(message_table).where(_table.key == message.key).values(**values))

    def move(self, tx: Transaction, message: SlackMessage, channel: str, now: datetime) -> None:
        """It cannot stand where it should: post it in another channel, or (the same one) anew."""
        values = {
            "channel": channel, "ts": "", "state": WANTED, "next_at": now,
            "lane": _least(tx, _table.lane, message.lane),
        }  # fmt: skip
        tx.execute(update(message_table).where(_table.key == message.key).values(**values))

    def repost(self, tx: Transaction, key: str, now: datetime) -> None:
        """Somebody has deleted it in Slack: post it anew."""
        gone = and_(_table.key == key, _table.state.in_((WANTED, SENT)))
        tx.execute(update(message_table).where(gone).values(ts="", state=WANTED, next_at=now))

    def give_up(self, tx: Transaction, message: SlackMessage, why: str) -> None:
        """It can never stand there, nor can what waits to be said below it."""
        mine = _table.key == message.key
        values = {"state": DEAD, "text": f"{message.text}\n{why}".strip()[:3000]}
        tx.execute(update(message_table).where(mine).values(**values))
        if not message.ts:
            below = and_(_table.thread_key == message.key, _IS_OPEN)
            tx.execute(update(message_table).where(below).values(state=DEAD))

    def take_up(self, tx: Transaction, *, until: datetime | None = None) -> int:
        """After a crash: what was on its way is wanted again, a post only after it was looked for; returns how many.

        Not before `until`, where whoever sent it may live and its last call be on its way.
        """
        change = update(message_table).where(_table.state == SENDING)
        values: dict[str, Any] = {"state": case((_table.ts == "", DOUBTFUL), else_=WANTED), "lane": DECISIONS}
        values |= {"next_at": until} if until else {}
        return tx.execute(change.values(**values)).rowcount

    # -- what stands there

    def place(self, connection: Connection | Transaction, key: str) -> tuple[str, str] | None:
        """(address of its channel, ts) of a message that stands there."""
        row = connection.execute(select(_table.team, _table.channel, _table.ts).where(_table.key == key)).first()
        return (joined(row.team or "", row.channel), row.ts) if row and row.ts else None

    def places(self, connection: Connection, keys: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """(address of its channel, ts) of those messages that stand there."""
        query = select(message_table).where(_table.key.in_(list(keys)), _table.ts != "")
        found = [_message(row) for row in connection.execute(query).mappings()]
        return {each.key: (each.address, each.ts) for each in found}

    def state(self, tx: Transaction, key: str) -> str:
        """What is known of a message; "" when it was never wanted."""
        return str(tx.execute(select(_table.state).where(_table.key == key)).scalar() or "")

    def channel_of(self, tx: Transaction, key: str) -> str:
        """Where a message stands, or is to stand."""
        row = tx.execute(select(_table.team, _table.channel).where(_table.key == key)).first()
        return joined(row.team or "", row.channel) if row else ""

    def known(self, tx: Transaction, keys: Collection[str]) -> list[str]:
        """Those of the keys that were ever wanted."""
        if not keys:
            return []
        query = select(_table.key).where(_table.key.in_(list(keys)), _table.state != HELD)
        return list(tx.execute(query.order_by(_table.created_at, _table.key)).scalars())

    def wanted_of(self, tx: Transaction, keys: Collection[str]) -> list[str]:
        """Those of the keys that were ever wanted or held, in the order given."""
        found = set(tx.execute(select(_table.key).where(_table.key.in_(list(keys)))).scalars()) if keys else set()
        return [key for key in keys if key in found]

    def parent_of(self, tx: Transaction, key: str) -> str:
        """The message below which one stands, or would stand."""
        return str(tx.execute(select(_table.thread_key).where(_table.key == key)).scalar() or "")

    def count_lately(self, tx: Transaction, kind: str, channel: str, *, since: datetime) -> int:
        """How many messages of a kind were wanted or held for a channel."""
        lately = and_(_table.kind == kind, _is_in(channel), _table.created_at >= since)
        return int(tx.execute(select(func.count()).where(lately)).scalar() or 0)

    def newest_of(self, tx: Transaction, kind: str, channel: str, *, since: datetime) -> str:
        """The key of the newest message of a kind in a channel; "" when it is older."""
        lately = and_(_table.kind == kind, _is_in(channel), _table.created_at >= since)
        query = select(_table.key).where(lately).order_by(_table.created_at.desc()).limit(1)
        return str(tx.execute(query).scalar() or "")

    def lately(self, tx: Transaction, kind: str, *, since: datetime, most: int) -> list[str]:
        """The keys of the newest messages of a kind that stand there, newest first."""
        stands = and_(_table.kind == kind, _table.created_at >= since, _table.state.not_in((HELD, DEAD)))
        query = select(_table.key).where(stands).order_by(_table.created_at.desc(), _table.key).limit(most)
        return list(tx.execute(query).scalars())

    def subjects_below(self, connection: Connection, key: str, kind: str) -> list[str]:
        """What the messages of a kind are about that stand below one, or would, in the order of their coming."""
        below = and_(_table.thread_key == key, _table.kind == kind)
        query = select(_table.subject).where(below).order_by(_table.created_at, _table.key)
        return list(connection.execute(query).scalars())

    def depths(self, connection: Connection) -> dict[str, int]:
        """Messages that wait, by kind."""
        waiting = _table.state.in_((WANTED, SENDING, DOUBTFUL))
        query = select(_table.kind, func.count()).where(waiting).group_by(_table.kind)
        return {row[0]: row[1] for row in connection.execute(query)}

    def set_aside(self, connection: Connection, teams: Collection[str]) -> dict[str, int]:
        """Messages that wait for a workspace that is none of these, by workspace."""
        query = select(_TEAM, func.count()).where(_IS_OPEN, _TEAM.not_in(list(teams))).group_by(_TEAM)
        return {row[0]: row[1] for row in connection.execute(query)}


def _place(address: str) -> dict[str, str | None]:
    """The columns that say where."""
    team, channel = split(address)
    return {"team": team or None, "channel": channel}


def _is_in(address: str) -> ColumnElement[bool]:
    team, channel = split(address)
    return and_(_TEAM.in_((team,)), _table.channel == channel)


def _within(teams: Collection[str] | None) -> ColumnElement[bool]:
    return true() if teams is None else _TEAM.in_(list(teams))


def wanted_again(tx: Transaction, lane: int, now: datetime) -> dict[str, Any]:
    """How a row changes that is wanted once more, whatever is happening to it."""
    is_dead = _table.state == DEAD
    urgent = (WANTED, SENT) if lane <= FAILURES else ()
    may_go_at_once = and_(_table.state.in_(urgent), _table.attempts == 0)
    return {
        "wanted": _table.wanted + 1,
        "lane": _least(tx, _table.lane, lane),
        "state": case((_table.state.in_((SENDING, DOUBTFUL, HELD)), _table.state), else_=WANTED),
        "attempts": case((is_dead, 0), else_=_table.attempts),
        "next_at": case(
            (is_dead, _instant(now)),
            (may_go_at_once, _least(tx, _table.next_at, _instant(now))),
            else_=_table.next_at,
        ),
    }


def insert(tx: Transaction) -> Any:
    """An INSERT into the messages that says what happens to one that is there already."""
    return sqlite.insert(message_table) if tx.is_sqlite else postgresql.insert(message_table)


def _least(tx: Transaction, one: Any, other: Any) -> ColumnElement[Any]:
    return func.min(one, other) if tx.is_sqlite else func.least(one, other)


def _instant(moment: datetime) -> ColumnElement[Any]:
    return literal(moment, Instant)


def _message(row: Mapping[str, Any] | Any) -> SlackMessage:
    return SlackMessage(**{**{name: row[name] for name in SlackMessage.__slots__}, "team": row["team"] or ""})
