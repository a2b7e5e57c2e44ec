"""An engine with its dispatcher, as a bot or as a process that only carries: `… URL BROKER QUEUE` ("" = embedded)."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, ClassVar, Literal

from audit.events import Actor
from audit.store import AuditStore
from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded
from engine.actions import BY_NAME
from engine.dispatch.celery import CeleryDispatcher, celery_app, serve_tasks
from engine.dispatch.local import LocalDispatcher
from engine.document import Document
from engine.embedded import EmbeddedEngine, Surroundings
from engine.performing import Performer
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from engine.unreachable_aws import NoAws
from engine.validation import parse
from infra.clock import Clock, utc_now
from infra.db import Database
from infra.log import configure
from infra.shared_clock import SharedClock

THREADS = 8
BENCH = Actor("system", "benchmark")


class Effect(Action[ActionInputs]):
    """A call that takes no time."""

    name: ClassVar[str] = "aws:effect"
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = ActionInputs

    def run(self, inputs: ActionInputs, context: ActionContext) -> Outcome:
        """Done."""
        return Succeeded()


class Hang(Action[ActionInputs]):
    """A call in the middle of which its process is killed; whoever follows finds it done."""

    name: ClassVar[str] = "aws:hang"
    impact: ClassVar[Literal["Mutating"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = ActionInputs

    def run(self, inputs: ActionInputs, context: ActionContext) -> Outcome:
        """Say who is in it, and never come back."""
        if not context.may_have_run:
            mark = Path(os.environ["BENCH_HANG"])
            made = mark.with_suffix(".new")
            made.write_text(str(os.getpid()))
            made.rename(mark)
            threading.Event().wait(600)
        return Succeeded()


ACTIONS: dict[str, Action[Any]] = {**BY_NAME, "aws:effect": Effect(), "aws:hang": Hang()}


def _document(name: str, *steps: tuple[str, dict[str, Any]]) -> Document:
    listed = [
        {"name": f"s{number}", "action": action, "inputs": inputs} for number, (action, inputs) in enumerate(steps)
    ]
    return parse(json.dumps({"schemaVersion": "0.3", "mainSteps": listed}), name=name)


def pure(count: int) -> Document:
    """Steps that need nothing outside."""
    return _document("Pure", *[("aws:sleep", {"Duration": "PT0S"})] * count)


def effects(count: int) -> Document:
    """Steps that call something."""
    return _document("Effects", *[("aws:effect", {})] * count)


GATE = _document("Gate", ("aws:approve", {"Approvers": ["a"]}), ("aws:sleep", {"Duration": "PT0S"}))
HANG = _document("Hang", ("aws:hang", {}))


class Host:
    """The parts of one process."""

    def __init__(self, url: str, broker: str, queue: str) -> None:
        self.db = Database(url)
        clock: Clock = SharedClock(self.db) if queue else utc_now
        self.store = ExecutionStore(AuditStore())
        performer = Performer(ACTIONS, lambda state: NoAws(state.region, state.account, "aws"), clock)
        here = Surroundings(self.db, self.store, DocumentShelf(self.store), ACTIONS, performer, clock)
        self.engine = EmbeddedEngine(here)
        self.app = celery_app(broker, queue=queue) if queue else None
        self.dispatcher: CeleryDispatcher | LocalDispatcher
        if self.app is not None:
            self.dispatcher = CeleryDispatcher(self.app, self.db, self.store, self.engine, clock)
        else:
            self.dispatcher = LocalDispatcher(self.db, self.store, self.engine, clock, workers=THREADS)
        self.engine.dispatcher = self.dispatcher

    def start(self) -> None:
        """Begin."""
        self.dispatcher.start()

    def stop(self) -> None:
        """End."""
        self.dispatcher.stop()
        if self.app is not None:
            self.app.close()
        self.db.close()

    def carry(self) -> None:
        """Carry until killed."""
        self.start()
        if self.app is None:
            signal.pause()
            return
        serve_tasks(self.app, self.engine)
        self.app.worker_main(["--quiet", "worker", "--pool=threads", f"--concurrency={THREADS}", "--loglevel=ERROR",
                              "--without-mingle", "--without-gossip"])  # fmt: skip


if __name__ == "__main__":
    configure("error")
    Host(*sys.argv[1:]).carry()
