"""Requests of Slack's that were seen already: it sends again what it takes for unanswered."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, String, Table
from sqlalchemy.dialects import postgresql, sqlite

from infra.db import Instant, Transaction, metadata

request_table = Table(
    "slack_request",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("at", Instant, nullable=False),
)


def is_new_request(tx: Transaction, key: str, now: datetime, keep: timedelta) -> bool:
    """Whether a request is seen for the first time; those older than `keep` are forgotten."""
    made: Any = sqlite.insert(request_table) if tx.is_sqlite else postgresql.insert(request_table)
    statement = made.values(key=key, at=now).on_conflict_do_nothing().returning(request_table.c.key)
    # Not rowcount: PostgreSQL's driver does not tell how many rows an INSERT made.
    is_new = tx.execute(statement).first() is not None
    if is_new and key.startswith("0"):
        tx.execute(request_table.delete().where(request_table.c.at < now - keep))
    return is_new
