"""Words for Slack: foreign text made harmless, everything cut to Slack's limits, times in the reader's zone. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from audit.events import Actor
from infra.canonical import Json

Block = dict[str, Any]

SECTION: Final = 3000
HEADER: Final = 150
BUTTON: Final = 75
CONTEXT: Final = 2000
FALLBACK: Final = 1000
MOST_BLOCKS: Final = 50
MESSAGE: Final = 11_000
WHOLE_MESSAGE: Final = 12_500
"""Characters of the text, and of all blocks with it: Slack refuses messages from about 13,200 on
(msg_blocks_too_long)."""
NOTHING: Final = "–"
"""Stands for a text that is empty, which Slack refuses."""
MOST_OF_VALUE: Final = 200

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

_UNSEEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of what follows."""
_OF_EACH_ALARM: Final = re.compile(r" \(minimum \d+ datapoints? for [A-Z_]+ -> [A-Z_]+ transition\)")
_PERSON: Final = re.compile(r"<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>")
_SLACK_USER: Final = re.compile(r"slack:[A-Z0-9]*/([UW][A-Z0-9]+)")


def escape(text: object) -> str:
    """Foreign text that can neither ping nor link, nor hide anything."""
    return _UNSEEN.sub("", str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escape_lines(text: object) -> str:
    """Foreign text of several lines, harmless as it stands."""
    return escape(str(text).replace("\r\n", "\n").replace("\r", "\n").expandtabs(4))


def line(text: object, most: int) -> str:
    """Foreign text in one line of at most so many characters, so that it cannot pass for lines of ours."""
    return escape(cut(" ".join(str(text).split()), most))


def cut(text: str, most: int) -> str:
    """At most so many characters, with an ellipsis where something was left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def fit(text: str, most: int) -> str:
    """Marked-up text of at most so many characters: cut at a line or a word, never within a mention or an entity."""
    if len(text) <= most:
        return text
    head = text[: most - 2]
    end = head.rfind("\n")
    head = head[:end] if end >= most // 2 else head
    if head.rfind("<") > head.rfind(">"):
        head = head[: head.rfind("<")]
    entity = head.rfind("&")
    if entity > head.rfind(";") and len(head) - entity < 6:
        head = head[:entity]
    return f"{head.rstrip()} …"


def code(text: object) -> str:
    """Foreign text in monospace."""
    return f"`{escape(' '.join(str(text).split())).replace('`', 'ˋ')}`"


def mrkdwn(text: str, most: int = SECTION) -> Block:
    """Marked-up text. `verbatim`: Slack shall not make links or mentions of what only looks like them."""
    return {"type": "mrkdwn", "text": fit(text, most) or NOTHING, "verbatim": True}


def plain(text: str, most: int) -> Block:
    """A label or a title."""
    return {"type": "plain_text", "text": cut(_UNSEEN.sub("", text), most) or NOTHING, "emoji": True}


def section(block_id: str, text: str, accessory: Block | None = None) -> Block:
    """A paragraph."""
    block: Block = {"type": "section", "block_id": block_id, "text": mrkdwn(text)}
    return {**block, "accessory": accessory} if accessory else block


def paragraphs(text: str, block_id: str = "text", *, most: int = MESSAGE) -> list[Block]:
    """A longer text in sections, broken between lines; of too much the rest is left out, and that is said."""
    parts: list[str] = [""]
    for each in fit(text, most).split("\n"):
        if len(parts[-1]) + len(each) + 1 > SECTION:
            parts.append("")
        parts[-1] += f"\n{each}" if parts[-1] else each
    return [section(f"{block_id}-{number}", part) for number, part in enumerate(parts) if part.strip()]


def header(block_id: str, text: str) -> Block:
    """A title."""
    return {"type": "header", "block_id": block_id, "text": plain(text, HEADER)}


def context(block_id: str, *texts: str) -> Block:
    """Small print."""
    return {"type": "context", "block_id": block_id, "elements": [mrkdwn(text, CONTEXT) for text in texts if text][:10]}


def divider(block_id: str) -> Block:
    """A line."""
    return {"type": "divider", "block_id": block_id}


def actions(block_id: str, *elements: Block) -> Block:
    """Buttons in a row."""
    return {"type": "actions", "block_id": block_id, "elements": list(elements)}


def button(action_id: str, label: str, value: str, *, style: str = "", confirm: Block | None = None) -> Block:
    """A button; `value` is an opaque id, never a truth."""
    block: Block = {"type": "button", "action_id": action_id, "text": plain(label, BUTTON), "value": value}
    if style:
        block["style"] = style
    return {**block, "confirm": confirm} if confirm else block


def confirmation(title: str, text: str, yes: str) -> Block:
    """A dialogue before a button counts: comfort, not control."""
    return {
        "title": plain(title, 100),
        "text": plain(text, 300),
        "confirm": plain(yes, 30),
        "deny": plain("Back", 30),
    }


def when(moment: datetime) -> str:
    """A moment in the reader's own zone, UTC where Slack cannot tell."""
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{moment:%F %H:%M} UTC>"


def clock(moment: datetime) -> str:
    """The time of day in the reader's own zone."""
    return f"<!date^{int(moment.timestamp())}^{{time}}|{moment:%H:%M} UTC>"


def spent(duration: timedelta) -> str:
    """How long something took, in the largest sensible units."""
    seconds = max(int(duration.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def who(actor: Actor) -> str:
    """The actor as people read it: a mention where the id is Slack's."""
    if actor.kind == "alarm":
        return f"alarm {code(cut(actor.name or actor.id, 200))}"
    user = _SLACK_USER.fullmatch(actor.id)
    if user is not None:
        return f"<@{user[1]}>"
    return line(actor.name or actor.id.partition(":")[2] or actor.id, 100)


def person(entry: str) -> str:
    """An entry of a list of approvers: a mention where it is exactly one, foreign text otherwise."""
    return entry if _PERSON.fullmatch(entry) else code(cut(entry, 100))


def people(entries: Iterable[str], most: int) -> str:
    """Entries of a list of approvers, as people read them."""
    found = list(entries)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(person(entry) for entry in found[:most]) + more


def reason(text: str, most: int) -> str:
    """Why an alarm changed, in AWS's words without what it says of each alarm, which tells a reader nothing."""
    return line(_OF_EACH_ALARM.sub("", text), most)


def italic(text: str) -> str:
    """Marked-up text in italics, unless an underscore in it would end them."""
    return text if "_" in text else f"_{text}_"


def consequences(told: Iterable[str], targets: Sequence[str], most: int) -> list[str]:
    """What is lost or changed, a line each; the resource is not repeated where it is the only one."""
    only = f" {targets[0]}:" if len(targets) == 1 else ""
    lines = [each.replace(only, "", 1) if only else each for each in told]
    return [f":small_orange_diamond: {line(each, 200)}" for each in lines[:most]]


def shown(value: Json, most: int = MOST_OF_VALUE) -> str:
    """A value for people."""
    text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return line(text, most)


def fitted(blocks: Iterable[Block]) -> list[Block]:
    """At most fifty blocks and as many characters as Slack takes; what is left out is said.

    The longest paragraphs are shortened first, so that buttons and states always stand.
    """
    found = list(blocks)
    if len(found) > MOST_BLOCKS:
        buttons = [block for block in found[MOST_BLOCKS - 1 :] if block["type"] == "actions"]
        kept = found[: MOST_BLOCKS - 1 - len(buttons)]
        found = [*kept, context("cut", f"… and {len(found) - len(kept) - len(buttons)} more"), *buttons]
    most = SECTION
    while len(json.dumps(found, ensure_ascii=False)) > WHOLE_MESSAGE and most > 200:
        most = most * 3 // 4
        found = [_shortened(block, most) for block in found]
    return found


def _shortened(block: Block, most: int) -> Block:
    if block["type"] == "section":
        return {**block, "text": mrkdwn(block["text"]["text"], most)}
    if block["type"] == "context":
        return {**block, "elements": [mrkdwn(each["text"], min(most, CONTEXT)) for each in block["elements"]]}
    return block
