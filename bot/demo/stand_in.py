"""A Slack without people or page, for machines where the local workspace cannot run: it keeps what the bot says.

Whoever drives the bot from outside over signed HTTP reads the answers with `conversations.history` and `.replies`.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bot.demo.workspace import Identity, Member
from bot.slack.manifest import SCOPES

Arguments = Mapping[str, Any]
Answer = dict[str, Any]
Method = Callable[[Arguments], Answer]
NESTED = ("blocks", "view", "metadata", "attachments", "unfurls")
"""Arguments that are JSON inside a form."""


class StandIn:
    """The part of the Web API that a bot needs to talk, on loopback, in a thread of this process."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self._lock = threading.Lock()
        self._messages: dict[str, dict[str, Any]] = {}
        self._count = 0
        self._methods: Mapping[str, Method] = {
            "auth.test": self._auth_test,
            "bots.info": lambda _: {"bot": {"id": self._bot_id, "app_id": identity.app_id}},
            "chat.delete": self._delete,
            "chat.getPermalink": lambda a: {"permalink": f"{self.api_url}archives/{a['channel']}/{a['message_ts']}"},
            "chat.postEphemeral": lambda a: {"message_ts": self._post(a, hidden=True)["ts"]},
            "chat.postMessage": self._post,
            "chat.unfurl": lambda _: {},
            "chat.update": self._update,
            "conversations.history": lambda a: {"messages": self._shown(a, thread="")[::-1], "has_more": False},
            "conversations.info": self._channel,
            "conversations.members": lambda _: {"members": [member.id for member in identity.members.values()]},
            "conversations.replies": lambda a: {"messages": self._shown(a, thread=str(a["ts"])), "has_more": False},
            "team.info": lambda _: {"team": {"id": identity.team_id, "name": "Playbook Demo"}},
            "usergroups.list": lambda _: {"usergroups": []},
            "usergroups.users.list": lambda _: {"ok": False, "error": "no_such_subteam"},
            "users.info": self._user,
            "users.list": lambda _: {"members": [self._profile(member) for member in identity.members.values()]},
            "views.open": self._view,
            "views.publish": self._view,
            "views.push": self._view,
            "views.update": self._view,
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def api_url(self) -> str:
        """The base of the Web API."""
        return f"http://127.0.0.1:{self._server.server_port}/api/"

    def start(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True).start()

    def stop(self) -> None:
        """End, and forget everything."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, token: str, arguments: Arguments) -> Answer:
        """One call of the Web API."""
        if token != self.identity.bot_token:
            return {"ok": False, "error": "invalid_auth" if token else "not_authed"}
        known = self._methods.get(method)
        if known is None:
            return {"ok": False, "error": "unknown_method"}
        with self._lock:
            return {"ok": True, **known(arguments)}

    @property
    def _bot_id(self) -> str:
        return f"B{self.identity.bot_user_id[1:]}"

    def _auth_test(self, _: Arguments) -> Answer:
        identity = self.identity
        who = {"team_id": identity.team_id, "user_id": identity.bot_user_id, "bot_id": self._bot_id}
        return {"url": self.api_url, "team": "Playbook Demo", "user": "playbook", **who}

    def _post(self, arguments: Arguments, *, hidden: bool = False) -> Answer:
        self._count += 1
        ts = f"{int(time.time())}.{self._count:06d}"
        said = {name: arguments[name] for name in ("text", "blocks", "thread_ts", "metadata") if arguments.get(name)}
        message = {"type": "message", "ts": ts, "user": self.identity.bot_user_id, "bot_id": self._bot_id, **said}
        if not hidden:
            self._messages[ts] = {**message, "channel": arguments["channel"]}
        return {"channel": arguments["channel"], "ts": ts, "message": message}

    def _update(self, arguments: Arguments) -> Answer:
        message = self._messages.get(str(arguments.get("ts")))
        if message is None:
            return {"ok": False, "error": "message_not_found"}
        message.update({name: arguments[name] for name in ("text", "blocks") if name in arguments})
        return {"channel": message["channel"], "ts": message["ts"], "text": message.get("text", ""), "message": message}

    def _delete(self, arguments: Arguments) -> Answer:
        gone = self._messages.pop(str(arguments.get("ts")), None)
        return {} if gone is not None else {"ok": False, "error": "message_not_found"}

    def _shown(self, arguments: Arguments, *, thread: str) -> list[dict[str, Any]]:
        here = [message for message in self._messages.values() if message["channel"] == arguments.get("channel")]
        return [message for message in here if message.get("thread_ts", "") == thread or message["ts"] == thread]

    def _channel(self, arguments: Arguments) -> Answer:
        if arguments.get("channel") != self.identity.channel:
            return {"ok": False, "error": "channel_not_found"}
        facts = {"is_channel": True, "is_member": True, "is_archived": False, "is_ext_shared": False}
        return {"channel": {"id": self.identity.channel, "name": self.identity.channel_name, **facts}}

    def _user(self, arguments: Arguments) -> Answer:
        found = next((each for each in self.identity.members.values() if each.id == arguments.get("user")), None)
        return {"user": self._profile(found)} if found else {"ok": False, "error": "user_not_found"}

    def _profile(self, member: Member) -> Answer:
        facts = {"deleted": False, "is_bot": False, "is_restricted": False, "is_ultra_restricted": False}
        named = {"id": member.id, "name": member.name, "real_name": member.real_name, "team_id": self.identity.team_id}
        return {**named, **facts, "tz": "Etc/UTC", "profile": {"real_name": member.real_name}}

    def _view(self, arguments: Arguments) -> Answer:
        self._count += 1
        return {"view": {**(arguments.get("view") or {}), "id": f"V{self._count:08d}", "hash": str(self._count)}}


def _handler(slack: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        wbufsize = 65536
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._answer(dict(parse_qsl(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            self._answer((json.loads(body or "{}")) if is_json else _unfold(dict(parse_qsl(body))))

        def _answer(self, arguments: Arguments) -> None:
            method = urlsplit(self.path).path.removeprefix("/api/")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ") or str(arguments.get("token", ""))
            answered = json.dumps(slack.answer(method, token, arguments)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(answered)))
            self.send_header("x-oauth-scopes", ",".join(SCOPES))
            self.end_headers()
            self.wfile.write(answered)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _unfold(form: dict[str, str]) -> Arguments:
    return {name: json.loads(value) if name in NESTED and value else value for name, value in form.items()}
