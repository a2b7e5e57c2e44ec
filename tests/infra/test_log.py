"""The log: one line, constant message, fields, and never a secret."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from infra.log import configure, mask_of
from infra.masking import MASK


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Logging is global: put it back for the other tests."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with warnings.catch_warnings():
        yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    """Where the log goes."""
    return io.StringIO()


def last(stream: io.StringIO) -> dict[str, Any]:
    """The last line as an object."""
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_is_an_object_with_the_message_and_the_fields(stream: io.StringIO) -> None:
    """The message is constant, so lines can be counted; the data are fields, so they can be searched."""
    configure(style="json", stream=stream)
    structlog.get_logger("bot.intake").info("alarm received", alarm="cpu-high", attempt=2)
    line = last(stream)

    assert (line["event"], line["level"], line["logger"]) == ("alarm received", "info", "bot.intake")
    assert (line["alarm"], line["attempt"]) == ("cpu-high", 2)
    assert line["timestamp"].endswith("Z")


def test_a_stream_that_is_no_terminal_gets_json(stream: io.StringIO) -> None:
    """A container's log is read by a program, a terminal's by a person."""
    configure(stream=stream)
    structlog.get_logger().info("up")

    assert last(stream)["event"] == "up"


def test_the_console_style_is_for_reading(stream: io.StringIO) -> None:
    """Message first, fields after it, no braces."""
    configure(style="console", stream=stream)
    structlog.get_logger().info("alarm received", alarm="cpu-high")

    assert "alarm received" in stream.getvalue()
    assert "alarm=cpu-high" in stream.getvalue()


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    """`debug` is off unless asked for."""
    configure(style="json", stream=stream)
    structlog.get_logger().debug("detail")

    assert stream.getvalue() == ""


SECRETS = ("s3cret-value", "xoxb-12-ab-CD", "xapp-1-A1-2-ff", "AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE")


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_are_masked_wherever_they_stand(stream: io.StringIO, secret: str) -> None:
    """In fields, nested values, exceptions, objects and the lines of other libraries."""
    configure(style="json", stream=stream, secrets=["s3cret-value"])
    log = structlog.get_logger()
    log.info("field", text=f"before {secret} after", deep={"list": [f"<{secret}>", ValueError(secret)]})
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed")
    logging.getLogger("some.library").warning("sent %s", secret)

    assert secret not in stream.getvalue()
    assert stream.getvalue().count(MASK) >= 4


def test_fields_that_are_named_like_secrets_are_masked(stream: io.StringIO) -> None:
    """Whatever their value looks like."""
    configure(style="json", stream=stream)
    structlog.get_logger().info("x", bot_token="plain", headers={"X-Slack-Signature": "v0=ab"}, api_key="k", key="k2")
    line = last(stream)

    assert line["bot_token"] == line["api_key"] == line["key"] == line["headers"]["X-Slack-Signature"] == MASK


def test_words_that_only_contain_such_names_stay(stream: io.StringIO) -> None:
    """A monkey is no key."""
    configure(style="json", stream=stream)
    structlog.get_logger().info("x", monkey="george", keys=3, request_keys=["a"])
    line = last(stream)

    assert (line["monkey"], line["keys"], line["request_keys"]) == ("george", 3, ["a"])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://bot:p@ss@db/bot", "postgresql://***@db/bot"),
        ("postgresql://bot:pass@db/bot", "postgresql://***@db/bot"),
        ("https://hooks.slack.com/commands/T1/2/abc", "https://***"),
        ("arn:aws:iam::123456789012:user/lee", "arn:aws:iam::123456789012:user/lee"),
        ("", ""),
    ],
)
def test_text_is_masked_by_its_shape(text: str, masked: str) -> None:
    """Passwords in URLs and addresses that let anybody post are secrets, too; ARNs are not."""
    assert mask_of()(text) == masked


def test_short_secrets_do_not_blank_the_log() -> None:
    """A password of one letter would mask every word."""
    assert mask_of(["a", ""])("banana") == "banana"


def test_longer_secrets_are_masked_whole() -> None:
    """One secret may begin with another."""
    assert mask_of(["secret", "secret-longer"])("secret-longer") == MASK


def test_libraries_are_quiet_and_warnings_silent(stream: io.StringIO) -> None:
    """What a library has to say at `info` is not what an operator wants to read."""
    configure(style="json", stream=stream)
    logging.getLogger("slack_sdk.web").info("whole request")
    warnings.warn("deprecated", stacklevel=1)

    assert stream.getvalue() == ""
