"""The waist on a database of its own, driven by hand: what is due is carried, what happened is relayed."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from approvals.store import ApprovalStore
from audit.relay import Relay
from audit.store import AuditStore
from audit.trail import Entry
from engine.actions import BY_NAME
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution
from engine.performing import Performer
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from infra.db import Database, Transaction
from playbooks.catalog import Catalog
from playbooks.facts import ApprovalFacts, ExecutionFacts
from playbooks.operations import Operations, Order, Parts
from playbooks.people import Directory, Identity, Person
from playbooks.playbook import AlarmTrigger, Playbook
from playbooks.queries import Queries, Sources
from playbooks.reactions import Reactions
from playbooks.store import AlarmStore
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import playbook

DIRECTORY = Directory(
    people=(
        Person("lee", slack="U01LEE", name="Lee"),
        Person("sam", slack="U02SAM", name="Sam"),
        Person("kim", slack="U03KIM", name="Kim"),
    ),
    groups={"responders": ("lee", "sam", "kim")},
)
LEE, SAM, KIM = (DIRECTORY.slack("T01", user) for user in ("U01LEE", "U02SAM", "U03KIM"))
STRANGER = DIRECTORY.slack("T01", "U99WHO", name="Who")
GATE = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
  Approvers: {type: StringList}
  Minimum: {type: Integer, default: 1}
mainSteps:
  - name: ask
    action: aws:approve
    timeoutSeconds: 3600
    inputs:
      Approvers: ["{{ Approvers }}"]
      MinRequiredApprovals: "{{ Minimum }}"
      Message: Restart {{ InstanceId }}?
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""
PAUSE = """\
schemaVersion: "0.3"
mainSteps:
  - {name: hold, action: "aws:pause", inputs: {}}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""
FROM_ALARM: Mapping[str, Any] = {
    "InstanceId": "{{ alarm.dimensions.InstanceId }}",
    "Approvers": ["{{ playbook.approvers }}"],
}


def gate(**fields: Any) -> Playbook:
    """A playbook that asks the responders before it naps."""
    usual: dict[str, Any] = {
        "name": "gate",
        "runbook": GATE,
        "parameters": FROM_ALARM,
        "approvers": ("group:responders",),
        "may_run": ("group:responders",),
        "trigger": AlarmTrigger(),
        "channel": "C01",
    }
    return playbook(**{**usual, **fields})


class Agenda:
    """A dispatcher that carries nothing by itself."""

    def __init__(self) -> None:
        self.woken: list[tuple[str, datetime]] = []

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Remember it."""
        self.woken.append((execution_id, due_at))


class Waist:
    """Verbs, facts and reactions; a second one on the same database is the process after a restart."""

    def __init__(self, db: Database, clock: ManualClock, *playbooks: Playbook, **parts: Any) -> None:
        self.db, self.clock = db, clock
        self.audit = AuditStore()
        self.store, self.approvals, self.alarms = ExecutionStore(self.audit), ApprovalStore(self.audit), AlarmStore()
        self.shelf = DocumentShelf(self.store)
        performer = Performer(BY_NAME, lambda state: QuietAws(state.region, state.account, "aws"), clock)
        here = Surroundings(
            db, self.store, self.shelf, BY_NAME, performer, clock, backoff=lambda _: timedelta(0),
            documents=parts.pop("documents", None), hold=self._why_held,
        )  # fmt: skip
        self.engine = EmbeddedEngine(here)
        self.agenda = Agenda()
        self.engine.dispatcher = self.agenda
        catalog, directory = Catalog(playbooks), parts.pop("directory", DIRECTORY)
        usual: dict[str, Any] = {
            "region": "eu-west-1", "account": "402715938824", "channel": "C00", "go_on": self.engine.go_on,
        }  # fmt: skip
        self.parts = Parts(
            db, self.audit, self.store, self.approvals, self.alarms, self.engine, catalog, directory, clock,
            **{**usual, **parts},
        )  # fmt: skip
        self.operations = Operations(self.parts)
        self.queries = Queries(
            Sources(
                db, self.audit, self.store, self.approvals, self.alarms, self.shelf, catalog, directory,
                admins=self.parts.admins,
            )
        )  # fmt: skip
        ids = itertools.count(1)
        self.reactions = Reactions(
            executions=self.store, approvals=self.approvals, engine=self.engine, catalog=catalog, clock=clock,
            new_id=lambda: f"request{next(ids)}", also=self.operations.guarding.handle,
            hold=self.operations.guards.why_paused,
        )  # fmt: skip
        self.relay = Relay(db, self.audit, name="reactions", handle=self.reactions.handle, clock=clock)

    def _why_held(self, tx: Transaction) -> str:
        return self.operations.guards.why_held(tx)

    # -- time and threads

    def settle(self) -> None:
        """Carry what is due and relay what happened until nothing moves."""
        for _ in range(100):
            moved = self.relay.pump()
            with self.db.reading() as connection:
                due = self.store.due(connection, before=self.clock(), now=self.clock())
            for execution_id, _ in due:
                self.engine.carry(execution_id)
            if not moved and not due:
                return
        raise AssertionError("the waist does not come to rest")

    def later(self, **delta: float) -> None:
        """Let time pass, and what is due then."""
        self.clock.advance(timedelta(**delta))
        self.settle()

    # -- what stands there

    def run(self, name: str = "gate", by: Identity = LEE, **parameters: Any) -> str:
        """Have a person start a playbook, and everything happen up to its next wait."""
        if name == "gate":
            parameters.setdefault("InstanceId", "i-0b7d1c44e9f2a6d35")
        execution_id = self.operations.start(Order(name, parameters), by)
        self.settle()
        return execution_id

    def question(self) -> ApprovalFacts:
        """The one question that is open."""
        (found,) = self.queries.open_approvals()
        return found

    def facts(self, execution_id: str) -> ExecutionFacts:
        """What a card would say."""
        return self.queries.execution(execution_id)

    def state(self, execution_id: str) -> Execution:
        """What the engine keeps."""
        return self.queries.state(execution_id)[0]

    def trail(self, *names: str) -> list[Entry]:
        """Events of these names (all of them without), in order."""
        with self.db.reading() as connection:
            return [each for each in self.audit.entries(connection) if not names or each.event.name in names]

    def again(self, *names: str) -> None:
        """Deliver every event once more, as a relay does whose cursor was lost."""
        for entry in self.trail(*names):
            with self.db.transaction() as tx:
                self.reactions.handle(tx, entry)


def renamed(found: Playbook, **fields: Any) -> Playbook:
    """The same playbook with other fields."""
    return replace(found, **fields)
