"""One account and Region of moto with an engine in it; it goes when moto forgets its backend."""

import threading
import weakref
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from moto.ssm.models import SimpleSystemManagerBackend, ssm_backends
from moto.sts.models import sts_backends

from approvals.store import ApprovalStore
from audit.store import AuditStore
from bot.api.asked import Asked
from bot.api.automations import AutomationOperations
from bot.api.locations import LARGEST, target_locations
from engine.actions import BY_NAME
from engine.attachments import Attachments as FilesOfScripts
from engine.dispatch.local import LocalDispatcher
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import ScriptPolicy
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from engine.stored_parameters import ReadAhead
from infra.clock import utc_now
from infra.db import Database, Transaction
from infra.s3_objects import S3Objects, content, place_of
from migrations.tables import all_tables
from playbook_moto.aws import MotoAws
from playbook_moto.documents import Attachments, MotoDocuments
from playbook_moto.timers import Agenda, VirtualClock
from playbooks.access import EVERYBODY, Access, Rule
from playbooks.answering import Answering
from playbooks.automation import Automation, AutomationParts
from playbooks.automation_alarms import AlarmWatch, watch
from playbooks.automation_facts import AutomationFacts, AutomationSources
from playbooks.catalog import Catalog
from playbooks.deciding import Deciding
from playbooks.documents.store import PreviewStore, TagStore
from playbooks.guard_store import GuardStore
from playbooks.guards import GuardParts, GuardRules, Guards
from playbooks.people import Directory, Identity
from playbooks.reactions import Reactions

KEY = "_playbook_moto_world"
_MAKING = threading.Lock()
ANYTHING: Final = GuardRules(Access((Rule("whatever moto lets in", (EVERYBODY,)),)))
"""moto asks nobody's permission, and neither does what it answers with."""


@dataclass(frozen=True)
class Settings:
    """How executions run in moto.

    With `real_time` steps take as long as they take and run in threads; without it they are over, or wait for people,
    when the call that moved them returns: sleeps and polls cost nothing. `check_approvers` lets only principals on a
    step's Approvers answer, as AWS does; without it everybody may, as moto knows no permissions either unless asked.
    `endpoint` is the server's own address, where there is one. `jailed_scripts` runs aws:executeScript in the jail.
    """

    real_time: bool = False
    check_approvers: bool = False
    endpoint: str = ""
    jailed_scripts: bool = False
    poll_seconds: float = 1.0
    workers: int = 4


class Everybody(Directory):
    """A directory in which everybody is on every list."""

    def is_listed(self, identity: Identity, listed: Iterable[str]) -> bool:
        """True."""
        return True


