"""The SSM engine: told once, mirrored truthfully, whatever the timing of AWS; on both databases."""

import json
from typing import Any

import pytest

from audit.events import Actor
from audit.store import AuditStore
from engine.actions import BY_NAME
from engine.conductor import InvalidStatus
from engine.execution import Execution, Status
from engine.parameters import ParametersInvalid
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalRefused, SignalType
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_adoption import AdoptionRule
from engine.ssm_runner import SsmRunner
from engine.ssm_store import SsmStore
from engine.ssm_telling import Telling
from engine.store import ExecutionStore, execution_table
from engine.validation import parse
from infra.db import Database
from infra.rate import Rate
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import AN_HOUR, DENIED, EXPIRED, LOST, OURSELVES, THROTTLED, FakeSsm

LEE = Actor("person", "person:lee", "Lee")
KIM = Actor("person", "person:kim", "Kim")


def gate(name: str, *, minimum: int = 1, approvers: tuple[str, ...] = (OURSELVES,)) -> dict[str, Any]:
    """An aws:approve step."""
    inputs = {"Approvers": [*approvers], "Message": f"{name}?", "MinRequiredApprovals": minimum}
    return {"name": name, "action": "aws:approve", "inputs": inputs}


NAP = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT5S"}}


class Host:
    """One process: verbs, runner, rows; a second one on the same database is the same machine after a crash."""

    def __init__(self, db: Database, clock: ManualClock, ssm: FakeSsm, signers: dict[str, str] | None = None) -> None:
        self.db, self.clock, self.ssm = db, clock, ssm
        self.audit = AuditStore()
        self.store = ExecutionStore(self.audit)
        shelf, rows = DocumentShelf(self.store), SsmStore()
        self.engine = SsmEngine(SsmSurroundings(self.store, shelf, rows, BY_NAME, clock))
        self.telling = Telling(
            db, self.store, shelf, rows, lambda look, role: ssm.session(role), clock,
            signer=lambda actor: (signers or {}).get(actor.id, ""), rate=Rate(1e6, 1e6),
        )  # fmt: skip
        self.runner = SsmRunner(self.telling)

    def adopt(self, *rules: AdoptionRule) -> None:
        """Follow executions of others, too."""
        self.runner = SsmRunner(self.telling, adopt=rules)
        self.runner.begin()

    def all(self) -> list[Execution]:
        """Every row."""
        with self.db.reading() as connection:
            return self.store.everything(connection)

    def start(self, *steps: dict[str, Any], key: str = "", **parameters: Any) -> str:
        """Start a document of these steps, and let AWS hear of it."""
        text = json.dumps({"schemaVersion": "0.3", "parameters": {"P": {"type": "String"}}, "mainSteps": [*steps]})
        order = StartOrder(
            parse(text, name="Fix it"), {"P": "x", **parameters}, LEE, "eu-west-1", "123456789012", request_key=key
        )
        with self.db.transaction() as tx:
            return self.engine.start(tx, order)

    def state(self, identity: str) -> Execution:
        """The row."""
        with self.db.reading() as connection:
            found = self.store.get(connection, identity)
        assert found is not None
        return found

    def follow(self, seconds: float = 0.0, *, looks: int = 1) -> None:
        """Let time pass here and at AWS, and look that often."""
        for _ in range(looks):
            self.ssm.work(seconds)
            self.runner.pump()

    def answer(self, identity: str, kind: SignalType = SignalType.APPROVE, by: Actor = KIM, **payload: str) -> None:
        """Give an answer to the step that is known to wait."""
        step = self.state(identity).step
        assert step is not None
        with self.db.transaction() as tx:
            self.engine.signal(tx, identity, Signal(kind, by, step.id, payload))

    def events(self, identity: str) -> list[str]:
        """Names of what the trail says."""
        with self.db.reading() as connection:
            return [entry.event.name for entry in self.audit.entries(connection, subject=identity)]

    def said(self, identity: str, name: str) -> list[dict[str, Any]]:
        """Data of the events of that name."""
        with self.db.reading() as connection:
            entries = list(self.audit.entries(connection, subject=identity))
        return [dict(entry.event.data) for entry in entries if entry.event.name == name]


