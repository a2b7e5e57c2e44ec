"""How long Slack waits for an acknowledgement: a slash command and an approving click, beside a bare Bolt app.

    python -m benchmarks.ack [--rate 100] [--seconds 10]

Both sides check signatures and answer before they return (`process_before_response`); ours also identifies the person,
decides in one transaction with its audit events, and keeps its cards, steps and outbox going meanwhile.
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, request
from slack_bolt import App, BoltRequest
from slack_sdk import WebClient
from waitress import create_server

from bot.demo.children import free_port
from bot.demo.stand_in import StandIn
from bot.demo.workspace import Identity
from bot.service import Service
from bot.serving import build, ground_of
from bot.slack.assembly import assemble
from infra.log import configure
from infra.settings import load
from migrations import runner
from playbooks.operations import Order

RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: [sam], Message: "Go on?"}}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
PLAYBOOK = "title: Wait for Sam\nmay_run: [lee]\napprovers: [sam]\n"
THREADS = 32
ALONE = 200
"""Requests of each kind without HTTP between."""


def signed(identity: Identity, body: str) -> dict[str, str]:
    """Slack's headers."""
    stamp = str(int(time.time()))
    digest = hmac.new(identity.signing_secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": f"v0={digest}",
    }


def command(identity: Identity) -> str:
    """`/playbook status`."""
    fields = {
        "command": "/playbook", "text": "status", "user_id": identity.requester.id, "team_id": identity.team_id,
        "api_app_id": identity.app_id, "channel_id": identity.channel, "trigger_id": uuid.uuid4().hex,
    }  # fmt: skip
    return urlencode(fields)


def click(identity: Identity, request_id: str) -> str:
    """*Approve*, by somebody who may."""
    action = {"action_id": "approve", "value": request_id, "type": "button", "action_ts": str(time.time())}
    payload = {
        "type": "block_actions", "user": {"id": identity.approver.id, "team_id": identity.team_id},
        "team": {"id": identity.team_id}, "api_app_id": identity.app_id, "channel": {"id": identity.channel},
        "trigger_id": uuid.uuid4().hex, "response_url": "", "actions": [action],
    }  # fmt: skip
    return urlencode({"payload": json.dumps(payload)})


# -- the two sides, each a process of its own


def bare_app(secret: str) -> App:
    """Bolt, and nothing else."""
    client = WebClient(os.environ["PLAYBOOK_BOT_SLACK_BOT_TOKEN"], base_url=os.environ["PLAYBOOK_BOT_SLACK_API_URL"])
    app = App(client=client, signing_secret=secret, process_before_response=True, token_verification_enabled=False)
    app.command("/playbook")(lambda ack: ack())
    app.action("approve")(lambda ack: ack())
    return app


def bare(port: int, secret: str, count: int) -> None:
    """Serve the bare app; first how it does without HTTP between."""
    app, identity = bare_app(secret), Identity(signing_secret=secret)

    def handle(headers: dict[str, str], body: bytes) -> tuple[int, str]:
        answer = app.dispatch(BoltRequest(body=body.decode(), headers=dict(headers)))
        return answer.status, str(answer.body or "")

    print(json.dumps({"in_process": in_process(identity, handle, [""] * ALONE)}), flush=True)
    web = Flask("bare")

    @web.post("/slack/events")
    def events() -> Response:
        status, body = handle(dict(request.headers.items()), request.get_data(cache=False))
        return Response(body, status=status)

    @web.get("/readyz")
    def ready() -> Response:
        return Response("ready")

    print(json.dumps({"requests": [""] * count}), flush=True)
    create_server(web, host="127.0.0.1", port=port, threads=THREADS).run()


def ours(identity: Identity, count: int) -> None:
    """Serve the bot; first how it does without HTTP between, then with `count` questions waiting."""
    settings = load()
    configure(settings.log_level, style=settings.log_format, secrets=settings.secrets)
    service = Service(settings)
    runner.upgrade(service.db)
    serving = build(service)
    # A door of its own, on the same database: a second one would be a second writer, which waits for SQLite's lock.
    door = assemble(ground_of(service)).http
    serving.start()
    assert door is not None
    questions = waiting(service, ALONE + count)
    figures = in_process(identity, lambda headers, body: door.handle(headers, body)[0::2], questions[:ALONE])
    print(json.dumps({"in_process": figures}), flush=True)
    while any(depth() for name, depth in serving.depths.items() if name in ("reactions", "notifier")):
        time.sleep(0.1)
    print(json.dumps({"requests": questions[ALONE:]}), flush=True)
    serving.stopping.wait()


def waiting(service: Service, count: int) -> list[str]:
    """Ids of that many open questions."""
    lee = service.directory.terminal("lee")
    for _ in range(count):
        service.operations.start(Order("gate", request_key=uuid.uuid4().hex), lee)
    while True:
        with service.db.reading() as connection:
            found = service.approvals.open(connection, limit=count)
        if len(found) == count:
            return [each.id for each in found]
        time.sleep(0.05)


