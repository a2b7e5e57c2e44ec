"""The approval table: one row per question, changed only under its version."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    insert,
    select,
    update,
)

from approvals.request import (
    ApprovalChange,
    ApprovalRequest,
    ApproverGroup,
    Decision,
    Delegation,
    Escalation,
    RequestStatus,
)
from audit.events import Actor
from audit.store import AuditStore
from infra.db import Instant, Transaction, metadata

approval_table = Table(
    "approval",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("step_execution_id", String(64), nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("status", String(16), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=True),
    Column("state", Text, nullable=False),
    UniqueConstraint("step_execution_id", "revision"),
    Index("ix_approval_status", "status"),
    Index("ix_approval_due_at", "due_at"),
)


_ROW: BindParameter[str] = bindparam("row")
_GET = select(approval_table).where(approval_table.c.id == _ROW)
_LOCK = _GET.with_for_update()
_OF_EXECUTION = (
    select(approval_table)
    .where(approval_table.c.execution_id == _ROW)
    .order_by(approval_table.c.asked_at, approval_table.c.revision)
)
_SAVE = (
    update(approval_table)
    .where(approval_table.c.id == _ROW, approval_table.c.version == bindparam("known_version"))
    .values(**{name: bindparam(name) for name in ("version", "status", "due_at", "state")})
)
"""Statements of every click, built once."""


class AlteredMeanwhile(Exception):
    """Somebody else changed the request in the same moment; nothing was saved."""


class ApprovalStore:
    """Reads questions, and is the only writer of them."""

    def __init__(self, audit: AuditStore) -> None:
        self._audit = audit

    def add(self, tx: Transaction, change: ApprovalChange, now: datetime) -> None:
        """Save a new question with its events."""
        state = change.state
        fixed = {
            "execution_id": state.execution_id,
            "step_execution_id": state.step_execution_id,
            "revision": state.revision,
        }
        tx.execute(insert(approval_table).values(id=state.id, asked_at=now, version=1, **fixed, **_values(state)))
        self._audit.append(tx, change.events, now)

    def save(self, tx: Transaction, change: ApprovalChange, now: datetime) -> None:
        """Save a changed question with its events. Raises AlteredMeanwhile."""
        state = change.state
        values = {"row": state.id, "known_version": state.version, "version": state.version + 1, **_values(state)}
        if tx.execute(_SAVE, values).rowcount != 1:
            raise AlteredMeanwhile(state.id)
        self._audit.append(tx, change.events, now)

    def lock(self, tx: Transaction, request_id: str) -> ApprovalRequest | None:
        """The question; on PostgreSQL its row is locked until the commit."""
        row = tx.execute(_GET if tx.is_sqlite else _LOCK, {"row": request_id}).mappings().first()
        return _decode(row) if row else None

    def get(self, connection: Connection | Transaction, request_id: str) -> ApprovalRequest | None:
        """The question as it is now."""
        row = connection.execute(_GET, {"row": request_id}).mappings().first()
        return _decode(row) if row else None

    def of_step(self, connection: Connection | Transaction, step_execution_id: str) -> ApprovalRequest | None:
        """The question that a step asked, the latest where its plan has changed."""
        query = select(approval_table).where(approval_table.c.step_execution_id == step_execution_id)
        row = connection.execute(query.order_by(approval_table.c.revision.desc()).limit(1)).mappings().first()
        return _decode(row) if row else None

    def of_execution(self, connection: Connection | Transaction, execution_id: str) -> list[ApprovalRequest]:
        """All questions of an execution, oldest first."""
        return [_decode(row) for row in connection.execute(_OF_EXECUTION, {"row": execution_id}).mappings()]

    def open(self, connection: Connection, *, limit: int = 100) -> list[ApprovalRequest]:
        """Questions that wait, oldest first."""
        query = select(approval_table).where(approval_table.c.status == str(RequestStatus.WAITING))
        rows = connection.execute(query.order_by(approval_table.c.asked_at).limit(limit)).mappings()
        return [_decode(row) for row in rows]

    def due(self, connection: Connection) -> list[tuple[datetime, str]]:
        """(moment, id) of every question about which something has to be done by itself."""
        table = approval_table.c
        query = select(table.due_at, table.id).where(table.due_at.is_not(None))
        return [(moment, str(request_id)) for moment, request_id in connection.execute(query)]

    def open_count(self, connection: Connection) -> int:
        """How many questions wait."""
        query = select(func.count()).where(approval_table.c.status == str(RequestStatus.WAITING))
        return connection.execute(query).scalar() or 0


_SPECIAL = frozenset(
    {
        "decisions", "requested_by", "asked_at", "expires_at", "status", "version", "approver_lists", "groups",
        "barred",
        "reminders", "escalations", "delegations", "delegates", "breakers", "hold_until", "look_at",
        "review_at",
    }
)  # fmt: skip
_PLAIN = tuple(field.name for field in fields(ApprovalRequest) if field.name not in _SPECIAL)


def _values(state: ApprovalRequest) -> dict[str, Any]:
    plain: dict[str, Any] = {name: getattr(state, name) for name in _PLAIN}
    plain["approver_lists"] = state.approver_lists
    plain["requested_by"] = _actor(state.requested_by)
    plain["asked_at"] = state.asked_at.isoformat()
    plain["expires_at"] = _spelled(state.expires_at)
    plain["decisions"] = [
        [_actor(each.actor), each.verdict, each.at.isoformat(), each.comment, each.groups, each.account]
        for each in state.decisions
    ]
    plain["groups"] = [[each.names, each.minimum, each.title] for each in state.groups]
    plain["reminders"] = [each.isoformat() for each in state.reminders]
    plain["escalations"] = [[each.at.isoformat(), each.group, each.names] for each in state.escalations]
    plain["delegations"] = [
        [_actor(each.by), _actor(each.to), each.at.isoformat(), each.groups] for each in state.delegations
    ]
    plain |= {"barred": state.barred, "delegates": state.delegates, "breakers": state.breakers}
    plain |= {
        "hold_until": _spelled(state.hold_until),
        "review_at": _spelled(state.review_at),
        "look_at": _spelled(state.look_at),
    }
    return {"status": str(state.status), "due_at": state.due_at, "state": json.dumps(plain, default=dict)}


def _spelled(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _moment(spelled: str | None) -> datetime | None:
    return datetime.fromisoformat(spelled) if spelled else None


def _actor(actor: Actor) -> list[str]:
    return [actor.kind, actor.id, actor.name]


def _decode(row: Mapping[str, Any] | Any) -> ApprovalRequest:
    """The request of a row; of before a field was thought of, it has the field's default."""
    plain = json.loads(row["state"])
    return ApprovalRequest(
        **{name: plain[name] for name in _PLAIN if name in plain},
        approver_lists=_lists(plain["approver_lists"]),
        requested_by=Actor(*plain["requested_by"]),
        asked_at=datetime.fromisoformat(plain["asked_at"]),
        expires_at=_moment(plain["expires_at"]),
        decisions=tuple(_decision(*each) for each in plain["decisions"]),
        status=RequestStatus(row["status"]),
        version=row["version"],
        groups=tuple(ApproverGroup(tuple(names), *rest) for names, *rest in plain.get("groups", ())),
        barred=tuple((str(entry), str(why)) for entry, why in plain.get("barred", ())),
        reminders=tuple(datetime.fromisoformat(each) for each in plain.get("reminders", ())),
        escalations=tuple(
            Escalation(datetime.fromisoformat(at), group, tuple(names))
            for at, group, names in plain.get("escalations", ())
        ),
        delegations=tuple(
            Delegation(Actor(*by), Actor(*to), datetime.fromisoformat(at), tuple(groups))
            for by, to, at, groups in plain.get("delegations", ())
        ),
        delegates=tuple(plain.get("delegates", ())),
        breakers=tuple(plain.get("breakers", ())),
        hold_until=_moment(plain.get("hold_until")),
        review_at=_moment(plain.get("review_at")),
        look_at=_moment(plain.get("look_at")),
    )


def _lists(found: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(names) for names in found)


def _decision(actor: Any, verdict: Any, at: str, comment: str, groups: Any = (), account: str = "") -> Decision:
    return Decision(Actor(*actor), verdict, datetime.fromisoformat(at), comment, tuple(groups), account)
