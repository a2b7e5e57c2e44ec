"""What is not authentic is answered 401 with a sentence, whatever its headers are made of."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from slack_bolt import App, BoltResponse

from bot.slack.http import AUDITED_A_MINUTE, LARGEST_BYTES, SlackHttp
from infra.db import DatabaseUnavailable
from tests.fakes.clock import ManualClock

SECRET = "f" * 32
Knocked = tuple[int, str]
BODY = b"command=%2Fplaybook&text=help"


class Recorded:
    """An app that notes what reaches it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []

    def dispatch(self, request: Any) -> BoltResponse:
        """Answer."""
        self.bodies.append(request.raw_body)
        return BoltResponse(status=200, body="fine")


class Door:
    """The HTTP door with an app that notes, and a trail that notes."""

    def __init__(self) -> None:
        self.app, self.clock = Recorded(), ManualClock()
        self.refused: list[str] = []
        app: Any = self.app
        self.http = SlackHttp(app, SECRET, self.clock, self.refused.append)

    def knock(self, body: bytes = BODY, *, late: float = 0, headers: Mapping[str, str] | None = None) -> Knocked:
        """Send a request signed `late` seconds ago; `headers` replace its own ("-" leaves one out)."""
        stamp = str(int(self.clock().timestamp() - late))
        digest = hmac.new(SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        usual = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
        named = {f"X-Slack-{name.title().replace('_', '-')}": value for name, value in (headers or {}).items()}
        sent = {name: value for name, value in {**usual, **named}.items() if value != "-"}
        status, _, answer = self.http.handle(sent, body)
        return status, answer.decode()


@pytest.fixture
def door() -> Door:
    """A door."""
    return Door()


def test_a_signed_request_passes(door: Door) -> None:
    """Signature and age are right: the app answers, header names in whatever case."""
    assert door.knock() == (200, "fine")
    assert door.app.bodies == [BODY.decode()]
    assert door.refused == []


@pytest.mark.parametrize("late", [-299, 0, 299])
def test_five_minutes_are_valid(door: Door, late: float) -> None:
    """Clocks may differ by less than five minutes, either way."""
    assert door.knock(late=late)[0] == 200


@pytest.mark.parametrize("late", [-302, 302, 86_400, 10**9])
def test_a_stale_request_is_refused(door: Door, late: float) -> None:
    """Too old, or from the future."""
    assert door.knock(late=late) == (401, "the request is too old, or comes from the future\n")
    assert door.app.bodies == []
    assert door.refused == ["the request is too old, or comes from the future"]


@pytest.mark.parametrize(
    "headers",
    [
        {"request_timestamp": "-"},
        {"request_timestamp": ""},
        {"request_timestamp": "abc"},
        {"request_timestamp": "1e9999"},
        {"request_timestamp": "１２３４"},
        {"request_timestamp": "9" * 400},
        {"request_timestamp": "-5"},
        {"request_timestamp": "nan"},
        {"signature": "-"},
        {"signature": ""},
        {"signature": "v0="},
        {"signature": "v0=" + "é" * 64},
        {"signature": "v0=" + "0" * 64},
        {"signature": "v1=" + "0" * 64},
        {"signature": "v0=" + "0" * 63 + "\n"},
        {"signature": "\ud800"},
    ],
)
def test_junk_in_headers_is_401(door: Door, headers: Mapping[str, str]) -> None:
    """Never 500, and nothing reaches the app."""
    status, sentence = door.knock(headers=headers)

    assert status == 401
    assert sentence.startswith("the ")
    assert door.app.bodies == []


@given(some.text(max_size=100), some.text(max_size=100), some.binary(max_size=50))
def test_no_header_breaks_the_door(stamp: str, signature: str, body: bytes) -> None:
    """Whatever the headers say, an unsigned request is 401."""
    assert Door().knock(body, headers={"request_timestamp": stamp, "signature": signature})[0] == 401


def test_a_forged_request_is_refused(door: Door) -> None:
    """A body that was changed after it was signed, or truncated on its way."""
    stamp = str(int(door.clock().timestamp()))
    digest = hmac.new(SECRET.encode(), b"v0:" + stamp.encode() + b":" + BODY, hashlib.sha256).hexdigest()
    headers = {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}
    for body in (BODY[:-1], BODY + b"x", b""):
        assert door.http.handle(headers, body)[0] == 401
    assert door.http.handle(headers, BODY)[0] == 200


def test_a_body_that_is_no_text_is_refused(door: Door) -> None:
    """Signed, but not UTF-8."""
    assert door.knock(b"\xff\xfe") == (400, "the request is not UTF-8 text\n")


def test_a_body_that_is_too_large_is_refused(door: Door) -> None:
    """Before anything is computed over it."""
    status, sentence = door.knock(b"x" * (LARGEST_BYTES + 1))

    assert (status, sentence) == (413, "the request is larger than 1,000,000 bytes\n")


def test_a_flood_of_forgeries_does_not_fill_the_trail(door: Door) -> None:
    """So many a minute are audited; all are refused."""
    for _ in range(3 * AUDITED_A_MINUTE):
        assert door.knock(headers={"signature": "v0="})[0] == 401
    assert len(door.refused) == AUDITED_A_MINUTE
    door.clock.advance(61)
    door.knock(headers={"signature": "v0="})

    assert len(door.refused) == AUDITED_A_MINUTE + 1


def test_a_refusal_does_not_need_the_database(door: Door) -> None:
    """Where the trail cannot be written the answer is the same."""

    def away(_reason: str) -> None:
        raise DatabaseUnavailable("gone")

    door.http._refused = away
    assert door.knock(headers={"signature": "v0="})[0] == 401


def test_without_a_secret_there_is_no_door() -> None:
    """Nobody could tell Slack from anybody else."""
    app: Any = Recorded()
    with pytest.raises(ValueError, match="slack_signing_secret"):
        SlackHttp(app, "", ManualClock(), lambda _: None)


def test_bolt_would_refuse_it_as_well() -> None:
    """The app behind the door still verifies by itself, should anybody mount it elsewhere."""
    from bot.slack.app import build_app
    from bot.slack.client import web_client

    door: Any = None

    class Nothing:
        command = "/playbook"
        workspace = None

    door = Nothing()
    app: App = build_app(door, web_client("xoxb-1", "http://127.0.0.1:1/api/"), SECRET, lambda *_: None)
    from slack_bolt import BoltRequest

    assert app.dispatch(BoltRequest(body=BODY.decode(), headers={})).status == 401
