"""One Slack with several workspaces, for an app that is installed in them: OAuth, tokens that end, a Web API by token.

As Slack does: a code and a refresh token count once, a token is of one workspace (or of an organisation), and what is
asked for with a token is answered about the workspace it is of.
"""

import base64
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from bot.demo.stand_in import NESTED
from bot.slack.manifest import SCOPES
from infra.clock import Clock

Answer = dict[str, Any]
LASTS = timedelta(hours=12)


@dataclass
class Team:
    """A workspace, with what stands in it. `channels` are those that the bot was invited to."""

    id: str
    name: str
    channels: set[str]
    users: dict[str, Answer] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    enterprise_id: str = ""
    messages: dict[str, Answer] = field(default_factory=dict)
    homes: dict[str, Answer] = field(default_factory=dict)
    views: list[Answer] = field(default_factory=list)


@dataclass
class _Code:
    team: str
    app_id: str
    client_id: str
    scopes: tuple[str, ...]
    is_org_wide: bool
    by: str


@dataclass
class _Token:
    team: str
    until: datetime | None
    is_revoked: bool = False


@dataclass
class SlackGrid:
    """Answers on `url`; `rotates` says whether its tokens end."""

    clock: Clock
    client_id: str = "12.34"
    client_secret: str = "secret-of-the-app"
    app_id: str = "A01PLAYBOOK"
    rotates: bool = True
    url: str = ""
    teams: dict[str, Team] = field(default_factory=dict)
    calls: list[tuple[str, str, Answer]] = field(default_factory=list)
    """(method, workspace of the token, arguments)."""
    whispered: list[Answer] = field(default_factory=list)
    uploads: dict[str, bytes] = field(default_factory=dict)
    """What was sent of each file, by its id."""
    lose: set[str] = field(default_factory=set)
    """Methods that are done without an answer."""

    def __post_init__(self) -> None:
        self._codes: dict[str, _Code] = {}
        self._tokens: dict[str, _Token] = {}
        self._refresh: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    # -- what people do

    def consent(self, address: str, team: str, *, by: str = "U0ADMIN", **changes: Any) -> dict[str, str]:
        """Somebody allows what the address of the consent page asks for; what Slack sends the browser back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = _Code(team, self.app_id, asked["client_id"], tuple(asked["scope"].split(",")), False, by)
        for name, value in changes.items():
            setattr(code, name, value)
        key = f"code-{next(self._numbers)}"
        self._codes[key] = code
        return {"code": key, "state": asked["state"]}

    def uninstall(self, team: str) -> None:
        """Every token of a workspace ends."""
        for token in self._tokens.values():
            token.is_revoked |= token.team == team

    def called(self, method: str) -> list[tuple[str, Answer]]:
        """(workspace, arguments) of each call of a method."""
        return [(team, arguments) for name, team, arguments in self.calls if name == method]

    # -- the Web API

    def answer(self, method: str, token: str, given: Answer) -> Answer | None:
        """Answer one call; None = it was done, but nothing is said."""
        with self._lock:
            if method == "oauth.v2.access":
                answer = self._access(given)
            else:
                answer = self._refused(token) or self._of_team(method, self._tokens[token].team, token, given)
            return None if method in self.lose else answer

    def _refused(self, token: str) -> Answer | None:
        known = self._tokens.get(token)
        if known is None:
            return {"ok": False, "error": "invalid_auth" if token else "not_authed"}
        if known.is_revoked:
            return {"ok": False, "error": "token_revoked"}
        if known.until is not None and self.clock() >= known.until:
            return {"ok": False, "error": "token_expired"}
        return None

    def _access(self, given: Answer) -> Answer:
        self.calls.append(("oauth.v2.access", str(given.get("grant_type") or "code"), dict(given)))
        if (given.get("client_id"), given.get("client_secret")) != (self.client_id, self.client_secret):
            return {"ok": False, "error": "bad_client_secret"}
        if given.get("grant_type") == "refresh_token":
            owner = self._refresh.pop(str(given["refresh_token"]), None)
            return self._made(owner) if owner else {"ok": False, "error": "invalid_refresh_token"}
        code = self._codes.pop(str(given.get("code")), None)
        if code is None or code.client_id != given.get("client_id"):
            return {"ok": False, "error": "invalid_code"}
        team = self.teams[code.team]
        org = {"id": team.enterprise_id, "name": "The organisation"} if team.enterprise_id else None
        return {
            **self._made(team.enterprise_id if code.is_org_wide else team.id),
            "app_id": code.app_id,
            "scope": ",".join(code.scopes),
            "bot_user_id": f"UBOT{code.team}",
            "authed_user": {"id": code.by},
            "team": None if code.is_org_wide else {"id": team.id, "name": team.name},
            "enterprise": org,
            "is_enterprise_install": code.is_org_wide,
        }

    def _made(self, team: str) -> Answer:
        number = next(self._numbers)
        token, made = f"xoxe.xoxb-{team}-{number}", {"ok": True, "token_type": "bot"}
        self._tokens[token] = _Token(team, self.clock() + LASTS if self.rotates else None)
        if not self.rotates:
            return {**made, "access_token": token}
        self._refresh[f"xoxe-1-{number}"] = team
        ends = {"refresh_token": f"xoxe-1-{number}", "expires_in": int(LASTS.total_seconds())}
        return {**made, "access_token": token, **ends}

    def _of_team(self, method: str, owner: str, token: str, given: Answer) -> Answer:
        self.calls.append((method, owner, given))
        mine = [each for each in self.teams.values() if owner in (each.id, each.enterprise_id)]
        team = next((each for each in mine if given.get("channel") in each.channels), mine[0])
        if method == "auth.revoke":
            self._tokens[token].is_revoked = True
            return {"ok": True, "revoked": True}
        if method == "auth.test":
            return self._me(team)
        if method == "users.info":
            found = next((each.users[given["user"]] for each in mine if given["user"] in each.users), None)
            return {"ok": True, "user": found} if found else {"ok": False, "error": "user_not_found"}
        if method == "usergroups.users.list":
            found_users = team.groups.get(str(given.get("usergroup")))
            return {"ok": True, "users": found_users} if found_users else {"ok": False, "error": "no_such_subteam"}
        if method == "conversations.info":
            is_there = given["channel"] in team.channels
            known = {"channel": {"name": given["channel"].lower(), "is_member": True}}
            return {"ok": True, **known} if is_there else {"ok": False, "error": "channel_not_found"}
        if method.startswith("views."):
            return self._viewed(method, team, given)
        if method in ("chat.postMessage", "chat.update"):
            return self._posted(method, team, given)
        if method == "files.getUploadURLExternal":
            key = f"F{len(self.uploads) + 1:04}"
            self.uploads[key] = b""
            return {"ok": True, "file_id": key, "upload_url": self.url.replace("/api/", f"/upload/{key}")}
        if method == "files.completeUploadExternal":
            return {"ok": True, "files": given["files"]}
        return {"ok": True}

    def _me(self, team: Team) -> Answer:
        org = {"enterprise_id": team.enterprise_id} if team.enterprise_id else {}
        me = {"team_id": team.id, "team": team.name, "user_id": f"UBOT{team.id}", "bot_id": f"B{team.id}"}
        return {"ok": True, "url": f"https://{team.name.lower()}.example.com/", **me, **org}

    def _viewed(self, method: str, team: Team, given: Answer) -> Answer:
        if method == "views.publish":
            team.homes[given["user_id"]] = given["view"]
        else:
            team.views.append(given["view"])
        return {"ok": True, "view": {"id": f"V{next(self._numbers)}"}}

    def _posted(self, method: str, team: Team, given: Answer) -> Answer:
        if given["channel"] not in team.channels and given["channel"] not in team.users:
            return {"ok": False, "error": "channel_not_found"}
        ts = given.get("ts") or f"{next(self._numbers)}.000000"
        if method == "chat.update" and ts not in team.messages:
            return {"ok": False, "error": "message_not_found"}
        team.messages[ts] = {**team.messages.get(ts, {}), **given, "ts": ts}
        return {"ok": True, "channel": given["channel"], "ts": ts}


@contextmanager
def slack_grid(clock: Clock, **fields: Any) -> Iterator[SlackGrid]:
    """One that runs while the block does."""
    slack = SlackGrid(clock, **fields)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(slack))
    server.daemon_threads = True
    slack.url = f"http://127.0.0.1:{server.server_port}/api/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def user(team: str, enterprise: str = "", **flags: Any) -> Answer:
    """What users.info says of a full member."""
    org = {"enterprise_user": {"enterprise_id": enterprise}} if enterprise else {}
    return {"id": "", "team_id": team, "profile": {"real_name": "Somebody"}, **org, **flags}


def _handler(slack: SlackGrid) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = urlsplit(self.path).path
            if path.startswith("/upload/"):
                slack.uploads[path.removeprefix("/upload/")] = content
                self._send(b"OK")
                return
            body = content.decode()
            is_json = "json" in self.headers.get("Content-Type", "")
            given = json.loads(body or "{}") if is_json else _unfolded(dict(parse_qsl(body)))
            if path.startswith("/actions/"):
                slack.whispered.append(given)
                self._send(b"ok")
                return
            kind, _, token = self.headers.get("Authorization", "").partition(" ")
            if kind == "Basic":
                name, _, secret = base64.b64decode(token).decode().partition(":")
                given |= {"client_id": name, "client_secret": secret}
            answer = slack.answer(path.rpartition("/")[2], token, given)
            if answer is None:
                self.close_connection = True
                return
            self._send(json.dumps(answer).encode())

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if body[:1] == b"{" else "text/plain")
            self.send_header("X-OAuth-Scopes", ",".join(SCOPES))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _unfolded(form: Mapping[str, str]) -> Answer:
    return {name: json.loads(value) if name in NESTED and value else value for name, value in form.items()}
