"""Listeners of an alarm's card: Acknowledge, Mute, Unmute, Preview, and the menu of a storm."""

import re
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.alarm_board import suggestion_key
from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import form, replies
from bot.slack.door import SlackDoor, pressed
from bot.slack.forms import Forms
from playbooks.alarm_care import AlarmCare
from playbooks.operations import Order, Refused


class AlarmListeners:
    """Each click is one transaction; the card follows by itself."""

    def __init__(self, door: SlackDoor, forms: Forms) -> None:
        self._door, self._forms = door, forms

    @property
    def _care(self) -> AlarmCare:
        """The verbs about alarms. Raises Refused where the bot was put together without them."""
        if self._door.care is None:
            raise Refused(replies.NO_CARE)
        return self._door.care

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(alarm_blocks.ACKNOWLEDGE)(self.acknowledged)
        app.action(alarm_blocks.MUTE)(self.muted)
        app.action(alarm_blocks.UNMUTE)(self.unmuted)
        app.action(alarm_blocks.SHOW)(self.shown)
        preview = re.compile(f"^{re.escape(alarm_blocks.PREVIEW)}:")
        app.action({"type": "block_actions", "action_id": preview})(self.previewed)

    def acknowledged(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Acknowledge*: somebody looks after it."""
        self._door.whisper(
            body, self._door.attempt(lambda: self._care.acknowledge(pressed(body), self._door.identity(body)))
        )
        ack()

    def muted(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Mute 30 min*: it starts nothing until then."""

        def mute() -> None:
            self._care.mute(pressed(body), self._door.identity(body))

        self._door.whisper(body, self._door.attempt(mute))
        ack()

    def unmuted(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Unmute*: from now on it counts again."""
        self._door.whisper(
            body, self._door.attempt(lambda: self._care.unmute(pressed(body), self._door.identity(body)))
        )
        ack()

    def shown(self, ack: Ack, body: dict[str, Any]) -> None:
        """An alarm among many gets a card of its own, below theirs."""
        action = (body.get("actions") or [{}])[0]
        key = str((action.get("selected_option") or {}).get("value") or "")

        def show() -> None:
            self._door.identity(body)
            with self._door.db.transaction() as tx:
                self._door.store.release(tx, suggestion_key(key))

        self._door.whisper(body, self._door.attempt(show))
        ack()

    def previewed(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Preview*: what a playbook would do about this alarm."""
        suggestion, _, name = pressed(body).partition("|")

        def show() -> str | None:
            by, facts = self._door.identity(body), self._door.queries.playbook(name)
            self._door.must_be_runnable(facts, by)
            return self._forms.show(Order(facts.name, suggestion_id=suggestion), by, facts, body, client)

        text = self._door.attempt(show)
        if text and not self._door.whispers.say(body.get("response_url"), text):
            self._door.opened(client, body, form.notice("No preview", text))
        ack()
