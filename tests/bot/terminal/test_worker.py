"""Bots and workers apart: what one process commits, a worker on the same queue carries, and a bot hears of at once."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.store import cursor_table
from bot.cli import cli
from bot.service import Service
from bot.serving import announced, dispatcher_of
from bot.terminal.heartbeat import beat
from engine.dispatch.celery import celery_app
from engine.execution import Status
from infra.announcements import Announcements
from infra.db import Database
from infra.settings import load
from migrations import runner
from playbooks.operations import Order
from tests.engine.hosts import BROKER, no_broker
from tests.fakes.postgres import PostgresServer
from tests.needs import missing

RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
  - {name: hold, action: "aws:pause", inputs: {}}
"""


@pytest.fixture
def environment(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of bot and worker: PostgreSQL, RabbitMQ, one playbook."""
    reason = no_broker()
    if reason:
        missing("broker", reason)
    home = tmp_path / "playbooks" / "nap"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("title: A nap\nmay_run: [lee]\n")
    (home / "runbook.yaml").write_text(RUNBOOK)
    config = tmp_path / "playbook-bot.yaml"
    config.write_text("use_library: false\nplaybooks: [playbooks]\npeople: [{id: lee, terminal: lee}]\n")
    queue = f"playbook-bot.test.{uuid.uuid4().hex[:12]}"
    with postgres_server.database() as url:
        database = Database(url)
        runner.upgrade(database)
        database.close()
        yield {
            "PLAYBOOK_BOT_CONFIG": str(config),
            "PLAYBOOK_BOT_DATABASE_URL": url,
            "PLAYBOOK_BOT_DISPATCH": "celery",
            "PLAYBOOK_BOT_BROKER_URL": BROKER,
            "PLAYBOOK_BOT_BROKER_QUEUE": queue,
            "AWS_REGION": "eu-west-1",
            "HEARTBEAT": str(tmp_path / "alive"),
        }
    app = celery_app(BROKER, queue=queue)
    with app.connection() as connection:
        connection.default_channel.queue_delete(queue)
    app.close()


def _until(what: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)


def _status(service: Service, identity: str) -> Status | None:
    with service.db.reading() as connection:
        state = service.executions.get(connection, identity)
    return state.status if state else None


def _worker(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    env = {**os.environ, **environment}
    command = [sys.executable, "-m", "bot", "worker", "--heartbeat", environment["HEARTBEAT"]]
    return subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_worker_carries_what_a_bot_has_started(environment: dict[str, str]) -> None:
    """The bot has no thread for it; a killed worker is followed by another one."""
    service = Service(load({**os.environ, **environment}))
    dispatcher, stop = dispatcher_of(service), threading.Event()
    dispatcher.start()
    parts = announced(service, stop)
    for part in parts:
        part.start()
    worker = _worker(environment)
    try:
        lee = service.directory.terminal("lee")
        first = service.operations.start(Order("nap", request_key="1"), lee)
        _until(lambda: _status(service, first) is Status.WAITING)
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
        worker = _worker(environment)
        second = service.operations.start(Order("nap", request_key="2"), lee)
        service.operations.resume(first, lee)

        _until(lambda: _status(service, second) is Status.WAITING)
        _until(lambda: _status(service, first) is Status.SUCCESS)
        assert time.time() - Path(environment["HEARTBEAT"]).stat().st_mtime < 30
    finally:
        worker.terminate()
        worker.wait(20)
        stop.set()
        dispatcher.stop()
        service.db.close()
    assert worker.returncode == 0


def test_commits_of_others_are_heard(postgres_database: Database) -> None:
    """What another process commits wakes this one's loops; a rollback and a read wake nobody."""
    other = Database(postgres_database.url.render_as_string(hide_password=False))
    woken, stop = threading.Event(), threading.Event()
    postgres_database.listen(woken.set)
    thread = threading.Thread(target=Announcements(postgres_database).run, args=(stop,))
    thread.start()
    assert woken.wait(20), "it looks once when it begins to listen"
    woken.clear()
    with other.transaction() as tx:
        tx.execute(cursor_table.insert().values(name="somebody", seq=0))

    assert woken.wait(20)
    stop.set()
    thread.join(20)
    other.close()


def test_a_worker_where_none_is_needed_says_so() -> None:
    """With `dispatch: local` the bot carries everything itself."""
    answer = CliRunner().invoke(cli, ["worker"], env={"PLAYBOOK_BOT_CONFIG": ""})

    assert answer.exit_code == 2
    assert "dispatch: celery" in answer.output


def test_celery_needs_a_broker_and_postgresql() -> None:
    """Both are said, each with what would be right."""
    answer = CliRunner().invoke(cli, ["worker"], env={"PLAYBOOK_BOT_DISPATCH": "celery", "PLAYBOOK_BOT_CONFIG": ""})

    assert answer.exit_code == 2
    assert "broker_url" in answer.output
    assert "PostgreSQL" in answer.output


def test_a_heartbeat_is_there_at_once(tmp_path: Path) -> None:
    """The file is there at once, and a place that cannot be written ends nothing."""
    stop = threading.Event()
    stop.set()
    beat(tmp_path / "alive", stop)
    beat(tmp_path / "missing" / "alive", stop)

    assert (tmp_path / "alive").exists()
