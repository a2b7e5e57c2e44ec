"""Whether Slack takes our tokens, grants what the manifest asks for, and has the channels and people we name."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.address import split
from bot.slack.client import LIMITED, UNSURE
from bot.slack.manifest import OPTIONAL_SCOPES, SCOPES
from infra.check import Check, Moment, moment_in
from infra.clock import Clock
from infra.settings import Settings

TIMEOUT_SECONDS: Final = 5
MOST_PEOPLE: Final = 50
NOT_SERVED: Final = "is of a workspace that is not served (slack_workspaces)"
CHANNEL_ID: Final = re.compile(r"[CGD][A-Z0-9]{2,}")
REAL_SECRET: Final = re.compile(r"[0-9a-f]{32}")
REAL_SLACK: Final = "https://slack.com/"
REINSTALL: Final = (
    "reinstall the app at api.slack.com/apps, and set slack_bot_token to its Bot User OAuth Token (xoxb-…)"
)
GET_APP_LEVEL: Final = (
    "at api.slack.com/apps, Basic Information, App-Level Tokens: generate one with connections:write and set "
    "slack_app_token to it (xapp-…)"
)
SOCKET_MODE: Final = "switch Socket Mode on at api.slack.com/apps (Socket Mode), or use signed HTTP: slack_mode: http"
ABOUT_THAT_TOKEN: Final = frozenset(
    {"invalid_auth", "missing_scope", "not_allowed_token_type", "not_authed", "token_expired", "token_revoked"}
)


@dataclass(frozen=True, slots=True)
class SlackFound:
    """Findings; and who is behind the Slack ids that lists name, as far as Slack said."""

    checks: tuple[Check, ...] = ()
    moments: tuple[Moment, ...] = ()
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """User group -> its users."""
    gone: Mapping[str, str] = field(default_factory=dict)
    """User or user group -> why it stands for nobody."""


class Unanswered(Exception):
    """Slack did not do it; `code` is its error code, or "" where there was no answer."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class SlackCheckup:
    """One look at the workspace. `channels` and `listed` are the ids that settings and playbooks name."""

    settings: Settings
    clock: Clock
    channels: Collection[str]
    listed: Collection[str]

    def look(self) -> SlackFound:
        """Ask Slack; what needs the bot's token is only asked once it was taken."""
        if self.settings.slack_mode == "off":
            return SlackFound((self._off(),))
        receiving = (self.way_in(),)
        client = client_of(self.settings, self.settings.slack_bot_token.get_secret_value())
        try:
            answer = asked(client.auth_test)
        except Unanswered as error:
            fix = REINSTALL if error.code else "see that this machine reaches slack.com (proxy, firewall, name service)"
            return SlackFound((Check("Slack token", ok=False, detail=str(error), fix=fix), *receiving))
        moments = moment_in(answer.headers, "Slack", self.clock)
        told = (self._token(answer), scopes_of(answer.headers), *receiving)
        channels = [channel_seen_by(client, channel) for channel in self.channels] or [no_channel()]
        here = [each for each in self.listed if not split(each)[0]]
        members, gone = people_behind(client, here)
        gone |= {each: NOT_SERVED for each in self.listed if each not in here}
        return SlackFound((*told, *channels), moments, members, gone)

    def way_in(self) -> Check:
        """How requests come."""
        return self._socket() if self.settings.slack_mode == "socket" else self._secret()

    def _off(self) -> Check:
        if "slack_mode" in self.settings.model_fields_set:
            return Check("Slack", ok=True, detail="off, as the settings say: terminal and alarms only")
        fix = "playbook-bot manifest, paste it at api.slack.com/apps, set the tokens; or say slack_mode: off"
        return Check("Slack", ok=False, detail="there are no tokens, so Slack is off", fix=fix)

    def _token(self, answer: Any) -> Check:
        team, wanted = str(answer.get("team_id") or ""), self.settings.slack_team_id
        if wanted and wanted not in (team, str(answer.get("enterprise_id") or "")):
            detail = f"the token is of workspace {team} ({answer.get('url', '')}), the settings say {wanted}"
            return Check("Slack token", ok=False, detail=detail, fix="correct slack_team_id or slack_bot_token")
        detail = f"{answer.get('user', '?')} in {answer.get('team', '?')} ({team})"
        return Check("Slack token", ok=True, detail=detail)

    def _socket(self) -> Check:
        token = self.settings.slack_app_token.get_secret_value()
        parts, app = token.split("-"), self.settings.slack_app_id
        if app and len(parts) > 3 and parts[2][:1] == "A" and parts[2] != app:
            detail = f"slack_app_token is of app {parts[2]}, slack_app_id says {app}"
            return Check("Slack socket", ok=False, detail=detail, fix="correct one of them")
        client = client_of(self.settings, token)
        try:
            asked(lambda: client.apps_connections_open(app_token=token))
        except Unanswered as error:
            fix = GET_APP_LEVEL if error.code in ABOUT_THAT_TOKEN else SOCKET_MODE
            return Check("Slack socket", ok=False, detail=str(error), fix=fix)
        return Check("Slack socket", ok=True, detail="Slack offers a connection")

    def _secret(self) -> Check:
        name, secret = "Slack signing secret", self.settings.slack_signing_secret.get_secret_value()
        if self.settings.slack_api_url.startswith(REAL_SLACK) and not REAL_SECRET.fullmatch(secret):
            fix = "take the Signing Secret of Basic Information, App Credentials: neither the Client Secret nor a token"
            return Check(name, ok=False, detail="it does not look like one (32 of 0-9 and a-f)", fix=fix)
        return Check(name, ok=True, detail="is set; Slack's requests are verified with it")


