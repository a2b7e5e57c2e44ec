"""The embedded engine: leases, fences, restarts and children, on both databases."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from audit.events import Actor
from audit.store import AuditStore
from engine.action import ActionContext, Failed, Outcome, Succeeded
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution, Status
from engine.leases import LEASE
from engine.performing import Performer
from engine.protocol import ExecutionNotFound, StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalType
from engine.store import ExecutionStore
from engine.validation import parse
from infra.db import Database
from tests.engine.worlds import ACTIONS, AnyInputs, Scripted
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock

LEE = Actor("person", "person:lee", "Lee")


class Counting(Scripted):
    """Counts its runs, and remembers whether it was told to look first."""

    def __init__(self, answer: Callable[[ActionContext], Outcome]) -> None:
        self.answer = answer
        self.runs: list[bool] = []
        self.tokens: list[str] = []

    def run(self, inputs: AnyInputs, context: ActionContext) -> Outcome:
        """Note it and answer."""
        self.runs.append(context.may_have_run)
        self.tokens.append(context.token)
        return self.answer(context)


class Killed(BaseException):
    """The process dies here."""


class Agenda:
    """A dispatcher that remembers whom to carry now."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.woken: list[str] = []

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Remember what is due; the tests move the clock for the rest."""
        if due_at <= self.clock():
            self.woken.append(execution_id)


class Host:
    """One process with an engine; `reborn` is the same machine after a crash."""

    def __init__(self, db: Database, clock: ManualClock, action: Scripted) -> None:
        self.db, self.clock, self.action = db, clock, action
        self.audit = AuditStore()
        self.store = ExecutionStore(self.audit)
        actions: dict[str, Any] = {**ACTIONS, "aws:scripted": action}
        performer = Performer(actions, lambda state: QuietAws(state.region, state.account, "aws"), clock)
        here = Surroundings(
            db, self.store, DocumentShelf(self.store), actions, performer, clock, documents=self,
            backoff=lambda _: timedelta(0),
        )  # fmt: skip
        self.engine = EmbeddedEngine(here)
        self.agenda = Agenda(clock)
        self.engine.dispatcher = self.agenda
        self.documents: dict[str, str] = {}

    def find(self, name: str, version: str) -> Any:
        """Documents for aws:executeAutomation."""
        return parse(self.documents[name], name=name)

    def start(self, *steps: dict[str, Any], request_key: str = "") -> str:
        """Start a document of these steps."""
        text = json.dumps({"schemaVersion": "0.3", "mainSteps": list(steps)})
        order = StartOrder(parse(text, name="Test"), {}, LEE, "eu-west-1", "123456789012", request_key=request_key)
        with self.db.transaction() as tx:
            return self.engine.start(tx, order)

    def work(self) -> None:
        """Carry whatever was woken."""
        while self.agenda.woken:
            self.engine.carry(self.agenda.woken.pop(0))

    def state(self, execution_id: str) -> Execution:
        """The execution as its row has it."""
        with self.db.reading() as connection:
            state = self.store.get(connection, execution_id)
        assert state is not None
        return state

    def events(self, execution_id: str) -> list[str]:
        """Names of what happened."""
        with self.db.reading() as connection:
            return [entry.event.name for entry in self.audit.entries(connection, subject=execution_id)]

    def reborn(self) -> "Host":
        """A new process on the same rows, which finds every old lease expired."""
        host = Host(self.db, self.clock, self.action)
        with self.db.transaction() as tx:
            host.store.expire_all(tx, self.clock() - timedelta(seconds=1))
        return host


def scripted(name: str = "a", **fields: Any) -> dict[str, Any]:
    """A step of the scripted action."""
    return {"name": name, "action": "aws:scripted", "inputs": {}, **fields}


def succeed(_: ActionContext) -> Outcome:
    """Always well."""
    return Succeeded()


def test_runs_to_its_end(database: Database, clock: ManualClock) -> None:
    """A document runs step by step, and its story is in the trail."""
    host = Host(database, clock, Counting(succeed))
    execution_id = host.start(scripted("a"), scripted("b"))

    host.work()

    assert host.state(execution_id).status is Status.SUCCESS
    assert host.events(execution_id) == [
        "execution.started", "step.started", "step.ended", "step.started", "step.ended", "execution.ended",
    ]  # fmt: skip
    with database.reading() as connection:
        assert host.audit.verify(connection).is_valid


def test_the_same_request_starts_once(database: Database, clock: ManualClock) -> None:
    """A request key makes a repeated start the same execution."""
    host = Host(database, clock, Counting(succeed))

    assert host.start(scripted(), request_key="alarm:1") == host.start(scripted(), request_key="alarm:1")


def test_a_crash_in_a_call_is_looked_at_before_it_is_repeated(database: Database, clock: ManualClock) -> None:
    """After a crash between intent and outcome the action is told to look, with the same token."""
    lives = iter([True, False])

    def die_once(_: ActionContext) -> Outcome:
        if next(lives):
            raise Killed
        return Succeeded()

    action = Counting(die_once)
    host = Host(database, clock, action)
    execution_id = host.start(scripted())
    with pytest.raises(Killed):
        host.work()

    again = host.reborn()
    again.engine.carry(execution_id)

    assert again.state(execution_id).status is Status.SUCCESS
    assert action.runs == [False, True]
    assert len(set(action.tokens)) == 1
    assert "step.recovered" in again.events(execution_id)


def test_a_living_carrier_is_left_alone(database: Database, clock: ManualClock) -> None:
    """A second wake-up while a call is in flight does not run the action again."""
    host = Host(database, clock, Counting(succeed))

    def carried_twice(context: ActionContext) -> Outcome:
        host.engine.carry(context.execution_id)
        return Succeeded()

    action = Counting(carried_twice)
    host = Host(database, clock, action)
    execution_id = host.start(scripted())

    host.work()

    assert len(action.runs) == 1
    assert host.state(execution_id).status is Status.SUCCESS


def test_a_dead_carriers_late_answer_is_recorded_and_dropped(database: Database, clock: ManualClock) -> None:
    """A carrier that was taken for dead cannot change what its successor did."""

    def slow(context: ActionContext) -> Outcome:
        clock.advance(LEASE.total_seconds() + 1)
        successor = host.reborn()
        successor.action.answer = succeed  # type: ignore[attr-defined]
        successor.engine.carry(context.execution_id)
        return Failed("too late")

    action = Counting(slow)
    host = Host(database, clock, action)
    execution_id = host.start(scripted())

    host.work()

    assert host.state(execution_id).status is Status.SUCCESS
    assert host.events(execution_id).count("step.ended") == 1


def test_a_waiting_execution_survives_a_restart(database: Database, clock: ManualClock) -> None:
    """A question asked by one process is answered in another."""
    host = Host(database, clock, Counting(succeed))
    ask = {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": ["lee"]}}
    execution_id = host.start(ask, scripted("b"))
    host.work()

    again = host.reborn()
    with database.transaction() as tx:
        again.engine.signal(tx, execution_id, Signal(SignalType.APPROVE, LEE))
    again.work()

    assert again.state(execution_id).status is Status.SUCCESS


def test_an_unknown_execution_is_named(database: Database, clock: ManualClock) -> None:
    """A signal to nothing says so."""
    host = Host(database, clock, Counting(succeed))

    with pytest.raises(ExecutionNotFound), database.transaction() as tx:
        host.engine.signal(tx, "nope", Signal(SignalType.APPROVE, LEE))


def test_a_defect_of_an_action_fails_its_step(database: Database, clock: ManualClock) -> None:
    """An unexpected error becomes a failed step, not a lost execution."""

    def broken(_: ActionContext) -> Outcome:
        raise ZeroDivisionError

    host = Host(database, clock, Counting(broken))
    execution_id = host.start(scripted())

    host.work()

    assert host.state(execution_id).status is Status.FAILED
    assert "Internal Server Error" in host.state(execution_id).failure_message


def test_a_child_runs_and_its_parent_goes_on(database: Database, clock: ManualClock) -> None:
    """aws:executeAutomation starts a child and publishes its outcome."""
    host = Host(database, clock, Counting(succeed))
    host.documents["Child"] = json.dumps({"schemaVersion": "0.3", "mainSteps": [scripted("inner")]})
    step = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Child"}}
    execution_id = host.start(step, scripted("after"))

    host.work()

    state = host.state(execution_id)
    assert state.status is Status.SUCCESS
    assert state.steps[0].outputs["Status"] == "Success"
    assert host.state(str(state.steps[0].outputs["ExecutionId"])).parent_id == execution_id


def fan_out(name: str = "many", **inputs: Any) -> dict[str, Any]:
    """A step that runs the document Child on four targets."""
    targets = [{"Key": "ParameterValues", "Values": ["a", "b", "c", "d"]}]
    given = {"DocumentName": "Child", "Targets": targets, "TargetParameterName": "Name", **inputs}
    return {"name": name, "action": "aws:executeAutomation", "inputs": given}


CHILD = {"schemaVersion": "0.3", "parameters": {"Name": {"type": "String"}}}


def children_of(host: Host, execution_id: str) -> list[Execution]:
    """The executions that an execution has started."""
    with host.db.reading() as connection:
        return host.store.children(connection, execution_id)


def test_a_fan_out_runs_every_target(database: Database, clock: ManualClock) -> None:
    """Each target is an execution of its own with its value; the step succeeds when all have."""
    host = Host(database, clock, Counting(succeed))
    host.documents["Child"] = json.dumps({**CHILD, "mainSteps": [scripted("work", inputs={"Name": "{{ Name }}"})]})
    execution_id = host.start(fan_out(), scripted("after"))

    host.work()

    state = host.state(execution_id)
    children = {child.id: child for child in children_of(host, execution_id)}
    ids = state.steps[0].outputs["ExecutionId"]
    assert state.status is Status.SUCCESS
    assert isinstance(ids, list)
    assert [children[str(each)].parameters["Name"] for each in ids] == ["a", "b", "c", "d"]
    assert all(child.status is Status.SUCCESS for child in children.values())


def test_a_fan_out_stops_beginning_after_an_error(database: Database, clock: ManualClock) -> None:
    """MaxErrors 0: the first failure is the last begun; the step names the target."""
    host = Host(database, clock, Counting(lambda _: Failed("it broke")))
    host.documents["Child"] = json.dumps({**CHILD, "mainSteps": [scripted("work")]})
    execution_id = host.start(fan_out())

    host.work()

    state = host.state(execution_id)
    assert state.status is Status.FAILED
    assert "1 of 1 targets did not succeed (a: Failed" in state.failure_message
    assert "3 targets were not begun" in state.failure_message
    assert len(children_of(host, execution_id)) == 1


def test_cancelling_a_fan_out_cancels_what_runs(database: Database, clock: ManualClock) -> None:
    """Children that wait are stopped with their parent, and no more are begun."""
    host = Host(database, clock, Counting(succeed))
    host.documents["Child"] = json.dumps(
        {**CHILD, "mainSteps": [{"name": "wait", "action": "aws:pause", "inputs": {}}]}
    )
    execution_id = host.start(fan_out())
    host.work()

    with database.transaction() as tx:
        host.engine.stop(tx, execution_id, LEE)
    host.work()

    assert host.state(execution_id).status is Status.CANCELLED
    assert [child.status for child in children_of(host, execution_id)] == [Status.CANCELLED]


def test_a_parent_hears_of_its_child_also_when_the_process_dies(database: Database, clock: ManualClock) -> None:
    """The child's end makes the parent's row due in the same commit: a restart finds it, whoever was to be told."""
    host = Host(database, clock, Counting(succeed))
    host.documents["Child"] = json.dumps({**CHILD, "mainSteps": [scripted("work")]})
    execution_id = host.start(fan_out(), scripted("after"))
    while len(children := children_of(host, execution_id)) == 0 or not children[0].is_over:
        host.engine.carry(host.agenda.woken.pop(0))
    host.agenda.woken.clear()

    again = host.reborn()
    again.documents = host.documents
    with database.reading() as connection:
        due = [each for each, _ in again.store.due(connection, before=clock(), now=clock())]
    again.agenda.woken += due
    again.work()

    assert due == [execution_id]
    assert again.state(execution_id).status is Status.SUCCESS


def test_cancelling_a_parent_cancels_its_child(database: Database, clock: ManualClock) -> None:
    """A child that waits is stopped with its parent."""
    host = Host(database, clock, Counting(succeed))
    pause = {"name": "hold", "action": "aws:pause", "inputs": {}}
    host.documents["Child"] = json.dumps({"schemaVersion": "0.3", "mainSteps": [pause]})
    step = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Child"}}
    execution_id = host.start(step)
    host.work()
    child = host.state(execution_id).steps[0].child_id

    with database.transaction() as tx:
        host.engine.stop(tx, execution_id, LEE)
    host.work()

    assert host.state(execution_id).status is Status.CANCELLED
    assert host.state(child).status is Status.CANCELLED


def test_a_missing_child_document_fails_the_step(database: Database, clock: ManualClock) -> None:
    """A document that is not there is named in the step's failure."""
    host = Host(database, clock, Counting(succeed))
    step = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Nowhere"}}
    execution_id = host.start(step)

    host.work()

    assert host.state(execution_id).status is Status.FAILED
    assert "Nowhere" in host.state(execution_id).failure_message


def test_a_call_that_cleans_up_has_what_is_left_of_two_minutes(database: Database, clock: ManualClock) -> None:
    """A script of an onCancel chain does not run on for as long as a script may."""
    allowed: list[timedelta | None] = []

    def note(context: ActionContext) -> Outcome:
        allowed.append(context.timeout)
        return Succeeded()

    host = Host(database, clock, Counting(note))
    pause = {"name": "ask", "action": "aws:pause", "inputs": {}, "onCancel": "step:clean"}
    slow = {"name": "wait", "action": "aws:sleep", "inputs": {"Duration": "PT50S"}, "isEnd": True}
    execution_id = host.start(pause, scripted("clean", nextStep="wait"), scripted("more", isEnd=True), slow)
    host.work()
    with host.db.transaction() as tx:
        host.engine.stop(tx, execution_id, LEE)
    host.work()

    assert allowed == [timedelta(minutes=2)]
