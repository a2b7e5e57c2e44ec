"""The messages of the bot in Slack: what should stand there, what stands there, and what is on its way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

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
    Index("ix_slack_message_state", "state", "lane", "next_at"),
    Index("ix_slack_message_subject", "subject"),
)

request_table = Table(
    "slack_request",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
)

CARD: Final = "card"
SUGGESTION: Final = "suggestion"
TEXT: Final = "text"

DECISIONS, FAILURES, PROGRESS, DETAILS = 0, 1, 2, 3
"""Lanes: what people wait for goes first."""


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


class SlackStore:
    """The outbox, and the memory of what was posted where."""

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
    ) -> None:
        """Have a message stand there, as its subject is when it is sent; wanting it again repaints it."""
        row = {
            "key": key, "kind": kind, "subject": subject, "channel": channel, "thread_key": thread_key, "ts": "",
            "state": "wanted", "lane": lane, "wanted": 1, "painted": 0, "attempts": 0, "next_at": now,
            "created_at": now, "text": text,
        }  # fmt: skip
        made = sqlite.insert(message_table) if tx.is_sqlite else postgresql.insert(message_table)
        again = {
            "wanted": message_table.c.wanted + 1,
            "lane": func.min(message_table.c.lane, lane) if tx.is_sqlite else func.least(message_table.c.lane, lane),
            "state": "wanted",
        }
        is_repaintable = kind != TEXT
        statement = made.values(**row)
        if is_repaintable:
            not_sending = message_table.c.state.in_(("wanted", "sent"))
            tx.execute(statement.on_conflict_do_update(index_elements=["key"], set_=again, where=not_sending))
            bump = and_(message_table.c.key == key, message_table.c.state == "sending")
            tx.execute(update(message_table).where(bump).values(wanted=message_table.c.wanted + 1))
        else:
            tx.execute(statement.on_conflict_do_nothing())

    def ready(self, connection: Connection, now: datetime, *, limit: int = 50) -> list[SlackMessage]:
        """What may be sent now, most urgent first."""
        table = message_table.c
        query = select(message_table).where(table.state == "wanted", table.next_at <= now)
        rows = connection.execute(query.order_by(table.lane, table.next_at, table.created_at).limit(limit))
        return [SlackMessage(**row) for row in rows.mappings()]

    def next_moment(self, connection: Connection) -> datetime | None:
        """When something may be sent next."""
        query = select(func.min(message_table.c.next_at)).where(message_table.c.state == "wanted")
        return connection.execute(query).scalar()

    def sending(self, tx: Transaction, message: SlackMessage) -> bool:
        """Take a message for sending; False when another process has it."""
        mine = and_(message_table.c.key == message.key, message_table.c.state == "wanted")
        return tx.execute(update(message_table).where(mine).values(state="sending")).rowcount == 1

    def sent(self, tx: Transaction, message: SlackMessage, *, channel: str, ts: str, next_at: datetime) -> None:
        """It stands there; if it was wanted anew meanwhile, it stays wanted."""
        table = message_table.c
        values = {
            "channel": channel, "ts": ts, "painted": message.wanted, "attempts": 0, "next_at": next_at,
            "lane": PROGRESS if message.kind != TEXT else message.lane,
        }  # fmt: skip
        tx.execute(update(message_table).where(table.key == message.key).values(state="sent", **values))
        again = and_(table.key == message.key, table.wanted > message.wanted)
        tx.execute(update(message_table).where(again).values(state="wanted"))

    def postpone(self, tx: Transaction, message: SlackMessage, until: datetime, *, is_failure: bool = True) -> None:
        """Try again later."""
        attempts = message.attempts + 1 if is_failure else message.attempts
        change = update(message_table).where(message_table.c.key == message.key)
        tx.execute(change.values(state="wanted", next_at=until, attempts=attempts))

    def give_up(self, tx: Transaction, message: SlackMessage, why: str) -> None:
        """It can never stand there: the channel is gone, or its text is impossible."""
        change = update(message_table).where(message_table.c.key == message.key)
        tx.execute(change.values(state="dead", text=f"{message.text}\n{why}".strip()[:3000]))

    def forget_place(self, tx: Transaction, message: SlackMessage, now: datetime) -> None:
        """The message was deleted in Slack: post it anew."""
        change = update(message_table).where(message_table.c.key == message.key)
        tx.execute(change.values(ts="", state="wanted", next_at=now))

    def interrupted(self, connection: Connection) -> list[SlackMessage]:
        """What was on its way when the process died."""
        rows = connection.execute(select(message_table).where(message_table.c.state == "sending")).mappings()
        return [SlackMessage(**row) for row in rows]

    def place(self, connection: Connection | Transaction, key: str) -> tuple[str, str] | None:
        """(channel, ts) of a message that stands there."""
        query = select(message_table.c.channel, message_table.c.ts).where(message_table.c.key == key)
        row = connection.execute(query).first()
        return (row.channel, row.ts) if row and row.ts else None

    def places(self, connection: Connection, keys: Collection[str]) -> Mapping[str, tuple[str, str]]:
        """(channel, ts) of those messages that stand there."""
        query = select(message_table).where(message_table.c.key.in_(list(keys)), message_table.c.ts != "")
        return {row["key"]: (row["channel"], row["ts"]) for row in connection.execute(query).mappings()}

    def exists(self, tx: Transaction, key: str) -> bool:
        """Whether a message was ever wanted."""
        return tx.execute(select(message_table.c.key).where(message_table.c.key == key)).first() is not None

    def channel_of(self, tx: Transaction, key: str) -> str:
        """Where a message stands, or is to stand."""
        found = tx.execute(select(message_table.c.channel).where(message_table.c.key == key)).scalar()
        return str(found or "")

    def cards_about(self, tx: Transaction, execution_ids: Collection[str]) -> list[str]:
        """Keys of the cards of these executions."""
        keys = [f"card:{each}" for each in execution_ids]
        query = select(message_table.c.key).where(message_table.c.key.in_(keys)) if keys else None
        return list(tx.execute(query).scalars()) if query is not None else []

    def depths(self, connection: Connection) -> dict[str, int]:
        """Messages that wait, by kind."""
        waiting = or_(message_table.c.state == "wanted", message_table.c.state == "sending")
        query = select(message_table.c.kind, func.count()).where(waiting).group_by(message_table.c.kind)
        return {row[0]: row[1] for row in connection.execute(query)}

    def is_new_request(self, tx: Transaction, key: str, now: datetime, keep: timedelta) -> bool:
        """Whether a request of Slack's is seen for the first time; old ones are forgotten."""
        made: Any = sqlite.insert(request_table) if tx.is_sqlite else postgresql.insert(request_table)
        is_new = tx.execute(made.values(key=key, at=now).on_conflict_do_nothing()).rowcount == 1
        if is_new and key.startswith("0"):
            tx.execute(request_table.delete().where(request_table.c.at < now - keep))
        return is_new


def reset_interrupted(tx: Transaction, keys: Collection[str]) -> None:
    """Want again what was on its way."""
    tx.execute(update(message_table).where(message_table.c.key.in_(list(keys))).values(state="wanted"))
