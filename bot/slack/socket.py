"""Socket Mode: the same app, without a public address."""

import threading
from typing import Any, Final

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.slack.client import NO_ANSWER, web_client

log = structlog.get_logger()

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0


class SocketRunner:
    """Keeps one connection open until it is told to stop; the SDK reconnects by itself once it stood."""

    def __init__(self, app: App, app_token: str, api_url: str) -> None:
        self._handler: Any = SocketModeHandler(app, app_token, web_client=web_client(app_token, api_url))

    def run(self, stop: threading.Event) -> None:
        """Connect, and try again while Slack is away."""
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            try:
                self._handler.connect()
                break
            except NO_ANSWER as error:
                log.warning("no connection to Slack yet", error=str(error))
            except Exception:  # a bot that is deaf must try to hear again, whatever the SDK raises
                log.exception("connection to Slack failed")
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        stop.wait()
        self._handler.close()

    @property
    def is_connected(self) -> bool:
        """Whether the socket stands now."""
        client = self._handler.client
        return client.current_session is not None and bool(client.is_connected())
