"""Which workspace the bot serves: what the settings say, else what Slack says, asked until it answers."""

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from slack_sdk import WebClient

from bot.slack.address import joined
from bot.slack.client import NO_ANSWER
from bot.slack.installations import Installation
from infra.clock import Clock

log = structlog.get_logger()

ASK_AGAIN: Final = timedelta(seconds=5)


class Workspace:
    """Team, enterprise and address of the workspace. Until the team is known, nobody is at home in it."""

    def __init__(
        self,
        client: WebClient,
        clock: Clock,
        *,
        team_id: str = "",
        app_id: str = "",
        place: str = "",
        installed: Installation | None = None,
    ) -> None:
        """Of the only workspace, or of one that the app is `installed` in; then `place` is how addresses name it."""
        self.client, self._clock = client, clock
        self._given, self.app_id, self.place = team_id, app_id, place
        self._team_id, self._enterprise_id, self._url = "", installed.enterprise_id if installed else "", ""
        self.bot_id, self.bot_user_id = "", ""
        if installed is not None:
            self.bot_id, self.bot_user_id = installed.bot_id, installed.bot_user_id
        self.is_org_wide = installed is not None and installed.is_org_wide
        self._realm = installed.realm if installed else ""
        self._asked_at: datetime | None = None
        self._lock = threading.Lock()

    @property
    def team_id(self) -> str:
        """The team the settings name, else the token's; "" while Slack does not say."""
        if not self._given and not self._team_id:
            self.learn()
        return self._given or self._team_id

    @property
    def realm(self) -> str:
        """Within which user ids are unique; "" while Slack does not say."""
        return self._realm or self.team_id

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
            found = self.client.auth_test()
        except NO_ANSWER as error:
            log.warning("Slack does not say who we are yet; links are left out", error=str(error))
            return
        self._url = str(found.get("url") or "")
        self._enterprise_id = str(found.get("enterprise_id") or "") or self._enterprise_id
        self.bot_id, self.bot_user_id = str(found.get("bot_id") or ""), str(found.get("user_id") or "")
        self._team_id = str(found.get("team_id") or "")

    def of(self, _body: Mapping[str, Any]) -> "Workspace":
        """The workspace that a request is of: the only one."""
        return self

    def of_ids(self, _team_id: str, _enterprise_id: str) -> "Workspace | None":
        """The workspace that these ids mean: the only one."""
        return self

    def at(self, _place: str) -> "Workspace | None":
        """The workspace of an address: the only one."""
        return self

    def address(self, thing: str) -> str:
        """How a channel, a user or a group of this workspace is written among those of several."""
        return joined(self.place, thing)

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
        team_id, enterprise_id = asked_of(body)
        if not team_id and not enterprise_id:
            return ""
        if self.team_id and not self.is_ours(team_id, enterprise_id):
            return f"request of another workspace: {team_id or enterprise_id}"
        return ""


def asked_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """(team, enterprise) a request is for. An event's own team may be another one's, in a shared channel.

    Installed for an organisation, the app may get requests without a team; then the one of the user or view counts.
    """
    authorizations = body.get("authorizations")
    if isinstance(authorizations, list) and authorizations and isinstance(authorizations[0], Mapping):
        body = authorizations[0]
    view, team, user = _member(body, "view"), _member(body, "team"), _member(body, "user")
    installed_in = str(view.get("app_installed_team_id") or "")
    enterprise = _id(body, "enterprise") or str(team.get("enterprise_id") or "")
    found = installed_in or _id(body, "team")
    if not found and enterprise:
        found = str(user.get("team_id") or view.get("team_id") or "")
    return found, enterprise


def _id(body: Mapping[str, Any], what: str) -> str:
    return str(body.get(f"{what}_id") or _member(body, what).get("id") or "")


def _member(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}
