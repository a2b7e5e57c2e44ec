"""Listeners of events: the App Home, mentions, and people who change."""

from typing import Any

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.blocks import answers
from bot.slack.blocks import home as home_blocks
from bot.slack.door import SlackDoor
from bot.slack.identity import Stranger

log = structlog.get_logger()


class HomeListeners:
    """Nothing here decides anything."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("app_home_opened")(self.opened)
        app.event("app_mention")(self.mentioned)
        for name in ("user_change", "subteam_members_changed", "subteam_updated"):
            app.event(name)(self.changed)
        app.event("message")(self.ignored)

    def opened(self, ack: Ack, event: dict[str, Any], client: WebClient) -> None:
        """Publish the App Home of whoever opened it."""
        ack()
        user = str(event.get("user") or "")
        try:
            by = self._door.people.identify(user)
        except Stranger as stranger:
            log.info("home not shown", user=user, reason=str(stranger))
            return
        queries = self._door.queries
        approvals, executions = queries.open_approvals(), queries.executions(limit=8)
        links = self._door.links([*(each.execution_id for each in approvals), *(each.id for each in executions)])
        view = home_blocks.home(approvals, executions, queries.playbooks(by), links)
        try:
            client.views_publish(user_id=user, view=view)
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("home not published", error=str(error))

    def mentioned(self, ack: Ack, event: dict[str, Any], client: WebClient) -> None:
        """A mention gets the help, in its thread: slash commands do not work there."""
        ack()
        try:
            client.chat_postMessage(
                channel=str(event["channel"]),
                thread_ts=str(event.get("thread_ts") or event["ts"]),
                text=answers.help_text(self._door.command),
            )
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("mention not answered", error=str(error))

    def changed(self, ack: Ack, event: dict[str, Any]) -> None:
        """A person or a group has changed: ask anew."""
        ack()
        user = event.get("user")
        self._door.people.forget(str(user.get("id") or "") if isinstance(user, dict) else "")

    def ignored(self, ack: Ack) -> None:
        """Messages are not commands."""
        ack()
