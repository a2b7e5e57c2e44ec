"""Who a Slack user is: asked of Slack, remembered for a minute, denied where Slack cannot be asked."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.address import split
from bot.slack.blocks import strangers
from bot.slack.blocks.strangers import NOT_NOW, OUTSIDER
from bot.slack.client import LOCKED_OUT, NO_ANSWER, code_of, is_unsure, retry_after
from bot.slack.workspace import Workspace
from infra.clock import Clock
from playbooks.people import Directory, Identity, Unidentified

log = structlog.get_logger()

FRESH: Final = timedelta(seconds=60)
SECOND_LOOK: Final = timedelta(seconds=3)
"""What is known may be no older when an answer lets something go on: Slack announces that somebody left a group to one
process only. Not less, as Slack lets the members of groups be asked for some twenty times a minute.
"""


@dataclass(frozen=True, slots=True)
class Joining:
    """How a Slack user that the table does not name may be joined to a person of it; by default not at all.

    Never by a name, which everybody chooses for themselves.
    """

    profile_field: str = ""
    """Id of a custom field of the profile (Xf…) that the identity provider fills with the person's id."""
    by_email: bool = False
    """Whether the address in the profile may do it."""
    guests: bool = False
    """Whether guests may do what a list names them for."""


class Stranger(Unidentified):
    """The user may do nothing here; the message is a sentence for them."""


class NotNow(Stranger):
    """Slack does not say who it is."""

    is_passing = True


class _Unknown(Exception):
    """Slack did not answer: nothing to remember."""


@dataclass(frozen=True, slots=True)
class _Known:
    at: datetime
    identity: Identity | None
    why: str = ""


