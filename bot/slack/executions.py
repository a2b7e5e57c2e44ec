"""Listeners of a card's controls: Stop and Resume."""

from typing import Any

from slack_bolt import Ack, App

from bot.slack.blocks import card
from bot.slack.door import SlackDoor, pressed


class ExecutionListeners:
    """Each click is one transaction; the card follows by itself."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(card.STOP)(self.stop)
        app.action(card.RESUME)(self.resume)

    def stop(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Stop* was pressed."""

        def stop() -> None:
            self._door.operations.stop(pressed(body), self._door.identity(body))

        self._door.whisper(body, self._door.attempt(stop))
        ack()

    def resume(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Resume* was pressed: it ends the pause that the card showed, not a later one."""
        execution_id, _, step_id = pressed(body).partition("|")

        def resume() -> None:
            self._door.operations.resume(execution_id, self._door.identity(body), step_id=step_id)

        self._door.whisper(body, self._door.attempt(resume))
        ack()