@pytest.fixture
def ssm(clock: ManualClock) -> FakeSsm:
    """The service."""
    return FakeSsm(clock)


@pytest.fixture
def host(database: Database, clock: ManualClock, ssm: FakeSsm) -> Host:
    """A process."""
    return Host(database, clock, ssm)


def test_a_run_is_pushed_started_asked_approved_and_mirrored(host: Host, ssm: FakeSsm) -> None:
    """The whole way: every step, its inputs and the end become the same rows and events as the embedded engine's."""
    identity = host.start(gate("ask"), NAP)
    host.follow()
    assert host.state(identity).status is Status.WAITING

    host.answer(identity, Comment="go")
    host.follow(1, looks=2)
    host.follow(5, looks=2)

    state = host.state(identity)
    assert (state.status, [step.status for step in state.steps]) == (Status.SUCCESS, [Status.SUCCESS] * 2)
    assert host.events(identity) == [
        "execution.started", "aws.called", "aws.called", "execution.accepted", "step.started", "step.waiting",
        "signal.received", "aws.called", "signal.accepted", "step.ended", "step.started", "step.ended",
        "execution.ended",
    ]  # fmt: skip
    (comment,) = next(members for name, members, _ in ssm.asked if name == "SendAutomationSignal")["Payload"]["Comment"]
    assert comment == "Approve: Kim (person:kim), through playbook-bot: go"


def test_the_version_name_is_the_content(host: Host, ssm: FakeSsm) -> None:
    """The same content is pushed once; another content becomes another version of the same document."""
    host.start(NAP)
    host.follow()
    host.start(NAP)
    host.follow()
    host.start(gate("ask"))
    host.follow()

    ((name, versions),) = ssm.documents.items()
    assert name == "playbook-bot-Fix-it"
    assert len(versions) == 2
    assert all(version.startswith("sha256-") for version, _ in versions)


def test_a_lost_answer_to_a_start_starts_nothing_twice(
    host: Host, ssm: FakeSsm, database: Database, clock: ManualClock
) -> None:
    """The ClientToken is the same after a crash, so AWS gives the same execution again."""
    ssm.late["StartAutomationExecution"] = [LOST]
    identity = host.start(NAP)
    host.follow()
    assert host.state(identity).aws_id == ""

    reborn = Host(database, clock, ssm)
    reborn.follow(61, looks=2)

    assert ssm.times("StartAutomationExecution") == 2
    with ssm.db.reading() as connection:
        assert len(ssm.store.everything(connection)) == 1
    assert reborn.state(identity).aws_id


def test_the_same_request_is_one_execution(host: Host, ssm: FakeSsm) -> None:
    """A request key that is known gives the execution it started."""
    assert host.start(NAP, key="k") == host.start(NAP, key="k")
    host.follow()

    assert ssm.times("StartAutomationExecution") == 1


def test_parameters_are_refused_here(host: Host, ssm: FakeSsm) -> None:
    """What AWS would refuse is refused before it hears of it."""
    with pytest.raises(ParametersInvalid):
        host.start(NAP, Q="unknown")

    assert ssm.asked == []


def test_a_start_that_aws_refuses_ends_with_its_sentence(host: Host, ssm: FakeSsm) -> None:
    """No execution hangs for ever on an AccessDenied."""
    ssm.early["StartAutomationExecution"] = [DENIED]
    identity = host.start(NAP)
    host.follow()

    state = host.state(identity)
    assert state.status is Status.FAILED
    assert "AWS did not accept the start: User is not authorized" in state.failure_message


@pytest.mark.parametrize("error", [THROTTLED, EXPIRED], ids=["throttled", "expired credentials"])
def test_a_start_waits_for_better_times(host: Host, ssm: FakeSsm, error: Exception) -> None:
    """Throttling and expired credentials are retried."""
    ssm.early["StartAutomationExecution"] = [error] * 3
    identity = host.start(NAP)
    host.follow(30, looks=8)

    assert host.state(identity).status is Status.SUCCESS


