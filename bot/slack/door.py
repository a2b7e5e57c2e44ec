"""What every listener of the Slack door needs: verbs, facts, people, and ways to answer."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from slack_sdk import WebClient

from bot.slack.address import split
from bot.slack.blocks import replies
from bot.slack.blocks import text as t
from bot.slack.client import NO_ANSWER
from bot.slack.identity import People, Stranger
from bot.slack.store import DECISIONS, TEXT, SlackStore
from bot.slack.whispers import Whispers
from bot.slack.workbench import Workbench
from bot.slack.workspace import Workspace
from bot.slack.workspaces import Workspaces
from infra.clock import Clock
from infra.db import Database, DatabaseUnavailable
from playbooks.alarm_care import AlarmCare
from playbooks.facts import PlaybookFacts
from playbooks.operations import Operations, Refused
from playbooks.people import Identity
from playbooks.previewing import Previews
from playbooks.queries import NotFound, Queries
from playbooks.resources import Resources

log = structlog.get_logger()


@dataclass(frozen=True)
class SlackDoor:
    """The composed parts."""

    db: Database
    store: SlackStore
    operations: Operations
    queries: Queries
    people: People | Workspaces
    workspace: Workspace | Workspaces
    whispers: Whispers
    clock: Clock
    command: str = "/playbook"
    workbench: Workbench = field(default_factory=Workbench)
    regions: tuple[str, ...] = ()
    """Where playbooks may run, the bot's own Region first."""
    resources: Resources | None = None
    """What forms let people pick from; None = ids are typed."""
    previews: Previews | None = None
    care: AlarmCare | None = None
    """The verbs about alarms."""

    def identity(self, body: Mapping[str, Any]) -> Identity:
        """Who acts, by what the payload says and Slack confirms. Raises Stranger; that is audited."""
        user = body.get("user")
        try:
            if isinstance(user, Mapping):
                return self.identify(body, str(user.get("id") or ""), team_id=str(user.get("team_id") or ""))
            return self.identify(body, str(body.get("user_id") or ""))
        except Stranger as stranger:
            self.refuse(str(stranger), body)
            raise

    def identify(self, body: Mapping[str, Any], user: str, *, team_id: str = "") -> Identity:
        """A user of the workspace that a request is of. Raises Stranger."""
        return self.people.identify(user, team_id=team_id, place=self.workspace.of(body).place)

    def address(self, body: Mapping[str, Any], thing: str = "") -> str:
        """A user, or the channel of a request, as it is written among those of several workspaces."""
        channel = body.get("channel")
        found = thing or str(
            body.get("channel_id") or (channel.get("id") if isinstance(channel, Mapping) else "") or ""
        )
        return self.workspace.of(body).address(found) if found else ""

    def refuse(self, reason: str, body: Mapping[str, Any]) -> None:
        """Audit a request of somebody who may not even ask."""
        log.warning("request refused", reason=reason)
        try:
            self.operations.refuse_request("slack", reason, sender=sender_of(body))
        except DatabaseUnavailable as error:
            log.warning("refusal not audited", error=str(error))

    def links(self, execution_ids: list[str]) -> dict[str, str]:
        """Addresses of the cards of executions."""
        with self.db.reading() as connection:
            places = self.store.places(connection, [f"card:{each}" for each in execution_ids])
        return {key.partition(":")[2]: self.link(*place) for key, place in places.items()}

    def link(self, channel: str, ts: str) -> str:
        """The address of a message; "" where the workspace's own is not known."""
        place, channel = split(channel)
        workspace = self.workspace.at(place)
        return f"{workspace.url}archives/{channel}/p{ts.replace('.', '')}" if workspace and workspace.url else ""

    def whisper(self, body: Mapping[str, Any], text: str | None, *, blocks: Sequence[Mapping[str, Any]] = ()) -> None:
        """Answer a click privately, behind its acknowledgement; one in the App Home in a direct message."""
        if not text or self.whispers.say(body.get("response_url"), text, blocks=blocks):
            return
        is_home = isinstance(body.get("view"), Mapping) and body["view"].get("type") == "home"
        if not is_home or self.workspace.foreign(body) or not self.tell(self.address(body, sender_of(body)), text):
            log.warning("click answered by nothing but the log", text=text, sender=sender_of(body))

    def tell(self, user: str, text: str) -> bool:
        """Say something to one person, `U01` or `T02/U01`, in a direct message; False when it cannot be kept."""
        if not user:
            return False
        try:
            with self.db.transaction() as tx:
                key = f"direct:{uuid.uuid4().hex}"
                now = self.clock()
                self.store.want(tx, key, kind=TEXT, subject=user, channel=user, now=now, lane=DECISIONS, text=text)
        except DatabaseUnavailable as error:
            log.warning("direct message not kept", error=str(error))
            return False
        return True

    def opened(
        self, client: WebClient, body: Mapping[str, Any], view: Mapping[str, Any], *, is_above: bool = False
    ) -> bool:
        """Open a form; False when Slack does not (its trigger lives for three seconds)."""
        return bool(self.open_view(client, body, view, is_above=is_above))

    def open_view(
        self, client: WebClient, body: Mapping[str, Any], view: Mapping[str, Any], *, is_above: bool = False
    ) -> str:
        """Open a form, with `is_above` on top of the one that is open; its id, or "" when Slack does not."""
        trigger_id = str(body.get("trigger_id") or "")
        try:
            if is_above:
                answer = client.views_push(trigger_id=trigger_id, view=dict(view))
            else:
                answer = client.views_open(trigger_id=trigger_id, view=dict(view))
        except NO_ANSWER as error:
            log.warning("form not opened", error=str(error))
            return ""
        return str((answer.get("view") or {}).get("id") or "unknown")

    def update_view(self, client: WebClient, view_id: str, view: Mapping[str, Any]) -> None:
        """Put another page in the place of one that is open; behind an acknowledgement, as Slack may be slow."""
        try:
            client.views_update(view_id=view_id, view=dict(view))
        except NO_ANSWER as error:
            # Closed meanwhile, as a rule.
            log.info("form not filled in", error=str(error))

    def must_be_runnable(self, facts: PlaybookFacts, by: Identity) -> None:
        """Raises NotAllowed (audited) unless this person may run the playbook, on some values at least."""
        self.operations.runnable(facts.name, by)

    def attempt(self, what: Callable[[], str | None]) -> str | None:
        """Do it; returns what to say in marked-up text. Known refusals become their sentence, the rest an apology."""
        try:
            return what()
        except (Refused, NotFound, Stranger) as error:
            return t.escape(error)
        except DatabaseUnavailable:
            log.exception("database unavailable")
            return replies.DATABASE_AWAY
        except Exception as error:  # noqa: BLE001 - a person gets a sentence, the log the rest
            return apology(error)


def apology(error: Exception) -> str:
    """What a person hears of a defect; the log gets the rest."""
    reference = uuid.uuid4().hex[:8]
    log.error("listener failed", reference=reference, exc_info=error)
    return replies.defect(reference)


def sender_of(body: Mapping[str, Any]) -> str:
    """The user id a request names."""
    user = body.get("user")
    return str(body.get("user_id") or (user.get("id") if isinstance(user, Mapping) else "") or "")


def pressed(body: Mapping[str, Any]) -> str:
    """The value of the button that was pressed; "" where the payload has none."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else None
    return str(first.get("value") or "") if isinstance(first, Mapping) else ""
