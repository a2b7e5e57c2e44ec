"""A strict front before a fake Web API: Slack's limits between the bot and it, and the troubles a network has.

The real SDK talks to it over loopback. It holds what `bot.demo.stand_in` lets pass: tokens and scopes, rate limits
with Retry-After, block and view limits, triggers (3 s, once), response_urls (5 uses in 30 min), channels the bot is
not in, user groups and the flags of people. `trouble` makes calls fail on order, before or after they were done.
"""

import itertools
import json
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from bot.demo.stand_in import NESTED, StandIn
from bot.demo.workspace import Identity
from infra.clock import Clock
from tests.fakes.block_limits import Problem, message_problems, view_problems

Answer = dict[str, Any]
Arguments = dict[str, Any]
When = Literal["before", "after"]

PER_MINUTE: Mapping[str, int] = {
    "chat.update": 50, "chat.delete": 50, "conversations.history": 50, "conversations.replies": 50,
    "conversations.info": 50, "chat.postEphemeral": 100, "users.info": 100, "usergroups.users.list": 20,
    "views.open": 100, "views.publish": 100, "views.update": 100,
}  # fmt: skip
"""Slack's tiers: at least so many calls of a method a minute."""
POSTS_A_SECOND, POST_BURST, POSTS_A_MINUTE = 1.0, 5, 300
SCOPES: Mapping[str, str] = {
    "chat.postMessage": "chat:write", "chat.update": "chat:write", "users.info": "users:read",
    "chat.unfurl": "links:write", "usergroups.users.list": "usergroups:read", "conversations.info": "channels:read",
    "conversations.history": "channels:history", "conversations.replies": "channels:history",
    "files.getUploadURLExternal": "files:write", "files.completeUploadExternal": "files:write",
}  # fmt: skip
MANIFEST_SCOPES = frozenset(
    {"chat:write", "commands", "files:write", "links:write", "users:read", "usergroups:read", "channels:read"}
)
TRIGGER_LIVES = timedelta(seconds=3)
URL_LIVES, URL_USES = timedelta(minutes=30), 5


@dataclass
class Trouble:
    """What goes wrong with the next calls of a method."""

    times: int = 1
    error: str = ""
    """Slack's own refusal."""
    status: int = 0
    """A page that is not Slack's, with this status."""
    retry_after: str | None = None
    """429 with this Retry-After."""
    cut: When | None = None
    """The connection breaks before the call is done, or after."""


@dataclass
class _Bucket:
    tokens: float
    at: datetime


@dataclass
class _Use:
    at: datetime
    count: int = 0


