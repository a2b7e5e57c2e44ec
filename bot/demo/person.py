"""A person at the local workspace: types, clicks, fills in forms and reads, as somebody at the web page would."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from bot.demo.window import Message, Window
from bot.demo.workspace import Member

ACK_SECONDS = 15
"""The workspace itself waits 5 s for the bot."""


class NothingToClick(Exception):
    """The message has no such button now; the message of this exception lists those it has."""


class Person:
    """One member of the workspace in one channel. What they do goes through the workspace to the bot."""

    def __init__(self, window: Window, page: str, member: Member, channel: str) -> None:
        self._window = window
        self._page = page
        self.member = member
        self.channel = channel

    def say(self, text: str, *, thread: str = "") -> None:
        """Write a message, in a thread where one is named."""
        more = {"thread_ts": thread} if thread else {}
        self._do("message", text=text, **more)

    def command(self, typed: str) -> None:
        """Type a slash command: `/playbook run restart-instance`."""
        command, _, text = typed.partition(" ")
        self._do("command", command=command, text=text)

    def click(self, message: Message, action_id: str) -> None:
        """Press a button of a message as it reads now; `action_id` may be the beginning of its id, or its label.

        Raises NothingToClick.
        """
        shown = self._window.message(message["channel"], message["ts"]) or message
        found = list(buttons(shown))
        wanted = next((one for one in found if _is_meant(one, action_id)), None)
        if wanted is None:
            there = ", ".join(one["text"]["text"] for one in found) or "none"
            raise NothingToClick(f"There is no button {action_id!r} on this message; its buttons: {there}.")
        self._do("interact", messageTs=shown["ts"], action=wanted)

    def submit(self, values: Mapping[str, str]) -> None:
        """Fill in the open form and send it: block id or label -> text, or an option's value or label."""
        form = self._window.form()
        blocks = form["blocks"] if form is not None else []
        inputs = {block["block_id"]: block for block in blocks if block["type"] == "input"}
        state = {block_id: _answer(block, values) for block_id, block in inputs.items() if _answer(block, values)}
        self._window.send({"t": "view_submit", "user": self.member.id, "values": state})

    def open_home(self) -> None:
        """Open the bot's App Home."""
        self._do("open-home")

    def messages(self) -> list[Message]:
        """What stands in the channel itself and everybody sees."""
        return [message for message in self._all() if "thread_ts" not in message and not _is_private(message)]

    def thread(self, ts: str) -> list[Message]:
        """The replies under a message."""
        return [message for message in self._all() if message.get("thread_ts") == ts and not _is_private(message)]

    @property
    def ephemerals(self) -> list[Message]:
        """What the bot told this person only."""
        return [message for message in self._all() if message.get("ephemeral_to") == self.member.id]

    def _all(self) -> list[Message]:
        return self._window.messages(self.channel)

    def _do(self, verb: str, **body: Any) -> None:
        wanted = {"channel": self.channel, "user": self.member.id, **body}
        request = urllib.request.Request(
            f"{self._page}/_control/{verb}",
            data=json.dumps(wanted).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ACK_SECONDS):
            return


def buttons(message: Message) -> Iterator[Mapping[str, Any]]:
    """The buttons of a message, each as the web page would report a click on it."""
    for place, block in enumerate(message.get("blocks") or []):
        elements = block.get("elements", []) if block["type"] == "actions" else [block.get("accessory")]
        for element in elements:
            if element and element["type"] == "button":
                pressed = {key: element[key] for key in ("action_id", "value", "text") if key in element}
                yield {"type": "button", "block_id": block.get("block_id", f"b{place}"), **pressed}


def text_of(message: Message) -> str:
    """All words of a message: its blocks' and, where it has none, its text."""
    words = list(_words(message.get("blocks") or []))
    return "\n".join(words) if words else str(message.get("text") or "")


def _words(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if isinstance(part.get("text"), str):
            yield part["text"]
        for value in part.values():
            yield from _words(value)
    elif isinstance(part, list):
        for value in part:
            yield from _words(value)


def _is_private(message: Message) -> bool:
    return message.get("subtype") == "ephemeral"


def _is_meant(button: Mapping[str, Any], wanted: str) -> bool:
    return str(button.get("action_id", "")).startswith(wanted) or button["text"]["text"] == wanted


def _answer(block: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """State of one input block: what the person gave, else nothing, so that the form's own value stands."""
    element, label = block["element"], block["label"]["text"]
    given = values.get(block["block_id"], values.get(label))
    if given is None:
        return {}
    kind = element["type"]
    options = element.get("options", [])
    option = next((one for one in options if given in (one["value"], one["text"]["text"])), None)
    state: dict[str, Any] = {"type": kind, "value": given}
    if kind == "checkboxes":
        state = {"type": kind, "selected_options": [option] if option else []}
    elif options:
        state = {"type": kind, "selected_option": option}
    return {element["action_id"]: state}
