"""The engine's tables: executions (state, fence, lease) and the documents they are pinned to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from audit.store import AuditStore
from engine.execution import FINAL, Change, Execution
from engine.secrets import masked
from engine.state import decode, encode
from infra.db import Instant, Transaction, metadata

execution_table = Table(
    "execution",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("document_name", String(512), nullable=False),
    Column("document_digest", String(64), nullable=False),
    Column("parent_id", String(64), nullable=False, index=True),
    Column("request_key", String(128), nullable=True, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=True),
    Column("due_at", Instant, nullable=True),
    Column("claimed_by", String(64), nullable=True),
    Column("claimed_until", Instant, nullable=True),
    Column("state", Text, nullable=False),
    Index("ix_execution_due_at", "due_at"),
    Index("ix_execution_created_at", "created_at"),
    Index("ix_execution_status", "status"),
)

document_table = Table(
    "document",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("name", String(512), nullable=False),
    Column("version", String(64), nullable=False),
    Column("text", Text, nullable=False),
)


_ROW: BindParameter[str] = bindparam("row")
_SAVE = (
    update(execution_table)
    .where(execution_table.c.id == _ROW, execution_table.c.version == bindparam("known_version"))
    .values(
        version=bindparam("next_version"), claimed_by=bindparam("worker"), claimed_until=bindparam("until"),
        status=bindparam("status"), ended_at=bindparam("ended_at"), due_at=bindparam("due_at"),
        state=bindparam("state"),
    )
)  # fmt: skip
_GET = select(execution_table).where(execution_table.c.id == _ROW)
_LOCK = _GET.with_for_update()
"""Statements of every move, built once."""


class Superseded(Exception):
    """Somebody else changed the execution meanwhile; this answer is stale and nothing was saved."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An execution with the lease on its row."""

    execution: Execution
    claimed_by: str | None
    claimed_until: datetime | None

    def is_held_by_another(self, worker: str, now: datetime) -> bool:
        """Whether a living worker other than this one has it."""
        return self.claimed_by not in (None, worker) and self.claimed_until is not None and self.claimed_until > now


@dataclass(frozen=True, slots=True)
class Selection:
    """Which executions to list: every list that is not empty must hold the execution's own value."""

    names_beginning: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    started_before: datetime | None = None
    started_after: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        table = execution_table.c
        found: list[ColumnElement[bool]] = [
            column.in_(wanted)
            for column, wanted in ((table.status, self.statuses), (table.id, self.ids), (table.parent_id, self.parents))
            if wanted
        ]
        if self.names_beginning:
            found.append(or_(*(table.document_name.startswith(each, autoescape=True) for each in self.names_beginning)))
        if self.started_before is not None:
            found.append(table.created_at < self.started_before)
        if self.started_after is not None:
            found.append(table.created_at > self.started_after)
        return found


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(execution_table.c.claimed_until.is_(None), execution_table.c.claimed_until < now)


