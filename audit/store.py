"""The audit tables: appending events inside somebody's transaction, and reading them back in order."""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql

from audit.events import EVENTS, Actor, Event
from audit.trail import GENESIS, Entry, Verdict, link, verify
from infra.canonical import plain
from infra.db import CHANNEL, Instant, Transaction, metadata
from infra.masking import PLAIN

LONGEST_ID = 512
ROWS_AT_A_TIME = 500

event_table = Table(
    "event",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("name", String(64), nullable=False),
    Column("subject", String(LONGEST_ID), nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(LONGEST_ID), nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_event_subject", "subject", "seq"),
)

head_table = Table(
    "event_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

cursor_table = Table(
    "event_cursor",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

_ADD = insert(event_table)
_HEAD = select(head_table.c.seq, head_table.c.hash).where(head_table.c.id == 1)
_LOCK_HEAD = _HEAD.with_for_update()
_MOVE_HEAD = update(head_table).where(head_table.c.id == 1).values(seq=bindparam("seq"), hash=bindparam("hash"))
_MOVE_HEAD_AND_TELL = _MOVE_HEAD.returning(func.pg_notify(CHANNEL, ""))
"""One way to the server less, under the chain's lock."""
_CURSOR = select(cursor_table.c.seq).where(cursor_table.c.name == bindparam("reader"))
_LOCK_CURSOR = _CURSOR.with_for_update()
_MOVE_CURSOR = update(cursor_table).where(cursor_table.c.name == bindparam("reader")).values(seq=bindparam("seq"))
"""Statements of every commit, built once."""

_Waiting = tuple[datetime, bytes, list[Event]]
"""When, with which key of the chain, and what."""


class AuditStore:
    """Appends to and reads from the one global chain."""

    def __init__(self, key: bytes = b"") -> None:
        self._key = key

    def append(self, tx: Transaction, events: Sequence[Event], now: datetime) -> None:
        """Write `events` after the head, as the last statements of the transaction.

        On PostgreSQL the head row is locked until the commit; being last keeps that short and free of deadlocks.
        """
        unknown = [event.name for event in events if event.name not in EVENTS]
        if unknown:
            raise ValueError(f"unknown event names {unknown}; add them to audit/events.py")
        if not events:
            return
        # One list for all stores of a transaction: their events keep the order in which they happened.
        waiting: list[_Waiting] = tx.pending.setdefault("events", [])
        waiting.append((now, self._key, [_keepable(event) for event in events]))
        tx.at_end("events", lambda: self._write(tx))

    def _write(self, tx: Transaction) -> None:
        seq, hash_ = self._lock_head(tx)
        entries: list[Entry] = []
        for at, key, events in tx.pending.pop("events"):
            entries += link(events, at=at, seq=seq, head=hash_, key=key)
            seq, hash_ = entries[-1].seq, entries[-1].hash
        tx.execute(_ADD, [_row(entry) for entry in entries])
        tx.is_announced = not tx.is_sqlite
        tx.execute(_MOVE_HEAD_AND_TELL if tx.is_announced else _MOVE_HEAD, {"seq": seq, "hash": hash_})

    def _lock_head(self, tx: Transaction) -> tuple[int, str]:
        """(length, hash) of the chain, which nobody else can change until the commit."""
        head = tx.execute(_HEAD if tx.is_sqlite else _LOCK_HEAD).first()
        if head is not None:
            return int(head.seq), str(head.hash)
        first = {"id": 1, "seq": 0, "hash": GENESIS}
        if tx.is_sqlite:
            tx.execute(insert(head_table).values(first))
            return 0, GENESIS
        # Two processes may write the very first event at once: one of them waits here for the other.
        tx.execute(postgresql.insert(head_table).values(first).on_conflict_do_nothing())
        return self._lock_head(tx)

    def entries(
        self, connection: Connection | Transaction, *, subject: str | None = None, after: int = 0
    ) -> Iterator[Entry]:
        """Rows in chain order, all of them or those of one execution, after seq `after`; never all in memory."""
        query = _events(after)
        if subject is not None:
            query = query.where(event_table.c.subject == subject)
        with connection.execute(query.execution_options(yield_per=ROWS_AT_A_TIME)) as result:
            for row in result:
                yield _entry(row)

    def batch(
        self, connection: Connection | Transaction, *, after: int, limit: int, names: Collection[str] = ()
    ) -> Iterator[Entry]:
        """At most `limit` rows after `after`, only of these names if given: what a relay reads at a time.

        Each is understood when its turn comes: a relay may stop after the first.
        """
        query = _BATCH.where(event_table.c.name.in_(names)) if names else _BATCH
        return map(_entry, connection.execute(query, {"after": after, "most": limit}).all())

    def since(self, connection: Connection, moment: datetime, names: Collection[str]) -> list[Entry]:
        """Rows of these names from a moment on, in order: for a digest."""
        query = _events(0).where(event_table.c.name.in_(names), event_table.c.at >= moment)
        return [_entry(row) for row in connection.execute(query)]

    def count(self, connection: Connection | Transaction, *, after: int, names: Collection[str] = ()) -> int:
        """How many rows there are after `after`, only of these names if given."""
        query = select(func.count()).select_from(event_table).where(event_table.c.seq > after)
        query = query.where(event_table.c.name.in_(names)) if names else query
        return connection.execute(query).scalar_one()

    def has(self, connection: Connection | Transaction, subject: str, name: str) -> bool:
        """Whether an event of that name happened to an execution."""
        found = (event_table.c.subject == subject) & (event_table.c.name == name)
        return connection.execute(select(event_table.c.seq).where(found).limit(1)).first() is not None

    def head(self, connection: Connection | Transaction) -> tuple[int, str]:
        """(number of events, hash of the last)."""
        row = connection.execute(_HEAD).first()
        return (row.seq, row.hash) if row else (0, GENESIS)

    def verify(self, connection: Connection, *, anchor: tuple[int, str] | None = None) -> Verdict:
        """Check the whole trail against its recorded head, and against a (seq, hash) that was noted elsewhere."""
        return verify(self.entries(connection), expected=self.head(connection), anchor=anchor, key=self._key)

    def cursor(self, connection: Connection | Transaction, name: str) -> int | None:
        """How far the named reader has come, or None when it has never read."""
        return connection.execute(_CURSOR, {"reader": name}).scalar()

    def lock_cursor(self, tx: Transaction, name: str) -> int:
        """How far the named reader has come; on PostgreSQL no other process may move it until the commit."""
        seq = tx.execute(_CURSOR if tx.is_sqlite else _LOCK_CURSOR, {"reader": name}).scalar()
        if seq is not None:
            return int(seq)
        if tx.is_sqlite:
            tx.execute(insert(cursor_table).values(name=name, seq=0))
            return 0
        tx.execute(postgresql.insert(cursor_table).values(name=name, seq=0).on_conflict_do_nothing())
        return self.lock_cursor(tx, name)

    def move_cursor(self, tx: Transaction, name: str, seq: int) -> None:
        """Remember that the named reader has dealt with everything up to `seq`."""
        tx.execute(_MOVE_CURSOR, {"reader": name, "seq": seq})


def _events(after: int | BindParameter[int]) -> Select[Any]:
    """Rows in order, with the columns as they lie there: what an attacker left must not break the reading."""
    columns = [column for column in event_table.c if column.name not in ("at", "data")]
    at = type_coerce(event_table.c.at, Float).label("at")
    data = cast(event_table.c.data, Text).label("data")
    return select(*columns, at, data).where(event_table.c.seq > after).order_by(event_table.c.seq)


_BATCH = _events(bindparam("after")).limit(bindparam("most", type_=Integer))


def _keepable(event: Event) -> Event:
    """The event as both databases give it back, so that its hash is over what is kept: no secret, never again."""
    actor = event.actor
    kept = replace(actor, id=_text(actor.id)[:LONGEST_ID], name=_text(actor.name))
    data = PLAIN.mapping({str(name): plain(value) for name, value in event.data.items()})
    return replace(event, subject=_text(event.subject)[:LONGEST_ID], actor=kept, data=data)


def _text(value: str) -> str:
    """Without what PostgreSQL does not keep: NUL and lone surrogates."""
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _row(entry: Entry) -> dict[str, Any]:
    event = entry.event
    return {
        "seq": entry.seq,
        "at": entry.at,
        "name": event.name,
        "subject": event.subject,
        "actor_kind": event.actor.kind,
        "actor_id": event.actor.id,
        "actor_name": event.actor.name,
        "data": dict(event.data),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _entry(row: Row[Any]) -> Entry:
    """A row as an entry. One that cannot be read says so in its data, and so its hash does not fit."""
    try:
        at = datetime.fromtimestamp(row.at, UTC)
        data = dict(json.loads(row.data))
    except (TypeError, ValueError, OverflowError, OSError) as error:
        at, data = datetime.fromtimestamp(0, UTC), {"unreadable": str(error)}
    event = Event(row.name, row.subject, Actor(row.actor_kind, row.actor_id, row.actor_name), data)
    return Entry(row.seq, at, event, row.previous, row.hash)