def test_a_late_answer_never_lands_on_the_next_gate(host: Host, ssm: FakeSsm) -> None:
    """The first gate was decided in the console: our Approve for it is not sent to the second one."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    host.answer(identity)
    ssm.session("arn:console").call(
        "ssm", "SendAutomationSignal",
        {"AutomationExecutionId": host.state(identity).aws_id, "SignalType": "Approve", "Payload": {}},
    )  # fmt: skip
    host.follow(1, looks=3)

    assert ssm.times("SendAutomationSignal") == 1
    state = host.state(identity)
    assert [(step.name, step.status) for step in state.steps] == [("one", Status.SUCCESS), ("two", Status.WAITING)]
    (refused,) = host.said(identity, "signal.refused")
    assert "does not wait any more" in refused["reason"]


def test_a_signal_whose_answer_got_lost_is_looked_for_not_repeated(
    host: Host, ssm: FakeSsm, database: Database, clock: ManualClock
) -> None:
    """It had arrived: the next gate is not approved by a blind repetition, also after a crash."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    host.answer(identity)
    ssm.late["SendAutomationSignal"] = [LOST]
    host.follow()

    reborn = Host(database, clock, ssm)
    reborn.follow(61, looks=3)

    assert ssm.times("SendAutomationSignal") == 1
    assert [step.status for step in reborn.state(identity).steps] == [Status.SUCCESS, Status.WAITING]
    assert len(reborn.said(identity, "signal.accepted")) == 1


def test_a_signal_that_did_not_arrive_is_sent_again_later(host: Host, ssm: FakeSsm) -> None:
    """The step still waits a while after: then, and only then, once more."""
    identity = host.start(gate("one"))
    host.follow()
    host.answer(identity)
    ssm.early["SendAutomationSignal"] = [LOST]
    host.follow()
    host.follow(5)
    assert ssm.times("SendAutomationSignal") == 1

    host.follow(15, looks=3)

    assert ssm.times("SendAutomationSignal") == 2
    assert host.state(identity).status is Status.SUCCESS


def test_what_lets_aws_go_on_is_not_told_while_everything_is_held(host: Host, ssm: FakeSsm) -> None:
    """An approval waits here, and is told when the hold is over; a stop is told all the same."""
    waits, stopped = host.start(gate("one")), host.start(gate("one"))
    host.follow(looks=2)
    host.telling.hold = lambda _connection: "Everything is paused."
    host.answer(waits)
    host.answer(stopped)
    with host.db.transaction() as tx:
        host.engine.stop(tx, stopped, LEE)
    host.follow(60, looks=3)

    assert ssm.times("SendAutomationSignal") == 0
    assert host.state(waits).status is Status.WAITING
    assert host.state(stopped).status is Status.CANCELLED

    host.telling.hold = lambda _connection: ""
    host.follow(60, looks=3)
    assert ssm.times("SendAutomationSignal") == 1
    assert host.state(waits).status is Status.SUCCESS


def test_the_same_answer_twice_is_one_signal(host: Host, ssm: FakeSsm) -> None:
    """A relay that repeats itself signals once."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    host.answer(identity)
    host.answer(identity)
    host.follow(1, looks=2)

    assert ssm.times("SendAutomationSignal") == 1


def test_a_signal_must_fit(host: Host) -> None:
    """An answer to another step, or where nothing waits, is refused at once."""
    identity = host.start(gate("one"))
    with database_transaction(host) as tx, pytest.raises(SignalRefused):
        host.engine.signal(tx, identity, Signal(SignalType.APPROVE, KIM))
    host.follow()

    with database_transaction(host) as tx, pytest.raises(SignalRefused, match="another step"):
        host.engine.signal(tx, identity, Signal(SignalType.APPROVE, KIM, "some-other-step"))


def database_transaction(host: Host) -> Any:
    """A transaction of the host."""
    return host.db.transaction()


def test_several_approvals_are_signed_by_several_people(database: Database, clock: ManualClock, ssm: FakeSsm) -> None:
    """Where AWS wants two identities, each person's signal is signed by a role of their own."""
    roles = {KIM.id: "arn:aws:iam::123456789012:role/kim", LEE.id: "arn:aws:iam::123456789012:role/lee"}
    host = Host(database, clock, ssm, roles)
    identity = host.start(gate("ask", minimum=2, approvers=tuple(roles.values())))
    host.follow()
    host.answer(identity, by=KIM)
    host.answer(identity, by=LEE)
    host.follow(1, looks=3)

    assert [role for name, _, role in ssm.asked if name == "SendAutomationSignal"] == [roles[KIM.id], roles[LEE.id]]
    assert host.state(identity).status is Status.SUCCESS


