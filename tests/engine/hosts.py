"""Three ways to run a document behind one interface, for the suite that all of them pass."""

import os
import subprocess
import sys
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from kombu.exceptions import OperationalError

from audit.events import Actor
from audit.store import AuditStore
from engine.actions import BY_NAME
from engine.dispatch.celery import CeleryDispatcher, celery_app, serve_tasks
from engine.document import Document
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution
from engine.performing import Performer
from engine.protocol import Engine, StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalType
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_runner import SsmRunner
from engine.ssm_store import SsmStore
from engine.ssm_telling import Telling
from engine.store import ExecutionStore
from infra.clock import utc_now
from infra.db import Database
from infra.rate import Rate
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import FakeSsm
from tests.needs import missing

LEE = Actor("person", "person:lee", "Lee")
BROKER = os.environ.get("PLAYBOOK_BOT_TEST_BROKER", "amqp://guest:guest@127.0.0.1:5672//")
PATIENCE_SECONDS = 20.0


class EngineHost(ABC):
    """One process that runs documents."""

    engine: Engine
    db: Database
    store: ExecutionStore
    audit: AuditStore

    @abstractmethod
    def settle(self, seconds: float = 0.0) -> None:
        """Let that much time pass, and everything happen that can happen."""

    def start(self, document: Document, key: str = "", **parameters: Any) -> str:
        """Start a document."""
        order = StartOrder(document, parameters, LEE, "eu-west-1", "123456789012", request_key=key)
        with self.db.transaction() as tx:
            return self.engine.start(tx, order)

    def signal(self, identity: str, kind: SignalType, step_id: str = "", by: Actor = LEE, **payload: str) -> None:
        """Give a signal."""
        with self.db.transaction() as tx:
            self.engine.signal(tx, identity, Signal(kind, by, step_id, payload))

    def stop(self, identity: str) -> None:
        """Cancel."""
        with self.db.transaction() as tx:
            self.engine.stop(tx, identity, LEE)

    def state(self, identity: str) -> Execution:
        """The row."""
        with self.db.reading() as connection:
            found = self.store.get(connection, identity)
        assert found is not None
        return found

    def steps(self, identity: str) -> list[tuple[str, str]]:
        """(name, status) of each step, in order."""
        return [(step.name, str(step.status)) for step in self.state(identity).steps]

    def events(self, identity: str) -> list[str]:
        """Names of the events that every engine tells."""
        with self.db.reading() as connection:
            names = [entry.event.name for entry in self.audit.entries(connection, subject=identity)]
        return [name for name in names if name.partition(".")[0] in ("execution", "step") and name not in AWS_ONLY]


AWS_ONLY = ("execution.accepted", "execution.observed", "execution.unobserved")


