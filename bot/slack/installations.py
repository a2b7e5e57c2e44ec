"""What one installation of the app is, whom the settings let install it, what Slack's answers tell of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from audit.events import SYSTEM, Actor, Event
from bot.slack.address import split

AHEAD: Final = timedelta(hours=2)
"""So long before its end a token is exchanged; Slack gives it twelve hours."""
AT_LAST: Final = timedelta(minutes=2)
"""A token that ends sooner is exchanged before it is used."""


@dataclass(frozen=True, slots=True)
class Installation:
    """The app in one workspace, or in a whole organisation: its token, and what Slack said of it."""

    id: str
    """The organisation (E…) for which it was installed as a whole, else the workspace (T…)."""
    team_id: str
    enterprise_id: str
    name: str
    app_id: str
    bot_id: str
    bot_user_id: str
    scopes: tuple[str, ...]
    installed_by: str
    """Slack id of whoever did it."""
    installed_at: datetime
    token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    removed_at: datetime | None = None
    removed_why: str = ""
    revision: int = 1
    """Counts its tokens: whoever exchanges one says which."""
    closed: tuple[str, ...] = ()
    """Workspaces of the organisation that took the app away from themselves."""
    trouble: str = ""
    """Why its token cannot be exchanged any more."""

    @property
    def realm(self) -> str:
        """Within which user ids are unique: the organisation, or the workspace that belongs to none."""
        return self.enterprise_id or self.team_id

    @property
    def is_org_wide(self) -> bool:
        """Whether it serves every workspace of an organisation."""
        return bool(self.enterprise_id) and self.id == self.enterprise_id

    @property
    def is_live(self) -> bool:
        """Whether the bot serves it."""
        return self.removed_at is None and bool(self.token)

    def is_due(self, now: datetime, ahead: timedelta = AHEAD) -> bool:
        """Whether its token should be exchanged for a new one."""
        return bool(self.refresh_token) and self.expires_at is not None and now >= self.expires_at - ahead

    def is_over(self, now: datetime) -> bool:
        """Whether its token has ended."""
        return self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Permitted:
    """Who may install the app: `T1`, a whole organisation `E1`, or one workspace of it `E1/T1`. The first is home."""

    entries: tuple[str, ...]

    @property
    def home(self) -> str:
        """The installation whose channels and people are written without a place."""
        return split(self.entries[0])[1]

    @property
    def home_realm(self) -> str:
        """Within which the ids of the home workspace's people are unique."""
        realm, alone = split(self.entries[0])
        return realm or alone

    def refusal(self, found: Installation) -> str:
        """Why an installation may not be; "" when it may.

        A workspace of an organisation is let in by its organisation only: its people are the organisation's.
        """
        wanted = {found.realm} | ({f"{found.realm}/{found.team_id}"} if not found.is_org_wide else set())
        if wanted & set(self.entries):
            return ""
        if found.enterprise_id and found.team_id in self.entries:
            return f"it belongs to an organisation, so slack_workspaces should say {found.realm}/{found.team_id}"
        return "slack_workspaces does not name it"


class AnswerUnsound(Exception):
    """Slack's answer lacks what makes an installation."""


def read(answer: Mapping[str, Any], now: datetime) -> Installation:
    """The installation that oauth.v2.access tells of. Raises AnswerUnsound."""
    team, enterprise = _named(answer.get("team")), _named(answer.get("enterprise"))
    is_org_wide = bool(answer.get("is_enterprise_install"))
    found = enterprise if is_org_wide else team
    token, user = str(answer.get("access_token") or ""), _named(answer.get("authed_user"))
    if not token or not found[0] or answer.get("token_type") != "bot":
        raise AnswerUnsound
    return Installation(
        found[0],
        "" if is_org_wide else team[0],
        enterprise[0],
        found[1],
        str(answer.get("app_id") or ""),
        "",
        str(answer.get("bot_user_id") or ""),
        tuple(sorted(each for each in str(answer.get("scope") or "").split(",") if each)),
        user[0],
        now,
        token,
        str(answer.get("refresh_token") or ""),
        _end(answer, now),
    )


def renewed(old: Installation, answer: Mapping[str, Any], now: datetime) -> Installation:
    """The installation with the tokens of an exchange. Raises AnswerUnsound."""
    token = str(answer.get("access_token") or "")
    if not token or answer.get("token_type") != "bot":
        raise AnswerUnsound
    refresh = str(answer.get("refresh_token") or "")
    return replace(
        old, token=token, refresh_token=refresh, expires_at=_end(answer, now), revision=old.revision + 1, trouble=""
    )


def _end(answer: Mapping[str, Any], now: datetime) -> datetime | None:
    seconds = answer.get("expires_in")
    return now + timedelta(seconds=int(seconds)) if isinstance(seconds, int) and seconds > 0 else None


def _named(value: object) -> tuple[str, str]:
    """(id, name) of a member of Slack's answer."""
    found = value if isinstance(value, Mapping) else {}
    return str(found.get("id") or ""), str(found.get("name") or "")


# -- as the trail tells it; never with a token


def told(name: str, of: Installation, *, by: Actor = SYSTEM, **more: str) -> Event:
    """An event about an installation."""
    return Event(f"workspace.{name}", "", by, {"workspace": of.id, "name": of.name, **more})


def installer(of: Installation) -> Actor:
    """Whoever installed it, as the trail names them."""
    return Actor("person", f"slack:{of.realm}/{of.installed_by}") if of.installed_by else SYSTEM


def missing(scopes: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes that were not granted."""
    return tuple(sorted(set(scopes) - set(granted)))