class ExecutionStore:
    """Reads executions, and is the only writer of them."""

    def __init__(self, audit: AuditStore) -> None:
        self._audit = audit

    def add(self, tx: Transaction, change: Change, now: datetime, *, request_key: str | None = None) -> None:
        """Save a new execution with its events."""
        state = change.state
        fixed = {
            "id": state.id,
            "version": 1,
            "request_key": request_key,
            "created_at": now,
            "parent_id": state.parent_id,
            "document_name": state.document_name,
            "document_digest": state.document_digest,
        }
        tx.execute(insert(execution_table).values(**fixed, **self._values(state)))
        self._audit.append(tx, masked(change), now)

    def save(
        self, tx: Transaction, change: Change, now: datetime, *, lease: tuple[str, datetime] | None = None
    ) -> Execution:
        """Save a changed execution with its events; `lease` keeps or takes the row, None gives it up.

        Raises Superseded when the row has moved on.
        """
        state = change.state
        worker, until = lease or (None, None)
        values = {
            "row": state.id, "known_version": state.version, "next_version": state.version + 1,
            "worker": worker, "until": until, **self._values(state),
        }  # fmt: skip
        if tx.execute(_SAVE, values).rowcount != 1:
            raise Superseded(state.id)
        self._audit.append(tx, masked(change), now)
        return replace(state, version=state.version + 1)

    def make_due(self, tx: Transaction, execution_id: str, now: datetime) -> None:
        """Have an open execution that waits for others looked at, also after a restart; its state stays as it is."""
        table = execution_table.c
        is_idle = and_(
            table.id == execution_id, table.ended_at.is_(None), or_(table.due_at.is_(None), table.due_at > now)
        )
        tx.execute(update(execution_table).where(is_idle).values(due_at=now))

    def between_steps(self, tx: Transaction) -> list[str]:
        """Ids of the embedded engine's open executions that wait for nothing, and yet are not due."""
        table = execution_table.c
        idle = self._all(tx, select(execution_table).where(table.ended_at.is_(None), table.due_at.is_(None)))
        return [each.id for each in idle if each.phase == "ready" and each.engine == "embedded"]

    def record(self, tx: Transaction, change: Change, now: datetime) -> None:
        """Save only the events: the answer came too late to change the state."""
        self._audit.append(tx, masked(change), now)

    @staticmethod
    def _values(state: Execution) -> dict[str, Any]:
        return {
            "status": str(state.status),
            "ended_at": state.ended_at,
            "due_at": state.due_at,
            "state": encode(state),
        }

    def lock(self, tx: Transaction, execution_id: str) -> Claimed | None:
        """The execution with its lease; on PostgreSQL the row is locked until the commit."""
        row = tx.execute(_GET if tx.is_sqlite else _LOCK, {"row": execution_id}).mappings().first()
        if row is None:
            return None
        return Claimed(decode(row["state"], version=row["version"]), row["claimed_by"], row["claimed_until"])

    def get(self, connection: Connection | Transaction, execution_id: str) -> Execution | None:
        """The execution as it is now."""
        row = connection.execute(_GET, {"row": execution_id}).mappings().first()
        return decode(row["state"], version=row["version"]) if row else None

    def by_request_key(self, connection: Connection | Transaction, key: str) -> str | None:
        """The execution that a request started before, if any; in a transaction nobody else can use the key then."""
        if isinstance(connection, Transaction):
            connection.take_turn("request", key)
        return connection.execute(select(execution_table.c.id).where(execution_table.c.request_key == key)).scalar()

    def ids_beginning(self, connection: Connection, beginning: str) -> Sequence[str]:
        """At most three ids that begin so."""
        query = select(execution_table.c.id).where(execution_table.c.id.startswith(beginning, autoescape=True)).limit(3)
        return list(connection.execute(query).scalars())

    def latest(self, connection: Connection, *, limit: int, is_open: bool = False) -> list[Execution]:
        """The newest executions that have no parent, open ones only if asked."""
        query = select(execution_table).where(execution_table.c.parent_id == "")
        if is_open:
            query = query.where(execution_table.c.status.not_in([str(status) for status in FINAL]))
        return self._all(connection, query.order_by(execution_table.c.created_at.desc()).limit(limit))

    def lively(self, connection: Connection, *, since: datetime, among: int) -> list[Execution]:
        """Of so many newest executions without a parent those that are not over, or not since before a moment."""
        table = execution_table.c
        light = select(table.id, table.status, table.ended_at).where(table.parent_id == "")
        newest = light.order_by(table.created_at.desc()).limit(among).subquery("newest")
        is_open = newest.c.status.not_in([str(status) for status in FINAL])
        wanted = select(newest.c.id).where(or_(is_open, newest.c.ended_at >= since))
        return self._all(
            connection, select(execution_table).where(table.id.in_(wanted)).order_by(table.created_at.desc())
        )

    def mentioning(self, connection: Connection, text: str, *, limit: int) -> list[Execution]:
        """The newest executions without a parent in whose state a text stands quoted, among the latest 500."""
        latest = select(execution_table).where(execution_table.c.parent_id == "")
        recent = latest.order_by(execution_table.c.created_at.desc()).limit(500).subquery("recent")
        query = select(recent).where(recent.c.state.contains(f'"{text}"', autoescape=True))
        return self._all(connection, query.order_by(recent.c.created_at.desc()).limit(limit))

    def everything(self, connection: Connection) -> list[Execution]:
        """Every execution, children included: for a database that holds one run."""
        return self._all(connection, select(execution_table).order_by(execution_table.c.created_at))

    def page(self, connection: Connection, wanted: Selection, *, after: str, limit: int) -> list[Execution]:
        """Executions, children included, newest first, after one of them. Raises LookupError when that one is gone."""
        table = execution_table.c
        query = select(execution_table).where(*wanted.conditions())
        if after:
            last = connection.execute(select(table.created_at, table.id).where(table.id == after)).first()
            if last is None:
                raise LookupError(f"there is no execution {after}")
            is_older = or_(
                table.created_at < last.created_at, and_(table.created_at == last.created_at, table.id < after)
            )
            query = query.where(is_older)
        return self._all(connection, query.order_by(table.created_at.desc(), table.id.desc()).limit(limit))

    def children(self, connection: Connection | Transaction, parent_id: str) -> list[Execution]:
        """The executions that a parent has started, in order."""
        query = select(execution_table).where(execution_table.c.parent_id == parent_id)
        return self._all(connection, query.order_by(execution_table.c.created_at, execution_table.c.id))

    @staticmethod
    def _all(connection: Connection | Transaction, query: Select[Any]) -> list[Execution]:
        return [decode(row["state"], version=row["version"]) for row in connection.execute(query).mappings()]

    def due(
        self, connection: Connection, *, before: datetime, now: datetime, limit: int | None = None
    ) -> list[tuple[str, datetime]]:
        """(id, moment) of what must be looked at before a moment and is held by no living carrier."""
        table = execution_table.c
        query = select(table.id, table.due_at).where(table.due_at <= before, _is_free(now)).order_by(table.due_at)
        return [(row.id, row.due_at) for row in connection.execute(query.limit(limit))]

    def postpone_overdue(self, tx: Transaction, *, before: datetime, now: datetime, limit: int) -> list[str]:
        """Ids of what is overdue and free, the dead ones' first; due anew, so that no other sweep takes them, too."""
        table = execution_table.c
        first = (table.claimed_by.is_(None), table.due_at)
        overdue = select(table.id).where(table.due_at <= before, _is_free(now)).order_by(*first).limit(limit)
        ids = list(tx.execute(overdue if tx.is_sqlite else overdue.with_for_update(skip_locked=True)).scalars())
        if ids:
            tx.execute(update(execution_table).where(table.id.in_(ids)).values(due_at=now))
        return ids

    def counts(self, connection: Connection) -> dict[str, int]:
        """Number of executions by status."""
        query = select(execution_table.c.status, func.count()).group_by(execution_table.c.status)
        return {row[0]: row[1] for row in connection.execute(query)}

    def open_count(self, connection: Connection) -> int:
        """Number of executions that are not over."""
        query = select(func.count()).where(execution_table.c.ended_at.is_(None)).select_from(execution_table)
        return connection.execute(query).scalar() or 0

    def interrupted(self, connection: Connection, *, now: datetime | None = None) -> int:
        """Number of executions whose carrier is gone: the process died while it worked on them.

        With `now` those that a living one works on do not count: there are other processes than this one.
        """
        query = select(func.count()).select_from(execution_table).where(execution_table.c.claimed_by.is_not(None))
        query = query.where(execution_table.c.claimed_until < now) if now else query
        return connection.execute(query).scalar() or 0

    def extend(self, tx: Transaction, held: Mapping[str, str], until: datetime) -> list[str]:
        """Keep the leases (carrier -> execution id) of a worker that is alive and busy; the carriers that have one."""
        fence = and_(execution_table.c.id.in_(held.values()), execution_table.c.claimed_by.in_(held))
        change = update(execution_table).where(fence).values(claimed_until=until)
        return list(tx.execute(change.returning(execution_table.c.claimed_by)).scalars())

    def expire_all(self, tx: Transaction, now: datetime) -> None:
        """Take every carrier for dead: at the start of the only process there is."""
        held = execution_table.c.claimed_by.is_not(None)
        tx.execute(update(execution_table).where(held).values(claimed_until=now))

    def keep_document(self, tx: Transaction, *, digest: str, name: str, version: str, text: str) -> None:
        """Store a document by its content, once."""
        row = {"digest": digest, "name": name, "version": version, "text": text}
        upsert = sqlite.insert(document_table) if tx.is_sqlite else postgresql.insert(document_table)
        tx.execute(upsert.values(**row).on_conflict_do_nothing())

    def document(self, connection: Connection | Transaction, digest: str) -> tuple[str, str, str] | None:
        """(name, version, text) of a stored document."""
        row = connection.execute(select(document_table).where(document_table.c.digest == digest)).first()
        return (row.name, row.version, row.text) if row else None
