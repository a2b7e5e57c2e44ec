"""Two bots and a worker on one database and one Slack: `python -m tests.scenarios.many_bots FOLDER URL BROKER_URL`.

The bot that sends is killed in the middle, the one that follows it is stopped for longer than its lease and wakes up,
and a person presses *Approve* at both. What is found in the end is printed as JSON.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr
from sqlalchemy import select

import bot.service
import bot.slack.assembly
from bot.service import Service
from bot.serving import build
from bot.slack import budget
from bot.slack.outbox import Outbox
from bot.terminal.worker import work
from engine.actions import BY_NAME
from engine.dispatch.celery import celery_app
from infra.clock import utc_now
from infra.db import Database
from infra.leadership import leadership_table
from infra.settings_model import Settings
from tests.fakes.strict_slack import StrictSlack
from tests.playbooks.worlds import alarm, folder, metric
from tests.scenarios.crash import (
    EXECUTIONS,
    PLAYBOOK,
    QUIET_SECONDS,
    RUNBOOK,
    Judge,
    Ledger,
    Person,
    _end,
    _forked,
    _free_port,
    _migrated,
    _settings,
)

FROZEN_SECONDS = 10.0
"""Longer than the lease (infra/leadership.py)."""
CALL_SECONDS = 0.15
"""Between a bot's last look at its lease and what it sends, so that it is frozen there: the worst of all moments."""
WAKING_SECONDS = 1.0
"""For who was frozen to go on with what it was doing, where all is over by then."""


class Restless(Person):
    """Presses at one bot, then at the other."""

    def __init__(self, slack: StrictSlack, ports: Sequence[int]) -> None:
        super().__init__(slack, ports[0])
        self._urls = [f"http://127.0.0.1:{port}/slack/events" for port in ports]

    def _press(self, value: str) -> None:
        self._urls.append(self._urls.pop(0))
        self._url = self._urls[0]
        super()._press(value)


def world(slack: StrictSlack, ports: Sequence[int], report: Path) -> None:
    """Slack and the person, until SIGTERM; then it writes down what stands in the channel."""
    person, over = Restless(slack, ports), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    with slack:
        threading.Thread(target=person.press_for_ever, daemon=True).start()
        while not over.wait(0.1):
            pass
        report.write_text(json.dumps({"clicks": person.clicks, "messages": slack.messages()}))


def _here(settings: Settings) -> Service:
    fast = budget.Rate(1000.0, 1000.0)  # this Slack has no limits: not they are tried here
    vars(budget).update(RATES=dict.fromkeys(budget.RATES, fast), POSTS_OF_CHANNEL=fast, WRITES_OF_CHANNEL=fast)
    vars(bot.service)["BY_NAME"] = {**BY_NAME, "aws:ledger": Ledger()}
    return Service(settings)


class Hesitant(Outbox):
    """Each call leaves a moment after the last look at the lease."""

    def _call(self, *arguments: Any) -> Any:
        time.sleep(CALL_SECONDS)
        return super()._call(*arguments)


def serve(settings: Settings) -> None:
    """A bot."""
    vars(bot.slack.assembly)["Outbox"] = Hesitant
    build(_here(settings)).start()
    while True:
        time.sleep(10)


def carry(settings: Settings) -> None:
    """A worker."""
    work(_here(settings), 4)


def deliver(settings: Settings, numbers: Sequence[int]) -> None:
    """Alarms reach both bots' database, each twice, as SNS has it."""
    service = _here(settings)
    for number in (*numbers, *numbers):
        service.operations.receive(alarm(name=f"host-{number}", metrics=(metric(InstanceId=f"i-{number:017x}"),)))
    service.db.close()


class Leader:
    """Who sends, as the database has it."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)

    def holder(self) -> str:
        """Whoever has the lease of the outbox; "" before anybody had it."""
        query = select(leadership_table.c.holder).where(leadership_table.c.name == "outbox")
        with self._db.reading() as connection:
            return str(connection.execute(query).scalar() or "")

    def followed(self, before: str) -> float:
        """Seconds until somebody else has it."""
        began = time.monotonic()
        while self.holder() == before:
            if time.monotonic() - began > QUIET_SECONDS:
                raise SystemExit("nobody took over")
            time.sleep(0.05)
        return round(time.monotonic() - began, 1)


def main(arguments: Sequence[str]) -> None:
    """Two bots, a worker, a death and a zombie."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    home, url, broker = Path(arguments[0]), arguments[1], arguments[2]
    slack, ports = StrictSlack(utc_now, is_limited=False), (_free_port(), _free_port())
    RUNBOOK["mainSteps"][2]["inputs"]["Approvers"] = [slack.identity.approver.id]  # type: ignore[index]
    folder(home / "playbooks", "crash", PLAYBOOK, json.dumps(RUNBOOK))
    Ledger.path = home / "ledger"
    Ledger.path.touch()
    _migrated(url)
    queue = f"playbook-bot.test.{uuid.uuid4().hex[:12]}"
    shared = {"dispatch": "celery", "broker_url": SecretStr(broker), "broker_queue": queue}
    one, other = (_settings(slack, home, url, port).model_copy(update=shared) for port in ports)
    outside = _forked(world, slack, ports, home / "slack.json")
    leader, took = Leader(url), []
    first = _forked(serve, one)
    leader.followed("")
    second, worker = _forked(serve, other), _forked(carry, one)
    half = EXECUTIONS // 2
    deliver(one, range(half))
    before = leader.holder()
    _end(first)
    took.append(leader.followed(before))
    first, before = _forked(serve, one), leader.holder()
    deliver(other, range(half, EXECUTIONS))
    os.kill(second, signal.SIGSTOP)
    took.append(leader.followed(before))
    time.sleep(max(0.0, FROZEN_SECONDS - took[-1]))
    os.kill(second, signal.SIGCONT)
    time.sleep(WAKING_SECONDS)
    judge, deadline = Judge(one), time.monotonic() + QUIET_SECONDS
    while not judge.is_over() and time.monotonic() < deadline:
        time.sleep(0.1)
    for child in (first, second, worker):
        _end(child)
    _end(outside, signal.SIGTERM)
    _forget(broker, queue)
    sys.stdout.write(json.dumps({"took_over_seconds": took, **_found(judge, home)}))


def _found(judge: Judge, home: Path) -> dict[str, Any]:
    lines = Ledger.path.read_text().splitlines()
    effects = {"effects": len(lines), "distinct_effects": len(set(lines))}
    return {**judge.found(), **effects, **json.loads((home / "slack.json").read_text())}


def _forget(broker: str, queue: str) -> None:
    app = celery_app(broker, queue=queue)
    with app.connection() as connection:
        connection.default_channel.queue_delete(queue)
    app.close()


if __name__ == "__main__":
    main(sys.argv[1:])
