"""The demo's Slack: a local workspace with a web page, three people, a channel and the bot, on loopback only."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo import local_slack, preload
from bot.demo.children import Child, ChildFailed
from bot.demo.environment import inherited
from bot.demo.local_slack import WorkspaceUnavailable

START_SECONDS = 20.0
LISTENING = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")
"""127.0.0.1, ::1 and ::ffff:127.0.0.1 as /proc/net spells them."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the workspace."""

    id: str
    name: str
    real_name: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who and what is in the workspace; tokens, secret and key are new each time."""

    team_id: str = "T01PLAYBOOK"
    app_id: str = "A01PLAYBOOK"
    bot_user_id: str = "U00PLAYBOOK"
    channel: str = "C01INCIDENTS"
    channel_name: str = "incidents"
    requester: Member = Member("U01LEEPARK", "lee", "Lee Park")
    approver: Member = Member("U02SAMREYES", "sam", "Sam Reyes")
    outsider: Member = Member("U03MAXSTONE", "max", "Max Stone")
    bot_token: str = field(default_factory=lambda: f"xoxb-demo-{secrets.token_hex(12)}")
    app_token: str = field(default_factory=lambda: f"xapp-demo-{secrets.token_hex(12)}")
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))
    audit_key: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def members(self) -> Mapping[str, Member]:
        """The people by their part in the story."""
        return {"requester": self.requester, "approver": self.approver, "outsider": self.outsider}


class Workspace:
    """The local workspace as a child process. With `request_url` it speaks signed HTTP, else Socket Mode."""

    def __init__(self, folder: Path, cache: Path, *, identity: Identity, port: int = 0, request_url: str = "") -> None:
        self._folder = folder
        self._cache = cache
        self._request_url = request_url
        self._wanted_port = port
        self.identity = identity
        self.child: Child | None = None
        self.page = ""
        """Address of the web page once it runs."""

    @property
    def api_url(self) -> str:
        """The base of the Web API."""
        return f"{self.page}/api/"

    def start(self) -> None:
        """Start the process; `wait` says when it answers. Raises WorkspaceUnavailable."""
        program = local_slack.program(self._cache)
        config = self._folder / "workspace.json"
        config.write_text(json.dumps(self._config(), indent=2))
        (self._folder / "preload.js").write_text(preload.script())
        argv = [str(program), "--config", str(config), "--port", str(self._wanted_port), "--base-host", "127.0.0.1"]
        argv += ["--files-dir", str(self._folder / "files")]
        env = inherited({"BUN_OPTIONS": "--preload ./preload.js"})
        self.child = Child("The local Slack workspace", argv, env=env, log=self._log, cwd=self._folder)
        self.child.start()

    def wait(self) -> None:
        """Wait until the page answers; see that only this machine can reach it. Raises WorkspaceUnavailable."""
        if self.child is None:
            raise WorkspaceUnavailable("The local Slack workspace was not started.")
        try:
            port = self.child.wait_until(self._port, START_SECONDS)
        except ChildFailed as error:
            self.stop()
            raise WorkspaceUnavailable(f"The local Slack workspace did not start: {self._complaint()}.") from error
        if not is_confined(int(port)):
            self.stop()
            raise WorkspaceUnavailable("The local Slack workspace could not be kept to loopback, so it was stopped.")
        self.page = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """End the process; everything said in the workspace is gone."""
        if self.child is not None:
            self.child.stop()

    def _complaint(self) -> str:
        """The line that says why, out of a listing of the program's own code."""
        said = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        lines = [line.strip() for line in said if line.strip()]
        complaints = [line for line in lines if line.lower().startswith("error:")] or lines[-1:]
        return complaints[-1][:300].removeprefix("error: ").rstrip(".") if complaints else "it said nothing"

    @property
    def _log(self) -> Path:
        return self._folder / "workspace.log"

    def _port(self) -> str:
        found = re.search(r"Web UI:\s+http://127\.0\.0\.1:(\d+)", self._log.read_text(errors="replace"))
        return found.group(1) if found else ""

    def _config(self) -> dict[str, object]:
        identity, members = self.identity, list(self.identity.members.values())
        mode = {"mode": "events", "requestUrl": self._request_url} if self._request_url else {"mode": "socket"}
        app = {
            "appId": identity.app_id,
            "botUserId": identity.bot_user_id,
            "botName": "playbook",
            "botToken": identity.bot_token,
            "appToken": identity.app_token,
            "signingSecret": identity.signing_secret,
            **mode,
        }
        incidents = {
            "id": identity.channel,
            "name": identity.channel_name,
            "topic": "Alarms, playbooks and approvals",
            "members": [*(member.id for member in members), identity.bot_user_id],
        }
        return {
            "workspace": {"name": "Playbook Demo", "domain": "playbook-demo", "teamId": identity.team_id},
            "apps": [app],
            "users": [
                {"id": member.id, "name": member.name, "real_name": member.real_name, "tz": "Etc/UTC"}
                for member in members
            ],
            "channels": [incidents],
        }


def is_confined(port: int) -> bool:
    """Whether every socket that listens on `port` is bound to loopback, as the kernel tells it; none is no."""
    bound = [address for table in ("tcp", "tcp6") for address in _listening(table, port)]
    return bool(bound) and all(address in LOOPBACK for address in bound)


def _listening(table: str, port: int) -> list[str]:
    file = Path("/proc/net") / table
    if not file.exists():
        return []
    rows = [line.split() for line in file.read_text().splitlines()[1:]]
    local = [row[1].rsplit(":", 1) for row in rows if row[3] == LISTENING]
    return [address for address, in_hex in local if int(in_hex, 16) == port]
