"""Where the app is installed, with its tokens sealed; and the installations that somebody has begun in a browser."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, String, Table, Text, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from audit.events import Event
from audit.store import AuditStore
from bot.slack.installations import Installation, Permitted
from bot.slack.vault import CannotOpen, Vault
from infra.db import Instant, Transaction, metadata

installation_table = Table(
    "slack_installation",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("team_id", String(32), nullable=False),
    Column("enterprise_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("app_id", String(32), nullable=False),
    Column("bot_id", String(32), nullable=False),
    Column("bot_user_id", String(32), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("installed_by", String(32), nullable=False),
    Column("installed_at", Instant, nullable=False),
    Column("token", Text, nullable=False),
    Column("refresh_token", Text, nullable=False),
    Column("expires_at", Instant, nullable=True),
    Column("removed_at", Instant, nullable=True),
    Column("removed_why", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("closed", Text, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("busy_until", Instant, nullable=True),
)

begun_table = Table(
    "slack_install_begun",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("browser", String(64), nullable=False),
    Column("until", Instant, nullable=False),
    Column("used", Integer, nullable=False),
)

UNREADABLE: Final = "its token is sealed with a key that slack_token_key does not have"
KEPT: Final = timedelta(days=1)
"""So long it is known of a state that it was used, or is too old."""
MOST_BEGUN: Final = 2_000
"""Anybody may open the page: more than so many at a time are not kept."""

_table = installation_table.c
_begun = begun_table.c


class InstallationStore:
    """Every change of a row is written together with the events that tell of it."""

    def __init__(self, audit: AuditStore, vault: Vault, permitted: Permitted) -> None:
        self._audit, self._vault, self._permitted = audit, vault, permitted

    # -- installations

    def all(self, connection: Connection) -> list[Installation]:
        """Every installation there was, by id; one that may not be, or cannot be opened, has no token and says why."""
        return [self._read(row) for row in connection.execute(_all()).mappings()]

    def get(self, tx: Transaction, installation_id: str) -> Installation | None:
        """One of them."""
        row = tx.execute(select(installation_table).where(_table.id == installation_id)).mappings().first()
        return self._read(row) if row else None

    def save(self, tx: Transaction, found: Installation, events: Sequence[Event], now: datetime) -> None:
        """Write an installation that is new, or was made anew."""
        row = {**self._written(found), "busy_until": None}
        made: Any = sqlite.insert(installation_table) if tx.is_sqlite else postgresql.insert(installation_table)
        again = {name: value for name, value in row.items() if name != "id"} | {"revision": _table.revision + 1}
        tx.execute(made.values(**row).on_conflict_do_update(index_elements=["id"], set_=again))
        self._audit.append(tx, events, now)

    def change(self, tx: Transaction, found: Installation, events: Sequence[Event], now: datetime) -> bool:
        """Write what is no token: whether it is there, what is closed to it; False when it was made anew meanwhile."""
        values = {name: self._written(found)[name] for name in ("removed_at", "removed_why", "closed")}
        gone = {"token": "", "refresh_token": "", "expires_at": None} if found.removed_at else {}
        mine = and_(_table.id == found.id, _table.revision == found.revision)
        if tx.execute(update(installation_table).where(mine).values(**values, **gone)).rowcount != 1:
            return False
        self._audit.append(tx, events, now)
        return True

    def note(self, tx: Transaction, events: Sequence[Event], now: datetime) -> None:
        """Have the trail tell of something that changed nothing here."""
        self._audit.append(tx, events, now)

    def take(self, tx: Transaction, found: Installation, now: datetime, until: datetime) -> bool:
        """Take a token for exchange; False while another process has it, or has exchanged it already."""
        is_free = or_(_table.busy_until.is_(None), _table.busy_until <= now)
        mine = and_(_table.id == found.id, _table.revision == found.revision, _table.removed_at.is_(None), is_free)
        return tx.execute(update(installation_table).where(mine).values(busy_until=until)).rowcount == 1

    def let_go(
        self, tx: Transaction, found: Installation, trouble: str, events: Sequence[Event], now: datetime
    ) -> None:
        """It was not exchanged; `trouble` when it never will be."""
        mine = and_(_table.id == found.id, _table.revision == found.revision)
        if tx.execute(update(installation_table).where(mine).values(busy_until=None, trouble=trouble)).rowcount == 1:
            self._audit.append(tx, events, now)

    def exchanged(self, tx: Transaction, new: Installation, events: Sequence[Event], now: datetime) -> bool:
        """Write the tokens of an exchange; False when somebody else wrote others meanwhile."""
        written = self._written(new)
        values = {name: written[name] for name in ("token", "refresh_token", "expires_at", "revision", "trouble")}
        mine = and_(_table.id == new.id, _table.revision == new.revision - 1)
        if tx.execute(update(installation_table).where(mine).values(**values, busy_until=None)).rowcount != 1:
            return False
        self._audit.append(tx, events, now)
        return True

    def reseal(self, tx: Transaction) -> int:
        """Seal every token with the first key; returns how many could not be opened."""
        unreadable = 0
        for row in tx.execute(_all()).mappings().all():
            try:
                values = {name: self._vault.resealed(row[name]) for name in ("token", "refresh_token")}
            except CannotOpen:
                unreadable += 1
                continue
            mine = and_(_table.id == row["id"], _table.revision == row["revision"])
            tx.execute(update(installation_table).where(mine).values(**values))
        return unreadable

    def _written(self, found: Installation) -> dict[str, Any]:
        row = {name: getattr(found, name) for name in Installation.__slots__}
        sealed = {name: self._vault.seal(row[name]) for name in ("token", "refresh_token")}
        return {**row, **sealed, "scopes": json.dumps(found.scopes), "closed": json.dumps(found.closed)}

    def _read(self, row: Mapping[str, Any] | Any) -> Installation:
        values = {name: row[name] for name in Installation.__slots__}
        values |= {name: tuple(json.loads(row[name])) for name in ("scopes", "closed")}
        try:
            values |= {name: self._vault.unseal(row[name]) for name in ("token", "refresh_token")}
        except CannotOpen:
            values |= {"token": "", "refresh_token": "", "trouble": UNREADABLE}
        found = Installation(**values)
        why = self._permitted.refusal(found)
        return replace(found, token="", refresh_token="", trouble=why) if why else found

    # -- begun in a browser

    def begin(self, tx: Transaction, key: str, browser: str, now: datetime, until: datetime) -> bool:
        """Remember a state, and in which browser it was given; False when too many are open."""
        tx.execute(delete(begun_table).where(_begun.until < now - KEPT))
        count = tx.execute(select(func.count()).where(_begun.used == 0, _begun.until >= now)).scalar() or 0
        if count >= MOST_BEGUN:
            return False
        tx.execute(begun_table.insert().values(key=key, browser=browser, until=until, used=0))
        return True

    def finish(self, tx: Transaction, key: str, browser: str, now: datetime) -> str:
        """Use a state up, whatever comes of it; why it does not count, or ""."""
        taken = update(begun_table).where(and_(_begun.key == key, _begun.used == 0)).values(used=1)
        is_first = tx.execute(taken).rowcount == 1
        row = tx.execute(select(begun_table).where(_begun.key == key)).mappings().first()
        if row is None:
            return "unknown"
        if not is_first:
            return "used"
        if row["until"] < now:
            return "late"
        return "" if row["browser"] == browser else "browser"


def _all() -> Any:
    return select(installation_table).order_by(_table.id)
