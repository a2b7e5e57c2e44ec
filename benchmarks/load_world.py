"""What the load runs against: the bot as a process, a strict Slack that notes when it was written to, and SNS's key."""

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bot.demo import moto_sns
from bot.demo.children import free_port
from bot.demo.workspace import Identity
from bot.service import Service
from bot.serving import ground_of
from bot.slack.assembly import Assembly, assemble
from infra.clock import utc_now
from infra.settings import load
from migrations import runner
from tests.fakes.strict_slack import StrictSlack

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
PEOPLE = {"lee": "U01LEEPARK", "sam": "U02SAMREYES", "kim": "U04KIMBELL", "ada": "U05ADAKING", "max": "U03MAXSTONE"}
WRITES = ("chat.postMessage", "chat.update")
THREADS = 64
READY_SECONDS = 60.0
SNS_COMES_AGAIN = (0.5, 0.5, 0.5, 1.0, 1.0)
"""Seconds; real SNS tries at once and then for an hour."""
Body = Callable[[], str]

GATE = """\
schemaVersion: "0.3"
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: [sam, kim, ada], MinRequiredApprovals: 2, Message: "Go on?"}}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
HEAL = """\
schemaVersion: "0.3"
parameters:
  Host: {type: String}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
HEALING = """\
title: Heal a host
start: auto
may_run: [lee]
trigger: {metric: HostDown}
parameters: {Host: "{{ alarm.dimensions.Host }}"}
lock: [Host]
budget: {starts: 1, within: 60m}
"""
LOOKING = """\
title: Look at a host
may_run: [lee]
trigger: {metric: DiskFull}
parameters: {Host: "{{ alarm.dimensions.Host }}"}
"""
PLAYBOOKS: Mapping[str, tuple[str, str]] = {
    "gate": ("title: Wait for two\nmay_run: [lee]\napprovers: [sam, kim, ada]\nminimum_approvals: 2\n", GATE),
    "heal": (HEALING, HEAL),
    "look": (LOOKING, HEAL),
}


