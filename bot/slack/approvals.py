"""Listeners of the answers: Approve, Reject and the reason for it."""

import json
from typing import Any, Literal

import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.blocks import card, form
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor

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

    def approved(self, ack: Ack, body: dict[str, Any], respond: Any) -> None:
        """*Approve* was pressed."""
        text = self._decide(body, str(body["actions"][0].get("value") or ""), "Approve", "")
        ack()
        if text:
            respond(text=text, response_type="ephemeral", replace_original=False)

    def rejecting(self, ack: Ack, body: dict[str, Any], client: WebClient, respond: Any) -> None:
        """*Reject* was pressed: ask why; where no form can be opened, it counts at once."""
        request_id = str(body["actions"][0].get("value") or "")

        def ask() -> str | None:
            self._door.identity(body)
            request = self._door.queries.approval(request_id)
            try:
                client.views_open(
                    trigger_id=str(body.get("trigger_id") or ""),
                    view=form.reject_form(request_id, t.cut(request.message or request.title, 2000)),
                )
            except (SlackApiError, SlackClientError, OSError) as error:
                log.warning("form not opened, the rejection counts at once", error=str(error))
                return self._decide(body, request_id, "Reject", "")
            return None

        text = self._door.attempt(ask)
        ack()
        if text:
            respond(text=text, response_type="ephemeral", replace_original=False)

    def rejected(self, ack: Ack, body: dict[str, Any], view: dict[str, Any]) -> None:
        """The reason came back."""
        request_id = str(json.loads(view.get("private_metadata") or "{}").get("request_id") or "")
        values = (view.get("state") or {}).get("values") or {}
        comment = str(((values.get("reason") or {}).get("value") or {}).get("value") or "")
        text = self._decide(body, request_id, "Reject", comment)
        if text:
            ack(response_action="errors", errors={"reason": t.cut(text, 1900)})
        else:
            ack()

    def _decide(
        self, body: dict[str, Any], request_id: str, verdict: Literal["Approve", "Reject"], comment: str
    ) -> str | None:
        def decide() -> None:
            by = self._door.identity(body)
            self._door.operations.decide(request_id, by, verdict, comment)

        return self._door.attempt(decide)
