"""Listeners of a card's controls: Stop and Resume."""

from typing import Any

from slack_bolt import Ack, App

from bot.slack.blocks import card
from bot.slack.door import SlackDoor


class ExecutionListeners:
    """Each click is one transaction; the card follows by itself."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(card.STOP)(self.stop)
        app.action(card.RESUME)(self.resume)

    def stop(self, ack: Ack, body: dict[str, Any], respond: Any) -> None:
        """*Stop* was pressed."""
        self._do(self._door.operations.stop, ack, body, respond)

    def resume(self, ack: Ack, body: dict[str, Any], respond: Any) -> None:
        """*Resume* was pressed."""
        self._do(self._door.operations.resume, ack, body, respond)

    def _do(self, verb: Any, ack: Ack, body: dict[str, Any], respond: Any) -> None:
        execution_id = str(body["actions"][0].get("value") or "")

        def control() -> None:
            verb(execution_id, self._door.identity(body))

        text = self._door.attempt(control)
        ack()
        if text:
            respond(text=text, response_type="ephemeral", replace_original=False)
