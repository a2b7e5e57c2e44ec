"""What every engine promises: the same scenarios, the same rows and events, whoever runs the document."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from engine.conductor import InvalidStatus
from engine.document import Document
from engine.execution import Status
from engine.parameters import ParametersInvalid
from engine.protocol import StartOrder
from engine.signals import SignalRefused, SignalType
from engine.validation import parse
from engine.wire import strings
from infra.db import Database
from tests.engine import account_host
from tests.engine.api_host import KEY, SECRET, ApiHost
from tests.engine.hosts import LEE, EngineHost, LocalHost, SsmHost, celery_host
from tests.fakes.postgres import PostgresServer

APPROVERS = [account_host.APPROVER or "arn:aws:iam::123456789012:role/playbook-bot", "person:lee"]
GATE = {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": APPROVERS, "Message": "Go?"}}
NAP = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}}
BROKEN = {"name": "broken", "action": "aws:executeAwsApi", "inputs": {"Service": "nosuch", "Api": "Nothing"}}


def document(*steps: dict[str, Any], **more: Any) -> Document:
    """A document of these steps."""
    return parse(json.dumps({"schemaVersion": "0.3", **more, "mainSteps": [*steps]}), name="contract")


@pytest.fixture(scope="module")
def many_machines(postgres_server: PostgresServer, postgres_template: str) -> Iterator[EngineHost]:
    """PostgreSQL, RabbitMQ and a worker process, shared by all scenarios."""
    with postgres_server.database(postgres_template) as url:
        database = Database(url)
        with celery_host(database) as host:
            yield host
        database.close()


@pytest.fixture
def own_door(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineHost]:
    """AWS is played by our own API, and reached as AWS is."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    host = ApiHost(sqlite_database)
    yield host
    host.close()


@pytest.fixture
def account(sqlite_database: Database) -> Iterator[EngineHost]:
    """A real account, where the environment names one."""
    found = account_host.AccountHost(sqlite_database)
    yield found
    found.close()


HAS_ACCOUNT = bool(account_host.REGION and account_host.APPROVER)
HOSTS = ["local", "ssm", "api", "celery", *(["account"] if HAS_ACCOUNT else [])]


@pytest.mark.skipif(not HAS_ACCOUNT, reason=account_host.WHY_NOT)
def test_an_account_is_asked_too() -> None:
    """Without one this is the one line that says so."""
    assert "account" in HOSTS


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> EngineHost:
    """Each engine; SQLite for one machine, PostgreSQL for many."""
    if request.param == "celery":
        shared: EngineHost = request.getfixturevalue("many_machines")
        return shared
    if request.param == "account":
        out_there: EngineHost = request.getfixturevalue("account")
        return out_there
    if request.param == "api":
        door: EngineHost = request.getfixturevalue("own_door")
        return door
    database: Database = request.getfixturevalue("sqlite_database")
    return LocalHost(database) if request.param == "local" else SsmHost(database)


def test_starting(host: EngineHost) -> None:
    """Every step runs, in order, and the end is said once."""
    identity = host.start(document(NAP, {**NAP, "name": "again"}))
    host.settle()

    assert host.state(identity).status is Status.SUCCESS
    assert host.steps(identity) == [("nap", "Success"), ("again", "Success")]
    assert host.events(identity) == [
        "execution.started", "step.started", "step.ended", "step.started", "step.ended", "execution.ended",
    ]  # fmt: skip


def test_branching(host: EngineHost) -> None:
    """A choice skips what lies between."""
    choice = {"NextStep": "there", "Variable": "{{ Where }}", "StringEquals": "there"}
    steps = (
        {"name": "choose", "action": "aws:branch", "inputs": {"Choices": [choice], "Default": "here"}},
        {**NAP, "name": "here", "isEnd": True},
        {**NAP, "name": "there"},
    )
    runbook = document(*steps, parameters={"Where": {"type": "String"}})
    one, other = host.start(runbook, Where="there"), host.start(runbook, Where="elsewhere")
    host.settle()

    assert host.steps(one) == [("choose", "Success"), ("there", "Success")]
    assert host.steps(other) == [("choose", "Success"), ("here", "Success")]


