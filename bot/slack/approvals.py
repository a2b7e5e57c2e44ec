"""Listeners of the answers: Approve, Reject and the reason for it."""

import html
from typing import Any, Literal

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.slack.blocks import card, form
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor, pressed

log = structlog.get_logger()


class ApprovalListeners:
    """A click is one transaction; who may not decide is told so privately."""

    def __init__(self, door: SlackDoor) -> None:
        self._door = door

    def register(self, app: App) -> None:
        """Hang the listeners in."""
        app.action(card.APPROVE)(self.approved)
        app.action(card.REJECT)(self.rejecting)
        app.view(form.REJECT)(self.rejected)

    def approved(self, ack: Ack, body: dict[str, Any]) -> None:
        """*Approve* was pressed."""
        self._door.whisper(body, self._decide(body, pressed(body), "Approve", ""))
        ack()

    def rejecting(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """*Reject* was pressed: ask why; where no form can be opened, it counts at once."""
        request_id = pressed(body)

        def ask() -> str | None:
            self._door.identity(body)
            request = self._door.queries.approval(request_id)
            if request.status == "Waiting":
                view = form.reject_form(request_id, request.message or request.title)
                if self._door.opened(client, body, view):
                    return None
                log.warning("the rejection counts at once", request_id=request_id)
            return self._decide(body, request_id, "Reject", "")

        self._door.whisper(body, self._door.attempt(ask))
        ack()

    def rejected(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The reason came back."""
        request_id = form.metadata(view).get("request_id", "")
        values = (view.get("state") or {}).get("values") or {}
        comment = str(((values.get("reason") or {}).get("value") or {}).get("value") or "")
        text = self._decide(body, request_id, "Reject", comment)
        if text:
            # Errors beside a field are plain text, where entities would be read as they stand.
            ack(response_action="errors", errors={"reason": t.cut(html.unescape(text), 1900)})
        else:
            ack()

    def _decide(
        self, body: dict[str, Any], request_id: str, verdict: Literal["Approve", "Reject"], comment: str
    ) -> str | None:
        def decide() -> None:
            by = self._door.identity(body)
            self._door.operations.decide(request_id, by, verdict, comment)

        return self._door.attempt(decide)
