"""The table of events that are on their way out: a row until somebody has taken it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, String, Table, Text, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from infra.db import Instant, Transaction, metadata

delivery_table = Table(
    "event_delivery",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("target", String(16), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant, nullable=False),
    Index("ix_event_delivery_next_at", "next_at"),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one target. `attempts` counts this one."""

    event_id: str
    target: str
    body: str
    created_at: datetime
    attempts: int


class EventStore:
    """Keeps events until they are delivered."""

    def add(self, tx: Transaction, event_id: str, target: str, body: str, now: datetime, *, seq: int) -> None:
        """Save one, once; `seq` is its place in the trail."""
        row: Mapping[str, Any] = {
            "event_id": event_id,
            "target": target,
            "seq": seq,
            "body": body,
            "created_at": now,
            "attempts": 0,
            "next_at": now,
        }
        upsert = sqlite.insert(delivery_table) if tx.is_sqlite else postgresql.insert(delivery_table)
        tx.execute(upsert.values(**row).on_conflict_do_nothing())

    def due(self, connection: Connection, now: datetime, limit: int) -> list[Delivery]:
        """What is due, in the order of the trail."""
        query = select(delivery_table).where(delivery_table.c.next_at <= now).order_by(delivery_table.c.seq)
        rows = connection.execute(query.limit(limit)).all()
        return [Delivery(row.event_id, row.target, row.body, row.created_at, row.attempts + 1) for row in rows]

    def done(self, tx: Transaction, delivery: Delivery) -> None:
        """Forget one that has arrived, or never will."""
        tx.execute(delete(delivery_table).where(_is(delivery)))

    def later(self, tx: Transaction, delivery: Delivery, at: datetime) -> None:
        """Try one again at that moment; this attempt was in vain."""
        tx.execute(update(delivery_table).where(_is(delivery)).values(attempts=delivery.attempts, next_at=at))

    def next_at(self, connection: Connection) -> datetime | None:
        """When the next one is due."""
        query = select(delivery_table.c.next_at).order_by(delivery_table.c.next_at).limit(1)
        found: datetime | None = connection.execute(query).scalar()
        return found


def _is(one: Any) -> Any:
    return and_(delivery_table.c.event_id == one.event_id, delivery_table.c.target == one.target)
