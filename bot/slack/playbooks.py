"""Listeners of the slash command and of the forms that start playbooks."""

import json
from collections.abc import Mapping
from typing import Any

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import answers, form
from bot.slack.blocks import home as home_blocks
from bot.slack.blocks import text as t
from bot.slack.commandline import Typed, typed
from bot.slack.door import SlackDoor
from playbooks.facts import PlaybookFacts
from playbooks.operations import Order, ParametersRefused
from playbooks.people import Identity
from playbooks.typed import typed_values

log = structlog.get_logger()


class PlaybookListeners:
    """`/playbook …`, the run form, and the buttons that lead to it."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.command(self._door.command)(self.command)
        app.view(form.SUBMIT)(self.submitted)
        app.action({"type": "block_actions", "action_id": _beginning(home_blocks.RUN)})(self.run_clicked)
        app.action({"type": "block_actions", "action_id": _beginning(alarm_blocks.RUN)})(self.suggestion_clicked)

    def command(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """Answer one slash command, privately."""
        wanted = typed(str(body.get("text") or ""))
        blocks: list[dict[str, Any]] = []

        def answer() -> str | None:
            by = self._door.identity(body)
            if wanted.verb == "audit":
                blocks.extend(self._audit(wanted))
                return "What happened, in order:"
            return self._answer(wanted, by, body, client)

        text = self._door.attempt(answer)
        if blocks:
            ack(response_type="ephemeral", text=text or "", blocks=blocks)
        elif text:
            ack(response_type="ephemeral", text=t.cut(text, 3900))
        else:
            ack()

    def _answer(self, wanted: Typed, by: Identity, body: Mapping[str, Any], client: WebClient) -> str | None:
        door, command = self._door, self._door.command
        match wanted.verb:
            case "help":
                return answers.help_text(command)
            case "list":
                return answers.playbook_list(door.queries.playbooks(by), command)
            case "whoami":
                return answers.whoami(by)
            case "status":
                return self._status(wanted)
            case "approvals":
                found = door.queries.open_approvals()
                return answers.approval_list(found, door.links([each.execution_id for each in found]))
            case "stop" | "resume":
                return self._control(wanted, by)
            case "run":
                return self._run(wanted, by, body, client)
        hint = f" Did you mean `{command} {wanted.suggestion}`?" if wanted.suggestion else f" Try `{command} help`."
        return f"I do not know {t.code(wanted.verb)}.{hint}"

    def _status(self, wanted: Typed) -> str:
        door = self._door
        if wanted.words:
            facts = door.queries.execution(wanted.words[0])
            line = answers.execution_line(facts, door.links([facts.id]).get(facts.id, ""))
            return f"{line}\n{t.escape(facts.failure_message)}" if facts.failure_message else line
        found = door.queries.executions(limit=10, is_open=True) or door.queries.executions(limit=5)
        return answers.execution_list(found, door.links([each.id for each in found]))

    def _audit(self, wanted: Typed) -> list[dict[str, Any]]:
        if not wanted.words:
            return [t.section("usage", f"Say which one: `{self._door.command} audit ID`.")]
        return answers.timeline(self._door.queries.timeline(wanted.words[0]))

    def _control(self, wanted: Typed, by: Identity) -> str:
        if not wanted.words:
            return f"Say which one: `{self._door.command} {wanted.verb} ID`."
        facts = self._door.queries.execution(wanted.words[0])
        verb = self._door.operations.stop if wanted.verb == "stop" else self._door.operations.resume
        verb(facts.id, by)
        done = "is asked to stop" if wanted.verb == "stop" else "goes on"
        return f"{t.escape(facts.title)} {t.code(facts.id[:8])} {done}."

    # -- starting

    def _run(self, wanted: Typed, by: Identity, body: Mapping[str, Any], client: WebClient) -> str | None:
        if not wanted.words:
            return f"Say which one: `{self._door.command} run NAME`. `{self._door.command} list` shows what there is."
        facts = self._door.queries.playbook(wanted.words[0].lower())
        pairs = dict(wanted.pairs)
        region = pairs.pop("region", "") if all(each.name != "region" for each in facts.parameters) else ""
        loose = [each for each in facts.parameters if each.is_required and each.name not in pairs]
        for parameter, word in zip(loose, wanted.words[1:], strict=False):
            pairs[parameter.name] = word
        order = Order(
            facts.name,
            typed_values(facts.parameters, pairs),
            channel=str(body.get("channel_id") or ""),
            request_key=f"slash:{body.get('trigger_id') or ''}",
            region=region,
        )
        try:
            execution_id = self._door.operations.start(order, by)
        except ParametersRefused as refused:
            return self._open_form(facts, pairs, refused.problems, body, client)
        return self._started(facts, execution_id)

    def _started(self, facts: PlaybookFacts, execution_id: str) -> str:
        gate = " It asks for approval before it changes anything." if facts.approvers else ""
        status = f"`{self._door.command} status {execution_id[:8]}`"
        started = f"Started *{t.escape(facts.title)}* {t.code(execution_id[:8])}."
        return f"{started}{gate} The card follows; {status} links to it."

    def _open_form(
        self,
        facts: PlaybookFacts,
        given: Mapping[str, str],
        problems: Mapping[str, str],
        body: Mapping[str, Any],
        client: WebClient,
        **metadata: str,
    ) -> str | None:
        missing = {name for name, text in problems.items() if text.startswith("Missing required")}
        errors = {name: text for name, text in problems.items() if name not in missing}
        channel = str(body.get("channel_id") or (body.get("channel") or {}).get("id") or "")
        view = form.run_form(facts, given, errors, metadata={"channel": channel, **metadata})
        try:
            client.views_open(trigger_id=str(body.get("trigger_id") or ""), view=view)
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("form not opened", error=str(error))
            return " ".join(t.escape(sentence) for sentence in problems.values())
        return None

    def submitted(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The run form came back."""
        metadata = json.loads(view.get("private_metadata") or "{}")
        given = form.submitted(view)
        errors: dict[str, str] = {}

        def start() -> str | None:
            by = self._door.identity(body)
            facts = self._door.queries.playbook(str(metadata.get("playbook")))
            order = Order(
                facts.name,
                typed_values(facts.parameters, given),
                channel=str(metadata.get("channel") or ""),
                request_key=f"form:{view.get('id') or ''}",
                suggestion_id=str(metadata.get("suggestion") or ""),
            )
            try:
                self._door.operations.start(order, by)
            except ParametersRefused as refused:
                errors.update(form.errors_beside(refused.problems, view))
                return None if errors else str(refused)
            return None

        text = self._door.attempt(start)
        if text:
            errors = form.errors_beside({"": text}, view)
        if errors:
            ack(response_action="errors", errors=errors)
        elif text:
            said = {"type": "modal", "title": _title("Not started"), "blocks": [t.section("why", t.escape(text))]}
            ack(response_action="update", view=said)
        else:
            ack()

    def run_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Run* in the App Home: the form."""
        name = str(body["actions"][0].get("value") or "")
        self._door.attempt(lambda: self._form_for(name, "", body, client))
        ack()

    def suggestion_clicked(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Any) -> None:
        """A playbook on an alarm's card: started from the alarm, or the form for what is missing."""
        suggestion, _, name = str(body["actions"][0].get("value") or "").partition("|")

        def start() -> str | None:
            by = self._door.identity(body)
            order = Order(
                name,
                channel=str((body.get("channel") or {}).get("id") or ""),
                request_key=f"suggestion:{suggestion}:{name}",
                suggestion_id=suggestion,
            )
            try:
                self._door.operations.start(order, by)
            except ParametersRefused:
                return self._form_for(name, suggestion, body, client)
            return None

        text = self._door.attempt(start)
        ack()
        if text:
            respond(text=text, response_type="ephemeral", replace_original=False)

    def _form_for(self, name: str, suggestion: str, body: Mapping[str, Any], client: WebClient) -> str | None:
        facts = self._door.queries.playbook(name)
        more = {"suggestion": suggestion} if suggestion else {}
        return self._open_form(facts, {}, {}, body, client, **more)


def _title(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def _beginning(prefix: str) -> Any:
    import re  # noqa: PLC0415 - beside its only use

    return re.compile(f"^{re.escape(prefix)}:")
