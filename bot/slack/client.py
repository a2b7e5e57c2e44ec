"""The Slack Web API: how it is called, and what its troubles mean."""

import socket
from datetime import timedelta
from http.client import HTTPException
from typing import Any, Final
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

NO_ANSWER: Final = (SlackClientError, URLError, OSError, TimeoutError, HTTPException)
"""What the SDK raises when nothing came back. SlackApiError is one of the first: catch it before."""
LISTENER_TIMEOUT_SECONDS: Final = 2
"""For calls before an acknowledgement, which Slack awaits for three seconds."""
OUTBOX_TIMEOUT_SECONDS: Final = 10
LONGEST_RETRY_AFTER: Final = timedelta(minutes=10)

LIMITED: Final = frozenset({"ratelimited", "rate_limited"})
UNSURE: Final = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", ""})
"""Codes after which a part of the call may have been done."""
LOCKED_OUT: Final = frozenset(
    {
        "account_inactive",
        "ekm_access_denied",
        "invalid_auth",
        "missing_scope",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
"""Codes that are about the bot's token, not about one call."""


def web_client(token: str, api_url: str, *, timeout: int = OUTBOX_TIMEOUT_SECONDS) -> WebClient:
    """A client without the SDK's own retries: a post that got no answer must not be sent blindly again."""
    return WebClient(token=token, base_url=api_url, timeout=timeout, retry_handlers=[])


def code_of(error: SlackApiError) -> str:
    """Slack's error code; "" where the answer was none of Slack's (a proxy's page)."""
    return str(error.response.get("error") or "")


def status_of(error: SlackApiError) -> int:
    """The HTTP status; the SDK hands over a plain mapping where the body was no JSON."""
    response: Any = error.response
    return int(getattr(response, "status_code", None) or response.get("status") or 0)


def retry_after(error: SlackApiError) -> timedelta | None:
    """How long Slack asks to wait; None when the error is not about the rate."""
    if status_of(error) != 429 and code_of(error) not in LIMITED:
        return None
    response: Any = error.response
    headers = response.get("headers") if isinstance(response, dict) else response.headers
    said = next((value for name, value in (headers or {}).items() if name.lower() == "retry-after"), "")
    said = said[0] if isinstance(said, list) and said else said
    try:
        return min(timedelta(seconds=max(float(str(said)), 1.0)), LONGEST_RETRY_AFTER)
    except (ValueError, OverflowError):
        return timedelta(seconds=1)


def is_unsure(error: SlackApiError) -> bool:
    """Whether the call may have been done although it was refused."""
    return status_of(error) >= 500 or code_of(error) in UNSURE


def is_unsent(error: Exception) -> bool:
    """Whether the call surely did not reach Slack: no connection was made."""
    reason = error.reason if isinstance(error, URLError) else error
    return isinstance(reason, (ConnectionRefusedError, socket.gaierror))
