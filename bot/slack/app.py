"""The Bolt app: who may knock at all, what is done twice only once, and the listeners behind."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.error import BoltUnhandledRequestError
from slack_sdk import WebClient

from bot.slack.approvals import ApprovalListeners
from bot.slack.door import SlackDoor
from bot.slack.executions import ExecutionListeners
from bot.slack.home import HomeListeners
from bot.slack.playbooks import PlaybookListeners
from infra.db import DatabaseUnavailable

log = structlog.get_logger()

REMEMBER: Final = timedelta(minutes=15)
"""Longer than Slack's five minutes of validity."""

Observe = Callable[[str, float], None]


def web_client(token: str, api_url: str) -> WebClient:
    """A client without the SDK's own retries: a post that got no answer must not be sent blindly again."""
    return WebClient(token=token, base_url=api_url, timeout=10, retry_handlers=[])


def build_app(door: SlackDoor, client: WebClient, signing_secret: str, observe: Observe) -> App:
    """The app. Listeners run before the answer leaves, so that what was acknowledged is committed."""
    app = App(
        client=client,
        signing_secret=signing_secret,
        request_verification_enabled=bool(signing_secret),
        process_before_response=True,
        raise_error_for_unhandled_request=True,
        token_verification_enabled=False,
        ssl_check_enabled=True,
    )
    gate = _Gate(door, observe)
    app.use(gate.pass_through)
    app.error(gate.failed)
    for listeners in (PlaybookListeners(door), ApprovalListeners(door), ExecutionListeners(door), HomeListeners(door)):
        listeners.register(app)
    return app


class _Gate:
    """Middleware before every listener."""

    def __init__(self, door: SlackDoor, observe: Observe) -> None:
        self._door, self._observe = door, observe

    def pass_through(self, body: dict[str, Any], req: BoltRequest, next: Callable[[], Any]) -> Any:  # noqa: A002 - Bolt's name
        """Let a request in, or answer it here."""
        began = time.monotonic()
        foreign = self._foreign(body)
        if foreign:
            self._refuse(foreign, body)
            return BoltResponse(status=200, body="This app does not work for your workspace.")
        try:
            if not self._is_new(body, req):
                return BoltResponse(status=200, body="")
            return next()
        except DatabaseUnavailable:
            log.exception("database unavailable")
            return BoltResponse(status=503, body="try again")
        finally:
            self._observe(_kind(body), time.monotonic() - began)

    def _foreign(self, body: dict[str, Any]) -> str:
        """Why a request is not ours, or ""."""
        app_id = str(body.get("api_app_id") or "")
        if self._door.app_id and app_id and app_id != self._door.app_id:
            return f"request for another app: {app_id}"
        team = body.get("team")
        team_id = str(body.get("team_id") or (team.get("id") if isinstance(team, dict) else "") or "")
        if self._door.team_id and team_id and team_id != self._door.team_id:
            return f"request of another workspace: {team_id}"
        return ""

    def _refuse(self, reason: str, body: dict[str, Any]) -> None:
        log.warning("request refused", reason=reason)
        user = body.get("user")
        sender = str(body.get("user_id") or (user.get("id") if isinstance(user, dict) else "") or "")
        try:
            self._door.operations.refuse_request("slack", reason, sender=sender)
        except DatabaseUnavailable as error:
            log.warning("refusal not audited", error=str(error))

    def _is_new(self, body: dict[str, Any], req: BoltRequest) -> bool:
        """Whether this very request was seen before: Slack's retry, or somebody's replay."""
        key = _request_key(body, req)
        if not key:
            return True
        with self._door.db.transaction() as tx:
            return self._door.store.is_new_request(tx, key, self._door.clock(), REMEMBER)

    def failed(self, error: Exception, body: dict[str, Any]) -> BoltResponse:
        """Nobody listens to it, or a listener broke: a sentence, never a traceback."""
        if isinstance(error, BoltUnhandledRequestError):
            log.info("request without a listener", kind=_kind(body))
            return BoltResponse(status=200, body="")
        log.error("request failed", kind=_kind(body), error=str(error), exc_info=error)
        return BoltResponse(status=500, body="Something went wrong; nothing was done.")


def _kind(body: dict[str, Any]) -> str:
    if body.get("command"):
        return "command"
    event = body.get("event")
    if isinstance(event, dict):
        return "event"
    return str(body.get("type") or "other")


def _request_key(body: dict[str, Any], req: BoltRequest) -> str:
    trigger, event = body.get("trigger_id"), body.get("event_id")
    if body.get("type") == "block_actions" and body.get("actions"):
        action = body["actions"][0]
        trigger = f"{trigger}|{action.get('action_ts')}|{action.get('action_id')}|{(body.get('user') or {}).get('id')}"
    if body.get("type") == "view_submission":
        return ""
    signature = (req.headers.get("x-slack-signature") or [""])[0]
    known = str(trigger or event or signature or "")
    return hashlib.sha256(known.encode("utf-8", "replace")).hexdigest() if known else ""
