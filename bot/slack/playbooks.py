"""Listeners of the slash command and of the forms that start playbooks."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import answers, form, replies
from bot.slack.blocks import home as home_blocks
from bot.slack.blocks import text as t
from bot.slack.blocks.guards import IN_USE
from bot.slack.commandline import Typed, stepwise, typed
from bot.slack.door import SlackDoor, pressed, sender_of
from bot.slack.forms import Forms, order_of
from bot.slack.guards import GUARD_VERBS, GuardListeners, offered
from bot.slack.timeline import TimelineListeners
from playbooks.desk import divided
from playbooks.facts import PlaybookFacts
from playbooks.guards import OVERRIDE
from playbooks.operations import Order, ParametersRefused, Refused
from playbooks.people import Identity
from playbooks.typed import typed_values


@dataclass(frozen=True, slots=True)
class Wish:
    """A line that names a playbook: its parameters as they were typed, and where to run."""

    facts: PlaybookFacts
    pairs: Mapping[str, str]
    region: str
    is_stepwise: bool = False
    """Whether each step is to be started by a person."""
    override: str = ""
    """Why it shall start in a freeze."""

    @property
    def mode(self) -> Literal["Auto", "Interactive"]:
        """As the engine calls it."""
        return "Interactive" if self.is_stepwise else "Auto"

    def order(self, channel: str, request_key: str) -> Order:
        """As the verbs take it."""
        values = typed_values(self.facts.parameters, self.pairs)
        return Order(
            self.facts.name,
            values,
            channel=channel,
            request_key=request_key,
            region=self.region,
            mode=self.mode,
            override=self.override,
        )


class PlaybookListeners:
    """`/playbook …`, the run form, and the buttons that lead to it."""

    def __init__(self, door: SlackDoor, forms: Forms) -> None:
        self._door, self._forms, self._guards = door, forms, GuardListeners(door)
        self._timeline = TimelineListeners(door)

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.command(self._door.command)(self.command)
        self._guards.register(app)
        self._timeline.register(app)
        app.view(form.SUBMIT)(self.submitted)
        app.action({"type": "block_actions", "action_id": _beginning(home_blocks.RUN)})(self.run_clicked)
        app.action({"type": "block_actions", "action_id": _beginning(alarm_blocks.RUN)})(self.suggestion_clicked)

    def command(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """Answer one slash command, privately."""
        wanted = typed(str(body.get("text") or ""))
        blocks: list[dict[str, Any]] = []

        def answer() -> str | None:
            by = self._door.identity(body)
            if wanted.problem:
                return t.escape(wanted.problem)
            if wanted.verb == "audit" and wanted.words:
                self._door.operations.see(self._door.queries.execution(wanted.words[0]).id, by)
                blocks.extend(answers.timeline(self._door.queries.timeline(wanted.words[0])))
                return replies.HAPPENED
            if wanted.verb in GUARD_VERBS:
                text, extra = self._guards.answer(wanted, by, sender_of(body), self._door.address(body))
                blocks.extend(extra)
                return text
            if wanted.verb == "run" and wanted.words:
                return self._run(self.wish(wanted), by, body, client)
            return self.answer(wanted, by)

        text, buttons = offered(self._door, answer)
        if text:
            blocks = buttons or blocks or t.paragraphs(text)
            ack(response_type="ephemeral", text=t.fit(text, t.SECTION), blocks=blocks)
        else:
            ack()

    def answer(self, wanted: Typed, by: Identity) -> str:
        """What a line is answered that starts nothing. Raises Refused, NotFound."""
        door, command = self._door, self._door.command
        match wanted.verb:
            case "help":
                return answers.help_text(command)
            case "list":
                return answers.playbook_list(door.queries.playbooks(by), command)
            case "whoami":
                return answers.whoami(by)
            case "status":
                return self._status(wanted, by)
            case "approvals":
                return self._questions(by)
            case "timeline" if wanted.words:
                return self._timeline.post(wanted.words[0], by)
            case "audit" | "timeline":
                return replies.which(command, f"{wanted.verb} ID")
            case "stop" | "resume":
                return self._control(wanted, by)
            case "run":
                return replies.which(command, "run NAME")
        if wanted.verb in GUARD_VERBS:
            return self._guards.answer(wanted, by, by.account.rpartition("/")[2], "")[0]
        return replies.unknown_verb(wanted.verb, command, wanted.suggestion)

    def _questions(self, by: Identity) -> str:
        """Those to this person first, then others that they may see."""
        door = self._door
        mine, others = divided(door.queries.open_approvals(), by)
        room = max(answers.MOST_LINES - len(mine), 0)
        seen = (each for each in others if door.operations.may_see(door.queries.execution(each.execution_id), by))
        found = [*mine, *islice(seen, room)]
        return answers.approval_list(found, door.links([each.execution_id for each in found]))

    def _status(self, wanted: Typed, by: Identity) -> str:
        door = self._door
        if wanted.words:
            facts = door.queries.execution(wanted.words[0])
            door.operations.see(facts.id, by)
            line = answers.execution_line(facts, door.links([facts.id]).get(facts.id, ""))
            return f"{line}\n{t.line(facts.failure_message, 1000)}" if facts.failure_message else line
        found = door.queries.executions(limit=10, is_open=True, is_brief=True)
        found = found or door.queries.executions(limit=5, is_brief=True)
        found = [each for each in found if door.operations.may_see(each, by)]
        return answers.execution_list(found, door.links([each.id for each in found]))

    def _control(self, wanted: Typed, by: Identity) -> str:
        if not wanted.words:
            return replies.which(self._door.command, f"{wanted.verb} ID")
        facts = self._door.queries.execution(wanted.words[0])
        verb = self._door.operations.stop if wanted.verb == "stop" else self._door.operations.resume
        verb(facts.id, by)
        return replies.controlled(facts.title, facts.id, stops=wanted.verb == "stop")

    # -- starting

    def wish(self, wanted: Typed) -> Wish:
        """What a line with a playbook's name wants. Raises Refused for a word that nobody can place."""
        wanted, is_stepwise = stepwise(wanted)
        if not wanted.words:
            raise Refused(replies.which(self._door.command, "run NAME"))
        facts = self._door.queries.playbook(wanted.words[0].lower())
        pairs = dict(wanted.pairs)
        region = pairs.pop("region", "") if all(each.name != "region" for each in facts.parameters) else ""
        override = pairs.pop(OVERRIDE, "") if all(each.name != OVERRIDE for each in facts.parameters) else ""
        loose = [each.name for each in facts.parameters if each.is_required and each.name not in pairs]
        surplus = wanted.words[1 + len(loose) :]
        if surplus:
            raise Refused(replies.unplaced(surplus[0]))
        pairs.update(zip(loose, wanted.words[1:], strict=False))
        return Wish(facts, pairs, region, is_stepwise=is_stepwise, override=override)

    def _run(self, wish: Wish, by: Identity, body: Mapping[str, Any], client: WebClient) -> str | None:
        key = f"slash:{body.get('trigger_id')}" if body.get("trigger_id") else ""
        try:
            execution_id = self._door.operations.start(wish.order(self._door.address(body), key), by)
        except ParametersRefused as refused:
            carried = {"region": wish.region, "mode": wish.mode}
            return self._forms.open(wish.facts, wish.pairs, refused.problems, body, client, **carried)
        return self.started(wish.facts, execution_id)

    def started(self, facts: PlaybookFacts, execution_id: str) -> str:
        """What is said when an execution has been started."""
        return replies.started(facts.title, execution_id, self._door.command, asks=bool(facts.approvers))

    def submitted(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The run form came back."""
        carried, given = form.metadata(view), form.submitted(view)
        errors: dict[str, str] = {}

        def start() -> str | None:
            by = self._door.identity(body)
            facts = self._door.queries.playbook(carried.get("playbook", ""))
            key = f"form:{view['id']}" if view.get("id") else ""
            order = order_of(facts, given, carried, request_key=key)
            try:
                self._door.operations.start(order, by)
            except ParametersRefused as refused:
                errors.update(form.errors_beside(refused.problems, view))
                return None if errors else t.escape(refused)
            return None

        text, buttons = offered(self._door, start)
        if buttons:
            ack(response_action="push", view=form.offer(IN_USE, buttons))
            return
        if text:
            # Errors beside a field are plain text, where entities would be read as they stand.
            errors = form.errors_beside({"": html.unescape(text)}, view)
        if errors:
            ack(response_action="errors", errors=errors)
        elif text:
            ack(response_action="update", view=form.notice("Not started", text))
        else:
            ack()

    def run_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Run* in the App Home: the form. There nothing can be whispered, so a refusal is a notice."""

        def ask() -> str | None:
            by, facts = self._door.identity(body), self._door.queries.playbook(pressed(body))
            self._door.must_be_runnable(facts, by)
            return self._forms.open(facts, {}, {}, body, client)

        text = self._door.attempt(ask)
        if text:
            self._door.opened(client, body, form.notice("Not started", text))
        ack()

    def suggestion_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """A playbook on an alarm's card: started from the alarm, or the form for what is missing."""
        wanted = pressed(body)
        suggestion, name = (*wanted.split("|"), "")[:2]

        def start() -> str | None:
            by = self._door.identity(body)
            order = Order(
                name,
                channel=self._door.address(body),
                # A card that shows an ended run has it in its buttons: they start once more, and only once.
                request_key=f"suggestion:{wanted.replace('|', ':')}",
                suggestion_id=suggestion,
            )
            try:
                execution_id = self._door.operations.start(order, by)
            except ParametersRefused as refused:
                facts = self._door.queries.playbook(name)
                given = self._forms.from_alarm(order, by, facts)
                return self._forms.open(facts, given, refused.problems, body, client, suggestion=suggestion)
            is_over = self._door.queries.execution(execution_id).is_over
            return replies.ended_before(execution_id) if is_over else None

        text, buttons = offered(self._door, start)
        self._door.whisper(body, text, blocks=buttons)
        ack()


def _beginning(prefix: str) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(prefix)}:")