def in_process(
    identity: Identity, handle: Callable[[dict[str, str], bytes], Sequence[Any]], questions: Sequence[str]
) -> dict[str, Any]:
    """One after the other, without a socket."""
    found: dict[str, list[float]] = {"command": [], "button": []}
    for question in questions:
        for kind, body in (("command", command(identity)), ("button", click(identity, question))):
            headers = signed(identity, body)
            began = time.perf_counter()
            status = handle(headers, body.encode())[0]
            found[kind].append((time.perf_counter() - began) * 1000)
            assert status == 200, status
    return {kind: figures(values) for kind, values in found.items()}


# -- load


def load_of(identity: Identity, port: int, questions: Sequence[str], rate: float) -> dict[str, Any]:
    """Commands and clicks by turns, at a fixed rate, whether answered or not: what Slack does."""
    bodies = [
        body for each in questions for body in (("command", command(identity)), ("button", click(identity, each)))
    ]
    found: list[tuple[str, float, int]] = []
    began = time.perf_counter() + 0.2

    def run(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for at in range(number, len(bodies), THREADS):
            kind, body = bodies[at]
            due = began + at / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", "/slack/events", body, signed(identity, body))
            answer = connection.getresponse()
            answer.read()
            found.append((kind, (time.perf_counter() - due) * 1000, answer.status))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result: dict[str, Any] = {
        kind: figures([spent for name, spent, _ in found if name == kind]) for kind in ("command", "button")
    }
    return {**result, "not_200": sum(status != 200 for _, _, status in found)}


def figures(milliseconds: Sequence[float]) -> dict[str, float]:
    """Median and the slowest in a hundred."""
    cuts = statistics.quantiles(milliseconds, n=100)
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2), "count": len(milliseconds)}


@contextmanager
def side(name: str, port: int, folder: Path, slack: StandIn, count: int) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """One side as a process: its figures without HTTP, and the questions that wait there."""
    identity = slack.identity
    env = {
        **os.environ,
        "PLAYBOOK_BOT_CONFIG": str(folder / "playbook-bot.yaml"),
        "PLAYBOOK_BOT_DATABASE_URL": f"sqlite:///{folder / 'bench.db'}",
        "PLAYBOOK_BOT_HTTP_PORT": str(port),
        "PLAYBOOK_BOT_CHANNEL": identity.channel,
        "PLAYBOOK_BOT_SLACK_BOT_TOKEN": identity.bot_token,
        "PLAYBOOK_BOT_SLACK_SIGNING_SECRET": identity.signing_secret,
        "PLAYBOOK_BOT_SLACK_API_URL": slack.api_url,
        "PLAYBOOK_BOT_SLACK_TEAM_ID": identity.team_id,
        "PLAYBOOK_BOT_SLACK_APP_ID": identity.app_id,
        "PLAYBOOK_BOT_LOG_LEVEL": "error",
        "AWS_REGION": "eu-west-1",
    }
    given = ["--side", name, "--port", str(port), "--count", str(count), "--secret", identity.signing_secret]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.ack", *given], env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        try:
            alone = json.loads(child.stdout.readline())["in_process"]
            questions = json.loads(child.stdout.readline())["requests"]
            time.sleep(1)
            yield alone, questions
        finally:
            child.kill()


def measure(rate: float, seconds: float) -> dict[str, Any]:
    """Both sides, one after the other, in one run."""
    found: dict[str, Any] = {}
    count = int(rate * seconds / 2)
    identity = Identity()
    slack = StandIn(identity)
    slack.start()
    for name in ("bare", "ours"):
        with tempfile.TemporaryDirectory() as root:
            folder = Path(root)
            home = folder / "playbooks" / "gate"
            home.mkdir(parents=True)
            (home / "playbook.yaml").write_text(PLAYBOOK)
            (home / "runbook.yaml").write_text(RUNBOOK)
            people = [
                {"id": "lee", "slack": identity.requester.id, "terminal": "lee"},
                {"id": "sam", "slack": identity.approver.id},
            ]
            config = {"playbooks": ["playbooks"], "use_library": False, "people": people}
            (folder / "playbook-bot.yaml").write_text(json.dumps(config))
            port = free_port()
            with side(name, port, folder, slack, count) as (alone, questions):
                served = load_of(identity, port, questions, rate)
            found[name] = {"in_process": alone, "over_waitress": served}
    slack.stop()
    found["ratio_of_p50"] = {
        way: {
            kind: round(found["ours"][way][kind]["p50_ms"] / found["bare"][way][kind]["p50_ms"], 2)
            for kind in ("command", "button")
        }
        for way in ("in_process", "over_waitress")
    }
    return found


def main() -> None:
    """Run it and print one JSON object."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rate", type=float, default=100)
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--side", choices=("bare", "ours"))
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--count", type=int, default=0)
    arguments.add_argument("--secret", default="")
    given = arguments.parse_args()
    if given.side == "bare":
        bare(given.port, given.secret, given.count)
    elif given.side == "ours":
        ours(Identity(signing_secret=given.secret), given.count)
    else:
        print(json.dumps(measure(given.rate, given.seconds), indent=2))


if __name__ == "__main__":
    main()
