"""The Bolt app: who may knock at all, what is done twice only once, and the listeners behind."""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from slack_bolt import App, BoltContext, BoltRequest, BoltResponse
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_sdk import WebClient

from bot.slack.alarms import AlarmListeners
from bot.slack.approvals import ApprovalListeners
from bot.slack.blocks import form
from bot.slack.blocks.replies import DATABASE_AWAY, NOT_OURS, OUT_OF_DATE, SEEN_BEFORE
from bot.slack.commandline import typed
from bot.slack.door import SlackDoor, apology
from bot.slack.executions import ExecutionListeners
from bot.slack.forms import Forms
from bot.slack.home import HomeListeners
from bot.slack.mentions import MentionListeners
from bot.slack.playbooks import PlaybookListeners
from bot.slack.removals import RemovalListeners
from bot.slack.request_store import is_new_request
from bot.slack.shortcuts import ShortcutListeners
from bot.slack.unfurl import UnfurlListeners
from bot.slack.workspaces import Workspaces
from infra.db import DatabaseUnavailable

log = structlog.get_logger()

REMEMBER: Final = timedelta(minutes=15)
"""Longer than Slack's five minutes of validity."""
OBJECTS: Final = ("channel", "container", "event", "message", "view")
"""Members of a body that are objects, or not there."""
CHANGING: Final = frozenset({"run", "stop", "resume", "pause", "notify", "takeover"})
"""Verbs of the slash command that must not be repeated; the others only tell."""

Observe = Callable[[str, float], None]


def build_app(door: SlackDoor, client: WebClient, signing_secret: str, observe: Observe) -> App:
    """The app. Listeners run before the answer leaves, so that what was acknowledged is committed.

    `client` is for calls before an acknowledgement: give it a short timeout. Who the bot is, is not asked of Slack
    for each process's first request, as Bolt would: a click must not fail because auth.test does.
    """

    def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        me = door.workspace.of_ids(team_id or "", enterprise_id or "")
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_token=me.client.token if me else None,
            bot_id=me.bot_id if me else None,
            bot_user_id=me.bot_user_id if me else None,
        )

    app = App(
        client=WebClient(base_url=client.base_url, timeout=client.timeout, retry_handlers=[]),
        authorize=authorize,
        before_authorize=_look_at_shape,
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
    forms = Forms(door)
    playbooks = PlaybookListeners(door, forms)
    for listeners in (  # Bolt asks one after the other: first who is in a hurry
        ApprovalListeners(door),
        playbooks,
        forms,
        ExecutionListeners(door),
        HomeListeners(door),
        MentionListeners(door, playbooks, forms),
        ShortcutListeners(door, forms),
        UnfurlListeners(door),
        AlarmListeners(door, forms),
    ):
        listeners.register(app)
    if isinstance(door.workspace, Workspaces):
        RemovalListeners(door, door.workspace).register(app)
    return app


def _look_at_shape(body: dict[str, Any], next: Callable[[], Any]) -> Any:  # noqa: A002 - Bolt's name
    """Answer what no Slack sends before Bolt stumbles over it."""
    is_sound = isinstance(body, dict) and all(isinstance(body.get(name) or {}, dict) for name in OBJECTS)
    actions = body.get("actions", []) if is_sound else None
    is_sound = is_sound and isinstance(body.get("event", {}), dict) and isinstance(actions, list)
    if not is_sound or not all(isinstance(action, dict) for action in actions or []):
        log.warning("request not understood")
        return BoltResponse(status=400, body="the request is not one of Slack's\n")
    return next()


class Recent:
    """Keys of the requests that this process has seen in the last minutes. Safe to share between threads."""

    MOST = 20_000

    def __init__(self, keep: timedelta) -> None:
        self._keep = keep
        self._seen: OrderedDict[str, datetime] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, key: str, now: datetime) -> bool:
        """Whether a key is seen for the first time; old ones are forgotten."""
        with self._lock:
            while self._seen and (len(self._seen) > self.MOST or next(iter(self._seen.values())) < now - self._keep):
                self._seen.popitem(last=False)
            if key in self._seen:
                return False
            self._seen[key] = now
            return True

    def forget(self, key: str) -> None:
        """It was not dealt with: its repetition shall be."""
        with self._lock:
            self._seen.pop(key, None)