@dataclass
class StrictSlack:
    """Serves `http://127.0.0.1:PORT/api/`; a context manager."""

    clock: Clock
    identity: Identity = field(default_factory=Identity)
    scopes: set[str] = field(default_factory=lambda: {*MANIFEST_SCOPES, "channels:history"})
    is_limited: bool = True
    people: dict[str, Answer] = field(default_factory=dict)
    """user id -> what users.info says of more people, or differently of those there are (`deleted`, `team_id` …)."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    not_in: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.upstream = StandIn(self.identity)
        self.calls: list[tuple[str, Arguments]] = []
        self.answered: Counter[tuple[str, str]] = Counter()
        self.whispered: list[Answer] = []
        self.files: dict[str, Answer] = {}
        self._troubles: dict[str, deque[Trouble]] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._triggers: dict[str, _Use] = {}
        self._urls: dict[str, _Use] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.upstream._server.server_close()

    # -- what tests do and look at

    @property
    def url(self) -> str:
        """The base of everything."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def api_url(self) -> str:
        """The base of the Web API."""
        return f"{self.url}/api/"

    def trigger(self) -> str:
        """A trigger_id as an interaction carries one."""
        trigger = f"{next(self._numbers)}.1.x"
        self._triggers[trigger] = _Use(self.clock())
        return trigger

    def response_url(self) -> str:
        """A response_url as an interaction carries one."""
        key = f"k{next(self._numbers)}"
        self._urls[key] = _Use(self.clock())
        return f"{self.url}/actions/{key}"

    def trouble(self, method: str, **kind: Any) -> None:
        """Let the next calls of a method ("*" = any) go wrong."""
        self._troubles.setdefault(method, deque()).append(Trouble(**kind))

    def messages(self, channel: str = "") -> list[Answer]:
        """What stands in a channel, threads included, oldest first."""
        wanted = channel or self.identity.channel
        return [message for message in self.upstream._messages.values() if message["channel"] == wanted]

    def delete(self, ts: str) -> None:
        """Somebody deletes a message by hand."""
        del self.upstream._messages[ts]

    def called(self, method: str) -> list[Arguments]:
        """The arguments of each call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    # -- the wire

    def respond(self, path: str, token: str, arguments: Arguments) -> tuple[int, dict[str, str], bytes] | None:
        """Answer one request; None = break the connection."""
        with self._lock:
            if path.startswith("/actions/"):
                return self._whisper(path.removeprefix("/actions/"), arguments)
            if path.startswith("/upload/"):
                return self._take_bytes(path.removeprefix("/upload/"), str(arguments.get("content") or ""))
            method = path.removeprefix("/api/")
            self.calls.append((method, arguments))
            trouble = self._trouble_of(method)
            if trouble is None:
                return self._counted(method, *self._answer(method, token, arguments))
            if trouble.cut == "after":
                self._answer(method, token, arguments)
            return None if trouble.cut else _failed(trouble)

    def _trouble_of(self, method: str) -> Trouble | None:
        for name in (method, "*"):
            waiting = self._troubles.get(name)
            if waiting:
                waiting[0].times -= 1
                return waiting[0] if waiting[0].times else waiting.popleft()
        return None

    def _counted(self, method: str, status: int, answer: Answer) -> tuple[int, dict[str, str], bytes]:
        self.answered[method, str(answer.get("error") or "ok")] += 1
        headers = {"Retry-After": str(answer["retry_after"])} if status == 429 else {}
        return status, headers, json.dumps(answer).encode()

    def _answer(self, method: str, token: str, arguments: Arguments) -> tuple[int, Answer]:
        if token != self.identity.bot_token:
            return 200, _error("invalid_auth")
        wait = self._wait(method, arguments) if self.is_limited else 0
        if wait:
            return 429, {**_error("ratelimited"), "retry_after": wait}
        if SCOPES.get(method, "chat:write") not in self.scopes:
            return 200, {**_error("missing_scope"), "needed": SCOPES[method]}
        return 200, self._refusal(method, arguments) or self._done(method, arguments)

    def _refusal(self, method: str, arguments: Arguments) -> Answer | None:
        if method in ("chat.postMessage", "chat.update"):
            return self._message_refused(method, arguments)
        if method in ("views.open", "views.push"):
            code = self._trigger_refused(str(arguments.get("trigger_id") or ""))
            if code:
                return _error(code)
        if method.startswith("views."):
            problems = view_problems(arguments.get("view") or {})
            return _error("invalid_arguments", problems) if problems else None
        return None

    def _message_refused(self, method: str, arguments: Arguments) -> Answer | None:
        channel, text, blocks = arguments.get("channel"), arguments.get("text") or "", arguments.get("blocks")
        if channel in self.archived:
            return _error("is_archived")
        if channel in self.not_in:
            return _error("not_in_channel")
        if not text and not blocks:
            return _error("no_text")
        if len(text) > (4000 if method == "chat.update" else 40_000):
            return _error("msg_too_long")
        problems = message_problems(blocks) if blocks else []
        thread = arguments.get("thread_ts")
        if thread and thread not in self.upstream._messages and not str(thread).startswith("9"):
            return _error("thread_not_found")
        return _error("invalid_blocks", problems) if problems else None

    def _trigger_refused(self, trigger: str) -> str:
        use = self._triggers.get(trigger)
        if use is None:
            return "invalid_trigger_id"
        if self.clock() - use.at > TRIGGER_LIVES:
            return "expired_trigger_id"
        use.count += 1
        return "exchanged_trigger_id" if use.count > 1 else ""

    def _take_bytes(self, key: str, content: str) -> tuple[int, dict[str, str], bytes]:
        file = self.files.get(key)
        if file is None or len(content.encode()) != file["length"]:
            return 400, {}, b"no such file, or of another length"
        file["content"] = content
        return 200, {}, b"OK"

    def _file_done(self, method: str, arguments: Arguments) -> Answer:
        if method == "files.getUploadURLExternal":
            key = f"F{next(self._numbers):06d}"
            self.files[key] = {"id": key, "name": arguments["filename"], "length": int(arguments["length"])}
            return {"ok": True, "file_id": key, "upload_url": f"{self.url}/upload/{key}"}
        refused = self._message_refused(method, {**arguments, "channel": arguments.get("channel_id"), "text": "file"})
        if refused:
            return refused
        given = json.loads(arguments["files"]) if isinstance(arguments["files"], str) else arguments["files"]
        shown = [self.files[each["id"]] for each in given]
        if not all("content" in file for file in shown):
            return _error("file_not_found")
        said = {"channel": arguments["channel_id"], "text": arguments.get("initial_comment") or ""}
        more = {"thread_ts": arguments["thread_ts"]} if arguments.get("thread_ts") else {}
        posted = self.upstream.answer("chat.postMessage", self.identity.bot_token, {**said, **more})
        self.upstream._messages[posted["ts"]]["files"] = shown
        return {"ok": True, "files": [{"id": file["id"]} for file in shown]}

    def _done(self, method: str, arguments: Arguments) -> Answer:
        if method.startswith("files."):
            return self._file_done(method, arguments)
        if method == "usergroups.users.list":
            users = self.groups.get(str(arguments.get("usergroup")))
            return {"ok": True, "users": users} if users is not None else _error("no_such_subteam")
        answer = self.upstream.answer(method, self.identity.bot_token, arguments)
        user = str(arguments.get("user"))
        if method == "users.info" and user in self.people:
            known = answer.get("user") or {"id": user, "name": user.lower(), "team_id": self.identity.team_id}
            return {"ok": True, "user": {**known, **self.people[user]}}
        return answer

    def _wait(self, method: str, arguments: Arguments) -> int:
        """Seconds until a call is within the limits; 0 = it is, and is counted."""
        if method == "chat.postMessage":
            buckets = [
                (f"{method}|{arguments.get('channel')}", POST_BURST, POSTS_A_SECOND),
                (method, POSTS_A_MINUTE, POSTS_A_MINUTE / 60),
            ]
        elif method in PER_MINUTE:
            buckets = [(method, PER_MINUTE[method], PER_MINUTE[method] / 60)]
        else:
            return 0
        waits = [self._filled(name, most, rate) for name, most, rate in buckets]
        if max(waits) > 0:
            return max(1, int(max(waits) + 0.999))
        for name, *_ in buckets:
            self._buckets[name].tokens -= 1
        return 0

    def _filled(self, name: str, most: float, rate: float) -> float:
        now = self.clock()
        bucket = self._buckets.setdefault(name, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.at).total_seconds() * rate)
        bucket.at = now
        return 0.0 if bucket.tokens >= 1 else (1 - bucket.tokens) / rate

    def _whisper(self, key: str, arguments: Arguments) -> tuple[int, dict[str, str], bytes]:
        use = self._urls.get(key)
        if use is None or self.clock() - use.at > URL_LIVES:
            return 404, {}, b"expired_url"
        use.count += 1
        if use.count > URL_USES:
            return 404, {}, b"used_url"
        if arguments.get("blocks") and message_problems(arguments["blocks"]):
            return 400, {}, b"invalid_blocks"
        arguments.setdefault("response_type", "ephemeral")
        self.whispered.append(arguments)
        return 200, {}, b"ok"


def _error(code: str, problems: list[Problem] | None = None) -> Answer:
    answer: Answer = {"ok": False, "error": code}
    if problems:
        answer["response_metadata"] = {"messages": [f"{text} [json-pointer:{place}]" for place, text in problems]}
    return answer


def _failed(trouble: Trouble) -> tuple[int, dict[str, str], bytes]:
    if trouble.retry_after is not None:
        return 429, {"retry-after": trouble.retry_after}, json.dumps(_error("ratelimited")).encode()
    if trouble.status:
        return trouble.status, {}, b"<html>upstream is not there</html>"
    return 200, {}, json.dumps(_error(trouble.error)).encode()


def _handler(slack: StrictSlack) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            arguments = json.loads(body or "{}") if is_json else _unfolded(dict(parse_qsl(body)))
            if self.path.startswith("/upload/"):
                arguments = {"content": body}
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answered = slack.respond(urlsplit(self.path).path, token, arguments)
            if answered is None:
                self.close_connection = True
                return
            status, headers, content = answered
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if content[:1] == b"{" else "text/html")
            self.send_header("Content-Length", str(len(content)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _unfolded(form: dict[str, str]) -> Arguments:
    return {name: json.loads(value) if name in NESTED and value else value for name, value in form.items()}
