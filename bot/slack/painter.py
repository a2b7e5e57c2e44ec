"""Renders the messages of the outbox from the facts as they are when they are sent."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bot.slack import telling
from bot.slack.alarm_board import reminder_of, storm_of
from bot.slack.blocks import alarm as alarm_blocks
from bot.slack.blocks import card as card_blocks
from bot.slack.blocks import text as t
from bot.slack.door import SlackDoor
from bot.slack.home import home_of
from bot.slack.store import (
    ANSWER,
    CARD,
    DIGEST,
    HOME,
    OUTPUT,
    QUESTION,
    REMINDER,
    REPORT,
    STOPPED,
    STORM,
    STORY,
    SUGGESTION,
    TALE,
    TEXT,
    SlackMessage,
)
from playbooks.queries import NotFound

Painted = Mapping[str, Any]


class CardPainter:
    """One method for each kind of message."""

    def __init__(self, door: SlackDoor) -> None:
        self._door, self._queries = door, door.queries
        self._kinds: Mapping[str, Callable[[SlackMessage], Painted | None]] = {
            CARD: self._card,
            SUGGESTION: self._suggestion,
            QUESTION: self._question,
            HOME: partial(home_of, door),
            TEXT: self._text,
            OUTPUT: partial(telling.output, door),
            STOPPED: partial(telling.stopped, door),
            TALE: partial(telling.tale, door),
            STORY: partial(telling.story, door),
            DIGEST: partial(telling.morning, door),
            REPORT: partial(telling.week, door),
            ANSWER: self._answer,
            STORM: partial(storm_of, door),
            REMINDER: partial(reminder_of, door),
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
        if facts.is_broken:
            return {"text": card_blocks.broken(facts), "blocks": card_blocks.broken_blocks(facts)}
        if facts.status != "Waiting" or facts.problem:
            return None
        text = card_blocks.call(facts)
        return {"text": text, "blocks": t.paragraphs(text)}

    @staticmethod
    def _answer(message: SlackMessage) -> Painted:
        found: Painted = json.loads(message.text)
        return found

    @staticmethod
    def _text(message: SlackMessage) -> Painted:
        return {"text": message.text, "blocks": t.paragraphs(message.text)}
