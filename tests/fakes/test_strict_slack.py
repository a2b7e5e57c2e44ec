"""The strict Slack is strict: what it lets through is what Slack would."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack

SECTION = {"type": "section", "block_id": "a", "text": {"type": "mrkdwn", "text": "x"}}
VIEW = {"type": "modal", "title": {"type": "plain_text", "text": "x"}, "blocks": [SECTION]}


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[StrictSlack]:
    """A strict Slack whose clock the test moves."""
    with StrictSlack(clock) as strict:
        yield strict


@pytest.fixture
def web(slack: StrictSlack) -> WebClient:
    """The SDK, without its own retries."""
    return WebClient(token=slack.identity.bot_token, base_url=slack.api_url, retry_handlers=[])


def refused(call: Any) -> str:
    """The code a call is refused with."""
    with pytest.raises(SlackApiError) as error:
        call()
    return str(error.value.response["error"])


def test_a_trigger_opens_one_form_within_three_seconds(slack: StrictSlack, web: WebClient, clock: ManualClock) -> None:
    """Used, too old, and never given are told apart."""
    trigger, late = slack.trigger(), slack.trigger()
    web.views_open(trigger_id=trigger, view=VIEW)
    clock.advance(3.5)

    assert refused(lambda: web.views_open(trigger_id=trigger, view=VIEW)) == "expired_trigger_id"
    assert refused(lambda: web.views_open(trigger_id=late, view=VIEW)) == "expired_trigger_id"
    assert refused(lambda: web.views_open(trigger_id="x", view=VIEW)) == "invalid_trigger_id"
    again = slack.trigger()
    web.views_open(trigger_id=again, view=VIEW)
    assert refused(lambda: web.views_open(trigger_id=again, view=VIEW)) == "exchanged_trigger_id"


def test_a_burst_is_answered_429(slack: StrictSlack, web: WebClient, clock: ManualClock) -> None:
    """A channel takes five posts and then one a second; Retry-After says when."""
    channel = slack.identity.channel
    for _ in range(5):
        web.chat_postMessage(channel=channel, text="x")
    with pytest.raises(SlackApiError) as error:
        web.chat_postMessage(channel=channel, text="x")
    assert (error.value.response.status_code, error.value.response.headers["Retry-After"]) == (429, "1")
    web.chat_postMessage(channel="C02OTHER", text="x")
    clock.advance(1)

    assert web.chat_postMessage(channel=channel, text="x")["ok"]


def test_edits_have_a_tier(slack: StrictSlack, web: WebClient) -> None:
    """Fifty edits a minute in the whole workspace."""
    channel = slack.identity.channel
    ts = web.chat_postMessage(channel=channel, text="x")["ts"]
    for _ in range(50):
        web.chat_update(channel=channel, ts=ts, text="y")

    assert refused(lambda: web.chat_update(channel=channel, ts=ts, text="y")) == "ratelimited"


@pytest.mark.parametrize(
    "blocks",
    [
        [SECTION] * 2,
        [{**SECTION, "block_id": str(number)} for number in range(51)],
        [{"type": "hologram"}],
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}],
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}],
        [{"type": "actions", "elements": []}],
        [{**SECTION, "block_id": str(number), "text": {"type": "mrkdwn", "text": "x" * 2900}} for number in range(6)],
    ],
)
def test_blocks_beyond_the_limits_are_refused(slack: StrictSlack, web: WebClient, blocks: list[dict[str, Any]]) -> None:
    """Too many, too long, twice the same id, or of an unknown kind."""
    call = lambda: web.chat_postMessage(channel=slack.identity.channel, text="x", blocks=blocks)  # noqa: E731

    assert refused(call) == "invalid_blocks"


def test_views_beyond_the_limits_are_refused(slack: StrictSlack, web: WebClient) -> None:
    """A title of 25 characters, or an input without a submit button."""
    label = {"type": "plain_text", "text": "x"}
    field = {"type": "input", "label": label, "element": {"type": "plain_text_input", "action_id": "v"}}
    views: list[dict[str, Any]] = [{**VIEW, "title": {**label, "text": "x" * 25}}, {**VIEW, "blocks": [field]}]
    for view in views:
        assert refused(lambda view=view: web.views_open(trigger_id=slack.trigger(), view=view)) == "invalid_arguments"


def test_tokens_scopes_and_channels_are_looked_at(slack: StrictSlack, web: WebClient) -> None:
    """A wrong token, a missing scope, a channel that is archived or without the bot."""
    other = WebClient(token="xoxb-other", base_url=slack.api_url, retry_handlers=[])
    assert refused(other.auth_test) == "invalid_auth"
    slack.scopes.discard("channels:history")
    assert refused(lambda: web.conversations_history(channel="C1")) == "missing_scope"
    slack.archived.add("C1")
    slack.not_in.add("C2")
    assert refused(lambda: web.chat_postMessage(channel="C1", text="x")) == "is_archived"
    assert refused(lambda: web.chat_postMessage(channel="C2", text="x")) == "not_in_channel"
