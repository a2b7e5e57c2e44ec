"""Listeners of mentions: `@playbook run …` is answered in its thread, where slash commands do not work."""

import json
from collections.abc import Mapping
from typing import Any, Final

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.address import split
from bot.slack.blocks import answers, form, replies
from bot.slack.blocks import text as t
from bot.slack.client import NO_ANSWER
from bot.slack.commandline import Typed, typed
from bot.slack.door import SlackDoor, pressed
from bot.slack.forms import Forms
from bot.slack.guards import offered
from bot.slack.playbooks import PlaybookListeners, Wish
from bot.slack.store import ANSWER, BELOW, DECISIONS
from playbooks.operations import ParametersRefused
from playbooks.people import Identity

log = structlog.get_logger()

FILL: Final = "mention_form"
LONGEST_VALUE: Final = 2000

Said = tuple[str, list[dict[str, Any]]]
"""A text, and the blocks that show it."""


class MentionListeners:
    """One mention is one line, as after the slash command; refusals are said to whoever asked, and to nobody else."""

    def __init__(self, door: SlackDoor, playbooks: PlaybookListeners, forms: Forms) -> None:
        self._door, self._playbooks, self._forms = door, playbooks, forms

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.event("app_mention")(self.mentioned)
        app.action(FILL)(self.form_wanted)

    def mentioned(self, ack: Ack, body: dict[str, Any], event: dict[str, Any], client: WebClient) -> None:
        """Answer a mention in its thread, once, however often Slack tells of it."""
        channel, ts = str(event.get("channel") or ""), str(event.get("ts") or "")
        address = self._door.address(body, channel)
        if channel and ts and event.get("user") and not event.get("bot_id") and not self._is_answered(address, ts):
            self._answer(body, event, (address, ts), client)
        ack()

    def _is_answered(self, channel: str, ts: str) -> bool:
        with self._door.db.transaction() as tx:
            return bool(self._door.store.state(tx, _key(channel, ts)))

    def _answer(
        self, body: Mapping[str, Any], event: Mapping[str, Any], place: tuple[str, str], client: WebClient
    ) -> None:
        channel, ts = place
        thread = str(event.get("thread_ts") or ts)
        said: list[Said] = []

        def answer() -> None:
            team = str(event.get("user_team") or event.get("team") or "")
            by = self._door.identity({**body, "user": {"id": event.get("user"), "team_id": team}})
            said.append(self._told(self._line(body, event), by, channel, ts))

        refusal, buttons = offered(self._door, answer)
        if refusal:
            user = self._door.address(body, str(event.get("user")))
            self._door.workbench.later(lambda: self._privately(client, (channel, thread, user), refusal, buttons))
            return
        text, blocks = said[0]
        with self._door.db.transaction() as tx:
            self._door.store.want(
                tx,
                _key(channel, ts),
                kind=ANSWER,
                subject="",
                channel=channel,
                now=self._door.clock(),
                lane=DECISIONS,
                thread_key=f"{BELOW}{thread}",
                text=json.dumps({"text": text, "blocks": blocks}),
            )

    def _line(self, body: Mapping[str, Any], event: Mapping[str, Any]) -> Typed:
        """What stands behind the first mention of the bot."""
        text, mine = str(event.get("text") or ""), f"<@{self._door.workspace.of(body).bot_user_id}>"
        return typed(text.partition(mine)[2] if mine in text else text.partition(">")[2])

    def _told(self, wanted: Typed, by: Identity, channel: str, ts: str) -> Said:
        if wanted.verb == "run" and wanted.words and not wanted.problem:
            return self._run(self._playbooks.wish(wanted), by, channel, ts)
        if wanted.verb == "audit" and wanted.words:
            self._door.operations.see(self._door.queries.execution(wanted.words[0]).id, by)
            return replies.HAPPENED, answers.timeline(self._door.queries.timeline(wanted.words[0]))
        text = self._playbooks.answer(wanted, by)
        return text, t.paragraphs(text)

    def _run(self, wish: Wish, by: Identity, channel: str, ts: str) -> Said:
        try:
            execution_id = self._door.operations.start(wish.order(channel, f"mention:{channel}:{ts}"), by)
        except ParametersRefused as refused:
            return _form_offered(wish, refused)
        text = self._playbooks.started(wish.facts, execution_id)
        return text, t.paragraphs(text)

    def form_wanted(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Fill in the form* below a mention that lacked something: for anybody who may run the playbook."""

        def ask() -> str | None:
            by, wanted = self._door.identity(body), _wanted(pressed(body))
            facts = self._door.queries.playbook(wanted.pop("playbook", ""))
            self._door.must_be_runnable(facts, by)
            carried = {name: wanted.pop(f"@{name}", "") for name in ("region", "mode")}
            return self._forms.open(facts, wanted, {}, body, client, **carried)

        self._door.whisper(body, self._door.attempt(ask))
        ack()

    def _privately(
        self, client: WebClient, where: tuple[str, str, str], text: str, blocks: list[dict[str, Any]]
    ) -> None:
        """Say it where it was asked, for one person's eyes; in a direct message where that cannot be."""
        channel, thread, user = where
        try:
            client.chat_postEphemeral(
                channel=split(channel)[1],
                user=split(user)[1],
                thread_ts=thread,
                text=text,
                blocks=blocks or t.paragraphs(text),
            )
        except NO_ANSWER as error:
            log.info("private answer goes to the direct messages", error=str(error))
            self._door.tell(user, text)


def _key(channel: str, ts: str) -> str:
    return f"mention:{channel}:{ts}"


def _form_offered(wish: Wish, refused: ParametersRefused) -> Said:
    """A mention cannot open a form, but a button can."""
    text = replies.not_started(wish.facts.title, [*refused.problems.values()])
    about = {"playbook": wish.facts.name, "@region": wish.region, "@mode": wish.mode}
    pairs = {name: value for name, value in wish.pairs.items() if name not in wish.facts.secret}
    value = json.dumps({**pairs, **about})
    if len(value) > LONGEST_VALUE:
        value = json.dumps(about)
    return text, [*t.paragraphs(text), t.actions("fill", t.button(FILL, replies.FILL_IN, value))]


def _wanted(value: str) -> dict[str, str]:
    return form.metadata({"private_metadata": value})
