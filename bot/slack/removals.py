"""Listeners for what becomes of an installation at Slack: uninstalled, its tokens revoked, closed to a workspace."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt import Ack, App

from audit.events import Event
from bot.slack.door import SlackDoor
from bot.slack.installations import Installation, told
from bot.slack.workspace import asked_of
from bot.slack.workspaces import Workspaces

log = structlog.get_logger()


class RemovalListeners:
    """Each event once: repeated, it finds nothing to change. Messages stay, set aside until the app is back."""

    def __init__(self, door: SlackDoor, workspaces: Workspaces) -> None:
        self._door, self._workspaces = door, workspaces

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("app_uninstalled")(self.uninstalled)
        app.event("tokens_revoked")(self.revoked)
        app.event("team_access_granted")(self.opened)
        app.event("team_access_revoked")(self.closed)

    def uninstalled(self, ack: Ack, body: dict[str, Any]) -> None:
        """The app was removed from a workspace or an organisation."""
        self._remove(body, "the app was uninstalled")
        ack()

    def revoked(self, ack: Ack, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Tokens were revoked; only the bot's own matter."""
        tokens = event.get("tokens")
        if isinstance(tokens, Mapping) and tokens.get("bot"):
            self._remove(body, "its token was revoked")
        ack()

    def opened(self, ack: Ack, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Workspaces of an organisation got access to the app."""
        self._reach(body, lambda closed: closed - _teams(event), told_as="opened")
        ack()

    def closed(self, ack: Ack, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Workspaces of an organisation lost access to the app."""
        self._reach(body, lambda closed: closed | _teams(event), told_as="closed")
        ack()

    def _remove(self, body: Mapping[str, Any], why: str) -> None:
        def removed(found: Installation) -> tuple[Installation, Event] | None:
            if found.removed_at is not None or _is_of_before(body, found):
                return None
            gone = replace(found, removed_at=self._door.clock(), removed_why=why)
            return gone, told("removed", found, reason=why)

        found = self._change(body, removed)
        if found is not None:
            log.warning(
                "workspace removed; what waits for it is set aside", workspace=found.id, name=found.name, why=why
            )

    def _reach(
        self, body: Mapping[str, Any], change: Callable[[frozenset[str]], frozenset[str]], *, told_as: str
    ) -> None:
        def reached(found: Installation) -> tuple[Installation, Event] | None:
            closed = tuple(sorted(change(frozenset(found.closed))))
            if closed == found.closed or not found.is_org_wide:
                return None
            teams = ", ".join(sorted(set(closed) ^ set(found.closed)))
            return replace(found, closed=closed), told(told_as, found, teams=teams)

        self._change(body, reached)

    def _change(
        self, body: Mapping[str, Any], change: Callable[[Installation], tuple[Installation, Event] | None]
    ) -> Installation | None:
        """Change the installation that an event is about; what was changed, or None."""
        store, now = self._workspaces.tokens.store, self._door.clock()
        with self._door.db.transaction() as tx:
            found = next((each for name in asked_of(body) if name and (each := store.get(tx, name))), None)
            changed = change(found) if found is not None else None
            is_done = changed is not None and store.change(tx, changed[0], [changed[1]], now)
        self._workspaces.tokens.forget()
        return found if is_done else None


def _is_of_before(body: Mapping[str, Any], found: Installation) -> bool:
    """Whether an event that comes late speaks of an installation that has been made anew since."""
    at = body.get("event_time")
    return isinstance(at, int) and at + 1 < found.installed_at.timestamp()


def _teams(event: Mapping[str, Any]) -> frozenset[str]:
    teams = event.get("team_ids")
    return frozenset(str(each) for each in teams) if isinstance(teams, list) else frozenset()
