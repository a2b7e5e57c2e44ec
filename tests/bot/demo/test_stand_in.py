"""Where no workspace runs, the stand-in keeps what the bot says, as far as a bot can tell."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.demo.stand_in import StandIn
from bot.demo.workspace import Identity


@pytest.fixture
def slack() -> Iterator[StandIn]:
    """A stand-in that listens."""
    made = StandIn(Identity())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def web(slack: StandIn) -> WebClient:
    """The SDK, as the bot uses it."""
    return WebClient(token=slack.identity.bot_token, base_url=slack.api_url)


def test_it_knows_the_bot(slack: StandIn, web: WebClient) -> None:
    """auth.test names workspace, user and bot, and the scopes stand in a header."""
    answer = web.auth_test()

    assert (answer["team_id"], answer["user_id"]) == (slack.identity.team_id, slack.identity.bot_user_id)
    assert answer["bot_id"].startswith("B")
    assert "chat:write" in answer.headers["x-oauth-scopes"]


def test_a_stranger_is_refused(slack: StandIn) -> None:
    """Any other token is no token."""
    with pytest.raises(SlackApiError, match="invalid_auth"):
        WebClient(token="xoxb-other", base_url=slack.api_url).auth_test()


def test_what_is_said_is_kept(slack: StandIn, web: WebClient) -> None:
    """Posts, edits and threads read back as they are now; private ones do not."""
    channel = slack.identity.channel
    card = web.chat_postMessage(channel=channel, text="red", blocks=[{"type": "divider"}])
    web.chat_postMessage(channel=channel, text="detail", thread_ts=card["ts"])
    web.chat_postEphemeral(channel=channel, user=slack.identity.outsider.id, text="no")
    web.chat_update(channel=channel, ts=card["ts"], text="green")

    history = web.conversations_history(channel=channel)["messages"]
    replies = web.conversations_replies(channel=channel, ts=card["ts"])["messages"]

    assert [message["text"] for message in history] == ["green"]
    assert [message["text"] for message in replies] == ["green", "detail"]
    assert history[0]["blocks"] == [{"type": "divider"}]


def test_what_is_not_there_is_said(slack: StandIn, web: WebClient) -> None:
    """Missing messages, people, channels and methods answer with Slack's codes."""
    with pytest.raises(SlackApiError, match="message_not_found"):
        web.chat_update(channel=slack.identity.channel, ts="1.0", text="x")
    with pytest.raises(SlackApiError, match="user_not_found"):
        web.users_info(user="U9")
    with pytest.raises(SlackApiError, match="channel_not_found"):
        web.conversations_info(channel="C9")
    with pytest.raises(SlackApiError, match="unknown_method"):
        web.api_call("dnd.info")


def test_people_are_full_members(slack: StandIn, web: WebClient) -> None:
    """users.info has the flags by which guests and bots are told apart."""
    user = web.users_info(user=slack.identity.approver.id)["user"]

    assert (user["team_id"], user["is_bot"], user["is_restricted"]) == (slack.identity.team_id, False, False)


def test_forms_get_an_id(web: WebClient) -> None:
    """views.open answers with the view, an id and a hash."""
    view = web.views_open(trigger_id="t", view={"type": "modal", "callback_id": "run"})["view"]

    assert view["callback_id"] == "run"
    assert view["id"].startswith("V")
