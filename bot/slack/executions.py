"""Listeners of a card's controls: Stop, Resume, the steps of a run that goes step by step, and Retry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from slack_bolt import Ack, App

from bot.slack.blocks import controls, replies
from bot.slack.door import SlackDoor, pressed
from bot.slack.guards import offered
from playbooks.people import Identity


@dataclass(frozen=True, slots=True)
class Click:
    """Which execution a button is about, what else it names, who pressed it, and in which channel."""

    execution_id: str
    more: str
    by: Identity
    channel: str


Verb = Callable[[Click], str | None]
"""Returns what to say."""


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
                return verb(Click(execution_id, more, self._door.identity(body), self._door.address(body)))

            text, buttons = offered(self._door, answer)
            self._door.whisper(body, text, blocks=buttons)
            ack()

        return clicked

    def _stop(self, click: Click) -> None:
        self._door.operations.stop(click.execution_id, click.by)

    def _resume(self, click: Click) -> None:
        """End the pause that the card showed, not a later one."""
        self._door.operations.resume(click.execution_id, click.by, step_id=click.more)

    def _run_step(self, click: Click) -> None:
        """Start the step that the card showed, not a later one."""
        self._door.operations.steering.run_step(click.execution_id, click.by, click.more)

    def _skip_step(self, click: Click) -> None:
        self._door.operations.steering.skip_step(click.execution_id, click.by, click.more)

    def _run_on(self, click: Click) -> None:
        self._door.operations.steering.run_on(click.execution_id, click.by)

    def _finish(self, click: Click) -> None:
        self._door.operations.steering.finish(click.execution_id, click.by)

    def _retry(self, click: Click) -> str:
        started = self._door.operations.steering.retry(click.execution_id, click.by, said_in=click.channel)
        return replies.retried(started)
