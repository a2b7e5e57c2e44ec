"""The tables of executions that AWS runs: when to look at each one, and what AWS is still to be told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from infra.canonical import Json
from infra.db import Instant, Transaction, metadata

ssm_execution_table = Table(
    "ssm_execution",
    metadata,
    Column("execution_id", String(64), primary_key=True),
    Column("aws_id", String(64), nullable=True, unique=True),
    Column("region", String(32), nullable=False),
    Column("account", String(32), nullable=False),
    Column("look_at", Instant, nullable=True),
    Column("pause", Float, nullable=False),
    Column("failing_since", Instant, nullable=True),
    Column("claimed_until", Instant, nullable=True),  # of the time before the leader's lease; always empty
    Index("ix_ssm_execution_look_at", "look_at"),
)

ssm_command_table = Table(
    "ssm_command",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("data", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", Instant, nullable=True),
)

ADOPTION: Final = "adoption/"
"""Before a Region: the row that says when executions of others are asked for there."""
Kind = Literal["start", "signal", "stop"]


@dataclass(frozen=True, slots=True)
class Look:
    """One execution to look at. `pause` (seconds) is how long the last one was; `aws_id` is "" before AWS took it."""

    execution_id: str
    aws_id: str
    region: str
    account: str
    pause: float
    failing_since: datetime | None

    @property
    def is_watch(self) -> bool:
        """Whether it is no execution, but a Region in which executions of others are asked for."""
        return self.execution_id.startswith(ADOPTION)


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to tell AWS. `sent_at` is set when it was sent and no answer came: look before it is sent again."""

    id: str
    execution_id: str
    kind: Kind
    data: Mapping[str, Any]
    attempts: int
    sent_at: datetime | None

    @property
    def sent(self) -> Mapping[str, Any]:
        """What was noted when it was sent."""
        found: Mapping[str, Any] = self.data.get("sent") or {}
        return found