def test_several_approvals_without_several_identities_are_said_to_be_impossible(host: Host, ssm: FakeSsm) -> None:
    """One role cannot answer twice: nothing is sent, and the card can say why."""
    identity = host.start(gate("ask", minimum=2, approvers=(OURSELVES, "arn:aws:iam::123456789012:user/kim")))
    host.follow()
    host.answer(identity, by=KIM)
    host.answer(identity, by=LEE)
    host.follow(1)

    assert ssm.times("SendAutomationSignal") == 0
    assert "AWS wants 2 approvals by different identities" in host.state(identity).notice


def test_a_rejection_is_one_signal(host: Host) -> None:
    """And the execution fails, as SSM has it."""
    identity = host.start(gate("ask"), NAP)
    host.follow()
    host.answer(identity, SignalType.REJECT)
    host.follow(1, looks=3)

    assert host.state(identity).status is Status.FAILED


def test_stopping(host: Host) -> None:
    """Stopping is asked for here, carried out there, and over when AWS says so."""
    identity = host.start(gate("ask"))
    host.follow()
    with host.db.transaction() as tx:
        host.engine.stop(tx, identity, KIM)
    assert host.state(identity).status is Status.CANCELLING
    host.follow(1, looks=3)

    assert host.state(identity).status is Status.CANCELLED
    with host.db.transaction() as tx, pytest.raises(InvalidStatus):
        host.engine.stop(tx, identity, KIM)


