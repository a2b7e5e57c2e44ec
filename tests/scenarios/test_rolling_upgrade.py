"""A deploy with people waiting: old and new code on one schema, and answers to what was asked before it."""

import io
import os
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from approvals.request import ApprovalRequest
from bot.service import Service
from engine.dispatch.celery import celery_app
from engine.execution import Execution, Status
from infra.settings import load
from migrations import runner
from playbooks.operations import Order
from tests.engine.hosts import BROKER, no_broker
from tests.fakes.postgres import PostgresServer
from tests.needs import missing

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PLAYBOOK: Final = "title: Deployed\nmay_run: [lee]\napprovers: [kim]\n"
RUNBOOK: Final = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
  - {name: ask, action: "aws:approve", inputs: {Approvers: [kim]}}
  - {name: WORD, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
PATIENCE: Final = 60.0
TRIES: Final = 15


def git(*words: str) -> str:
    """What git says. Skips the test, with the reason, where it has no history to say it from."""
    try:
        ran = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        missing("history", "git is not installed")
    if ran.returncode != 0 or not ran.stdout.strip():
        missing("history", f"no history of this project here: {ran.stderr.strip() or 'git knows no such commit'}")
    return ran.stdout.strip()


@pytest.fixture(scope="module", params=["the last commit", "before the newest migration"])
def old_code(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the nearest commit that starts, from the one before this, or before the newest migration, on."""
    newest = git("log", "-1", "--diff-filter=A", "--format=%H", "--", "migrations/versions")
    begin = f"{'HEAD' if request.param == 'the last commit' else newest}~1"
    for commit in git("rev-list", f"--max-count={TRIES}", begin).split():
        tree = tmp_path_factory.mktemp("old")
        archive = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit], capture_output=True, timeout=60, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
            packed.extractall(tree, filter="data")
        starts = subprocess.run(
            [sys.executable, "-m", "bot", "worker", "--help"], cwd=tree, capture_output=True, timeout=60, check=False
        )
        if starts.returncode == 0:
            return tree
    raise AssertionError(f"none of the {TRIES} commits from {begin} on has a worker that starts")


@dataclass
class Installation:
    """A library, a database at the newest schema, and processes of whichever code."""

    home: Path
    environment: dict[str, str]

    def service(self) -> Service:
        """This code's parts: a door that starts and answers."""
        return Service(load({**os.environ, **self.environment}))

    @contextmanager
    def running(self, tree: Path, *commands: str) -> Iterator[None]:
        """Processes of that tree's code."""
        log = self.home / "log"
        with log.open("ab") as out:
            started = [
                subprocess.Popen(
                    [sys.executable, "-m", "bot", command], cwd=tree, env={**os.environ, **self.environment},
                    stdout=out, stderr=out,
                )
                for command in commands
            ]  # fmt: skip
        try:
            yield
            assert [each.poll() for each in started] == [None] * len(started), log.read_text()[-3000:]
        finally:
            for each in started:
                each.terminate()
            for each in started:
                each.wait(30)

    def write_runbook(self, word: str) -> None:
        """The library as it is now: its last step is called so."""
        (self.home / "playbooks" / "deployed" / "runbook.yaml").write_text(RUNBOOK.replace("WORD", word))


@pytest.fixture
def installation(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Installation]:
    """Everything but processes."""
    reason = no_broker()
    if reason:
        missing("broker", reason)
    (tmp_path / "playbooks" / "deployed").mkdir(parents=True)
    (tmp_path / "playbooks" / "deployed" / "playbook.yaml").write_text(PLAYBOOK)
    config = tmp_path / "playbook-bot.yaml"
    config.write_text(
        "use_library: false\nplaybooks: [playbooks]\npeople: [{id: lee, terminal: lee}, {id: kim, terminal: kim}]\n"
    )
    queue = f"playbook-bot.test.{uuid.uuid4().hex[:12]}"
    with postgres_server.database() as url:
        yield Installation(
            tmp_path,
            {
                "PLAYBOOK_BOT_CONFIG": str(config), "PLAYBOOK_BOT_DATABASE_URL": url, "AWS_REGION": "eu-west-1",
                "PLAYBOOK_BOT_DISPATCH": "celery", "PLAYBOOK_BOT_BROKER_URL": BROKER,
                "PLAYBOOK_BOT_BROKER_QUEUE": queue, "PLAYBOOK_BOT_HTTP_PORT": "0",
            },
        )  # fmt: skip
    app = celery_app(BROKER, queue=queue)
    with app.connection() as connection:
        connection.default_channel.queue_delete(queue)
    app.close()


def _until(what: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"it never came to be\n{log.read_text()[-3000:]}"
        time.sleep(0.05)


class Desk:
    """A person's view of the installation, through this code."""

    def __init__(self, installation: Installation) -> None:
        self.service, self._log = installation.service(), installation.home / "log"

    def start(self, key: str) -> str:
        """Start the playbook as Lee."""
        return self.service.operations.start(Order("deployed", request_key=key), self.service.directory.terminal("lee"))

    def state(self, identity: str) -> Execution:
        """The row."""
        with self.service.db.reading() as connection:
            found = self.service.executions.get(connection, identity)
        assert found is not None
        return found

    def questions(self, identity: str) -> list[ApprovalRequest]:
        """What was asked."""
        with self.service.db.reading() as connection:
            return self.service.approvals.of_execution(connection, identity)

    def until_asked(self, identity: str) -> str:
        """Wait for the question; its id."""
        _until(lambda: bool(self.questions(identity)), self._log)
        return self.questions(identity)[0].id

    def approve(self, request_id: str) -> None:
        """Answer as Kim."""
        self.service.operations.decide(request_id, self.service.directory.terminal("kim"), "Approve")

    def until_over(self, identity: str) -> None:
        """Wait for the end."""
        _until(lambda: self.state(identity).is_over, self._log)


@pytest.mark.slow
def test_old_and_new_work_side_by_side(old_code: Path, installation: Installation) -> None:
    """On the new schema the old bot asks, the old worker carries, the new ones go on with both, and back again."""
    installation.write_runbook("end")
    service = installation.service()
    runner.upgrade(service.db)
    service.db.close()
    desk = Desk(installation)
    with installation.running(old_code, "serve", "worker"):
        first, second = desk.start("1"), desk.start("2")
        asked = [desk.until_asked(first), desk.until_asked(second)]
        desk.approve(asked[0])
        desk.until_over(first)
    with installation.running(ROOT, "serve", "worker"):
        third = desk.start("3")
        asked.append(desk.until_asked(third))
        desk.approve(asked[1])
        desk.until_over(second)
    with installation.running(old_code, "serve"), installation.running(ROOT, "worker"):
        desk.approve(asked[2])
        desk.until_over(third)

    assert [desk.state(each).status for each in (first, second, third)] == [Status.SUCCESS] * 3
    assert [len(desk.questions(each)) for each in (first, second, third)] == [1, 1, 1]
    with desk.service.db.reading() as connection:
        assert desk.service.audit.verify(connection).is_valid
    desk.service.db.close()


@pytest.mark.slow
def test_an_approval_parked_before_a_deploy_finishes_on_its_document(
    old_code: Path, installation: Installation
) -> None:
    """Code, schema and runbook change while people think: the answer moves on the document they were asked about."""
    installation.write_runbook("before")
    service = installation.service()
    runner.upgrade(service.db)
    service.db.close()
    before = Desk(installation)
    with installation.running(old_code, "serve", "worker"):
        identity = before.start("1")
        request_id = before.until_asked(identity)
    before.service.db.close()
    installation.write_runbook("after")
    after = Desk(installation)
    with installation.running(ROOT, "serve", "worker"):
        later = after.start("2")
        after.approve(request_id)
        after.approve(after.until_asked(later))
        after.until_over(identity)
        after.until_over(later)

    assert [step.name for step in after.state(identity).steps] == ["nap", "ask", "before"]
    assert [step.name for step in after.state(later).steps] == ["nap", "ask", "after"]
    assert after.state(identity).status is Status.SUCCESS
    after.service.db.close()
