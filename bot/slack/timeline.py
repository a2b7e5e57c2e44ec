"""`/playbook timeline ID`: the story of an execution in the thread of its card, and *Export* for the review."""

from typing import Any, Final

from slack_bolt import Ack, App

from bot.slack.blocks import replies
from bot.slack.blocks.story import EXPORT
from bot.slack.door import SlackDoor, pressed
from bot.slack.store import DECISIONS, STORY, TALE
from playbooks.people import Identity

ENDINGS: Final = ("md", "json")


class TimelineListeners:
    """What is posted is rendered when it is sent; each point of the story is posted once."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listener in."""
        app.action(EXPORT)(self.export_clicked)

    def post(self, execution: str, by: Identity) -> str:
        """Have the story posted; returns what to say to whoever asked. Raises Refused, NotAllowed, NotFound."""
        execution_id, seq = self._seen(execution, by)
        if not self._want(execution_id, f"tale:{execution_id}:{seq}", TALE, execution_id):
            return replies.not_posted(execution_id, self._door.command)
        return replies.posted(execution_id)

    def export_clicked(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Export* was pressed: Markdown and JSON as files in the thread."""

        def export() -> str | None:
            execution_id, seq = self._seen(pressed(body), self._door.identity(body))
            for ending in ENDINGS:
                self._want(execution_id, f"story:{execution_id}:{seq}:{ending}", STORY, f"{execution_id}|{ending}")
            return None

        self._door.whisper(body, self._door.attempt(export))
        ack()

    def _seen(self, execution: str, by: Identity) -> tuple[str, int]:
        """(id, number of the last event) of an execution that this person may read about."""
        execution_id = self._door.queries.execution(execution).id
        self._door.operations.see(execution_id, by)
        entries = self._door.queries.timeline(execution_id)
        return execution_id, entries[-1].seq if entries else 0

    def _want(self, execution_id: str, key: str, kind: str, subject: str) -> bool:
        store, card = self._door.store, f"card:{execution_id}"
        with self._door.db.transaction() as tx:
            channel = store.channel_of(tx, card)
            if not channel:
                return False
            store.want(
                tx,
                key,
                kind=kind,
                subject=subject,
                channel=channel,
                now=self._door.clock(),
                lane=DECISIONS,
                thread_key=card,
            )
        return True
