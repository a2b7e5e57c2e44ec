"""Listeners of a card's controls: Stop, Resume, the steps of a run that goes step by step, and Retry."""

from collections.abc import Callable
from typing import Any

from slack_bolt import Ack, App

from bot.slack.blocks import controls
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor, pressed
from bot.slack.guards import offered
from playbooks.people import Identity

Verb = Callable[[str, Identity, str], str | None]
"""Called with the execution, the person, and what else the button names; returns what to say."""


class ExecutionListeners:
    """Each click is one transaction; the card follows by itself."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        for action, verb in (
            (controls.STOP, self._stop),
            (controls.RESUME, self._resume),
            (controls.RUN_STEP, self._run_step),
            (controls.SKIP_STEP, self._skip_step),
            (controls.RUN_ON, self._run_on),
            (controls.FINISH, self._finish),
            (controls.RETRY, self._retry),
        ):
            app.action(action)(self._listener(verb))

    def _listener(self, verb: Verb) -> Callable[[Ack, dict[str, Any]], None]:
        def clicked(ack: Ack, body: dict[str, Any]) -> None:
            execution_id, _, more = pressed(body).partition("|")

            def answer() -> str | None:
                return verb(execution_id, self._door.identity(body), more)

            text, buttons = offered(self._door, answer)
            self._door.whisper(body, text, blocks=buttons)
            ack()

        return clicked

    def _stop(self, execution_id: str, by: Identity, _more: str) -> None:
        self._door.operations.stop(execution_id, by)

    def _resume(self, execution_id: str, by: Identity, step_id: str) -> None:
        """End the pause that the card showed, not a later one."""
        self._door.operations.resume(execution_id, by, step_id=step_id)

    def _run_step(self, execution_id: str, by: Identity, step: str) -> None:
        """Start the step that the card showed, not a later one."""
        self._door.operations.steering.run_step(execution_id, by, step)

    def _skip_step(self, execution_id: str, by: Identity, step: str) -> None:
        self._door.operations.steering.skip_step(execution_id, by, step)

    def _run_on(self, execution_id: str, by: Identity, _more: str) -> None:
        self._door.operations.steering.run_on(execution_id, by)

    def _finish(self, execution_id: str, by: Identity, _more: str) -> None:
        self._door.operations.steering.finish(execution_id, by)

    def _retry(self, execution_id: str, by: Identity, _more: str) -> str:
        started = self._door.operations.steering.retry(execution_id, by)
        return f"It goes on as {t.code(started[:8])}. Its own card follows; whoever had to agree is asked again."
