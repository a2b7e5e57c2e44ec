"""Words for Slack: foreign text made harmless, everything cut to Slack's limits, times in the reader's zone. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from audit.events import Actor
from infra.canonical import Json

Block = dict[str, Any]

SECTION: Final = 3000
HEADER: Final = 150
BUTTON: Final = 75
CONTEXT: Final = 2000
FALLBACK: Final = 3000
MOST_BLOCKS: Final = 50

STATUS: Final[Mapping[str, tuple[str, str]]] = {
    "Pending": (":white_circle:", "not yet"),
    "InProgress": (":hourglass_flowing_sand:", "running"),
    "Waiting": (":raised_hand:", "waiting for people"),
    "Success": (":white_check_mark:", "done"),
    "TimedOut": (":alarm_clock:", "timed out"),
    "Cancelling": (":octagonal_sign:", "being stopped"),
    "Cancelled": (":octagonal_sign:", "stopped"),
    "Failed": (":x:", "failed"),
    "Exited": (":arrow_right_hook:", "left"),
}
"""Emoji and word: a meaning is never told by colour alone."""


def escape(text: object) -> str:
    """Foreign text that can neither ping, link nor format."""
    plain = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return plain.replace("\x00", "")


def cut(text: str, most: int) -> str:
    """At most so many characters, with an ellipsis where something was left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def code(text: object) -> str:
    """Foreign text in monospace."""
    return f"`{escape(text).replace('`', 'ˋ')}`"


def section(block_id: str, text: str, accessory: Block | None = None) -> Block:
    """A paragraph."""
    block: Block = {"type": "section", "block_id": block_id, "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}
    return {**block, "accessory": accessory} if accessory else block


def header(block_id: str, text: str) -> Block:
    """A title."""
    return {"type": "header", "block_id": block_id, "text": {"type": "plain_text", "text": cut(text, HEADER)}}


def context(block_id: str, *texts: str) -> Block:
    """Small print."""
    elements = [{"type": "mrkdwn", "text": cut(text, CONTEXT)} for text in texts if text][:10]
    return {"type": "context", "block_id": block_id, "elements": elements}


def divider(block_id: str) -> Block:
    """A line."""
    return {"type": "divider", "block_id": block_id}


def actions(block_id: str, *elements: Block) -> Block:
    """Buttons in a row."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(action_id: str, label: str, value: str, *, style: str = "", confirm: Block | None = None) -> Block:
    """A button; `value` is an opaque id, never a truth."""
    text = {"type": "plain_text", "text": cut(label, BUTTON)}
    block: Block = {"type": "button", "action_id": action_id, "text": text, "value": value}
    if style:
        block["style"] = style
    return {**block, "confirm": confirm} if confirm else block


def confirmation(title: str, text: str, yes: str) -> Block:
    """A dialogue before a button counts: comfort, not control."""
    return {
        "title": {"type": "plain_text", "text": cut(title, 100)},
        "text": {"type": "plain_text", "text": cut(text, 300)},
        "confirm": {"type": "plain_text", "text": cut(yes, 30)},
        "deny": {"type": "plain_text", "text": "Back"},
    }


def when(moment: datetime) -> str:
    """A moment in the reader's own zone, UTC where Slack cannot tell."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%F %H:%M} UTC>"


def clock(moment: datetime) -> str:
    """The time of day in the reader's own zone."""
    return f"<!date^{int(moment.timestamp())}^{{time}}|{moment:%H:%M} UTC>"


def spent(duration: timedelta) -> str:
    """How long something took, in the largest sensible units."""
    seconds = int(duration.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def who(actor: Actor) -> str:
    """The actor as people read it: a mention where the id is Slack's."""
    if actor.kind == "alarm":
        return f"alarm {code(actor.name or actor.id)}"
    if actor.id.startswith("slack:"):
        return f"<@{actor.id.rpartition('/')[2]}>"
    return escape(actor.name or actor.id.partition(":")[2] or actor.id)


def shown(value: Json, most: int = 200) -> str:
    """A value for people."""
    if isinstance(value, list):
        return cut(", ".join(escape(item) for item in value), most)
    return cut(escape(value), most)


def fitted(blocks: Iterable[Block]) -> list[Block]:
    """At most fifty blocks; what is left out is said."""
    found = list(blocks)
    if len(found) <= MOST_BLOCKS:
        return found
    return [*found[: MOST_BLOCKS - 1], context("cut", f"… and {len(found) - MOST_BLOCKS + 1} more")]
