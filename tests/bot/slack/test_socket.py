"""Socket Mode keeps trying until it is connected, and ends when it is told to."""

import threading
from collections.abc import Iterator
from http.client import BadStatusLine
from typing import Any

import pytest
from slack_sdk.errors import SlackClientError

from bot.slack.app import build_app
from bot.slack.client import web_client
from bot.slack.socket import SocketRunner
from tests.bot.slack.rig import Rig


class Handler:
    """Fails to connect with each of these before it succeeds."""

    def __init__(self, stop: threading.Event, *failures: Exception) -> None:
        self.failures, self.stop = list(failures), stop
        self.connected = self.closed = 0

    def connect(self) -> None:
        """Fail, or connect and let the test end."""
        if self.failures:
            raise self.failures.pop(0)
        self.connected += 1
        self.stop.set()

    def close(self) -> None:
        """Note it."""
        self.closed += 1


class Stop(threading.Event):
    """An event that nobody waits for in vain."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note how long it would have been."""
        self.pauses.append(timeout)
        return self.is_set()


@pytest.fixture
def runner(rig: Rig) -> Iterator[Any]:
    """A runner whose socket never opens."""
    client = web_client(rig.slack.identity.bot_token, rig.slack.api_url)
    app = build_app(rig.door, client, "", lambda *_: None)
    made: Any = SocketRunner(app, "xapp-1", rig.slack.api_url)
    handler = made._handler
    yield made
    handler.close()


def test_it_connects_as_soon_as_slack_is_there(runner: Any) -> None:
    """Whatever goes wrong first, and with longer and longer pauses."""
    stop = Stop()
    runner._handler = Handler(stop, OSError("no"), BadStatusLine("x"), SlackClientError("no"), ZeroDivisionError())
    runner.run(stop)

    assert (runner._handler.connected, runner._handler.closed) == (1, 1)
    assert stop.pauses == [0.5, 1.0, 2.0, 4.0, None]


def test_it_ends_without_a_connection(runner: Any) -> None:
    """A process that shall stop does not wait for Slack."""
    stop = Stop()
    stop.set()
    runner._handler = Handler(stop, OSError("no"))
    runner.run(stop)

    assert (runner._handler.connected, runner._handler.closed) == (0, 1)


def test_it_says_whether_it_is_connected(runner: Any) -> None:
    """Readiness asks for it."""
    assert runner.is_connected is False
