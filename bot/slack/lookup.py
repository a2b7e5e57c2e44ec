"""Whether a message stands in a channel already: looked for by the key in its first block."""

from datetime import datetime, timedelta
from typing import Any, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.client import NO_ANSWER, code_of, is_unsure, retry_after

PAGE: Final = 200
MOST_PAGES: Final = 5
CLOCKS_DIFFER: Final = timedelta(minutes=2)


class CannotLook(Exception):
    """Slack does not show the channel; `is_for_ever` when asking again is of no use (a scope that is missing)."""

    def __init__(self, why: str, *, is_for_ever: bool) -> None:
        super().__init__(why)
        self.is_for_ever = is_for_ever


def find(client: WebClient, key: str, place: tuple[str, str], *, since: datetime, tail: str = "") -> str:
    """The ts of the bot's message with that key in a channel or below a message; "" when it is not there.

    A file is known by the `tail` of its name, which no other file has.

    Raises CannotLook.
    """
    oldest = f"{(since - CLOCKS_DIFFER).timestamp():.6f}"
    cursor = ""
    for _ in range(MOST_PAGES):
        answer = _page(client, place, oldest, cursor)
        for message in answer.get("messages") or []:
            if message.get("bot_id") and any(block.get("block_id") == key for block in message.get("blocks") or []):
                return str(message["ts"])
            if tail and any(tail in str(file.get("name")) for file in message.get("files") or []):
                return str(message["ts"])
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            break
    return ""


def _page(client: WebClient, place: tuple[str, str], oldest: str, cursor: str) -> Any:
    channel, thread_ts = place
    more: dict[str, Any] = {"cursor": cursor} if cursor else {}
    try:
        if thread_ts:
            return client.conversations_replies(channel=channel, ts=thread_ts, oldest=oldest, limit=PAGE, **more)
        return client.conversations_history(channel=channel, oldest=oldest, limit=PAGE, **more)
    except SlackApiError as error:
        is_passing = retry_after(error) is not None or is_unsure(error)
        raise CannotLook(code_of(error) or "no sound answer", is_for_ever=not is_passing) from error
    except NO_ANSWER as error:
        raise CannotLook(str(error), is_for_ever=False) from error