@dataclass
class TimedSlack(StrictSlack):
    """Notes every write it took, and can be away: then connections break."""

    is_away: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.writes: list[tuple[float, str, Mapping[str, Any]]] = []
        """(when, method, arguments) of those that were done."""
        self.broken = 0
        """Requests that came while it was away."""

    def respond(self, path: str, token: str, arguments: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        """Answer, unless it is away."""
        if self.is_away:
            self.broken += 1
            return None
        answered = super().respond(path, token, arguments)
        method = path.removeprefix("/api/")
        if method in WRITES and answered is not None and b'"ok": true' in answered[2]:
            self.writes.append((time.time(), method, arguments))
        return answered

    def standing(self) -> Mapping[str, Mapping[str, Any]]:
        """What stands in all channels, by its ts."""
        return dict(self.upstream._messages)  # noqa: SLF001 - as the fake itself does

    def limited(self) -> int:
        """How many calls were answered 429."""
        return sum(count for (_, error), count in self.answered.items() if error == "ratelimited")

    def busiest_minute(self) -> dict[str, int]:
        """Most writes within 60 s, by channel."""
        found: dict[str, int] = {}
        times: dict[str, list[float]] = {}
        for at, _, arguments in self.writes:
            lately = times.setdefault(str(arguments["channel"]), [])
            lately.append(at)
            while lately[0] <= at - 60:
                lately.pop(0)
            found[str(arguments["channel"])] = max(found.get(str(arguments["channel"]), 0), len(lately))
        return found


class Once:
    """A body that is made once, to be sent several times."""

    def __init__(self, make: Body) -> None:
        self._make, self._lock, self._made = make, threading.Lock(), ""

    def __call__(self) -> str:
        """The same one each time."""
        with self._lock:
            self._made = self._made or self._make()
            return self._made


@dataclass(frozen=True, slots=True)
class Knock:
    """One request to the bot: when it is due in seconds from the beginning, what it is called, and what it says.

    What it says is made when it is sent: what opens a form lives for three seconds.
    """

    at: float
    kind: str
    path: str
    body: Body
    is_signed: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back, and after how many milliseconds from when it was due."""

    kind: str
    milliseconds: float
    status: int


@dataclass
class World:
    """One bot, its Slack, and its rows."""

    slack: TimedSlack
    url: tuple[str, int]
    certificates: str
    folder: Path
    service: Service
    process: "subprocess.Popen[bytes]"
    view: Assembly = field(init=False)
    came_again: int = 0
    """How often SNS was told to."""

    def __post_init__(self) -> None:
        self.view = assemble(ground_of(self.service))

    # -- people and alarms

    def command(self, text: str, person: str = "lee", *, channel: str = "") -> Body:
        """A slash command."""
        return lambda: self._command(text, person, channel)

    def click(self, action: str, value: str, person: str) -> Body:
        """A button."""
        return lambda: self._click(action, value, person)

    def reason(self, request_id: str, reason: str, person: str) -> Body:
        """The form that asks why, sent back."""
        return lambda: self._reason(request_id, reason, person)

    def _command(self, text: str, person: str, channel: str) -> str:
        identity = self.slack.identity
        fields = {"command": "/playbook", "text": text, "user_id": PEOPLE[person], "team_id": identity.team_id}
        fields |= {"api_app_id": identity.app_id, "channel_id": channel or identity.channel}
        return _form({**fields, "trigger_id": self.slack.trigger()})

    def _click(self, action: str, value: str, person: str) -> str:
        payload = {"type": "block_actions", "response_url": self.slack.response_url()}
        pressed = {"action_id": action, "value": value, "type": "button", "action_ts": f"{time.time():.6f}"}
        return self._payload(payload | {"actions": [pressed]}, person)

    def _reason(self, request_id: str, reason: str, person: str) -> str:
        values = {"reason": {"value": {"type": "plain_text_input", "value": reason}}}
        metadata = json.dumps({"request_id": request_id})
        view = {"id": f"V{os.urandom(6).hex()}", "hash": "1", "callback_id": "reject_form", "type": "modal"}
        view |= {"private_metadata": metadata, "state": {"values": values}}  # type: ignore[dict-item]
        return self._payload({"type": "view_submission", "view": view}, person)

    def _payload(self, payload: dict[str, Any], person: str) -> str:
        identity = self.slack.identity
        payload |= {"user": {"id": PEOPLE[person], "team_id": identity.team_id}, "team": {"id": identity.team_id}}
        payload |= {"api_app_id": identity.app_id, "channel": {"id": identity.channel}}
        return _form({"payload": json.dumps({**payload, "trigger_id": self.slack.trigger()})})

    def alarm(self, name: str, metric: str, host: str) -> str:
        """An alarm, as SNS signs and sends it."""
        told = {
            "AlarmName": name, "AlarmArn": f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}",
            "AWSAccountId": "123456789012", "Region": "EU (Ireland)", "NewStateValue": "ALARM", "OldStateValue": "OK",
            "NewStateReason": "Threshold Crossed", "StateChangeTime": _now("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Trigger": {"Namespace": "Load", "MetricName": metric, "Dimensions": [{"name": "Host", "value": host}]},
        }  # fmt: skip
        envelope = {
            "Type": "Notification", "MessageId": os.urandom(16).hex(), "TopicArn": TOPIC, "Message": json.dumps(told),
            "Timestamp": _now("%Y-%m-%dT%H:%M:%S.000Z"),
        }  # fmt: skip
        return json.dumps(moto_sns.sign(envelope, place=self.certificates, version="2"))

    # -- sending

    def send(self, knocks: Sequence[Knock]) -> list[Heard]:
        """Send each when it is due, whether others were answered or not: what Slack and SNS do."""
        heard: list[Heard] = []
        began = time.perf_counter() + 0.2

        def run(number: int) -> None:
            connection = http.client.HTTPConnection(*self.url, timeout=60)
            for knock in knocks[number::THREADS]:
                due = began + knock.at
                time.sleep(max(0.0, due - time.perf_counter()))
                status = self._knock(connection, knock)
                heard.append(Heard(knock.kind, (time.perf_counter() - due) * 1000, status))
            connection.close()

        threads = [threading.Thread(target=run, args=(number,)) for number in range(min(THREADS, len(knocks)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return heard

    def _knock(self, connection: http.client.HTTPConnection, knock: Knock) -> int:
        """The status of the answer; SNS comes again for as long as it is 5xx."""
        body = knock.body()
        headers = self._signed(body) if knock.is_signed else {"x-amz-sns-message-type": "Notification"}
        for pause in (*SNS_COMES_AGAIN, 0.0):
            connection.request("POST", knock.path, body, headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status < 500 or knock.is_signed or not pause:
                break
            self.came_again += 1
            time.sleep(pause)
        return answer.status

    def _signed(self, body: str) -> dict[str, str]:
        secret, stamp = self.slack.identity.signing_secret.encode(), str(int(time.time()))
        digest = hmac.new(secret, f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        kind = "application/x-www-form-urlencoded"
        return {"content-type": kind, "x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={digest}"}

    # -- waiting

    def metric(self, pattern: str) -> float:
        """The sum of the process's own figures whose lines look so."""
        _, text = _got(*self.url, "/metrics")
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(pattern, line))

    def waiting(self) -> int:
        """How much is still to be done: events to hear of, steps to run, messages to send (but not reminders)."""
        queues = self.metric(r'playbook_bot_queue_depth\{queue="(reactions|notifier|dispatcher)"\}')
        messages = self.metric(r'playbook_bot_slack_messages\{kind="(?!reminder|errand|home)')
        return int(queues + messages)

    def settle(self, patience: float) -> float:
        """Wait until nothing is left to do; the seconds that took."""
        began, quiet = time.monotonic(), 0
        while quiet < 3:
            if time.monotonic() - began > patience:
                raise TimeoutError(f"{self.waiting()} things still wait after {patience:g} s")
            time.sleep(0.3)
            quiet = 0 if self.waiting() else quiet + 1
        return time.monotonic() - began

    def troubles(self) -> list[str]:
        """Lines of the bot's log that tell of an error of its own; the SDK names every answer that did not come."""
        lines = (self.folder / "bot.log").read_text(errors="replace").splitlines()
        told = [line for line in lines if '"level": "error"' in line or "Traceback" in line]
        return [line for line in told if '"logger": "slack_sdk' not in line]


