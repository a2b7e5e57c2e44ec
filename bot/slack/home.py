"""The App Home: published when somebody opens it, searches in it, or when what it shows has changed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import structlog
from slack_bolt import Ack, App

from audit.trail import Entry
from bot.slack.address import split
from bot.slack.blocks import home as home_blocks
from bot.slack.door import SlackDoor, sender_of
from bot.slack.identity import Stranger
from bot.slack.store import DECISIONS, HOME, SlackMessage, SlackStore
from infra.clock import Clock
from infra.db import Transaction
from playbooks.desk import Desk, divided, filtered

log = structlog.get_logger()

LATEST_RUNS: Final = 5
RUNNING: Final = 20
OTHERS: Final = 20
LATEST_ALARMS: Final = 8
LOOKED_AT: Final = timedelta(hours=12)
"""A home that was opened so long ago is published anew when it is opened again, not before."""
MOVING: Final = frozenset(
    {"approval.asked", "approval.concluded", "approval.decided", "execution.started", "execution.ended",
     "alarm.received"}
)  # fmt: skip
"""Events that change what homes show."""


class HomeListeners:
    """Nothing here decides anything; what is to be shown goes through the outbox."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("app_home_opened")(self.opened)
        app.action(home_blocks.SEARCH)(self.searched)
        for name in ("user_change", "subteam_members_changed", "subteam_updated"):
            app.event(name)(self.changed)
        app.event("message")(self.ignored)

    def opened(self, ack: Ack, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Have the App Home of whoever opened it published."""
        user = str(event.get("user") or "")
        if user and event.get("tab", "home") == "home":
            self._publish(self._door.address(body, user), "")
        ack()

    def searched(self, ack: Ack, body: dict[str, Any]) -> None:
        """Have it published with the playbooks that fit what was typed."""
        user = sender_of(body)
        if user:
            self._publish(self._door.address(body, user), home_blocks.searched(body))
        ack()

    def _publish(self, address: str, search: str) -> None:
        door, user = self._door, split(address)[1]
        with door.db.transaction() as tx:
            door.store.want(
                tx,
                f"home:{address}",
                kind=HOME,
                subject=user,
                channel=address,
                now=door.clock(),
                lane=DECISIONS,
                text=search,
            )

    def changed(self, ack: Ack, event: dict[str, Any]) -> None:
        """A person or a group has changed: ask anew."""
        user = event.get("user")
        self._door.people.forget(str(user.get("id") or "") if isinstance(user, dict) else "")
        ack()

    def ignored(self, ack: Ack) -> None:
        """Messages are not commands."""
        ack()


def home_of(door: SlackDoor, message: SlackMessage) -> Mapping[str, Any] | None:
    """The home of one person, as things are now; None for a stranger."""
    try:
        by = door.people.identify(message.subject, place=message.team)
    except Stranger as stranger:
        log.info("home not shown", user=message.subject, reason=str(stranger))
        return None
    queries, may_see = door.queries, door.operations.may_see
    mine, of_others = divided(queries.open_approvals(), by)
    others = tuple(each for each in of_others[:OTHERS] if may_see(queries.execution(each.execution_id), by))
    desk = Desk(
        mine,
        others,
        tuple(each for each in queries.executions(limit=RUNNING, is_open=True) if may_see(each, by)),
        tuple(queries.runs_of(by, limit=LATEST_RUNS)),
        tuple(queries.alarms(limit=LATEST_ALARMS)),
        filtered(queries.playbooks(by), message.text),
        message.text,
    )
    shown = [*(each.execution_id for each in (*mine, *others)), *(each.id for each in (*desk.running, *desk.runs))]
    return {"view": home_blocks.home(desk, door.links(shown))}


class Homes:
    """Has homes repainted that people looked at lately, when what they show has changed."""

    def __init__(self, store: SlackStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """Called by the relay with each event, once or more."""
        if entry.event.name in MOVING:
            now = self._clock()
            self._store.repaint_homes(tx, now, since=now - LOOKED_AT)
