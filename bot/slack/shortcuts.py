"""Listeners of the message shortcut: *Run a playbook on this*, with the instances that the message names."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import form, picking, replies
from bot.slack.door import SlackDoor
from bot.slack.forms import Forms
from bot.slack.manifest import SHORTCUT
from playbooks.resource_kinds import INSTANCE

CALLBACK: Final = SHORTCUT["callback_id"]
MOST_FOUND: Final = 50
_INSTANCE: Final = re.compile(r"\bm?i-(?:[0-9a-f]{17}|[0-9a-f]{8})\b")
PARTS: Final = ("text", "blocks", "attachments")


class ShortcutListeners:
    """A message, a playbook, its form."""

    def __init__(self, door: SlackDoor, forms: Forms) -> None:
        self._door, self._forms = door, forms

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.shortcut({"type": "message_action", "callback_id": CALLBACK})(self.wanted)
        app.view(picking.SUBMIT)(self.picked)

    def wanted(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """The shortcut was chosen on a message: ask which playbook."""

        def ask() -> str | None:
            by = self._door.identity(body)
            playbooks = self._door.queries.playbooks(by)
            if not playbooks:
                return replies.NOTHING_TO_RUN
            carried = {"channel": self._door.address(body)}
            view = picking.picker(playbooks, found_in(body.get("message")), carried=carried)
            if not self._door.opened(client, body, view):
                return replies.NO_FORM
            self._read_ahead()
            return None

        text = self._door.attempt(ask)
        if text and not self._door.whispers.say(body.get("response_url"), text):
            self._door.opened(client, body, form.notice("Not started", text))
        ack()

    def _read_ahead(self) -> None:
        """While somebody chooses a playbook, what its form will offer is read."""
        resources, regions = self._door.resources, self._door.regions
        if resources is not None and regions:
            self._door.workbench.later(lambda: resources.look(INSTANCE, regions[0]))

    def picked(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """A playbook was chosen: its form, with the instances where they belong."""
        made: list[dict[str, Any]] = []

        def show() -> None:
            by, (name, instances) = self._door.identity(body), picking.picked(view)
            facts = self._door.queries.playbook(name)
            self._door.must_be_runnable(facts, by)
            carried = form.metadata(view)
            carried.pop("playbook", None)
            made.append(self._forms.at_once(facts, picking.placed(facts, instances), carried))

        text = self._door.attempt(show)
        ack(response_action="update", view=form.notice("Not started", text) if text else made[0])


def found_in(message: object) -> list[str]:
    """The instance ids in a message, in order, each once."""
    if not isinstance(message, Mapping):
        return []
    text = json.dumps([message.get(part) for part in PARTS], ensure_ascii=False)
    return list(dict.fromkeys(_INSTANCE.findall(text)))[:MOST_FOUND]
