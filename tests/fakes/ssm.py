"""An AWS Systems Manager whose timing is as bad as a test wants: late, lost and stale answers, throttling, refusals.

Behind it an embedded engine on a database of its own plays the documents; the code under test sees only answers in
the shape of the API.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from audit.events import Actor
from audit.store import AuditStore
from engine.actions import BY_NAME
from engine.conductor import InvalidStatus
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution
from engine.parameters import ParametersInvalid
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from engine.validation import parse
from engine.wire import automation_execution
from infra.aws_calls import as_json
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import Database
from migrations.tables import all_tables
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock

OURSELVES = "arn:aws:iam::123456789012:role/playbook-bot"


@dataclass(frozen=True, slots=True)
class Called:
    """One call, as the trail would keep it."""

    operation: str
    resource: str = ""

    def facts(self) -> dict[str, Any]:
        """What the trail keeps."""
        return {"service": "ssm", "operation": self.operation, "resource": self.resource}


class Agenda:
    """Remembers what is due."""

    def __init__(self) -> None:
        self.due: list[tuple[datetime, str]] = []

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Remember it."""
        self.due.append((due_at, execution_id))


class FakeSsm:
    """The service. `fail` has errors to raise before (`early`) or after (`late`) the next calls; None = none."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.db = Database("sqlite://")
        all_tables().create_all(self.db.engine)
        self.store = ExecutionStore(AuditStore())
        performer = Performer(BY_NAME, lambda state: QuietAws(state.region, state.account, "aws"), clock)
        here = Surroundings(self.db, self.store, DocumentShelf(self.store), BY_NAME, performer, clock)
        self.shelf, self.engine, self.agenda = here.shelf, EmbeddedEngine(here), Agenda()
        self.engine.dispatcher = self.agenda
        self.documents: dict[str, list[tuple[str, str]]] = {}
        """name -> (version name, content) of each version."""
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        """(operation, members, role) of each call."""
        self.early: dict[str, list[Exception | None]] = {}
        self.late: dict[str, list[Exception | None]] = {}
        self.stale: list[dict[str, Any]] = []
        """Answers that GetAutomationExecution gives instead of the truth, one after the other."""
        self.first_steps = 0
        """So many steps GetAutomationExecution tells at most; 0 = all."""
        self.tokens: dict[str, tuple[str, str]] = {}

    @property
    def operations(self) -> list[str]:
        """All that it knows."""
        return [*self._operations]

    def times(self, operation: str) -> int:
        """How often an operation was called."""
        return [name for name, _, _ in self.asked].count(operation)

    def session(self, role: str = "") -> "Session":
        """A caller."""
        return Session(self, role)

    def work(self, seconds: float = 0.0) -> None:
        """Let time pass, and the service do what is due."""
        self.clock.advance(seconds)
        while ready := [each for each in self.agenda.due if each[0] <= self.clock()]:
            self.agenda.due = [each for each in self.agenda.due if each not in ready]
            for _, execution_id in ready:
                self.engine.carry(execution_id)

    def answer(self, operation: str, members: Mapping[str, Any], role: str) -> dict[str, Any]:
        """One call."""
        self.asked.append((operation, dict(members), role))
        _raise_next(self.early.get(operation))
        found = self._operations[operation](self, members, role or OURSELVES)
        self.work()
        _raise_next(self.late.get(operation))
        return dict(as_json(found))

    # -- documents

    def _describe_document(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        versions = self.documents.get(str(members["Name"]))
        if versions is None:
            raise AwsRefused("InvalidDocument", "Document does not exist.", status=400)
        about = {"DocumentType": "Automation", "LatestVersion": str(len(versions)), "DefaultVersion": "1"}
        return {"Document": {"Name": members["Name"], "DocumentVersion": "1", **about}}

    def _create_document(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        versions = self.documents.setdefault(str(members["Name"]), [])
        versions.append((str(members.get("VersionName") or ""), str(members["Content"])))
        return {"DocumentDescription": {"Name": members["Name"], "DocumentVersion": str(len(versions))}}

    def _get_document(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        versions = self.documents.get(str(members["Name"]))
        if versions is None:
            raise AwsRefused("InvalidDocument", "Document does not exist.", status=400)
        number = int(members.get("DocumentVersion") or 1)
        if "VersionName" in members:
            names = [name for name, _ in versions]
            if members["VersionName"] not in names:
                raise AwsRefused("InvalidDocumentVersion", "Version does not exist.", status=400)
            number = names.index(members["VersionName"]) + 1
        return {"Name": members["Name"], "Content": versions[number - 1][1], "DocumentVersion": str(number)}

    # -- executions

    def _start(self, members: Mapping[str, Any], role: str) -> dict[str, Any]:
        token, wish = str(members.get("ClientToken") or uuid.uuid4()), repr(sorted(members.items()))
        known = self.tokens.get(token)
        if known is not None:
            if known[1] != wish:
                raise AwsRefused("IdempotentParameterMismatch", "Token was used with other parameters.", status=400)
            return {"AutomationExecutionId": known[0]}
        name, number = str(members["DocumentName"]), int(members.get("DocumentVersion") or 1)
        if name not in self.documents:
            raise AwsRefused("AutomationDefinitionNotFoundException", f"{name} does not exist.", status=400)
        document = parse(self.documents[name][number - 1][1], name=name, version=str(number))
        order = StartOrder(
            document, members.get("Parameters") or {}, Actor("person", role), "eu-west-1", "123456789012",
            mode=members.get("Mode", "Auto"),
        )  # fmt: skip
        try:
            with self.db.transaction() as tx:
                identity = self.engine.start(tx, order)
        except ParametersInvalid as error:
            raise AwsRefused("InvalidAutomationExecutionParametersException", str(error), status=400) from error
        self.tokens[token] = (identity, wish)
        return {"AutomationExecutionId": identity}

    def state(self, identity: str) -> Execution:
        """The truth."""
        with self.db.reading() as connection:
            found = self.store.get(connection, identity)
        if found is None:
            raise AwsRefused("AutomationExecutionNotFoundException", "Unknown execution.", status=400)
        return found

    def _get(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        if self.stale:
            return {"AutomationExecution": self.stale.pop(0)}
        found = self.told(str(members["AutomationExecutionId"]))
        if self.first_steps and len(found["StepExecutions"]) > self.first_steps:
            found |= {"StepExecutions": found["StepExecutions"][: self.first_steps], "StepExecutionsTruncated": True}
        return {"AutomationExecution": found}

    def _describe_steps(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        steps = self.told(str(members["AutomationExecutionId"]))["StepExecutions"]
        first = int(members.get("NextToken") or 0)
        more = {"NextToken": str(first + 1)} if first + 1 < len(steps) else {}
        return {"StepExecutions": steps[first : first + 1], **more}

    def told(self, identity: str) -> dict[str, Any]:
        """An execution as the API tells it now."""
        state = self.state(identity)
        with self.db.reading() as connection:
            document = self.shelf.of(connection, state)
        return dict(as_json(automation_execution(state, document)))

    def _describe(self, members: Mapping[str, Any], _: str) -> dict[str, Any]:
        wanted: Sequence[str] = ()
        for each in members.get("Filters") or ():
            wanted = each["Values"] if each["Key"] == "ExecutionId" else wanted
        with self.db.reading() as connection:
            states = [state for state in self.store.everything(connection) if not wanted or state.id in wanted]
        return {"AutomationExecutionMetadataList": [self.told(state.id) for state in states]}

    def _signal(self, members: Mapping[str, Any], role: str) -> dict[str, Any]:
        """As AWS: the signal goes to whichever step waits."""
        identity = str(members["AutomationExecutionId"])
        payload = {name: values[0] for name, values in (members.get("Payload") or {}).items()}
        signal = Signal(SignalType(members["SignalType"]), Actor("person", role), "", payload)
        self.state(identity)
        try:
            with self.db.transaction() as tx:
                self.engine.signal(tx, identity, signal)
        except SignalRefused as error:
            raise AwsRefused("InvalidAutomationSignalException", str(error), status=400) from error
        return {}

    def _stop(self, members: Mapping[str, Any], role: str) -> dict[str, Any]:
        try:
            with self.db.transaction() as tx:
                self.engine.stop(tx, str(members["AutomationExecutionId"]), Actor("person", role), members["Type"])
        except InvalidStatus as error:
            raise AwsRefused("InvalidAutomationStatusUpdateException", str(error), status=400) from error
        return {}

    _operations: Mapping[str, Callable[["FakeSsm", Mapping[str, Any], str], dict[str, Any]]] = {
        "DescribeDocument": _describe_document,
        "CreateDocument": _create_document,
        "UpdateDocument": _create_document,
        "GetDocument": _get_document,
        "StartAutomationExecution": _start,
        "GetAutomationExecution": _get,
        "DescribeAutomationExecutions": _describe,
        "DescribeAutomationStepExecutions": _describe_steps,
        "SendAutomationSignal": _signal,
        "StopAutomationExecution": _stop,
    }


def _raise_next(errors: list[Exception | None] | None) -> None:
    error = errors.pop(0) if errors else None
    if error is not None:
        raise error


@dataclass
class Session:
    """AWS as one identity sees it."""

    service: FakeSsm
    role: str = ""
    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"
    calls: list[Called] = field(default_factory=list)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call of SSM."""
        if service != "ssm":
            raise AssertionError(f"only SSM is imitated here, not {service}")
        self.calls.append(Called(operation, str(params.get("AutomationExecutionId") or params.get("Name") or "")))
        return self.service.answer(operation, params, self.role)

    def input_members(self, service: str, operation: str) -> Any:
        """Not needed here."""
        raise NotImplementedError((service, operation))

    def drain(self) -> list[Called]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


LOST = AwsUnreachable("the answer got lost")
THROTTLED = AwsRefused("ThrottlingException", "Rate exceeded", status=400)
DENIED = AwsRefused(
    "AccessDeniedException", "User is not authorized to perform: ssm:GetAutomationExecution", status=400
)
EXPIRED = AwsRefused("ExpiredTokenException", "The security token included in the request is expired", status=400)
AN_HOUR = timedelta(hours=1)