def test_an_outage_of_an_hour_loses_nothing_and_is_said(host: Host, ssm: FakeSsm) -> None:
    """Nothing of AWS answers for an hour; what was asked for meanwhile is then done once, and all is caught up."""
    answered, stopped, parked = (host.start(gate("ask")) for _ in range(3))
    host.follow(looks=2)
    ssm.early = {operation: [LOST] * 1000 for operation in ssm.operations}
    host.answer(answered)
    with host.db.transaction() as tx:
        host.engine.stop(tx, stopped, KIM)
    begun = host.start(NAP)
    host.follow(30, looks=int(AN_HOUR.total_seconds() // 30))
    everything = (answered, stopped, parked, begun)
    assert all(host.state(each).notice.startswith("AWS has not answered since 03:02") for each in everything)
    assert host.events(parked).count("execution.unobserved") == 1

    ssm.early.clear()
    host.follow(60, looks=6)
    expected = [Status.SUCCESS, Status.CANCELLED, Status.WAITING, Status.SUCCESS]
    assert [(host.state(each).status, host.state(each).notice) for each in everything] == [(e, "") for e in expected]
    assert "execution.observed" in host.events(parked)
    with ssm.db.reading() as connection:
        assert len(ssm.store.everything(connection)) == 4


def test_a_refusal_to_read_is_said_at_once(host: Host, ssm: FakeSsm) -> None:
    """AccessDenied names what is missing."""
    identity = host.start(gate("ask"))
    ssm.early["GetAutomationExecution"] = [DENIED]
    host.follow()

    assert "ssm:GetAutomationExecution" in host.state(identity).notice


def test_a_stale_answer_changes_nothing(host: Host, ssm: FakeSsm) -> None:
    """AWS is eventually consistent: what ended stays ended, and no event is repeated."""
    identity = host.start(gate("one"), gate("two"))
    host.follow()
    aws_id = host.state(identity).aws_id
    old = ssm.told(aws_id)
    host.answer(identity)
    host.follow(1, looks=2)
    before = host.events(identity)
    ssm.stale = [old]
    host.follow(40)

    assert host.events(identity) == before
    assert [step.status for step in host.state(identity).steps] == [Status.SUCCESS, Status.WAITING]


def test_many_are_read_with_few_requests(host: Host, ssm: FakeSsm) -> None:
    """Twenty executions that stand still cost two requests a look and two closer looks, however long they stand."""
    for _ in range(20):
        host.start(gate("ask"))
    host.follow()
    host.follow(31, looks=10)
    ssm.asked.clear()
    host.follow(31, looks=10)

    assert ssm.times("DescribeAutomationExecutions") == 20
    read = [members["AutomationExecutionId"] for name, members, _ in ssm.asked if name == "GetAutomationExecution"]
    assert len(read) == len(set(read)) == 20


def test_what_aws_forgot_ends(host: Host, ssm: FakeSsm) -> None:
    """An execution that AWS does not know for minutes is over, and says so."""
    identity = host.start(gate("ask"))
    host.follow()
    with ssm.db.transaction() as tx:
        tx.execute(execution_table.delete())
    host.follow(61, looks=7)

    state = host.state(identity)
    assert (state.status, state.failure_message) == (Status.FAILED, "AWS does not know this execution any more.")


@pytest.fixture
def elsewhere(ssm: FakeSsm) -> str:
    """An execution that somebody has started in the console; returns AWS's id."""
    text = json.dumps({"schemaVersion": "0.3", "mainSteps": [gate("ask")]})
    console = ssm.session("arn:aws:iam::123456789012:user/ann")
    console.call("ssm", "CreateDocument", {"Name": "Team-Fix", "Content": text, "DocumentType": "Automation"})
    answer = console.call("ssm", "StartAutomationExecution", {"DocumentName": "Team-Fix"})
    return str(answer["AutomationExecutionId"])


def adopting(database: Database, clock: ManualClock, ssm: FakeSsm, document: str) -> Host:
    """A process that adopts executions of documents of that name."""
    host = Host(database, clock, ssm)
    host.adopt(AdoptionRule(document, "eu-west-1", {"playbook": "", "title": "", "channel": "C1", "alarm_key": ""}))
    return host


def test_an_execution_of_others_is_adopted_once(
    database: Database, clock: ManualClock, ssm: FakeSsm, elsewhere: str
) -> None:
    """It is followed as one of ours, and its gate can be answered from here."""
    host = adopting(database, clock, ssm, "Team-*")
    host.follow(1, looks=2)
    host.follow(31, looks=2)
    (state,) = host.all()
    assert (state.aws_id, state.status, state.started_by.id) == (
        elsewhere,
        Status.WAITING,
        "arn:aws:iam::123456789012:user/ann",
    )
    assert host.events(state.id)[:2] == ["execution.started", "execution.adopted"]

    host.answer(state.id)
    host.follow(1, looks=3)

    assert host.state(state.id).status is Status.SUCCESS


def test_only_what_a_rule_names_is_adopted(
    database: Database, clock: ManualClock, ssm: FakeSsm, elsewhere: str
) -> None:
    """Everything else of the account is left alone."""
    host = adopting(database, clock, ssm, "Other-*")
    host.follow(31, looks=2)

    assert host.all() == []
    assert ssm.state(elsewhere).status is Status.WAITING


def test_our_own_starts_are_not_adopted(database: Database, clock: ManualClock, ssm: FakeSsm) -> None:
    """A start whose answer got lost is ours, not somebody else's."""
    host = adopting(database, clock, ssm, "*")
    ssm.late["StartAutomationExecution"] = [LOST]
    identity = host.start(gate("ask"))
    host.follow(1)
    host.follow(61, looks=2)

    assert [state.id for state in host.all()] == [identity]


def test_what_aws_reports_is_looked_at_at_once(host: Host, ssm: FakeSsm) -> None:
    """An event from EventBridge spares the wait."""
    identity = host.start(gate("ask"))
    host.follow()
    host.follow(5, looks=4)
    aws_id = host.state(identity).aws_id
    ssm.session("arn:console").call(
        "ssm", "SendAutomationSignal", {"AutomationExecutionId": aws_id, "SignalType": "Approve", "Payload": {}}
    )
    host.follow()
    assert host.state(identity).status is Status.WAITING

    with host.db.transaction() as tx:
        assert SsmStore().wake_by_aws_id(tx, aws_id, host.clock())
    host.follow()

    assert host.state(identity).status is Status.SUCCESS
