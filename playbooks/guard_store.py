"""The tables of what holds starts back: locks and who waits for them, automatic starts, wishes, the big switch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Connection, Index, Select, String, Table, Text, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from audit.events import Actor
from infra.canonical import Json
from infra.db import Instant, Transaction, metadata
from playbooks.freezes import Pause
from playbooks.locks import LONGEST, UNKNOWN, Holder, is_same, same_resource
from playbooks.people import Identity

lock_table = Table(
    "resource_lock",
    metadata,
    Column("key", String(LONGEST), primary_key=True),
    Column("resource", String(LONGEST), nullable=False),
    Column("execution_id", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Index("ix_resource_lock_resource", "resource"),
    Index("ix_resource_lock_execution_id", "execution_id"),
)
watch_table = Table(
    "lock_watch",
    metadata,
    Column("execution_id", String(64), primary_key=True),
    Column("person", String(512), primary_key=True),
    Column("name", Text, nullable=False),
    Column("mention", String(64), nullable=False),
    Column("at", Instant, nullable=False),
)
start_table = Table(
    "automatic_start",
    metadata,
    Column("execution_id", String(64), primary_key=True),
    Column("target", String(LONGEST), primary_key=True),
    Column("playbook", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_automatic_start_playbook", "playbook", "target", "at"),
)
wish_table = Table(
    "held_wish",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("wish", Text, nullable=False),
    Column("person", Text, nullable=False),
    Index("ix_held_wish_holder", "holder", "state"),
)
switch_table = Table(
    "switch",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("actor", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("reason", Text, nullable=False),
)
PAUSE: Final = "pause"
_PAUSED: Final = select(switch_table).where(switch_table.c.name == PAUSE)
_LASTING: Final = _PAUSED.with_for_update(read=True)
REMEMBERED: Final = timedelta(days=7)
"""How long a wish that was held back can still be taken up."""


@dataclass(frozen=True, slots=True)
class HeldWish:
    """A start that was refused because another execution has the resource. `state` is held, queued or done."""

    id: str
    holder: str
    at: datetime
    by: Identity
    wish: dict[str, Json] = field(default_factory=dict)
    state: str = "held"


@dataclass(frozen=True, slots=True)
class Watcher:
    """Somebody who wants to be told when an execution is over."""

    person: str
    name: str
    mention: str


class GuardStore:
    """Reads and writes them; everything else about them is pure."""

    # -- locks

    def holders(self, connection: Connection | Transaction, keys: Sequence[str]) -> list[Holder]:
        """Who has any of these resources, in order of their keys; some of them may be over already."""
        wanted = [same_resource(key) for key in keys]
        query = select(lock_table).where(lock_table.c.resource.in_(wanted)).order_by(lock_table.c.key)
        rows = connection.execute(query).mappings() if wanted else ()
        found = [_holder(row) for row in rows]
        return [each for each in found if any(is_same(each.key, key) for key in keys)]

    def named(
        self, connection: Connection, resources: Sequence[str], *, region: str, account: str = UNKNOWN
    ) -> list[Holder]:
        """The same for resources of which only the id is known, as an alarm's dimensions tell it."""
        if not resources:
            return []
        ids = or_(*(lock_table.c.resource.endswith(f"/{each}", autoescape=True) for each in resources))
        there = lock_table.c.resource.startswith(f"{region}/", autoescape=True)
        query = select(lock_table).where(there, ids).order_by(lock_table.c.key)
        found = [_holder(row) for row in connection.execute(query).mappings()]
        return [each for each in found if is_same(each.key, f"{account or UNKNOWN}/{same_resource(each.key)}")]

    def all(self, connection: Connection) -> list[Holder]:
        """Everything that is written down, in order of the keys."""
        return [_holder(row) for row in connection.execute(select(lock_table).order_by(lock_table.c.key)).mappings()]

    def of_execution(self, connection: Connection | Transaction, execution_id: str) -> list[Holder]:
        """What an execution has."""
        query = select(lock_table).where(lock_table.c.execution_id == execution_id).order_by(lock_table.c.key)
        return [_holder(row) for row in connection.execute(query).mappings()]

    def take(self, tx: Transaction, keys: Sequence[str], holder: Holder) -> bool:
        """Write the keys down; False when another process was first. Call it after `turns`."""
        try:
            with tx.attempt():
                tx.execute(insert(lock_table), [_lock_row(key, holder) for key in keys])
        except IntegrityError:
            return False
        return True

    def turns(self, tx: Transaction, keys: Sequence[str]) -> None:
        """Until the end of this transaction nobody else looks at these resources to take them."""
        for resource in sorted({same_resource(key) for key in keys}):
            tx.take_turn("resource", resource)

    def release(self, tx: Transaction, execution_id: str) -> int:
        """Free what an execution has; returns how many keys that were."""
        return tx.execute(delete(lock_table).where(lock_table.c.execution_id == execution_id)).rowcount

    # -- who waits

    def watch(self, tx: Transaction, execution_id: str, watcher: Watcher, now: datetime) -> bool:
        """Remember somebody who wants to be told; False when that is known already."""
        values = {
            "execution_id": execution_id,
            "person": watcher.person,
            "name": watcher.name,
            "mention": watcher.mention,
            "at": now,
        }
        try:
            with tx.attempt():
                tx.execute(insert(watch_table).values(**values))
        except IntegrityError:
            return False
        return True

    def unwatch(self, tx: Transaction, execution_id: str) -> list[Watcher]:
        """Those who wait for an execution's end, and forget them."""
        table = watch_table.c
        query = select(watch_table).where(table.execution_id == execution_id).order_by(table.at, table.person)
        found = [Watcher(row.person, row.name, row.mention) for row in tx.execute(query)]
        if found:
            tx.execute(delete(watch_table).where(watch_table.c.execution_id == execution_id))
        return found

    # -- wishes

    def hold(self, tx: Transaction, wish: HeldWish) -> None:
        """Remember a start that was refused; those that nobody can take up any more are forgotten."""
        tx.execute(delete(wish_table).where(wish_table.c.at < wish.at - REMEMBERED, wish_table.c.state != "queued"))
        values = {
            "id": wish.id,
            "holder": wish.holder,
            "state": wish.state,
            "at": wish.at,
            "wish": json.dumps(wish.wish),
            "person": _encode_person(wish.by),
        }
        tx.execute(insert(wish_table).values(**values))

    def wish(self, tx: Transaction, wish_id: str) -> HeldWish | None:
        """One wish, locked until the end of the transaction."""
        query = select(wish_table).where(wish_table.c.id == wish_id)
        row = tx.execute(query if tx.is_sqlite else query.with_for_update()).mappings().first()
        return _wish(row) if row else None

    def queued(self, tx: Transaction, holder: str) -> list[HeldWish]:
        """What shall start when an execution is over, first come first."""
        query = select(wish_table).where(wish_table.c.holder == holder, wish_table.c.state == "queued")
        rows = tx.execute(query.order_by(wish_table.c.at, wish_table.c.id)).mappings()
        return [_wish(row) for row in rows]

    def set_wish(self, tx: Transaction, wish_id: str, state: str, *, by: Identity, now: datetime) -> None:
        """Say what became of a wish, and who made it theirs."""
        change = update(wish_table).where(wish_table.c.id == wish_id)
        tx.execute(change.values(state=state, person=_encode_person(by), at=now))

    # -- automatic starts

    def starts(self, tx: Transaction, playbook: str, target: str, since: datetime) -> list[datetime]:
        """When a playbook has started by itself on a target, as far back as `since`; nobody else counts meanwhile."""
        tx.take_turn("budget", playbook, target)
        table = start_table.c
        query = select(table.at).where(table.playbook == playbook, table.target == target, table.at > since)
        return [row.at for row in tx.execute(query)]

    def count(self, tx: Transaction, execution_id: str, playbook: str, targets: Sequence[str], now: datetime) -> None:
        """A playbook has started by itself."""
        rows = [
            {"execution_id": execution_id, "target": target[:LONGEST], "playbook": playbook, "at": now}
            for target in dict.fromkeys(targets)
        ]
        tx.execute(insert(start_table), rows)

    # -- the switch

    def pause(self, connection: Connection | Transaction) -> Pause | None:
        """Whether, by whom and why everything is paused."""
        return self._paused(connection, _PAUSED)

    def lasting_pause(self, tx: Transaction) -> Pause | None:
        """The same; on PostgreSQL nobody ends a pause that was found, until this transaction has committed."""
        return self._paused(tx, _PAUSED if tx.is_sqlite else _LASTING)

    @staticmethod
    def _paused(connection: Connection | Transaction, query: Select[Any]) -> Pause | None:
        row = connection.execute(query).mappings().first()
        return Pause(_actor(row["actor"]), row["since"], row["reason"]) if row else None

    def set_pause(self, tx: Transaction, pause: Pause) -> bool:
        """Pause everything; False when it is paused already."""
        values = {"name": PAUSE, "actor": _encode(pause.actor), "since": pause.since, "reason": pause.reason}
        try:
            with tx.attempt():
                tx.execute(insert(switch_table).values(**values))
        except IntegrityError:
            return False
        return True

    def end_pause(self, tx: Transaction) -> bool:
        """Resume; False when nothing was paused."""
        return tx.execute(delete(switch_table).where(switch_table.c.name == PAUSE)).rowcount > 0


def _lock_row(key: str, holder: Holder) -> dict[str, Any]:
    return {
        "key": key,
        "resource": same_resource(key),
        "execution_id": holder.execution_id,
        "title": holder.title,
        "actor": _encode(holder.actor),
        "since": holder.since,
    }


def _holder(row: Any) -> Holder:
    return Holder(row["key"], row["execution_id"], row["title"], _actor(row["actor"]), row["since"])


def _wish(row: Any) -> HeldWish:
    who, name, spellings, is_full_member = json.loads(row["person"])
    by = Identity(who, name, frozenset(spellings), is_full_member)
    return HeldWish(row["id"], row["holder"], row["at"], by, json.loads(row["wish"]), row["state"])


def _encode_person(by: Identity) -> str:
    return json.dumps([by.id, by.name, sorted(by.spellings), by.is_full_member])


def _encode(actor: Actor) -> str:
    return json.dumps([actor.kind, actor.id, actor.name])


def _actor(text: str) -> Actor:
    kind, actor_id, name = json.loads(text)
    return Actor(kind, actor_id, name)
