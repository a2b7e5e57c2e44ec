"""A browser window onto the local workspace: it sees every frame that the web page sees, as it comes."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import websocket

Found = TypeVar("Found")
Message = Mapping[str, Any]
CONNECT_SECONDS = 10
CHANGES_KEPT = ("message", "message_update", "message_delete")


class DeadlinePassed(Exception):
    """What was waited for did not happen in time; the message says what that was."""


class Window:
    """Keeps the workspace's messages as the page shows them, and counts what happened to each."""

    def __init__(self, page: str) -> None:
        self._changed = threading.Condition()
        self._channels: dict[str, dict[str, Message]] = {}
        self._updates: dict[str, int] = {}
        self._first_seen: dict[str, float] = {}
        self._views: list[Message] = []
        self._view_errors: list[Mapping[str, str]] = []
        self._homes: dict[str, Message] = {}
        self._is_open = False
        address = page.replace("http://", "ws://", 1) + "/ui"
        self._socket = websocket.create_connection(address, timeout=CONNECT_SECONDS, http_proxy_host=None)
        self._socket.settimeout(None)
        threading.Thread(target=self._read, name="window", daemon=True).start()
        self.wait_for(lambda: self._is_open, CONNECT_SECONDS, "the workspace's first picture")

    def close(self) -> None:
        """Look away."""
        self._socket.close()

    def send(self, frame: Mapping[str, Any]) -> None:
        """Do what the page does when a person acts in it."""
        self._socket.send(json.dumps(frame))

    def messages(self, channel: str) -> list[Message]:
        """Everything in a channel, threads and private answers included, oldest first."""
        with self._changed:
            return list(self._channels.get(channel, {}).values())

    def message(self, channel: str, ts: str) -> Message | None:
        """One message as it reads now."""
        with self._changed:
            return self._channels.get(channel, {}).get(ts)

    def updates(self, ts: str) -> int:
        """How often a message was edited since the window opened."""
        with self._changed:
            return self._updates.get(ts, 0)

    def first_seen(self, ts: str) -> float:
        """When a message first appeared in this window: seconds of `time.time()`; 0 when it was there before."""
        with self._changed:
            return self._first_seen.get(ts, 0.0)

    def form(self) -> Message | None:
        """The form on top, if one is open."""
        with self._changed:
            return self._views[-1] if self._views else None

    def form_errors(self) -> Mapping[str, str]:
        """What the bot refused in the last submission: block id -> sentence."""
        with self._changed:
            return self._view_errors[-1] if self._view_errors else {}

    def home(self, user: str) -> Message | None:
        """The bot's App Home as this person sees it, once published."""
        with self._changed:
            return self._homes.get(user)

    def wait_for(self, what: Callable[[], Found | None], seconds: float, told: str) -> Found:
        """Look again after every frame until `what` answers something true. Raises DeadlinePassed."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = what()
                if found:
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DeadlinePassed(f"{told} did not happen within {seconds:g} s.")
                self._changed.wait(left)

    def _read(self) -> None:
        while True:
            try:
                raw = self._socket.recv()
            except (OSError, websocket.WebSocketException):
                return
            if not raw:
                return
            frame = json.loads(raw)
            with self._changed:
                self._take(frame)
                self._changed.notify_all()

    def _take(self, frame: Mapping[str, Any]) -> None:
        kind = frame["t"]
        if kind == "init":
            self._begin(frame["state"])
        elif kind in CHANGES_KEPT:
            self._change(kind, frame)
        elif kind == "view":
            self._views = list(frame["stack"])
            self._view_errors = []
        elif kind == "view_errors":
            self._view_errors.append(frame["errors"])
        elif kind == "home":
            self._homes[frame["user"]] = frame["view"]

    def _begin(self, state: Mapping[str, Any]) -> None:
        self._channels = {
            channel: {message["ts"]: message for message in messages} for channel, messages in state["messages"].items()
        }
        self._views = list(state["modalStack"])
        self._is_open = True

    def _change(self, kind: str, frame: Mapping[str, Any]) -> None:
        if kind == "message_delete":
            self._channels.get(frame["channel"], {}).pop(frame["ts"], None)
            return
        message = frame["message"]
        self._channels.setdefault(message["channel"], {})[message["ts"]] = message
        if kind == "message_update":
            self._updates[message["ts"]] = self._updates.get(message["ts"], 0) + 1
        else:
            self._first_seen[message["ts"]] = time.time()
