"""Socket Mode against Slack's own manners: one socket per envelope, the same event again, connections that end."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.slack.app import build_app
from bot.slack.client import web_client
from bot.slack.socket import SocketRunner
from infra.db import Database
from tests.bot.slack.rig import Rig, library
from tests.fakes.socket_front import SocketFront
from tests.fakes.strict_slack import StrictSlack

pytestmark = pytest.mark.slow

Listen = Callable[[], None]


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path) -> Iterator[Rig]:
    """A bot."""
    made = Rig(slack, str(sqlite_database.url), library(tmp_path))
    yield made
    made.close()


@pytest.fixture
def front() -> Iterator[SocketFront]:
    """Slack's end."""
    with SocketFront() as made:
        yield made


@pytest.fixture
def listen(rig: Rig, front: SocketFront) -> Iterator[Listen]:
    """Open one more of the bot's sockets."""
    stop, threads = threading.Event(), list[threading.Thread]()

    def start() -> None:
        client = web_client(rig.slack.identity.bot_token, rig.slack.api_url, timeout=5)
        app = build_app(rig.door, client, "", lambda *_: None)
        runner = SocketRunner(app, rig.slack.identity.app_token, front.api_url)
        threads.append(threading.Thread(target=runner.run, args=(stop,), name="socket"))
        threads[-1].start()
        front.wait_for(len(threads))

    yield start
    stop.set()
    for thread in threads:
        thread.join()


def test_each_envelope_reaches_one_of_two_sockets(rig: Rig, front: SocketFront, listen: Listen) -> None:
    """Whichever it is, the command is answered once and starts one run."""
    listen()
    listen()
    for _ in range(4):
        answer = front.deliver("slash_commands", rig.command_fields("run nap"))
        assert answer is not None
        assert "Started *A nap*" in answer["payload"]["text"]

    assert rig.count() == 4
    assert [socket.acknowledged.qsize() for socket in front.sockets] == [0, 0]


def test_an_event_that_comes_again_is_answered_once(rig: Rig, front: SocketFront, listen: Listen) -> None:
    """Slack had no acknowledgement in time, and asks another socket: both say that they have it, one run starts."""
    listen()
    listen()
    said = {"text": f"<@{rig.slack.identity.bot_user_id}> run nap", "user": rig.lee, "ts": "9000.000002"}
    body = rig.event_body("app_mention", **said, channel=rig.slack.identity.channel)
    front.deliver("events_api", body, patience=0)
    assert all(socket.acknowledged.get(timeout=5)["envelope_id"] for socket in front.sockets)

    assert rig.count() == 1


def test_a_connection_that_slack_ends_is_opened_anew(rig: Rig, front: SocketFront, listen: Listen) -> None:
    """As it does every few hours; the next command is heard."""
    listen()
    front.refresh()
    front.wait_for(1, opened=2)
    answer = front.deliver("slash_commands", rig.command_fields("list"))

    assert answer is not None
    assert "restart" in answer["payload"]["text"]
