"""Several workspaces: a request finds its installation, and with it the token, the people and the address."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.blocks.strangers import NOT_NOW, OUTSIDER
from bot.slack.client import LISTENER_TIMEOUT_SECONDS, OUTBOX_TIMEOUT_SECONDS, code_of
from bot.slack.identity import Joining, NotNow, People, Stranger
from bot.slack.installations import Installation, Permitted
from bot.slack.tokens import Tokens
from bot.slack.workspace import Workspace, asked_of
from infra.clock import Clock
from playbooks.people import Directory, Identity

log = structlog.get_logger()

LAST_WORDS: Final = frozenset({"app_uninstalled", "tokens_revoked"})
"""Events that may come once more when their installation is removed already."""


class InstalledClient(WebClient):
    """A client whose token is that of an installation as it is at each call; one that has ended is exchanged, once."""

    def __init__(self, tokens: Tokens, installation_id: str, api_url: str, *, timeout: int) -> None:
        self._tokens, self._id = tokens, installation_id
        super().__init__(token=None, base_url=api_url, timeout=timeout, retry_handlers=[])

    @property
    def token(self) -> str | None:
        """The token as it is now; none where the app is not installed any more."""
        return self._tokens.token(self._id) or None

    @token.setter
    def token(self, _token: str | None) -> None:
        """The rows say which; the SDK sets what it was made with."""

    def api_call(self, api_method: str, **arguments: Any) -> Any:
        """As the SDK's, and once more with a new token when Slack calls this one expired."""
        spent = self.token or ""
        try:
            return super().api_call(api_method, **arguments)
        except SlackApiError as error:
            if code_of(error) != "token_expired" or not self._tokens.after_refusal(self._id, spent):
                raise
        return super().api_call(api_method, **arguments)


@dataclass(frozen=True)
class _Seat:
    """What belongs to one installation as it was made."""

    installed_at: datetime
    workspace: Workspace
    people: People


class Workspaces:
    """What the bot serves, by the installations there are now. Stands where a `Workspace` stands for one alone."""

    def __init__(
        self,
        tokens: Tokens,
        permitted: Permitted,
        directory: Directory,
        clock: Clock,
        *,
        api_url: str,
        app_id: str,
        groups: Collection[str] = (),
        joining: Joining | None = None,
    ) -> None:
        self.tokens, self.permitted = tokens, permitted
        self._directory, self._clock, self._api_url, self._app_id = directory, clock, api_url, app_id
        self._groups, self._joining = groups, joining
        self._seats: dict[str, _Seat] = {}
        self._clients: dict[str, WebClient] = {}
        self._lock = threading.Lock()

    # -- which one

    def foreign(self, body: Mapping[str, Any]) -> str:
        """Why a request is not for this app in a workspace that it is installed in, or ""."""
        app_id = str(body.get("api_app_id") or "")
        if app_id and app_id != self._app_id:
            return f"request for another app: {app_id}"
        if self.find(body) is not None or _is_last_word(body, self.tokens.all()):
            return ""
        team, enterprise = asked_of(body)
        return f"request of another workspace: {team or enterprise or 'it names none'}"

    def of(self, body: Mapping[str, Any]) -> Workspace:
        """The workspace that a request is of. Raises Stranger."""
        found = self.find(body)
        if found is None:
            raise Stranger(OUTSIDER)
        return found

    def find(self, body: Mapping[str, Any]) -> Workspace | None:
        """The workspace that a request is of; None for a foreign one."""
        return self.of_ids(*asked_of(body))

    def of_ids(self, team_id: str, enterprise_id: str) -> Workspace | None:
        """The workspace that these ids mean; None for a foreign one."""
        found = self.installation(team_id, enterprise_id)
        return self._seat(found).workspace if found is not None else None

    def at(self, place: str) -> Workspace | None:
        """The workspace of an address; None where the app is not installed."""
        found = self.tokens.get(place or self.permitted.home)
        return self._seat(found).workspace if found is not None else None

    def installation(self, team: str, enterprise: str) -> Installation | None:
        """The workspace's own installation, else that of its organisation, unless it is closed to this workspace."""
        if team and (found := self.tokens.get(team)) is not None:
            return found
        found = self.tokens.get(enterprise) if enterprise else None
        return found if found is not None and team not in found.closed else None

    # -- people, whichever workspace they are of

    def identify(self, user_id: str, *, team_id: str = "", enterprise_id: str = "", place: str = "") -> Identity:
        """The person behind a user id of one workspace. Raises Stranger."""
        found = self.tokens.get(place or self.permitted.home)
        if found is None:
            raise Stranger(OUTSIDER)
        return self._seat(found).people.identify(user_id, team_id=team_id, enterprise_id=enterprise_id)

    def attested(self, account: str) -> Identity:
        """The person behind `slack:REALM/USER` as Slack knows them now, wherever the app is installed there."""
        realm, _, user = account.removeprefix("slack:").partition("/")
        found = next((each for each in self.tokens.live() if each.realm == realm), None)
        if found is None:
            is_named = any(entry.partition("/")[0] == realm for entry in self.permitted.entries)
            raise NotNow(NOT_NOW) if is_named and not self.tokens.all() else Stranger(OUTSIDER)
        return self._seat(found).people.anew(user)

    def members(self, group: str) -> frozenset[str] | None:
        """Who is in a user group, as far as one of the workspaces was asked; None = none was."""
        found = (seat.people.members(group) for seat in list(self._seats.values()))
        return next((users for users in found if users is not None), None)

    def forget(self, user_id: str = "") -> None:
        """Ask anew next time."""
        for seat in list(self._seats.values()):
            seat.people.forget(user_id)

    # -- the outbox's view

    def client(self, place: str) -> WebClient:
        """For writing there; its calls fail as any do without a token where the app is not installed."""
        key = self.key(place)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._made(key, OUTBOX_TIMEOUT_SECONDS)
            return self._clients[key]

    def key(self, place: str) -> str:
        """The one name of a place that may be spelled in two ways."""
        return place or self.permitted.home

    def reachable(self) -> frozenset[str]:
        """The places that may be written to now, however they are spelled."""
        live = {each.id for each in self.tokens.live()}
        return frozenset(live | ({""} if self.permitted.home in live else set()))

    # -- inside

    def _made(self, installation_id: str, timeout: int) -> WebClient:
        return InstalledClient(self.tokens, installation_id, self._api_url, timeout=timeout)

    def _seat(self, found: Installation) -> _Seat:
        with self._lock:
            seat = self._seats.get(found.id)
            if seat is None or seat.installed_at != found.installed_at:
                seat = self._seats[found.id] = self._taken(found)
            return seat

    def _taken(self, found: Installation) -> _Seat:
        workspace = Workspace(
            self._made(found.id, LISTENER_TIMEOUT_SECONDS),
            self._clock,
            team_id=found.id,
            app_id=self._app_id,
            place="" if found.id == self.permitted.home else found.id,
            installed=found,
        )
        people = People(
            workspace.client,
            self._directory,
            self._clock,
            workspace=workspace,
            groups=self._groups,
            joining=self._joining,
        )
        return _Seat(found.installed_at, workspace, people)


def _is_last_word(body: Mapping[str, Any], known: Mapping[str, Installation]) -> bool:
    event = body.get("event")
    is_one = isinstance(event, Mapping) and event.get("type") in LAST_WORDS
    return is_one and any(each in known for each in asked_of(body) if each)