def test_approving(host: EngineHost) -> None:
    """A gate waits for people and opens for them."""
    identity = host.start(document(GATE, NAP))
    host.settle()
    waiting = host.state(identity)
    assert (waiting.status, waiting.step and waiting.step.name) == (Status.WAITING, "ask")
    assert host.steps(identity) == [("ask", "Waiting")]

    host.signal(identity, SignalType.APPROVE, waiting.step.id if waiting.step else "", Comment="fine")
    host.settle()

    assert host.state(identity).status is Status.SUCCESS
    assert strings(host.state(identity).steps[0].outputs["ApprovalStatus"]) == ["Approved"]


def test_rejecting(host: EngineHost) -> None:
    """A rejection fails the step, and what follows does not run."""
    identity = host.start(document(GATE, NAP))
    host.settle()
    host.signal(identity, SignalType.REJECT)
    host.settle()

    assert host.state(identity).status is Status.FAILED
    assert host.steps(identity) == [("ask", "Failed")]


def test_pausing(host: EngineHost) -> None:
    """aws:pause waits for Resume, and for nothing else."""
    identity = host.start(document({"name": "hold", "action": "aws:pause", "inputs": {}}, NAP))
    host.settle()
    with pytest.raises(SignalRefused):
        host.signal(identity, SignalType.APPROVE)
    host.signal(identity, SignalType.RESUME)
    host.settle()

    assert host.steps(identity) == [("hold", "Success"), ("nap", "Success")]


def test_cancelling_runs_the_on_cancel_chain(host: EngineHost) -> None:
    """The running step is cancelled, its onCancel step runs, the execution ends as Cancelled."""
    tidy = {"name": "tidy", "action": "aws:updateVariable", "inputs": {"Name": "variable:Tidy", "Value": "yes"}}
    steps = ({**GATE, "onCancel": "step:tidy"}, {**NAP, "isEnd": True}, {**tidy, "isEnd": True})
    identity = host.start(document(*steps, variables={"Tidy": {"type": "String", "default": "no"}}))
    host.settle()
    host.stop(identity)
    host.settle()

    assert host.state(identity).status is Status.CANCELLED
    assert host.steps(identity) == [("ask", "Cancelled"), ("tidy", "Success")]


@pytest.mark.parametrize(
    ("fields", "steps", "status"),
    [
        ({}, [("broken", "Failed")], Status.FAILED),
        ({"onFailure": "Continue"}, [("broken", "Failed"), ("nap", "Success")], Status.SUCCESS),
        (
            {"onFailure": "Continue", "isCritical": True},
            [("broken", "Failed"), ("nap", "Success")],
            Status.FAILED,
        ),
        ({"onFailure": "step:last"}, [("broken", "Failed"), ("last", "Success")], Status.FAILED),
    ],
    ids=["abort", "continue", "critical", "a step"],
)
def test_failing(host: EngineHost, fields: dict[str, Any], steps: list[tuple[str, str]], status: Status) -> None:
    """What onFailure and isCritical say decides what a failed step means."""
    end = {**NAP, "isEnd": True}
    identity = host.start(document({**BROKEN, **fields}, end, {**NAP, "name": "last"}))
    host.settle()

    state = host.state(identity)
    assert (host.steps(identity), state.status) == (steps, status)
    assert "nosuch" in state.steps[0].failure_message


def test_outputs(host: EngineHost) -> None:
    """The document's outputs are there at the end."""
    identity = host.start(document(GATE, outputs=["ask.ApprovalStatus"]))
    host.settle()
    host.signal(identity, SignalType.APPROVE)
    host.settle()

    assert {name: strings(value) for name, value in host.state(identity).outputs.items()} == {
        "ask.ApprovalStatus": ["Approved"]
    }


def test_the_same_start_twice(host: EngineHost) -> None:
    """One request key is one execution."""
    assert host.start(document(NAP), key="one wish") == host.start(document(NAP), key="one wish")
    host.settle()


def test_parameters_are_checked_at_the_start(host: EngineHost) -> None:
    """A start that cannot be is refused, and leaves nothing."""
    with pytest.raises(ParametersInvalid):
        host.start(document(NAP), Unknown="x")


