"""The alarm table: every state change that arrived, once, and what became of it."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Index, String, Table, Text, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from audit.events import Actor
from infra.canonical import Json
from infra.db import Instant, Transaction, metadata
from playbooks.alarm import Alarm, AlarmMetric

alarm_table = Table(
    "alarm",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("alarm_id", String(512), nullable=False),
    Column("state", String(32), nullable=False),
    Column("contributor_id", String(256), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("care", Text, nullable=True),
    Index("ix_alarm_alarm_id", "alarm_id", "changed_at"),
)

MOST_KEYS = 500
SAME_TRANSITION = timedelta(seconds=2)
"""Two roads may round the moment of one transition differently."""


@dataclass(frozen=True, slots=True)
class Care:
    """What people did about an alarm, and what was seen when AWS was asked about its resource."""

    acknowledged_by: Actor | None = None
    acknowledged_at: datetime | None = None
    muted_by: Actor | None = None
    muted_until: datetime | None = None
    seen: Mapping[str, Json] = field(default_factory=dict)
    """playbooks/alarm_look.py's Seen as JSON; empty until somebody looked."""

    def is_muted(self, now: datetime) -> bool:
        """Whether it is to start and to say nothing now."""
        return self.muted_until is not None and now < self.muted_until


NO_CARE = Care()


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """A state change that arrived, and what became of it."""

    key: str
    alarm: Alarm
    received_at: datetime
    verdict: str = ""
    playbooks: tuple[tuple[str, str], ...] = ()
    channel: str = ""
    why: str = ""
    executions: tuple[str, ...] = field(default_factory=tuple)
    care: Care = NO_CARE


class AlarmStore:
    """Remembers alarms."""

    def is_known(self, tx: Transaction, alarm: Alarm) -> bool:
        """Whether this transition has been seen, by whichever road; nobody else can add one of its alarm until the end.

        A unique key is not enough: two roads that round the moment differently have two keys.
        """
        tx.take_turn("alarm", alarm.account, alarm.region, alarm.name)
        table = alarm_table.c
        near = and_(
            table.alarm_id == alarm.id,
            table.state == alarm.state,
            table.contributor_id == alarm.contributor_id,
            table.changed_at >= alarm.changed_at - SAME_TRANSITION,
            table.changed_at <= alarm.changed_at + SAME_TRANSITION,
        )
        return tx.execute(select(table.key).where(near).limit(1)).first() is not None

    def add(self, tx: Transaction, record: AlarmRecord) -> bool:
        """Remember a transition; False when another process was first."""
        alarm = record.alarm
        values = {
            "key": record.key,
            "alarm_id": alarm.id,
            "state": alarm.state,
            "contributor_id": alarm.contributor_id,
            "changed_at": alarm.changed_at,
            "received_at": record.received_at,
            "alarm": _encode(alarm),
            **_outcome(record),
        }
        try:
            with tx.attempt():
                tx.execute(insert(alarm_table).values(**values))
        except IntegrityError:
            return False
        return True

    def conclude(self, tx: Transaction, record: AlarmRecord) -> None:
        """Remember what became of it."""
        change = update(alarm_table).where(alarm_table.c.key == record.key).values(**_outcome(record))
        tx.execute(change)

    def get(self, connection: Connection | Transaction, key: str) -> AlarmRecord | None:
        """One transition by its key."""
        row = connection.execute(select(alarm_table).where(alarm_table.c.key == key)).mappings().first()
        return _decode(row) if row else None

    def latest(self, connection: Connection | Transaction, alarm_id: str) -> AlarmRecord | None:
        """The newest known state of an alarm."""
        query = select(alarm_table).where(alarm_table.c.alarm_id == alarm_id)
        row = connection.execute(query.order_by(alarm_table.c.changed_at.desc()).limit(1)).mappings().first()
        return _decode(row) if row else None

    def of_alarm(self, connection: Connection | Transaction, alarm_id: str, *, limit: int) -> list[AlarmRecord]:
        """The newest transitions of one alarm."""
        query = select(alarm_table).where(alarm_table.c.alarm_id == alarm_id)
        rows = connection.execute(query.order_by(alarm_table.c.changed_at.desc()).limit(limit)).mappings()
        return [_decode(row) for row in rows]

    def several(self, connection: Connection | Transaction, keys: Collection[str]) -> dict[str, AlarmRecord]:
        """Transitions by their keys."""
        found: dict[str, AlarmRecord] = {}
        for some in batched(sorted(keys)):
            rows = connection.execute(select(alarm_table).where(alarm_table.c.key.in_(some))).mappings()
            found |= {record.key: record for record in map(_decode, rows)}
        return found

    def states(self, connection: Connection | Transaction, alarm_ids: Collection[str]) -> dict[str, str]:
        """The latest known state of each alarm."""
        found: dict[str, tuple[datetime, str]] = {}
        table = alarm_table.c
        for some in batched(sorted(alarm_ids)):
            newest = select(table.alarm_id, func.max(table.changed_at).label("at")).where(table.alarm_id.in_(some))
            last = newest.group_by(table.alarm_id).subquery("last")
            is_last = and_(table.alarm_id == last.c.alarm_id, table.changed_at == last.c.at)
            for row in connection.execute(select(table.alarm_id, table.state, table.changed_at).join(last, is_last)):
                found[row.alarm_id] = (row.changed_at, row.state)
        return {alarm_id: state for alarm_id, (_, state) in found.items()}

    def newest(self, connection: Connection, *, limit: int) -> list[AlarmRecord]:
        """The transitions that arrived last."""
        query = select(alarm_table).order_by(alarm_table.c.received_at.desc()).limit(limit)
        return [_decode(row) for row in connection.execute(query).mappings()]


