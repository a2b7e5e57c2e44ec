"""A person clicks what is there, and a message's words can be read."""

from typing import Any

import pytest

from bot.demo.person import NothingToClick, Person, buttons, text_of
from bot.demo.workspace import Member


def _button(label: str, action_id: str, value: str = "") -> dict[str, Any]:
    return {"type": "button", "action_id": action_id, "value": value, "text": {"type": "plain_text", "text": label}}


CARD: dict[str, Any] = {
    "ts": "1.1",
    "channel": "C1",
    "text": "fallback",
    "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "web-1 is ill"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*Recover*"}, "accessory": _button("Details", "open")},
        {
            "type": "actions",
            "block_id": "b2",
            "elements": [_button("Approve", "approve:1", "r1"), {"type": "overflow"}],
        },
    ],
}


class Shown:
    """A window that shows one message."""

    def __init__(self, message: dict[str, Any] | None) -> None:
        self.shown = message

    def message(self, _channel: str, _ts: str) -> dict[str, Any] | None:
        """What the message reads now."""
        return self.shown


def test_buttons_are_found_in_actions_and_beside_sections() -> None:
    """Each is told with the block it stands in, as a click would report it."""
    found = [(one["text"]["text"], one["block_id"], one["action_id"]) for one in buttons(CARD)]

    assert found == [("Details", "b1", "open"), ("Approve", "b2", "approve:1")]


def test_words_come_from_the_blocks_and_else_from_the_text() -> None:
    """The fallback text is read only where there are no blocks."""
    assert text_of(CARD).splitlines() == ["web-1 is ill", "*Recover*", "Details", "Approve"]
    assert text_of({"text": "plain"}) == "plain"


def test_a_button_that_is_gone_cannot_be_clicked() -> None:
    """A person sees the message as it is now, not as it was; the answer lists what there is."""
    now: Any = Shown({**CARD, "blocks": CARD["blocks"][:2]})
    person = Person(now, "http://127.0.0.1:1", Member("U1", "lee", "Lee"), "C1")

    with pytest.raises(NothingToClick, match="no button 'Approve' on this message; its buttons: Details"):
        person.click(CARD, "Approve")
