"""A whole bot that is killed at random moments: `python -m tests.scenarios.crash FOLDER KILLS SEED [DATABASE_URL]`.

One parent without threads forks it again and again on the same rows and kills it with SIGKILL. A second child is the
rest of the world: a strict Slack, and a person who presses *Approve* on every card that offers it, over signed HTTP.
The AWS of this world is a ledger file: a step's side effect is a line, and a repeated one would be there twice.
"""

import hashlib
import hmac
import json
import logging
import os
import random
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import structlog

import bot.service
from bot.service import Service
from bot.serving import build
from bot.slack import budget
from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded
from engine.actions import BY_NAME
from infra.clock import utc_now
from infra.db import Database, DatabaseUnavailable
from infra.settings_model import Settings
from migrations import runner
from tests.fakes.strict_slack import StrictSlack
from tests.playbooks.worlds import alarm, folder, metric

EXECUTIONS = 10
EFFECTS = ("before", "after", "end")
PLAYBOOK = """\
title: Crash
start: auto
trigger: {name: "host-*"}
"""
RUNBOOK = {
    "schemaVersion": "0.3",
    "mainSteps": [
        {"name": "before", "action": "aws:ledger", "inputs": {}},
        {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT0.05S"}},
        {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": []}},
        {"name": "after", "action": "aws:ledger", "inputs": {}},
        {"name": "end", "action": "aws:ledger", "inputs": {}},
    ],
}
PATIENCE_SECONDS = 0.5
"""How long a person waits for the card to follow before pressing again."""
QUIET_SECONDS = 60.0
"""How long the last process may take to finish everything."""


class Ledger(Action[ActionInputs]):
    """A side effect that anybody can count: a line in a file, written once per token."""

    name: ClassVar[str] = "aws:ledger"
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = ActionInputs
    path: ClassVar[Path]

    def run(self, inputs: ActionInputs, context: ActionContext) -> Outcome:
        """Look first where the call may have happened, then write."""
        if context.may_have_run and f" {context.token}\n" in self.path.read_text():
            return Succeeded()
        time.sleep(0.003)
        line = f"{context.execution_id} {context.step_name} {context.token}\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)
        time.sleep(0.003)
        return Succeeded()


class Person:
    """Presses *Approve* wherever it is offered, until it is offered no more."""

    def __init__(self, slack: StrictSlack, port: int) -> None:
        self._slack, self._url = slack, f"http://127.0.0.1:{port}/slack/events"
        self.clicks = 0
        self._heard: dict[str, float] = {}

    def press_for_ever(self) -> None:
        """Look at the channel again and again."""
        while True:
            for message in self._slack.messages():
                for value in _offered(message):
                    if time.monotonic() - self._heard.get(value, 0.0) > PATIENCE_SECONDS:
                        self._press(value)
            time.sleep(0.02)

    def _press(self, value: str) -> None:
        identity = self._slack.identity
        payload = {
            "type": "block_actions", "api_app_id": identity.app_id, "team": {"id": identity.team_id},
            "user": {"id": identity.approver.id, "team_id": identity.team_id}, "trigger_id": self._slack.trigger(),
            "channel": {"id": identity.channel}, "response_url": self._slack.response_url(),
            "actions": [{"type": "button", "action_id": "approve", "value": value, "action_ts": str(time.time())}],
        }  # fmt: skip
        body, stamp = urlencode({"payload": json.dumps(payload)}).encode(), str(int(time.time()))
        proof = hmac.new(identity.signing_secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        headers = {
            "X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={proof}",
            "Content-Type": "application/x-www-form-urlencoded",
        }  # fmt: skip
        try:
            urllib.request.urlopen(urllib.request.Request(self._url, body, headers), timeout=5).read()
        except (OSError, urllib.error.URLError):  # the bot is dead, or dies of this very click
            return
        self.clicks += 1
        self._heard[value] = time.monotonic()


def _offered(message: dict[str, Any]) -> list[str]:
    blocks = [block for block in message.get("blocks") or [] if block["type"] == "actions"]
    return [each["value"] for block in blocks for each in block["elements"] if each["action_id"] == "approve"]


def world(slack: StrictSlack, port: int, report: Path) -> None:
    """The rest of the world, until SIGTERM; then it writes down what stands in the channel."""
    person, over = Person(slack, port), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with slack:
        threading.Thread(target=person.press_for_ever, daemon=True).start()
        while not over.wait(0.1):
            pass
        report.write_text(json.dumps({"clicks": person.clicks, "messages": slack.messages()}))


def serve(settings: Settings) -> None:
    """One life of the bot: everything runs, and the alarms that SNS has are delivered once more."""
    fast = budget.Rate(1000.0, 1000.0)  # this Slack has no limits: not they are tried here
    vars(budget).update(RATES=dict.fromkeys(budget.RATES, fast), POSTS_OF_CHANNEL=fast, WRITES_OF_CHANNEL=fast)
    vars(bot.service)["BY_NAME"] = {**BY_NAME, "aws:ledger": Ledger()}
    service = Service(settings)
    build(service).start()
    for number in range(EXECUTIONS):
        found = alarm(name=f"host-{number}", metrics=(metric(InstanceId=f"i-{number:017x}"),))
        service.operations.receive(found)
    while True:
        time.sleep(10)


class Judge:
    """Reads the rows, without a part in what happens."""

    def __init__(self, settings: Settings) -> None:
        self._service = Service(settings)

    def is_over(self) -> bool:
        """Whether every execution has ended, and nothing waits for Slack any more."""
        try:
            with self._service.db.reading() as connection:
                ended = self._service.executions.counts(connection).get("Success", 0)
                waiting = connection.exec_driver_sql(
                    "SELECT count(*) FROM slack_message WHERE state NOT IN ('sent', 'dead')"
                ).scalar()
        except DatabaseUnavailable:
            return False
        return ended == EXECUTIONS and not waiting

    def found(self) -> dict[str, Any]:
        """What the rows say in the end."""
        with self._service.db.reading() as connection:
            names = Counter(entry.event.name for entry in self._service.audit.entries(connection))
            return {
                "statuses": self._service.executions.counts(connection),
                "chain": self._service.audit.verify(connection).is_valid,
                "recovered": names["step.recovered"],
                "starts": names["bot.started"],
                "alarms": names["alarm.received"],
                "asked": names["approval.asked"],
                "decisions": names["approval.decided"],
                "ids": [state.id for state in self._service.executions.latest(connection, limit=1000)],
            }


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _settings(slack: StrictSlack, home: Path, url: str, port: int) -> Settings:
    identity = slack.identity
    return Settings(
        database_url=url, playbooks=(home / "playbooks",), use_library=False, aws_region="eu-west-1", http_port=port,
        slack_mode="http", slack_bot_token=identity.bot_token, slack_signing_secret=identity.signing_secret,
        slack_api_url=slack.api_url, slack_team_id=identity.team_id, channel=identity.channel, workers=4,
        protected_tags=(),
    )  # fmt: skip


def _forked(what: Any, *arguments: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            what(*arguments)
        except BaseException as error:  # noqa: BLE001 - a child says what ended it, and never returns
            sys.stderr.write(f"{what.__name__} ended: {error!r}\n")
        finally:
            os._exit(1)
    return child


def _end(child: int, number: int = signal.SIGKILL) -> None:
    os.kill(child, number)
    os.waitpid(child, 0)


def main(arguments: Sequence[str]) -> None:
    """Fork, kill, repeat; then let it finish and print what was found as JSON."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    home, kills, seed = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    url = arguments[3] if len(arguments) > 3 else f"sqlite:///{home / 'bot.db'}"
    slack, port, chance = StrictSlack(utc_now, is_limited=False), _free_port(), random.Random(seed)
    RUNBOOK["mainSteps"][2]["inputs"]["Approvers"] = [slack.identity.approver.id]  # type: ignore[index]
    folder(home / "playbooks", "crash", PLAYBOOK, json.dumps(RUNBOOK))
    Ledger.path = home / "ledger"
    Ledger.path.touch()
    _migrated(url)
    settings, report = _settings(slack, home, url, port), home / "slack.json"
    outside = _forked(world, slack, port, report)
    for _ in range(kills):
        child = _forked(serve, settings)
        time.sleep(chance.uniform(0.01, 0.45))
        _end(child)
    child = _forked(serve, settings)
    judge, deadline = Judge(settings), time.monotonic() + QUIET_SECONDS
    while not judge.is_over() and time.monotonic() < deadline:
        time.sleep(0.1)
    _end(child)
    _end(outside, signal.SIGTERM)
    lines = Ledger.path.read_text().splitlines()
    effects = {"effects": len(lines), "distinct_effects": len(set(lines))}
    sys.stdout.write(json.dumps({"seed": seed, **judge.found(), **effects, **json.loads(report.read_text())}))


def _migrated(url: str) -> None:
    made = Database(url)
    runner.upgrade(made)
    made.close()


if __name__ == "__main__":
    main(sys.argv[1:])