class World:
    """The engine of one backend."""

    def __init__(self, backend: SimpleSystemManagerBackend, settings: Settings) -> None:
        self.account, self.region, self._settings = backend.account_id, backend.region_name, settings
        self._db = Database("sqlite://")
        all_tables().create_all(self._db.engine)
        self._clock = VirtualClock()
        self._roots: dict[str, str] = {}
        self._audit = AuditStore()
        self._executions = ExecutionStore(self._audit)
        scripts = ScriptRunner(ScriptPolicy(not settings.jailed_scripts, ()))
        self._engine = self._new_engine(backend, scripts)
        self._agenda = Agenda(self._clock, _weakly(self._root_of), self._engine.carry)
        self.operations = self._new_operations(backend).operations()
        self._alarms = self._new_alarms()
        stop = self._dispatch()
        self._end = weakref.finalize(self, _close, stop, scripts, self._db)

    def _new_engine(self, backend: SimpleSystemManagerBackend, scripts: ScriptRunner) -> EmbeddedEngine:
        clock = utc_now if self._settings.real_time else self._clock
        aws = MotoAws(self.account, self.region, self._settings.endpoint)
        poll, documents = timedelta(seconds=self._settings.poll_seconds), MotoDocuments(backend)
        self.attachments = Attachments(documents, S3Objects(lambda: aws.session(region=self.region)))
        performer = Performer(
            BY_NAME, aws.of, clock, poll=poll, services={"scripts": scripts, "documents": documents},
            attachments=FilesOfScripts(lambda _: (), self.attachments.files.get),
        )  # fmt: skip
        self._shelf = DocumentShelf(self._executions)
        self._prepare = ReadAhead(lambda _: aws.session(region=self.region).parameter, clock)
        return EmbeddedEngine(
            Surroundings(
                self._db, self._executions, self._shelf, BY_NAME, performer, clock, documents=documents,
                prepare=self._prepare, admit=_admit,
            )
        )  # fmt: skip

    def _new_operations(self, backend: SimpleSystemManagerBackend) -> AutomationOperations:
        clock = utc_now if self._settings.real_time else self._clock
        directory = Directory() if self._settings.check_approvers else Everybody()
        approvals, documents = ApprovalStore(self._audit), MotoDocuments(backend)
        ids = iter(range(1, 10**9))
        reactions = Reactions(
            executions=self._executions, approvals=approvals, engine=self._engine, catalog=Catalog(()), clock=clock,
            new_id=lambda: f"request-{next(ids)}",
        )  # fmt: skip
        deciding = Deciding(self._db, self._audit, approvals, reactions.asking, Answering(directory), clock)
        guards = Guards(
            GuardParts(self._db, self._audit, self._executions, self._engine, clock, ANYTHING, GuardStore())
        )
        verbs = Automation(
            AutomationParts(
                self._db, self._audit, self._executions, deciding, TagStore(), self._shelf, self._engine, documents,
                directory, reactions.question, clock, self.account, guards, tell_at_once=reactions.tell_at_once,
                prepare=self._prepare, locations=self._locations,
            )
        )  # fmt: skip
        facts = AutomationFacts(
            AutomationSources(
                self._db, self._executions, self._shelf, TagStore(), PreviewStore(), documents, BY_NAME, directory,
                clock, self.account, guards, approvals, locations=self._locations,
            )
        )  # fmt: skip
        return AutomationOperations(verbs, facts)

    def _locations(self, url: str) -> list[dict[str, Any]]:
        """What moto's S3 keeps for a TargetLocationsURL."""
        aws = MotoAws(self.account, self.region, self._settings.endpoint).session(region=self.region)
        return target_locations(url, lambda each: content(aws, *place_of(each), largest=LARGEST))

    def _new_alarms(self) -> AlarmWatch:
        aws = MotoAws(self.account, self.region, self._settings.endpoint)

        def call(state: Execution, service: str, operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
            return aws.of(state).call(service, operation, members)

        return AlarmWatch(self._db, self._executions, TagStore(), self._engine, call)

    def _dispatch(self) -> Any:
        if not self._settings.real_time:
            self._engine.dispatcher = self._agenda
            return lambda: None
        dispatcher = LocalDispatcher(self._db, self._executions, self._engine, utc_now, workers=self._settings.workers)
        self._engine.dispatcher = dispatcher
        dispatcher.start()
        return dispatcher.stop

    def call(self, operation: str, given: dict[str, Any], access_key: str) -> dict[str, Any]:
        """One operation of SSM's API. Raises ApiError, SsmRefused."""
        _, arn, _ = sts_backends[self.account]["aws"].get_caller_identity(access_key, self.region)
        by = Directory().iam(arn, name=arn.rpartition("/")[2], spellings=_spellings(arn))
        self.settle()
        with self._clock.of(self._root_of(str(given.get("AutomationExecutionId") or ""))):
            answer = self.operations[operation](Asked(operation, given, by, arn, self.region))
        if operation.startswith(("Start", "Send", "Stop")):
            self.settle()
        return answer

    def settle(self) -> None:
        """Heed alarms; without real time also run everything until it is over or waits for people."""
        self._alarms.pump()
        if not self._settings.real_time:
            self._agenda.settle(self._held)

    def advance(self, by: timedelta) -> None:
        """Without real time: let time pass, so that questions expire."""
        if not self._settings.real_time:
            self._agenda.advance(by)
            self.settle()

    def _held(self) -> Collection[str]:
        """Executions in which people are waited for, by the topmost of each."""
        with self._db.reading() as connection:
            states = self._executions.everything(connection)
        return {self._root_of(state.id) for state in states if state.phase in ("signal", "held")}

    def _root_of(self, execution_id: str) -> str:
        """The topmost execution above one, or itself."""
        if execution_id not in self._roots:
            with self._db.reading() as connection:
                state = self._executions.get(connection, execution_id)
            if state is None:
                return execution_id
            self._roots[execution_id] = self._root_of(state.parent_id) if state.parent_id else execution_id
        return self._roots[execution_id]

    def close(self) -> None:
        """Stop everything."""
        self._end()


def _admit(tx: Transaction, order: StartOrder, _parent: Execution) -> str:
    """Every child may run; its alarm, if it has one, is watched."""
    watch(tx, TagStore(), order.execution_id, order.context.get("alarms"))
    return ""


def _weakly(method: Any) -> Any:
    """The bound method without a hold on its object: the world must go when moto forgets it."""
    reference = weakref.WeakMethod(method)

    def call(execution_id: str) -> str:
        found = reference()
        return found(execution_id) if found is not None else execution_id

    return call


def _close(stop: Any, scripts: ScriptRunner, db: Database) -> None:
    stop()
    scripts.close()
    db.close()


def _spellings(arn: str) -> set[str]:
    """What an Approvers list may call a principal: a user's name, a session's role."""
    parts = arn.split(":", 5)
    kind, _, rest = parts[5].partition("/")
    if kind == "assumed-role":
        return {arn, f"arn:{parts[1]}:iam::{parts[4]}:role/{rest.partition('/')[0]}"}
    return {arn, rest.rpartition("/")[2]}


def world_of(backend: SimpleSystemManagerBackend, settings: Settings) -> World:
    """The world of a backend; a new one after moto was reset."""
    with _MAKING:
        found = vars(backend).get(KEY)
        if not isinstance(found, World):
            found = World(backend, settings)
            vars(backend)[KEY] = found
        return found


def _worlds() -> list[World]:
    backends = [backend for account in ssm_backends.values() for backend in account.values()]
    return [world for backend in backends if isinstance(world := vars(backend).get(KEY), World)]


def settle() -> None:
    """Run every execution of every account until it is over or waits for people."""
    for world in _worlds():
        world.settle()


def advance(by: timedelta) -> None:
    """Let time pass for every execution of every account."""
    for world in _worlds():
        world.advance(by)
