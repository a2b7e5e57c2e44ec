"""The Celery dispatcher before its broker: it knows how much waits there, and does not hang where nobody answers."""

import socket
import uuid
from typing import Any

import pytest

from engine.dispatch import celery
from engine.dispatch.celery import CeleryDispatcher, celery_app
from tests.engine.hosts import BROKER, no_broker
from tests.needs import missing


def dispatcher(url: str, queue: str) -> CeleryDispatcher:
    """One that is only asked about its queue."""
    nobody: Any = None
    return CeleryDispatcher(celery_app(url, queue=queue), nobody, nobody, nobody, nobody)


def test_it_knows_what_waits_in_its_queue() -> None:
    """Messages that no worker has taken; a queue that is not there yet holds none."""
    if reason := no_broker():
        missing("broker", reason)
    queue = f"playbook-bot.test.{uuid.uuid4().hex[:12]}"
    asked = dispatcher(BROKER, queue)
    assert asked._in_the_queue() == 0
    for _ in range(3):
        asked._send("x")

    assert asked._in_the_queue() == 3
    with celery_app(BROKER, queue=queue).connection() as connection:
        connection.default_channel.queue_delete(queue)


def test_a_broker_that_swallows_everything_does_not_stop_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts the connection and says nothing: after a moment the sweep goes on without knowing."""
    monkeypatch.setattr(celery, "BRIEFLY_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as hole:
        port = hole.getsockname()[1]

        assert dispatcher(f"amqp://guest:guest@127.0.0.1:{port}//", "q")._in_the_queue() == 0
