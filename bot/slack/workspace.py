"""Which workspace the bot serves: what the settings say, else what Slack says, asked until it answers."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from slack_sdk import WebClient

from bot.slack.client import NO_ANSWER
from infra.clock import Clock

log = structlog.get_logger()

ASK_AGAIN: Final = timedelta(seconds=5)


class Workspace:
    """Team, enterprise and address of the workspace. Until the team is known, nobody is at home in it."""

    def __init__(self, client: WebClient, clock: Clock, *, team_id: str = "", app_id: str = "") -> None:
        self._client, self._clock = client, clock
        self._given, self.app_id = team_id, app_id
        self._team_id, self._enterprise_id, self._url = "", "", ""
        self.bot_id, self.bot_user_id = "", ""
        self._asked_at: datetime | None = None
        self._lock = threading.Lock()

    @property
    def team_id(self) -> str:
        """The team the settings name, else the token's; "" while Slack does not say."""
        if not self._given and not self._team_id:
            self.learn()
        return self._given or self._team_id

    @property
    def url(self) -> str:
        """The workspace's address, with a slash at its end; "" while Slack does not say."""
        if not self._url:
            self.learn()
        return self._url

    @property
    def enterprise_id(self) -> str:
        """The organisation the workspace is part of; "" for none."""
        return self._enterprise_id

    def learn(self) -> None:
        """Ask Slack who the bot is, unless it was asked a moment ago."""
        with self._lock:
            now = self._clock()
            if self._asked_at is not None and now - self._asked_at < ASK_AGAIN:
                return
            self._asked_at = now
        try:
            found = self._client.auth_test()
        except NO_ANSWER as error:
            log.warning("Slack does not say who we are yet; links are left out", error=str(error))
            return
        self._url, self._enterprise_id = str(found.get("url") or ""), str(found.get("enterprise_id") or "")
        self.bot_id, self.bot_user_id = str(found.get("bot_id") or ""), str(found.get("user_id") or "")
        self._team_id = str(found.get("team_id") or "")

    def is_ours(self, team_id: str, enterprise_id: str = "") -> bool:
        """Whether a team is the bot's, or of the organisation for which the bot was installed."""
        ours = self.team_id
        if not ours:
            return False
        return team_id == ours or (bool(enterprise_id) and enterprise_id in (ours, self._enterprise_id))

    def foreign(self, body: Mapping[str, Any]) -> str:
        """Why a request is not for this app in this workspace, or ""."""
        app_id = str(body.get("api_app_id") or "")
        if self.app_id and app_id and app_id != self.app_id:
            return f"request for another app: {app_id}"
        team_id, enterprise_id = _team_of(body)
        if not team_id and not enterprise_id:
            return ""
        if self.team_id and not self.is_ours(team_id, enterprise_id):
            return f"request of another workspace: {team_id or enterprise_id}"
        return ""


def _team_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """(team, enterprise) a request is for. An event's own team may be another one's, in a shared channel."""
    authorizations = body.get("authorizations")
    if isinstance(authorizations, list) and authorizations and isinstance(authorizations[0], Mapping):
        body = authorizations[0]
    return _id(body, "team"), _id(body, "enterprise")


def _id(body: Mapping[str, Any], what: str) -> str:
    nested = body.get(what)
    return str(body.get(f"{what}_id") or (nested.get("id") if isinstance(nested, Mapping) else "") or "")
