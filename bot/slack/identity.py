"""Who a Slack user is: asked of Slack, remembered for a minute, denied where Slack cannot be asked."""

import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.error import URLError

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from infra.clock import Clock
from playbooks.people import Directory, Identity

log = structlog.get_logger()

FRESH: Final = timedelta(seconds=60)
NO_ANSWER = (SlackClientError, URLError, OSError, TimeoutError)


class Stranger(Exception):
    """The user may do nothing here; the message is a sentence for them."""


@dataclass(frozen=True, slots=True)
class _Known:
    at: datetime
    identity: Identity | None
    why: str = ""


class People:
    """Resolves Slack users. `groups` are the ids of user groups that any list names; only those are asked for."""

    def __init__(
        self, client: WebClient, directory: Directory, clock: Clock, *, team_id: str, groups: Collection[str] = ()
    ) -> None:
        self._client, self._directory, self._clock = client, directory, clock
        self._team_id, self._groups = team_id, frozenset(groups)
        self._users: dict[str, _Known] = {}
        self._members: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def identify(self, user_id: str, *, team_id: str = "") -> Identity:
        """The person behind a user id. Raises Stranger with a sentence.

        `team_id` is the team the payload says the user is of; a foreign one is refused.
        """
        if team_id and self._team_id and team_id != self._team_id:
            raise Stranger("You belong to another workspace, so you cannot do this here.")
        now = self._clock()
        known = self._users.get(user_id)
        if known is None or now - known.at > FRESH:
            known = self._asked(user_id, now)
            with self._lock:
                self._users[user_id] = known
        if known.identity is None:
            raise Stranger(known.why)
        return known.identity

    def forget(self, user_id: str = "") -> None:
        """Ask anew next time: a person or a group has changed."""
        with self._lock:
            if user_id:
                self._users.pop(user_id, None)
            else:
                self._users.clear()
            self._members.clear()

    def _asked(self, user_id: str, now: datetime) -> _Known:
        try:
            user = self._client.users_info(user=user_id)["user"]
        except SlackApiError as error:
            log.warning("user not found", user=user_id, error=str(error.response.get("error")))
            return _Known(now, None, "I cannot find out who you are, so nothing was done.")
        except NO_ANSWER as error:
            log.warning("Slack cannot be asked who a user is", user=user_id, error=str(error))
            return _Known(now - FRESH, None, "Slack does not tell me who you are right now, so nothing was done.")
        return self._judged(user_id, user, now)

    def _judged(self, user_id: str, user: Any, now: datetime) -> _Known:
        if user.get("deleted"):
            return _Known(now, None, "Your account is deactivated, so nothing was done.")
        if user.get("is_bot") or user_id == "USLACKBOT":
            return _Known(now, None, "Bots may not do this.")
        team = str(user.get("team_id") or self._team_id)
        if self._team_id and team != self._team_id and not user.get("enterprise_user"):
            return _Known(now, None, "You belong to another workspace, so you cannot do this here.")
        is_guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted") or user.get("is_stranger"))
        profile = user.get("profile") or {}
        name = str(profile.get("real_name") or user.get("real_name") or user.get("name") or "")
        groups = [group for group in sorted(self._groups) if user_id in self._group(group, now)]
        identity = self._directory.slack(
            self._team_id or team, user_id, name=name, groups=groups, is_full_member=not is_guest
        )
        return _Known(now, identity)

    def _group(self, group: str, now: datetime) -> frozenset[str]:
        known = self._members.get(group)
        if known is not None and now - known[0] <= FRESH:
            return known[1]
        try:
            users = frozenset(str(user) for user in self._client.usergroups_users_list(usergroup=group)["users"])
        except (SlackApiError, *NO_ANSWER) as error:
            log.warning("user group cannot be read, nobody is taken for a member", group=group, error=str(error))
            users = frozenset()
        with self._lock:
            self._members[group] = (now, users)
        return users