class Agenda:
    """A dispatcher for one thread: carries what is due when the test says so."""

    def __init__(self) -> None:
        self.due: list[tuple[datetime, str]] = []

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Remember it."""
        self.due.append((due_at, execution_id))

    def work(self, now: datetime, carry: Callable[[str], None]) -> None:
        """Carry all that is due."""
        while ready := [each for each in self.due if each[0] <= now]:
            self.due = [each for each in self.due if each not in ready]
            for _, execution_id in ready:
                carry(execution_id)


def _embedded(db: Database, audit: AuditStore, clock: Callable[[], datetime]) -> tuple[EmbeddedEngine, ExecutionStore]:
    store = ExecutionStore(audit)
    performer = Performer(BY_NAME, lambda state: QuietAws(state.region, state.account, "aws"), clock)
    here = Surroundings(
        db, store, DocumentShelf(store), BY_NAME, performer, clock, backoff=lambda _: timedelta(0)
    )  # fmt: skip
    return EmbeddedEngine(here), store


class LocalHost(EngineHost):
    """The embedded engine, driven by hand."""

    def __init__(self, db: Database) -> None:
        self.db, self.clock, self.audit, self._agenda = db, ManualClock(), AuditStore(), Agenda()
        self.engine, self.store = embedded, _ = _embedded(db, self.audit, self.clock)
        embedded.dispatcher = self._agenda
        self._carry = embedded.carry

    def settle(self, seconds: float = 0.0) -> None:
        """Move the clock and carry."""
        self.clock.advance(seconds)
        self._agenda.work(self.clock(), self._carry)


class SsmHost(EngineHost):
    """The SSM engine, in front of an imitation of AWS."""

    def __init__(self, db: Database) -> None:
        self.db, self.clock, self.audit = db, ManualClock(), AuditStore()
        self.ssm, rows = FakeSsm(self.clock), SsmStore()
        self.store = ExecutionStore(self.audit)
        shelf = DocumentShelf(self.store)
        self.engine = SsmEngine(SsmSurroundings(self.store, shelf, rows, BY_NAME, self.clock))
        telling = Telling(
            db, self.store, shelf, rows, lambda look, role: self.ssm.session(role), self.clock, rate=Rate(1e6, 1e6)
        )
        self._runner = SsmRunner(telling)

    def settle(self, seconds: float = 0.0) -> None:
        """Let AWS work, and look at it until nothing is new."""
        self._runner.pump()
        self.ssm.work(seconds)
        for _ in range(3):
            self.ssm.work(30)
            self._runner.pump()


class CeleryHost(EngineHost):
    """The embedded engine behind RabbitMQ: a bot that publishes, and a worker process that carries."""

    def __init__(self, db: Database, queue: str) -> None:
        self.db, self.audit = db, AuditStore()
        self.engine, self.store = embedded, _ = _embedded(db, self.audit, utc_now)
        self._app = celery_app(BROKER, queue=queue)
        self._dispatcher = embedded.dispatcher = CeleryDispatcher(self._app, db, self.store, embedded, utc_now)
        self._worker: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        """Begin."""
        url = self.db.url.render_as_string(hide_password=False)
        queue = str(self._app.conf.task_default_queue)
        self._worker = subprocess.Popen([sys.executable, "-m", "tests.engine.hosts", url, queue])
        self._dispatcher.start()

    def down(self) -> None:
        """End, and leave no queue behind."""
        self._dispatcher.stop()
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait(20)
        with self._app.connection() as connection:
            connection.default_channel.queue_delete(self._app.conf.task_default_queue)
        self._app.close()

    def settle(self, seconds: float = 0.0) -> None:
        """Wait until nothing is due any more; the clock is everybody's."""
        deadline = time.monotonic() + PATIENCE_SECONDS + seconds
        while self._is_busy(utc_now() + timedelta(seconds=seconds)):
            assert time.monotonic() < deadline, "the workers did not come to rest"
            time.sleep(0.01)

    def _is_busy(self, before: datetime) -> bool:
        with self.db.reading() as connection:
            states = self.store.everything(connection)
        return any(state.due_at is not None and state.due_at <= before for state in states)


def work(url: str, queue: str) -> None:
    """A worker: carries what arrives on the queue until it is terminated."""
    db = Database(url)
    engine, store = _embedded(db, AuditStore(), utc_now)
    app = celery_app(BROKER, queue=queue)
    dispatcher = engine.dispatcher = CeleryDispatcher(app, db, store, engine, utc_now)
    serve_tasks(app, engine)
    dispatcher.start()
    app.worker_main(["--quiet", "worker", "--pool=threads", "--concurrency=4", "--loglevel=ERROR", "--without-mingle"])


@contextmanager
def celery_host(db: Database) -> Iterator[CeleryHost]:
    """The host, on a queue of its own; skipped with the reason where no RabbitMQ answers."""
    reason = no_broker()
    if reason:
        missing("broker", reason)
    host = CeleryHost(db, f"playbook-bot.test.{uuid.uuid4().hex[:12]}")
    host.up()
    try:
        yield host
    finally:
        host.down()


def no_broker() -> str:
    """Why RabbitMQ cannot be used here, or ""."""
    app = celery_app(BROKER)
    try:
        with app.connection(connect_timeout=2) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
    except (OSError, OperationalError) as error:
        return f"no RabbitMQ answers at {BROKER.rpartition('@')[2].strip('/')}: {error}"
    return ""


if __name__ == "__main__":
    work(*sys.argv[1:])
