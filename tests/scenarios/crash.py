"""A bot without doors that is killed at random moments: `python -m tests.scenarios.crash FOLDER KILLS SEED`.

One parent forks it again and again on the same files and kills it with SIGKILL. The AWS of this world is a ledger
file: a call with a ClientToken it knows changes nothing, as AWS's own idempotent operations do.
"""

import json
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from approvals.store import ApprovalStore
from audit.events import Actor
from audit.relay import Relay
from audit.store import AuditStore
from engine.action import Action, ActionContext, ActionInputs, Outcome, Succeeded
from engine.actions import BY_NAME
from engine.dispatch.local import LocalDispatcher
from engine.embedded import EmbeddedEngine, Surroundings
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from engine.unreachable_aws import NoAws
from engine.validation import parse
from infra.clock import utc_now
from infra.db import Database
from migrations.tables import all_tables
from playbooks.catalog import Catalog
from playbooks.operations import NoLongerOpen, Operations, Parts
from playbooks.people import Directory, Identity
from playbooks.reactions import Reactions
from playbooks.store import AlarmStore

EXECUTIONS = 12
DOCUMENT = json.dumps(
    {
        "schemaVersion": "0.3",
        "mainSteps": [
            {"name": "before", "action": "aws:ledger", "inputs": {}},
            {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT0.05S"}},
            {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": ["sam"]}},
            {"name": "after", "action": "aws:ledger", "inputs": {}},
            {"name": "end", "action": "aws:ledger", "inputs": {}},
        ],
    }
)
SAM = Identity("person:sam", "Sam", frozenset({"sam"}))


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


class Bot:
    """Engine, approvals and reactions on one SQLite file."""

    def __init__(self, folder: Path) -> None:
        Ledger.path = folder / "ledger"
        self.db = Database(f"sqlite:///{folder / 'bot.db'}")
        self.audit = AuditStore()
        self.store, self.approvals = ExecutionStore(self.audit), ApprovalStore(self.audit)
        actions: Mapping[str, Action[Any]] = {**BY_NAME, "aws:ledger": Ledger()}
        performer = Performer(actions, lambda state: NoAws(state.region, state.account, "aws"), utc_now)
        here = Surroundings(
            self.db, self.store, DocumentShelf(self.store), actions, performer, utc_now, backoff=lambda _: timedelta(0)
        )
        self.engine = EmbeddedEngine(here)
        self.dispatcher = LocalDispatcher(self.db, self.store, self.engine, utc_now, workers=4)
        self.engine.dispatcher = self.dispatcher
        catalog = Catalog(())
        parts = Parts(
            self.db, self.audit, self.store, self.approvals, AlarmStore(), self.engine, catalog, Directory(), utc_now,
            region="eu-west-1",
        )  # fmt: skip
        self.operations = Operations(parts)
        self.reactions = Reactions(
            executions=self.store, approvals=self.approvals, engine=self.engine, catalog=catalog, clock=utc_now,
            new_id=lambda: uuid.uuid4().hex[:12],
        )  # fmt: skip

    def serve(self) -> None:
        """Work until killed, answering every question that is open."""
        relay = Relay(self.db, self.audit, name="reactions", handle=self.reactions.handle, clock=utc_now)
        threading.Thread(target=relay.run, args=(threading.Event(),), daemon=True).start()
        self.dispatcher.start()
        document = parse(DOCUMENT, name="Crash")
        for number in range(EXECUTIONS):
            order = StartOrder(document, {}, Actor("system", "test"), "eu-west-1", "1", request_key=f"run:{number}")
            with self.db.transaction() as tx:
                self.engine.start(tx, order)
        while True:
            with self.db.reading() as connection:
                waiting = self.approvals.open(connection)
            for request in waiting:
                try:
                    self.operations.decide(request.id, SAM, "Approve")
                except NoLongerOpen:
                    continue
            time.sleep(0.01)

    def is_done(self) -> bool:
        """Whether every execution has ended well."""
        with self.db.reading() as connection:
            return self.store.counts(connection).get("Success", 0) == EXECUTIONS


def main(arguments: Sequence[str]) -> None:
    """Fork, kill, repeat; then let it finish and print what was found as JSON."""
    folder, kills, seed = Path(arguments[0]), int(arguments[1]), int(arguments[2])
    chance = random.Random(seed)
    (folder / "ledger").touch()
    made = Database(f"sqlite:///{folder / 'bot.db'}")
    all_tables().create_all(made.engine)
    made.close()
    for _ in range(kills):
        child = _forked(folder)
        time.sleep(chance.uniform(0.005, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    child = _forked(folder)
    judge, deadline = Bot(folder), time.monotonic() + 40
    while not judge.is_done() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    sys.stdout.write(json.dumps(_found(judge, folder, seed)))


def _forked(folder: Path) -> int:
    child = os.fork()
    if child == 0:
        try:
            Bot(folder).serve()
        finally:
            os._exit(1)
    return child


def _found(judge: Bot, folder: Path, seed: int) -> dict[str, Any]:
    with judge.db.reading() as connection:
        statuses = judge.store.counts(connection)
        verdict = judge.audit.verify(connection)
        names = [entry.event.name for entry in judge.audit.entries(connection)]
    lines = (folder / "ledger").read_text().splitlines()
    return {
        "seed": seed,
        "statuses": statuses,
        "effects": len(lines),
        "distinct_effects": len(set(lines)),
        "chain": verdict.is_valid,
        "recovered": names.count("step.recovered"),
        "decisions": names.count("approval.decided"),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