def batched(keys: list[str]) -> Iterator[list[str]]:
    """In as many parts as a statement takes parameters."""
    return (keys[start : start + MOST_KEYS] for start in range(0, len(keys), MOST_KEYS))


def _outcome(record: AlarmRecord) -> dict[str, str | None]:
    """The columns that change. Care has its own, which processes of before it neither stumble over nor overwrite."""
    found = [record.verdict, record.playbooks, record.channel, record.why, record.executions]
    care = json.dumps(asdict(record.care), default=datetime.isoformat) if record.care != NO_CARE else None
    return {"outcome": json.dumps(found), "care": care}


def _encode(alarm: Alarm) -> str:
    return json.dumps({**asdict(alarm), "changed_at": alarm.changed_at.isoformat()})


def _decode(row: Mapping[str, Any] | Any) -> AlarmRecord:
    plain = json.loads(row["alarm"])
    plain["changed_at"] = datetime.fromisoformat(plain["changed_at"])
    plain["metrics"] = tuple(AlarmMetric(**_known(AlarmMetric, metric)) for metric in plain["metrics"])
    plain["children"] = tuple(plain["children"])
    # Care was the last of them once: where it is there, a process of before the column has written it.
    verdict, playbooks, channel, why, executions, *care = json.loads(row["outcome"])
    return AlarmRecord(
        row["key"],
        Alarm(**_known(Alarm, plain)),
        row["received_at"],
        verdict,
        tuple((name, title) for name, title in playbooks),
        channel,
        why,
        tuple(executions),
        _care(care[0] if care else json.loads(row["care"] or "null")),
    )


def _known(kind: type[Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that a newer process has added."""
    return {each.name: plain[each.name] for each in fields(kind) if each.name in plain}


def _care(plain: Mapping[str, Any] | None) -> Care:
    if plain is None:
        return NO_CARE
    people = {name: Actor(**plain[name]) if plain[name] else None for name in ("acknowledged_by", "muted_by")}
    times = {
        name: datetime.fromisoformat(plain[name]) if plain[name] else None
        for name in ("acknowledged_at", "muted_until")
    }
    return Care(
        people["acknowledged_by"], times["acknowledged_at"], people["muted_by"], times["muted_until"], plain["seen"]
    )
