"""Renders the messages of the outbox from the facts as they are when they are sent."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import card as card_blocks
from bot.slack.blocks import home as home_blocks
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor
from bot.slack.identity import Stranger
from bot.slack.store import CARD, HOME, QUESTION, SUGGESTION, TEXT, SlackMessage
from playbooks.queries import NotFound

log = structlog.get_logger()

Painted = Mapping[str, Any]
LATEST_RUNS = 8


class CardPainter:
    """One method for each kind of message."""

    def __init__(self, door: SlackDoor) -> None:
        self._door, self._queries = door, door.queries
        self._kinds: Mapping[str, Callable[[SlackMessage], Painted | None]] = {
            CARD: self._card,
            SUGGESTION: self._suggestion,
            QUESTION: self._question,
            HOME: self._home,
            TEXT: self._text,
        }

    def paint(self, message: SlackMessage) -> Painted | None:
        """`text` and `blocks` (a `view` for a home); None when the subject is gone, or nothing is to be said of it."""
        try:
            return self._kinds[message.kind](message)
        except NotFound:
            return None

    def _card(self, message: SlackMessage) -> Painted:
        facts = self._queries.execution(message.subject)
        return {"text": card_blocks.fallback(facts), "blocks": card_blocks.card(facts)}

    def _suggestion(self, message: SlackMessage) -> Painted:
        facts = self._queries.suggestion(message.subject)
        return {"text": alarm_blocks.fallback(facts), "blocks": alarm_blocks.suggestion(facts)}

    def _question(self, message: SlackMessage) -> Painted | None:
        """Calls those who may answer; an edited card notifies nobody. Not said once it is answered."""
        facts = self._queries.approval(message.subject)
        if facts.status != "Waiting" or facts.problem:
            return None
        text = card_blocks.call(facts)
        return {"text": text, "blocks": t.paragraphs(text)}

    def _home(self, message: SlackMessage) -> Painted | None:
        try:
            by = self._door.people.identify(message.subject)
        except Stranger as stranger:
            log.info("home not shown", user=message.subject, reason=str(stranger))
            return None
        approvals, executions = self._queries.open_approvals(), self._queries.executions(limit=LATEST_RUNS)
        links = self._door.links([*(each.execution_id for each in approvals), *(each.id for each in executions)])
        return {"view": home_blocks.home(approvals, executions, self._queries.playbooks(by), links)}

    @staticmethod
    def _text(message: SlackMessage) -> Painted:
        return {"text": message.text, "blocks": t.paragraphs(message.text)}