class SsmStore:
    """Reads and writes both tables."""

    def add(self, tx: Transaction, look: Look, now: datetime) -> None:
        """Follow an execution from now on."""
        values = {
            "execution_id": look.execution_id, "aws_id": look.aws_id or None, "region": look.region,
            "account": look.account, "look_at": now, "pause": look.pause, "failing_since": None, "claimed_until": None,
        }  # fmt: skip
        tx.execute(insert(ssm_execution_table).values(**values))

    def tell(self, tx: Transaction, command_id: str, execution_id: str, kind: Kind, data: Mapping[str, Json]) -> bool:
        """Have AWS told something; False when that was wanted already. What was refused may be wanted anew."""
        table = ssm_command_table.c
        known = tx.execute(select(table.state).where(table.id == command_id)).scalar()
        if known == "refused":
            again = {"state": "wanted", "data": json.dumps(dict(data)), "sent_at": None}
            tx.execute(update(ssm_command_table).where(table.id == command_id).values(**again))
        if known is not None:
            return bool(known == "refused")
        number = tx.execute(select(func.count()).where(table.execution_id == execution_id)).scalar() or 0
        values = {
            "id": command_id, "execution_id": execution_id, "number": number, "kind": kind,
            "data": json.dumps(dict(data)), "state": "wanted", "attempts": 0, "sent_at": None,
        }  # fmt: skip
        tx.execute(insert(ssm_command_table).values(**values))
        return True

    def wake(self, tx: Transaction, execution_id: str, now: datetime) -> None:
        """Look at it now."""
        mine = ssm_execution_table.c.execution_id == execution_id
        tx.execute(update(ssm_execution_table).where(mine).values(look_at=now, pause=0.0))

    def watch(self, tx: Transaction, regions: Sequence[str], now: datetime) -> None:
        """Ask in exactly these Regions for executions that others have started: a look like any other."""
        table = ssm_execution_table.c
        tx.execute(delete(ssm_execution_table).where(table.execution_id.startswith(ADOPTION)))
        for region in regions:
            self.add(tx, Look(f"{ADOPTION}{region}", "", region, "", 0.0, None), now)

    def wake_watch(self, tx: Transaction, now: datetime) -> None:
        """Ask now: AWS tells of an execution that nobody here follows."""
        watches = ssm_execution_table.c.execution_id.startswith(ADOPTION)
        tx.execute(update(ssm_execution_table).where(watches).values(look_at=now, pause=0.0))

    def wake_by_aws_id(self, tx: Transaction, aws_id: str, now: datetime) -> bool:
        """Look at it now, as AWS says that something happened; False when it is not followed here."""
        mine = and_(ssm_execution_table.c.aws_id == aws_id, ssm_execution_table.c.look_at.is_not(None))
        return tx.execute(update(ssm_execution_table).where(mine).values(look_at=now, pause=0.0)).rowcount == 1

    def due(self, connection: Connection, now: datetime, *, limit: int) -> list[Look]:
        """What is to be looked at now, the longest due first. Only one process follows AWS, so nothing is claimed."""
        table = ssm_execution_table.c
        query = select(ssm_execution_table).where(table.look_at <= now).order_by(table.look_at).limit(limit)
        return [_look(row) for row in connection.execute(query).mappings()]

    def looked(
        self, tx: Transaction, execution_id: str, *, look_at: datetime | None, pause: float,
        failing_since: datetime | None = None, began: datetime,
    ) -> None:  # fmt: skip
        """When to look next. Whoever woke it since `began` is heard: it is then looked at at once."""
        table = ssm_execution_table.c
        mine = table.execution_id == execution_id
        woken = tx.execute(select(table.look_at).where(mine)).scalar()
        if look_at is not None and woken is not None and woken > began:
            look_at = woken
        values = {"look_at": look_at, "pause": pause, "failing_since": failing_since}
        tx.execute(update(ssm_execution_table).where(mine).values(**values))

    def accepted(self, tx: Transaction, execution_id: str, aws_id: str) -> None:
        """AWS has given it an id."""
        mine = ssm_execution_table.c.execution_id == execution_id
        tx.execute(update(ssm_execution_table).where(mine).values(aws_id=aws_id))

    def by_aws_id(self, connection: Connection | Transaction, aws_ids: Sequence[str]) -> dict[str, str]:
        """AWS's ids that are followed here -> ours."""
        table = ssm_execution_table.c
        query = select(table.aws_id, table.execution_id).where(table.aws_id.in_(list(aws_ids)))
        return {row.aws_id: row.execution_id for row in connection.execute(query)}

    def commands(
        self, connection: Connection | Transaction, execution_id: str, state: Literal["wanted", "done"] = "wanted"
    ) -> list[Command]:
        """What AWS is still to be told about an execution, or was told, in order."""
        table = ssm_command_table.c
        query = select(ssm_command_table).where(table.execution_id == execution_id, table.state == state)
        return [_command(row) for row in connection.execute(query.order_by(table.number)).mappings()]

    def has_starts(self, connection: Connection | Transaction) -> bool:
        """Whether some start is on its way: AWS may show executions that are ours and not known by id yet."""
        table = ssm_command_table.c
        query = select(table.id).where(table.kind == "start", table.state == "wanted").limit(1)
        return connection.execute(query).first() is not None

    def sending(self, tx: Transaction, command: Command, now: datetime, sent: Mapping[str, Json]) -> None:
        """It is about to be sent: after a crash, look before it is sent again, and compare with `sent`."""
        self._note(tx, command, {**command.data, "sent": dict(sent)}, sent_at=now, attempts=command.attempts + 1)

    def doubted(self, tx: Transaction, command: Command, now: datetime) -> None:
        """A look has shown no trace of what was sent: for the first time since it was sent."""
        self._note(tx, command, {**command.data, "sent": {**command.sent, "doubted_at": now.isoformat()}})

    def unsent(self, tx: Transaction, command: Command) -> None:
        """It has certainly not arrived: it may be sent as if for the first time."""
        self._note(tx, command, {key: value for key, value in command.data.items() if key != "sent"}, sent_at=None)

    @staticmethod
    def _note(tx: Transaction, command: Command, data: Mapping[str, Json], **columns: object) -> None:
        mine = ssm_command_table.c.id == command.id
        tx.execute(update(ssm_command_table).where(mine).values(data=json.dumps(dict(data)), **columns))

    def conclude(self, tx: Transaction, command_ids: Sequence[str], state: Literal["done", "refused"]) -> None:
        """AWS was told, or will not be."""
        mine = ssm_command_table.c.id.in_(list(command_ids))
        tx.execute(update(ssm_command_table).where(mine).values(state=state))

    def next_moment(self, connection: Connection) -> datetime | None:
        """When something is due next."""
        return connection.execute(select(func.min(ssm_execution_table.c.look_at))).scalar()


def _look(row: Any) -> Look:
    names = ("execution_id", "region", "account", "pause", "failing_since")
    return Look(aws_id=row["aws_id"] or "", **{name: row[name] for name in names})


def _command(row: Any) -> Command:
    names = ("id", "execution_id", "kind", "attempts", "sent_at")
    return Command(data=json.loads(row["data"]), **{name: row[name] for name in names})
