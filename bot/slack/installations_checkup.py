"""Whether the app is installed where the settings let it be, and works there: one look at each installation."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from slack_sdk import WebClient

from audit.store import AuditStore
from bot.slack.address import joined, split
from bot.slack.checkup import (
    ABOUT_THAT_TOKEN,
    SlackCheckup,
    SlackFound,
    Unanswered,
    asked,
    channel_seen_by,
    client_of,
    no_channel,
    people_behind,
    scopes_of,
)
from bot.slack.installation_store import UNREADABLE, InstallationStore
from bot.slack.installations import AHEAD, Installation, Permitted
from bot.slack.oauth import INSTALL
from bot.slack.store import SlackStore
from bot.slack.vault import Vault
from infra.check import Check, moment_in, side_by_side
from infra.clock import Clock
from infra.db import Database
from infra.settings import Settings

PATIENCE_SECONDS: Final = 15.0
IN_TIME: Final = AHEAD - timedelta(minutes=15)
"""A token that ends sooner should have been exchanged, had somebody looked after it."""
NOT_EXCHANGED: Final = "start the bot, which exchanges it; where it runs, its log says why it was not"
REACH: Final = "see that this machine reaches slack.com (proxy, firewall, name service)"
FIRST_THE_DATABASE: Final = "see to the findings about the database first"


@dataclass(frozen=True, slots=True)
class InstallationsCheckup:
    """Everything that is installed, or should be. `channels` and `listed` are as settings and playbooks write them."""

    settings: Settings
    clock: Clock
    channels: Collection[str]
    listed: Collection[str]
    audit: AuditStore

    def look(self, database: Database) -> SlackFound:
        """Read the installations, then ask Slack about all at once. Raises DatabaseUnavailable."""
        vault = Vault(self.settings.slack_token_key.get_secret_value())
        store = InstallationStore(self.audit, vault, self._permitted)
        with database.reading() as connection:
            rows = store.all(connection)
            waiting = SlackStore().set_aside(connection, self._reachable(rows))
        there = [each for each in rows if each.removed_at is None]
        looks = {_title(each.id): partial(self._one, each, there) for each in there}
        found, broken = side_by_side(looks, seconds=PATIENCE_SECONDS)
        seen = [found[name] for name in looks if name in found]
        checks = [
            *(check for each in seen for check in each.checks),
            *broken,
            *self._absent(rows),
            *self._nowhere(there),
            *([] if self.channels else [no_channel()]),
            *self._set_aside(waiting),
            self._way_in(),
        ]
        members = {name: users for each in seen for name, users in each.members.items()}
        gone = {name: why for each in seen for name, why in each.gone.items()}
        return SlackFound(tuple(checks), tuple(moment for each in seen for moment in each.moments), members, gone)

    def unread(self) -> SlackFound:
        """Where the installations cannot be read."""
        check = Check("Slack workspaces", ok=False, detail="their tokens cannot be read", fix=FIRST_THE_DATABASE)
        return SlackFound((check, self._way_in()))

    # -- one of them

    def _one(self, found: Installation, there: Collection[Installation]) -> SlackFound:
        title, trouble = _title(found.id), self._trouble(found)
        if trouble is not None and (not found.token or found.is_over(self.clock())):
            return SlackFound((trouble,))
        client = client_of(self.settings, found.token)
        try:
            answer = asked(client.auth_test)
        except Unanswered as error:
            fix = self._anew if error.code in ABOUT_THAT_TOKEN or error.code == "account_inactive" else REACH
            return SlackFound((trouble or Check(title, ok=False, detail=f"{found.name}: {error}", fix=fix),))
        checks = [trouble or self._token(found, answer)]
        checks.append(replace(scopes_of(answer.headers), name=f"Slack scopes of {found.id}", fix=self._anew))
        checks += self._channels_of(found, client)
        is_alone = sum(each.realm == found.realm for each in there) == 1
        members, gone = self._people_of(found, client) if is_alone else ({}, {})
        return SlackFound(tuple(checks), moment_in(answer.headers, "Slack", self.clock), members, gone)

    def _trouble(self, found: Installation) -> Check | None:
        """What is wrong with it as far as the rows tell, the most serious first."""
        title, name, now = _title(found.id), found.name or found.id, self.clock()
        ends = f"{found.expires_at:%F %H:%M} UTC" if found.expires_at else ""
        if found.trouble == UNREADABLE:
            fix = f"add the key it was sealed with to slack_token_key (new,old), or {self._anew}"
            return Check(title, ok=False, detail=f"{name}: {UNREADABLE}", fix=fix)
        if why := self._permitted.refusal(found):
            fix = "remove the app there, at Slack (Manage apps), or name the workspace in slack_workspaces"
            return Check(
                title, ok=False, detail=f"{name}: the app is installed there and not served, as {why}", fix=fix
            )
        if found.trouble:
            until = f"; its token works until {ends}" if ends and not found.is_over(now) else ""
            return Check(title, ok=False, detail=f"{name}: {found.trouble}{until}", fix=self._anew)
        if found.is_over(now):
            fix = NOT_EXCHANGED if found.refresh_token else self._anew
            return Check(title, ok=False, detail=f"{name}: its token ended at {ends}", fix=fix)
        if found.is_due(now, IN_TIME):
            detail = f"{name}: its token ends at {ends}, and should have been exchanged by now"
            return Check(title, ok=False, detail=detail, fix=NOT_EXCHANGED)
        return None

    def _token(self, found: Installation, answer: Any) -> Check:
        team, enterprise = str(answer.get("team_id") or ""), str(answer.get("enterprise_id") or "")
        if found.id not in (team, enterprise):
            detail = f"{found.name}: the token kept for it is of {team}"
            return Check(_title(found.id), ok=False, detail=detail, fix=self._anew)
        ends = "is exchanged before it ends" if found.refresh_token else "does not end (token rotation is off)"
        return Check(_title(found.id), ok=True, detail=f"{answer.get('user', '?')} in {found.name}; its token {ends}")

    def _channels_of(self, found: Installation, client: WebClient) -> list[Check]:
        mine = [address for address in self.channels if self._installation_of(address) == found.id]
        return [replace(channel_seen_by(client, split(each)[1]), name=f"Slack channel {each}") for each in mine]

    def _people_of(self, found: Installation, client: WebClient) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
        """Who is behind the ids that lists name; groups of a whole organisation cannot be asked for by their ids."""
        place = "" if found.realm == self._permitted.home_realm else found.realm
        ids = [thing for where, thing in map(split, self.listed) if where == place]
        members, gone = people_behind(client, [each for each in ids if not (found.is_org_wide and each[:1] == "S")])
        spelled = {
            joined(place, each): frozenset(joined(place, user) for user in users) for each, users in members.items()
        }
        return spelled, {joined(place, each): why for each, why in gone.items()}

    # -- what is not there

    def _absent(self, rows: Iterable[Installation]) -> list[Check]:
        """What may be installed, and is not."""
        checks = []
        for entry in self._permitted.entries:
            mine = [each for each in rows if _is_of(each, entry)]
            if any(each.removed_at is None for each in mine):
                continue
            gone = "".join(f"; removed on {each.removed_at:%F}: {each.removed_why}" for each in mine[-1:])
            fix = f"open {self._install_page} and choose it, or leave it out of slack_workspaces"
            checks.append(Check(_title(entry), ok=False, detail=f"the app is not installed there{gone}", fix=fix))
        return checks

    def _nowhere(self, there: Collection[Installation]) -> list[Check]:
        """Channels of workspaces that have no installation."""
        known, fix = {each.id for each in there}, "install it there, or correct the channel (T0123/C0456)"
        lost = {each: where for each in self.channels if (where := self._installation_of(each)) not in known}
        return [
            Check(f"Slack channel {each}", ok=False, detail=f"the app is not installed in {where}", fix=fix)
            for each, where in lost.items()
        ]

    def _set_aside(self, waiting: Mapping[str, int]) -> list[Check]:
        if not waiting:
            return []
        told = ", ".join(f"{count} for {place or self._permitted.home}" for place, count in sorted(waiting.items()))
        fix = f"{self._anew}; they are sent then"
        return [Check("Slack messages", ok=False, detail=f"wait until the app is there again: {told}", fix=fix)]

    # -- words that recur

    @property
    def _permitted(self) -> Permitted:
        return Permitted(self.settings.slack_workspaces)

    @property
    def _install_page(self) -> str:
        return f"{self.settings.slack_public_url.rstrip('/')}{INSTALL}"

    @property
    def _anew(self) -> str:
        return f"install the app there anew: {self._install_page}"

    def _way_in(self) -> Check:
        return SlackCheckup(self.settings, self.clock, (), ()).way_in()

    def _installation_of(self, channel: str) -> str:
        return split(channel)[0] or self._permitted.home

    def _reachable(self, rows: Iterable[Installation]) -> set[str]:
        """The places that are written to, as messages name them."""
        live = {each.id for each in rows if each.is_live}
        return live | ({""} if self._permitted.home in live else set())


def _title(entry: str) -> str:
    return f"Slack {'organisation' if entry[:1] == 'E' and '/' not in entry else 'workspace'} {entry}"


def _is_of(found: Installation, entry: str) -> bool:
    """Whether an installation is what an entry of the settings lets in; a workspace's stands for its organisation."""
    realm, alone = split(entry)
    return (found.realm, found.team_id) == (realm, alone) if realm else alone in (found.id, found.realm)