def client_of(settings: Settings, token: str) -> WebClient:
    """Asks Slack once, and not for long."""
    return WebClient(token=token, base_url=settings.slack_api_url, timeout=TIMEOUT_SECONDS, retry_handlers=[])


def asked(call: Callable[[], Any]) -> Any:
    """Slack's answer. Raises Unanswered."""
    try:
        return call()
    except SlackApiError as error:
        code = str(error.response.get("error") or "")
        raise Unanswered(code, f"Slack says {code}" if code else "the answer is none of Slack's") from error
    except (SlackClientError, URLError, OSError, ValueError) as error:
        raise Unanswered("", f"Slack cannot be reached: {getattr(error, 'reason', error)}") from error


def scopes_of(headers: Mapping[str, Any]) -> Check:
    """The scopes of the token, as the header of every answer tells, beside those of the manifest."""
    value = next((value for name, value in headers.items() if name.lower() == "x-oauth-scopes"), None)
    if value is None:
        return Check("Slack scopes", ok=True, detail="this Slack does not tell the token's scopes")
    granted = {scope.strip() for scope in str(value[0] if isinstance(value, list) else value).split(",")} - {""}
    missing, more = sorted(set(SCOPES) - granted), sorted(granted - {*SCOPES, *OPTIONAL_SCOPES})
    if missing:
        fix = "paste the output of playbook-bot manifest at api.slack.com/apps (App Manifest) and reinstall the app"
        return Check("Slack scopes", ok=False, detail=f"missing: {', '.join(missing)}", fix=fix)
    detail = f"all {len(SCOPES)} that the manifest asks for" + (f"; not needed: {', '.join(more)}" if more else "")
    return Check("Slack scopes", ok=True, detail=detail)


def no_channel() -> Check:
    """No card has a place to go to."""
    fix = "set channel to the id of one (C…), and invite the bot there"
    return Check("Slack channel", ok=False, detail="neither the settings nor a playbook name one for cards", fix=fix)


def channel_seen_by(client: WebClient, channel: str) -> Check:
    """Whether the bot can write there."""
    name = f"Slack channel {channel}"
    if not CHANNEL_ID.fullmatch(channel):
        fix = "give the channel's id (C…), which stays when it is renamed: channel details, at the bottom"
        return Check(name, ok=False, detail="is a name, not an id", fix=fix)
    try:
        facts = asked(lambda: client.conversations_info(channel=channel))["channel"]
    except Unanswered as error:
        fix = "correct the id; a private channel must have invited the bot before it is seen"
        return Check(name, ok=False, detail=str(error), fix=fix)
    if facts.get("is_archived"):
        return Check(name, ok=False, detail=f"#{facts.get('name')} is archived", fix="unarchive it, or name another")
    if not facts.get("is_member") and not facts.get("is_im"):
        return Check(name, ok=False, detail=f"the bot is not in #{facts.get('name')}", fix="/invite the bot there")
    shared = "; shared with another organisation, whose people see the cards" if facts.get("is_ext_shared") else ""
    return Check(name, ok=True, detail=f"the bot is in #{facts.get('name')}{shared}")


def people_behind(client: WebClient, listed: Collection[str]) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """(user group -> members, id -> why it is nobody); what Slack does not tell stays open."""
    members: dict[str, frozenset[str]] = {}
    gone: dict[str, str] = {}
    for each in sorted(listed)[:MOST_PEOPLE]:
        try:
            if each[:1] == "S":
                members[each] = frozenset(asked(lambda: client.usergroups_users_list(usergroup=each))["users"])  # noqa: B023
            else:
                user = asked(lambda: client.users_info(user=each))["user"]  # noqa: B023
                reason = "is deactivated" if user.get("deleted") else "is a bot" if user.get("is_bot") else ""
                gone |= {each: reason} if reason else {}
        except Unanswered as error:
            gone |= {} if error.code in LIMITED | UNSURE else {each: f"is not known ({error})"}
        else:
            gone |= {each: "has no members"} if members.get(each) == frozenset() else {}
    return members, gone