def test_the_wrong_gate(host: EngineHost) -> None:
    """An answer to the first gate does not open the second one."""
    identity = host.start(document(GATE, {**GATE, "name": "second"}))
    host.settle()
    first = host.state(identity).step
    assert first is not None
    host.signal(identity, SignalType.APPROVE, first.id)
    host.settle()

    with pytest.raises(SignalRefused):
        host.signal(identity, SignalType.APPROVE, first.id, Comment="again")
    host.settle()
    assert host.steps(identity) == [("ask", "Success"), ("second", "Waiting")]


def test_stopping_what_is_over(host: EngineHost) -> None:
    """There is nothing to stop, and that is said."""
    identity = host.start(document(NAP))
    host.settle()

    with pytest.raises(InvalidStatus):
        host.stop(identity)


def test_stopping_at_once(host: EngineHost) -> None:
    """An execution that has hardly begun can be stopped, too."""
    identity = host.start(document({"name": "long", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}}))
    host.stop(identity)
    host.settle()

    assert host.state(identity).status is Status.CANCELLED


def test_signals_after_the_end(host: EngineHost) -> None:
    """Nothing waits any more."""
    identity = host.start(document(NAP))
    host.settle()

    with pytest.raises(SignalRefused):
        host.signal(identity, SignalType.APPROVE)


TIDY = {"name": "tidy", "action": "aws:updateVariable", "inputs": {"Name": "variable:Tidy", "Value": "yes"}}
LONG = {"name": "long", "action": "aws:sleep", "inputs": {"Duration": "PT1H"}}
VARIABLES = {"Tidy": {"type": "String", "default": "no"}}


@pytest.mark.parametrize(
    "step",
    [LONG, {"name": "hold", "action": "aws:pause", "inputs": {}}, GATE],
    ids=["running", "paused", "at a gate"],
)
def test_stopping_in_each_state(host: EngineHost, step: dict[str, Any]) -> None:
    """Whatever it does, it is cancelled, and its onCancel step runs; what follows does not."""
    cancelled = {**step, "onCancel": "step:tidy", "isEnd": True}
    if step["action"] == "aws:pause":
        cancelled = {**step, "isEnd": True}
    identity = host.start(document(cancelled, {**TIDY, "isEnd": True}, variables=VARIABLES))
    host.settle()
    assert len(host.steps(identity)) == 1
    host.stop(identity)
    host.settle()

    assert host.state(identity).status is Status.CANCELLED
    tidied = [("tidy", "Success")] if "onCancel" in cancelled else []
    assert host.steps(identity) == [(step["name"], "Cancelled"), *tidied]


def test_stopping_twice(host: EngineHost) -> None:
    """The second wish changes nothing while the first is carried out, and is refused afterwards."""
    identity = host.start(document(LONG))
    host.settle()
    host.stop(identity)
    with suppress(InvalidStatus):
        host.stop(identity)
    host.settle()
    assert host.state(identity).status is Status.CANCELLED
    assert host.events(identity).count("execution.ended") == 1

    with pytest.raises(InvalidStatus):
        host.stop(identity)


def test_stopping_while_it_tidies_up(host: EngineHost) -> None:
    """The onCancel step that runs already is not begun again."""
    slow = {**LONG, "name": "slow", "inputs": {"Duration": "PT1S"}, "isEnd": True}
    steps = ({**GATE, "onCancel": "step:again"}, {**TIDY, "name": "again", "nextStep": "slow"}, slow)
    identity = host.start(document(*steps, variables=VARIABLES))
    host.settle()
    host.stop(identity)
    with suppress(InvalidStatus):
        host.stop(identity)
    host.settle(2)

    assert host.state(identity).status is Status.CANCELLED
    assert host.steps(identity) == [("ask", "Cancelled"), ("again", "Success"), ("slow", "Success")]


def test_completing(host: EngineHost) -> None:
    """What is gone through step by step is called done between two steps; nothing more runs."""
    order = StartOrder(
        document(NAP, {**NAP, "name": "again"}), {}, LEE, "eu-west-1", "123456789012", mode="Interactive"
    )
    with host.db.transaction() as tx:
        identity = host.engine.start(tx, order)
    host.settle()
    host.signal(identity, SignalType.START_STEP, StepName="nap")
    host.settle()
    with host.db.transaction() as tx:
        host.engine.stop(tx, identity, LEE, "Complete")
    host.settle()

    assert host.state(identity).status is Status.SUCCESS
    assert host.steps(identity) == [("nap", "Success")]
