"""Listeners of events: the App Home, mentions, and people who change."""

from typing import Any

import structlog
from slack_bolt import Ack, App

from bot.slack.blocks import answers
from bot.slack.door import SlackDoor
from bot.slack.store import BELOW, DECISIONS, HOME, TEXT

log = structlog.get_logger()


class HomeListeners:
    """Nothing here decides anything; what is to be shown goes through the outbox."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("app_home_opened")(self.opened)
        app.event("app_mention")(self.mentioned)
        for name in ("user_change", "subteam_members_changed", "subteam_updated"):
            app.event(name)(self.changed)
        app.event("message")(self.ignored)

    def opened(self, ack: Ack, event: dict[str, Any]) -> None:
        """Have the App Home of whoever opened it published."""
        user, door = str(event.get("user") or ""), self._door
        if user and event.get("tab", "home") == "home":
            with door.db.transaction() as tx:
                door.store.want(
                    tx, f"home:{user}", kind=HOME, subject=user, channel=user, now=door.clock(), lane=DECISIONS
                )
        ack()

    def mentioned(self, ack: Ack, event: dict[str, Any]) -> None:
        """A mention gets the help, in its thread: slash commands do not work there. Told twice, it is answered once."""
        channel, ts, door = str(event.get("channel") or ""), str(event.get("ts") or ""), self._door
        if channel and ts and not event.get("bot_id"):
            with door.db.transaction() as tx:
                door.store.want(
                    tx,
                    f"mention:{channel}:{ts}",
                    kind=TEXT,
                    subject="",
                    channel=channel,
                    now=door.clock(),
                    lane=DECISIONS,
                    thread_key=f"{BELOW}{event.get('thread_ts') or ts}",
                    text=answers.help_text(door.command),
                )
        ack()

    def changed(self, ack: Ack, event: dict[str, Any]) -> None:
        """A person or a group has changed: ask anew."""
        user = event.get("user")
        self._door.people.forget(str(user.get("id") or "") if isinstance(user, dict) else "")
        ack()

    def ignored(self, ack: Ack) -> None:
        """Messages are not commands."""
        ack()