class _Gate:
    """Middleware before every listener."""

    def __init__(self, door: SlackDoor, observe: Observe) -> None:
        self._door, self._observe = door, observe
        self._recent = Recent(REMEMBER)

    def pass_through(
        self,
        body: dict[str, Any],
        req: BoltRequest,
        context: BoltContext,
        next: Callable[[], Any],  # noqa: A002 - Bolt's name
    ) -> Any:
        """Let a request in, or answer it here."""
        began = time.monotonic()
        try:
            foreign = self._door.workspace.foreign(body)
            if foreign:
                self._door.refuse(foreign, body)
                return self._answer(body, NOT_OURS)
            if not self._is_new(body, req):
                log.info("request seen before", kind=kind_of(body))
                return self._answer(body, SEEN_BEFORE)
            self._bring_client(context, body)
            return next()
        except DatabaseUnavailable:
            log.exception("database unavailable")
            self._recent.forget(_request_key(body, req))
            return self._answer(body, DATABASE_AWAY, status=503)
        finally:
            self._observe(kind_of(body), time.monotonic() - began)

    def _bring_client(self, context: BoltContext, body: Mapping[str, Any]) -> None:
        """Where there are several workspaces, listeners call with a client whose token is exchanged when it ends."""
        if isinstance(self._door.workspace, Workspaces) and kind_of(body) != "url_verification":
            found = self._door.workspace.find(body)
            if found is not None:
                context["client"] = found.client

    def _is_new(self, body: dict[str, Any], req: BoltRequest) -> bool:
        """Whether this very request was seen before: Slack's retry, or somebody's replay."""
        key = _request_key(body, req)
        if not key:
            return True
        if not self._recent.is_new(key, self._door.clock()):
            return False
        if kind_of(body) == "block_actions":
            # What buttons do is idempotent by the row they name: a repetition at another process harms nothing.
            return True
        with self._door.db.transaction() as tx:
            return is_new_request(tx, key, self._door.clock(), REMEMBER)

    def _answer(self, body: Mapping[str, Any], text: str, *, status: int = 500) -> BoltResponse:
        """Say a sentence to whoever waits for one, in the way their kind of request allows; `status` for events."""
        match kind_of(body):
            case "command":
                return _json({"response_type": "ephemeral", "text": text})
            case "block_actions":
                self._door.whisper(body, text)
                return BoltResponse(status=200, body="")
            case "view_submission":
                return _json({"response_action": "update", "view": form.notice("Not done", text)})
        return BoltResponse(status=200 if text in (NOT_OURS, SEEN_BEFORE) else status, body=text)

    def failed(self, error: Exception, body: dict[str, Any]) -> BoltResponse:
        """Nobody listens to it, or a listener broke: a sentence, never a traceback."""
        if isinstance(error, BoltUnhandledRequestError):
            log.info("request without a listener", kind=kind_of(body))
            if kind_of(body) == "block_actions":
                return self._answer(body, OUT_OF_DATE)
            return BoltResponse(status=200, body="")
        if isinstance(error, DatabaseUnavailable):
            log.error("database unavailable", exc_info=error)
            return self._answer(body, DATABASE_AWAY, status=503)
        return self._answer(body, apology(error))


def _json(answer: Mapping[str, Any]) -> BoltResponse:
    headers: dict[str, str | Sequence[str]] = {"content-type": "application/json;charset=utf-8"}
    return BoltResponse(status=200, body=json.dumps(answer), headers=headers)


def kind_of(body: Mapping[str, Any]) -> str:
    """What sort of request it is, for metrics, the log and the way of answering."""
    if body.get("command"):
        return "command"
    if isinstance(body.get("event"), Mapping):
        return "event"
    kind = str(body.get("type") or "")
    return kind if kind in ("block_actions", "view_submission", "view_closed", "url_verification") else "other"


def _request_key(body: Mapping[str, Any], req: BoltRequest) -> str:
    """What tells one request from its repetition; "" for those that may be repeated without harm.

    Events only repaint and ask anew, forms carry the id of their view.
    """
    known = ""
    if body.get("command") and typed(str(body.get("text") or "")).verb in CHANGING:
        signature = (req.headers.get("x-slack-signature") or [""])[0]
        known = str(body.get("trigger_id") or signature)
    elif body.get("type") == "block_actions" and isinstance(body.get("actions"), list):
        first = body["actions"][0] if body["actions"] and isinstance(body["actions"][0], Mapping) else {}
        user = body.get("user")
        parts = [body.get("trigger_id"), first.get("action_ts"), first.get("action_id"), first.get("value")]
        known = "|".join(str(part) for part in [*parts, user.get("id") if isinstance(user, Mapping) else ""])
    return hashlib.sha256(known.encode("utf-8", "replace")).hexdigest() if known else ""
