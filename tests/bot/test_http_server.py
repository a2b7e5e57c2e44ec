"""The server under the doors: it has its address at once, and ends without losing an answer."""

import threading
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from bot.http_server import HttpServer

Start = Callable[[str, list[tuple[str, str]]], object]


def server(application: Callable[[dict[str, Any], Start], Iterable[bytes]], **options: Any) -> HttpServer:
    """A server of that application."""
    usual: dict[str, Any] = {"name": "test", "threads": 2, "largest_body": 1000}
    return HttpServer(application, "127.0.0.1", options.pop("port", 0), **{**usual, **options})


def hello(_: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Says hello."""
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def get(url: str) -> bytes:
    """What a browser would read."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def test_it_answers_at_its_url() -> None:
    """A free port is taken when none is given, and told."""
    made = server(hello)
    made.start()

    assert get(made.url) == b"hello"
    made.stop()


def test_a_taken_port_is_refused_before_anything_runs() -> None:
    """Whoever comes second hears of it from the constructor."""
    first = server(hello)
    with pytest.raises(OSError, match="in use"):
        server(hello, port=int(first.url.rpartition(":")[2]))

    first.stop()


def test_what_was_never_started_leaves_nothing_behind() -> None:
    """Its address is free again, its threads are gone."""
    before = threading.active_count()
    made = server(hello)
    made.stop()

    assert threading.active_count() == before
    again = server(hello, port=int(made.url.rpartition(":")[2]))
    again.stop()


def test_a_request_that_is_being_answered_is_finished() -> None:
    """A stop waits for it: whoever asked gets the answer."""
    inside, may_end, answers = threading.Event(), threading.Event(), []

    def slow(_: dict[str, Any], start: Start) -> Iterable[bytes]:
        inside.set()
        may_end.wait(10)
        start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"done"]

    made = server(slow)
    made.start()
    asking = threading.Thread(target=lambda: answers.append(get(made.url)))
    asking.start()
    inside.wait(10)
    stopping = threading.Thread(target=made.stop)
    stopping.start()
    may_end.set()
    stopping.join()
    asking.join()

    assert answers == [b"done"]
