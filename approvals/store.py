"""The approval table: one row per question, changed only under its version."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Index, Integer, String, Table, Text, and_, func, insert, select, update

from approvals.request import ApprovalChange, ApprovalRequest, Decision, RequestStatus
from audit.events import Actor
from audit.store import AuditStore
from infra.db import Instant, Transaction, metadata

approval_table = Table(
    "approval",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("step_execution_id", String(64), nullable=False, unique=True),
    Column("status", String(16), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Index("ix_approval_status", "status"),
)


class AlteredMeanwhile(Exception):
    """Somebody else changed the request in the same moment; nothing was saved."""


class ApprovalStore:
    """Reads questions, and is the only writer of them."""

    def __init__(self, audit: AuditStore) -> None:
        self._audit = audit

    def add(self, tx: Transaction, change: ApprovalChange, now: datetime) -> None:
        """Save a new question with its events."""
        state = change.state
        fixed = {"execution_id": state.execution_id, "step_execution_id": state.step_execution_id}
        tx.execute(insert(approval_table).values(id=state.id, asked_at=now, version=1, **fixed, **_values(state)))
        self._audit.append(tx, change.events, now)

    def save(self, tx: Transaction, change: ApprovalChange, now: datetime) -> None:
        """Save a changed question with its events. Raises AlteredMeanwhile."""
        state = change.state
        fence = and_(approval_table.c.id == state.id, approval_table.c.version == state.version)
        values = {"version": state.version + 1, **_values(state)}
        if tx.execute(update(approval_table).where(fence).values(**values)).rowcount != 1:
            raise AlteredMeanwhile(state.id)
        self._audit.append(tx, change.events, now)

    def lock(self, tx: Transaction, request_id: str) -> ApprovalRequest | None:
        """The question; on PostgreSQL its row is locked until the commit."""
        query = select(approval_table).where(approval_table.c.id == request_id)
        row = tx.execute(query if tx.is_sqlite else query.with_for_update()).mappings().first()
        return _decode(row) if row else None

    def get(self, connection: Connection | Transaction, request_id: str) -> ApprovalRequest | None:
        """The question as it is now."""
        row = connection.execute(select(approval_table).where(approval_table.c.id == request_id)).mappings().first()
        return _decode(row) if row else None

    def of_step(self, connection: Connection | Transaction, step_execution_id: str) -> ApprovalRequest | None:
        """The question that a step asked."""
        query = select(approval_table).where(approval_table.c.step_execution_id == step_execution_id)
        row = connection.execute(query).mappings().first()
        return _decode(row) if row else None

    def of_execution(self, connection: Connection | Transaction, execution_id: str) -> list[ApprovalRequest]:
        """All questions of an execution, oldest first."""
        query = select(approval_table).where(approval_table.c.execution_id == execution_id)
        return [_decode(row) for row in connection.execute(query.order_by(approval_table.c.asked_at)).mappings()]

    def open(self, connection: Connection, *, limit: int = 100) -> list[ApprovalRequest]:
        """Questions that wait, oldest first."""
        query = select(approval_table).where(approval_table.c.status == str(RequestStatus.WAITING))
        rows = connection.execute(query.order_by(approval_table.c.asked_at).limit(limit)).mappings()
        return [_decode(row) for row in rows]

    def expiring(self, connection: Connection) -> list[tuple[datetime, str]]:
        """(moment, id) of every open question that ends by itself."""
        query = select(approval_table).where(approval_table.c.status == str(RequestStatus.WAITING))
        rows = connection.execute(query.execution_options(yield_per=500)).mappings()
        found = ((_decode(row).expires_at, str(row["id"])) for row in rows)
        return [(moment, request_id) for moment, request_id in found if moment is not None]

    def open_count(self, connection: Connection) -> int:
        """How many questions wait."""
        query = select(func.count()).where(approval_table.c.status == str(RequestStatus.WAITING))
        return connection.execute(query).scalar() or 0


_PLAIN = tuple(
    field.name
    for field in fields(ApprovalRequest)
    if field.name not in ("decisions", "requested_by", "asked_at", "expires_at", "status", "version", "approver_lists")
)


def _values(state: ApprovalRequest) -> dict[str, Any]:
    plain = {name: getattr(state, name) for name in _PLAIN}
    plain["approver_lists"] = state.approver_lists
    plain["requested_by"] = _actor(state.requested_by)
    plain["asked_at"] = state.asked_at.isoformat()
    plain["expires_at"] = state.expires_at.isoformat() if state.expires_at else None
    plain["decisions"] = [
        [_actor(decision.actor), decision.verdict, decision.at.isoformat(), decision.comment]
        for decision in state.decisions
    ]
    return {"status": str(state.status), "state": json.dumps(plain, default=dict)}


def _actor(actor: Actor) -> list[str]:
    return [actor.kind, actor.id, actor.name]


def _decode(row: Mapping[str, Any] | Any) -> ApprovalRequest:
    plain = json.loads(row["state"])
    decisions = tuple(
        Decision(Actor(*actor), verdict, datetime.fromisoformat(at), comment)
        for actor, verdict, at, comment in plain.pop("decisions")
    )
    expires = plain.pop("expires_at")
    return ApprovalRequest(
        **{name: plain[name] for name in _PLAIN},
        approver_lists=tuple(tuple(names) for names in plain["approver_lists"]),
        requested_by=Actor(*plain["requested_by"]),
        asked_at=datetime.fromisoformat(plain["asked_at"]),
        expires_at=datetime.fromisoformat(expires) if expires else None,
        decisions=decisions,
        status=RequestStatus(row["status"]),
        version=row["version"],
    )