def _got(host: str, port: int, path: str) -> tuple[int, str]:
    with contextlib.closing(http.client.HTTPConnection(host, port, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def _form(fields: Mapping[str, str]) -> str:
    return urlencode(fields)


def _now(pattern: str) -> str:
    return time.strftime(pattern, time.gmtime())


@contextlib.contextmanager
def world(*, database_url: str = "") -> Iterator[World]:
    """A bot that is ready, with nothing to do."""
    with tempfile.TemporaryDirectory() as root, _slack() as slack, _certificates() as place:
        folder, port = Path(root), free_port()
        env = _environment(folder, port, slack, place, database_url)
        with (folder / "bot.log").open("wb") as log:
            settings = load(env)
            service = Service(settings)
            runner.upgrade(service.db)
            process = subprocess.Popen([sys.executable, "-m", "bot", "serve"], env=env, stdout=log, stderr=log)
        try:
            _ready(process, port, folder)
            yield World(slack, ("127.0.0.1", port), place, folder, service, process)
        finally:
            service.db.close()
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _slack() -> Iterator[TimedSlack]:
    slack = TimedSlack(utc_now, identity=Identity())
    slack.people |= {PEOPLE[name]: {"name": name, "real_name": name.title()} for name in ("kim", "ada")}
    with slack:
        yield slack


@contextlib.contextmanager
def _certificates() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = moto_sns.certificate(self.path) or b""
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _environment(folder: Path, port: int, slack: StrictSlack, place: str, database_url: str) -> dict[str, str]:
    identity = slack.identity
    for name, (playbook, runbook) in PLAYBOOKS.items():
        home = folder / "playbooks" / name
        home.mkdir(parents=True)
        (home / "playbook.yaml").write_text(playbook)
        (home / "runbook.yaml").write_text(runbook)
    people = [{"id": name, "slack": slack_id, "terminal": name} for name, slack_id in PEOPLE.items()]
    config = {"playbooks": [str(folder / "playbooks")], "use_library": False, "people": people, "sns_topics": [TOPIC]}
    config |= {"protected_tags": []}  # asking AWS for tags is no part of this load
    config |= {"sns_certificate_hosts": [place.removeprefix("http://")]}
    (folder / "playbook-bot.yaml").write_text(json.dumps(config))
    return {
        **os.environ,
        "PLAYBOOK_BOT_CONFIG": str(folder / "playbook-bot.yaml"),
        "PLAYBOOK_BOT_DATABASE_URL": database_url or f"sqlite:///{folder / 'load.db'}",
        "PLAYBOOK_BOT_HTTP_PORT": str(port),
        "PLAYBOOK_BOT_CHANNEL": identity.channel,
        "PLAYBOOK_BOT_SLACK_BOT_TOKEN": identity.bot_token,
        "PLAYBOOK_BOT_SLACK_SIGNING_SECRET": identity.signing_secret,
        "PLAYBOOK_BOT_SLACK_API_URL": slack.api_url,
        "PLAYBOOK_BOT_SLACK_TEAM_ID": identity.team_id,
        "PLAYBOOK_BOT_SLACK_APP_ID": identity.app_id,
        "PLAYBOOK_BOT_LOG_LEVEL": "warning",
        "PLAYBOOK_BOT_LOG_FORMAT": "json",
        "AWS_REGION": "eu-west-1",
    }


def _ready(process: "subprocess.Popen[bytes]", port: int, folder: Path) -> None:
    began = time.monotonic()
    while time.monotonic() - began < READY_SECONDS and process.poll() is None:
        with contextlib.suppress(OSError):
            if _got("127.0.0.1", port, "/readyz")[0] == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the bot did not come up: {(folder / 'bot.log').read_text()[-3000:]}")