class People:
    """Resolves Slack users. `groups` are the ids of user groups that any list names; only those are asked for."""

    def __init__(
        self,
        client: WebClient,
        directory: Directory,
        clock: Clock,
        *,
        workspace: Workspace,
        groups: Collection[str] = (),
        joining: Joining | None = None,
        second_look: timedelta = SECOND_LOOK,
    ) -> None:
        self._joining, self._second_look = joining or Joining(), second_look
        self._client, self._directory, self._clock = client, directory, clock
        self._workspace, self._groups = workspace, frozenset(groups)
        self._users: dict[str, _Known] = {}
        self._members: dict[str, tuple[datetime, frozenset[str]]] = {}
        self._changes = 0
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}

    def identify(self, user_id: str, *, team_id: str = "", enterprise_id: str = "", place: str = "") -> Identity:
        """The person behind a user id. Raises Stranger with a sentence.

        `team_id` and `enterprise_id` are those the payload says the user is of; foreign ones are refused.
        `place` says of which workspace the request is, where there are several.
        """
        return self._identified(user_id, team_id, enterprise_id, FRESH)

    def anew(self, user_id: str, *, team_id: str = "") -> Identity:
        """The same as Slack knows them now, for a second look. Raises Stranger, NotNow."""
        return self._identified(user_id, team_id, "", self._second_look)

    def attested(self, account: str) -> Identity:
        """The person behind `slack:TEAM/USER` as Slack knows them now. Raises Stranger, NotNow."""
        team, _, user = account.removeprefix("slack:").partition("/")
        return self.anew(user, team_id=team)

    def _identified(self, user_id: str, team_id: str, enterprise_id: str, fresh: timedelta) -> Identity:
        """By what Slack has said at most so long ago."""
        if not user_id:
            raise Stranger(strangers.NOBODY)
        if not self._workspace.team_id:
            raise NotNow(NOT_NOW)
        if team_id and not self._workspace.is_ours(team_id, enterprise_id) and not self._workspace.enterprise_id:
            raise Stranger(OUTSIDER)
        known = self._known(user_id, fresh) or self._asked_once(user_id, fresh)
        if known.identity is None:
            raise NotNow(NOT_NOW) if known.why == NOT_NOW else Stranger(known.why)
        return known.identity

    def forget(self, user_id: str = "") -> None:
        """Ask anew next time: a person or a group has changed."""
        with self._lock:
            self._changes += 1
            if user_id:
                self._users.pop(user_id, None)
            else:
                self._users.clear()
                self._members.clear()

    def _known(self, user_id: str, fresh: timedelta) -> _Known | None:
        known = self._users.get(user_id)
        return known if known is not None and timedelta(0) <= self._clock() - known.at <= fresh else None

    def _asked_once(self, user_id: str, fresh: timedelta) -> _Known:
        """Many clicks of one person ask Slack once."""
        with self._lock:
            asking = self._asking.setdefault(user_id, threading.Lock())
            changes = self._changes
        with asking:
            known = self._known(user_id, fresh)
            if known is not None:
                return known
            try:
                known = self._asked(user_id, self._clock(), fresh)
            except _Unknown:
                return _Known(self._clock(), None, NOT_NOW)
            with self._lock:
                # What was said to have changed while it was asked for is not remembered.
                if changes == self._changes:
                    self._users[user_id] = known
            return known

    def _asked(self, user_id: str, now: datetime, fresh: timedelta) -> _Known:
        try:
            user = self._client.users_info(user=user_id)["user"]
        except SlackApiError as error:
            log.warning("user not found", user=user_id, error=code_of(error))
            if _is_passing(error):
                raise _Unknown from error
            return _Known(now, None, strangers.UNKNOWN)
        except NO_ANSWER as error:
            log.warning("Slack cannot be asked who a user is", user=user_id, error=str(error))
            raise _Unknown from error
        return self._judged(user_id, user, now, fresh)

    def _judged(self, user_id: str, user: Mapping[str, Any], now: datetime, fresh: timedelta) -> _Known:
        if user.get("deleted"):
            return _Known(now, None, strangers.DEACTIVATED)
        if user.get("is_bot") or user.get("is_workflow_bot") or user_id == "USLACKBOT":
            return _Known(now, None, strangers.BOT)
        team = str(user.get("team_id") or self._workspace.team_id)
        enterprise = str((user.get("enterprise_user") or {}).get("enterprise_id") or "")
        if user.get("is_stranger") or not self._workspace.is_ours(team, enterprise):
            return _Known(now, None, OUTSIDER)
        is_guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
        if is_guest and not self._joining.guests:
            return _Known(now, None, strangers.GUEST)
        profile = user.get("profile") or {}
        name = str(profile.get("real_name") or user.get("real_name") or user.get("name") or "")
        team = team if self._workspace.is_org_wide else ""
        groups = [group for group in self._mine() if user_id in self._group(group, team, now, fresh)]
        identity = self._directory.slack(
            self._workspace.realm,
            user_id,
            name=name,
            groups=groups,
            is_full_member=not is_guest,
            joined=self._joined(user_id, profile),
        )
        return _Known(now, identity)

    def _mine(self) -> list[str]:
        """The user groups of this workspace that lists name, as they name them."""
        spelled = self._directory.spelled
        return [each for each in sorted(self._groups) if spelled(self._workspace.realm, split(each)[1]) == each]

    def _joined(self, user_id: str, profile: Mapping[str, Any]) -> tuple[str, str]:
        """(id of a person, why) by what the identity provider has put into the profile. Raises _Unknown."""
        spelled = self._directory.spelled(self._workspace.realm, user_id)
        if any(spelled in person.slack_users for person in self._directory.people):
            return "", ""
        if self._joining.profile_field:
            value = self._profile_value(user_id, self._joining.profile_field)
            if value:
                return value, strangers.joined_by_field(self._joining.profile_field, value)
        email = str(profile.get("email") or "") if self._joining.by_email else ""
        person = next((each.id for each in self._directory.people if email and each.is_at(email)), "")
        if person:
            return person, strangers.joined_by_email(email)
        return "", ""

    def members(self, group: str) -> frozenset[str] | None:
        """Who is in a user group, as far as Slack was asked; None = it was not. Nobody is asked here."""
        known = (users for key, (_, users) in list(self._members.items()) if key == group or key.endswith(f"/{group}"))
        return next(known, None)

    def _profile_value(self, user_id: str, field_id: str) -> str:
        try:
            profile = self._client.users_profile_get(user=user_id)["profile"]
        except SlackApiError as error:
            log.warning("profile cannot be read, nobody is joined by it", user=user_id, error=code_of(error))
            if _is_passing(error):
                raise _Unknown from error
            return ""
        except NO_ANSWER as error:
            log.warning("profile cannot be read", user=user_id, error=str(error))
            raise _Unknown from error
        fields = profile.get("fields") or {}
        return str((fields.get(field_id) or {}).get("value") or "").strip()

    def _group(self, group: str, team: str, now: datetime, fresh: timedelta) -> frozenset[str]:
        """Its members. Raises _Unknown: who is in it must not be guessed, and must not be remembered as nobody.

        Installed for an organisation, the app must say whose groups it asks for: of the user's `team`.
        """
        known = self._members.get(f"{team}/{group}")
        if known is not None and timedelta(0) <= now - known[0] <= fresh:
            return known[1]
        try:
            answer = self._client.usergroups_users_list(usergroup=split(group)[1], team_id=team or None)
            users = frozenset(str(user) for user in answer["users"])
        except SlackApiError as error:
            log.warning("user group cannot be read, nobody is taken for a member", group=group, error=code_of(error))
            if _is_passing(error):
                raise _Unknown from error
            users = frozenset()
        except NO_ANSWER as error:
            log.warning("user group cannot be read", group=group, error=str(error))
            raise _Unknown from error
        with self._lock:
            self._members[f"{team}/{group}"] = (now, users)
        return users


def _is_passing(error: SlackApiError) -> bool:
    """Whether Slack may answer differently in a moment."""
    is_locked_out = code_of(error) in LOCKED_OUT and code_of(error) != "missing_scope"
    return is_unsure(error) or is_locked_out or retry_after(error) is not None
