"""The HTTP frame: health, readiness, figures, and sentences for whoever knocks at the wrong door."""

from collections.abc import Mapping

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry

from bot.web import LARGEST_BODY, Answer, Doors, build_web


class Bot:
    """A bot with these problems, that remembers what was handed to its doors."""

    def __init__(self, *problems: str) -> None:
        self.found = list(problems)
        self.taken: list[tuple[Mapping[str, str], bytes]] = []

    def problems(self) -> list[str]:
        """What it was made with."""
        return self.found

    def take(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Remember a request."""
        if body == b"defect":
            raise ZeroDivisionError
        self.taken.append((headers, body))
        return 202, {"Content-Type": "text/plain", "X-Said": "yes"}, b"taken"

    def web(self, doors: Doors | None = None) -> FlaskClient:
        """A browser before it."""
        return build_web(doors or Doors(slack=self.take), self, CollectorRegistry()).test_client()


def test_it_is_healthy_while_it_answers() -> None:
    """/healthz says nothing about the database: a process must not be killed because another one is away."""
    answer = Bot("database: it is away").web().get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_it_is_ready_when_nothing_is_in_the_way() -> None:
    """/readyz is 200 when work can be done."""
    answer = Bot().web().get("/readyz")

    assert (answer.status_code, answer.text) == (200, "ready\n")


def test_it_says_why_it_is_not_ready() -> None:
    """/readyz is 503 with one line for each problem."""
    answer = Bot("starting", "database: it is away").web().get("/readyz")

    assert (answer.status_code, answer.text) == (503, "starting\ndatabase: it is away\n")


def test_figures_are_in_prometheus_format() -> None:
    """/metrics has the content type that Prometheus reads."""
    answer = Bot().web().get("/metrics")

    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


@pytest.mark.parametrize(("path", "doors"), [("/slack/events", "slack"), ("/sns", "sns")])
def test_a_door_gets_the_bytes_and_answers_as_it_likes(path: str, doors: str) -> None:
    """Headers and body reach the handler untouched, which signatures need; its answer is sent as it is."""
    bot = Bot()
    answer = bot.web(Doors(bot.take) if doors == "slack" else Doors(sns=bot.take)).post(
        path, data=b"\xff\x00a=b", headers={"X-Signature": "v0"}
    )

    assert (answer.status_code, answer.data, answer.headers["X-Said"]) == (202, b"taken", "yes")
    ((headers, body),) = bot.taken
    assert (headers["X-Signature"], body) == ("v0", b"\xff\x00a=b")


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/", 404, "/slack/events"),
        ("POST", "/sns", 404, "nothing here"),
        ("GET", "/slack/events", 405, "with POST"),
        ("POST", "/healthz", 405, "read with GET"),
    ],
)
def test_a_wrong_address_is_answered_in_a_sentence(method: str, path: str, status: int, says: str) -> None:
    """A door that is switched off, a browser at Slack's: plain text says what there is."""
    answer = Bot().web().open(path, method=method)

    assert (answer.status_code, answer.mimetype) == (status, "text/plain")
    assert says in answer.text


def test_too_large_a_body_is_not_even_read() -> None:
    """413 in words; the handler sees nothing of it."""
    bot = Bot()
    answer = bot.web().post("/slack/events", data=b"x" * (LARGEST_BODY + 1))

    assert (answer.status_code, answer.text) == (413, "The request is larger than 1,000,000 bytes.\n")
    assert bot.taken == []


def test_a_defect_shows_no_traceback() -> None:
    """Whoever knocks reads one sentence; SNS and Slack see a 500 and come again."""
    answer = Bot().web().post("/slack/events", data=b"defect")

    assert answer.status_code == 500
    assert "Traceback" not in answer.text
    assert "ZeroDivision" not in answer.text
    assert "the log has the rest" in answer.text
