"""`{{ssm:…}}` in defaults: read before the start, never in a transaction, and refused with a sentence."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from audit.events import Actor
from engine.actions import BY_NAME
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import Execution, Status
from engine.foreground import Foreground
from engine.parameters import ParametersInvalid
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_store import SsmStore
from engine.store import ExecutionStore
from engine.stored_parameters import ReadAhead, Reader, names_of
from engine.validation import parse
from infra.aws_errors import AwsRefused
from infra.canonical import Json
from infra.db import Database
from tests.engine.test_embedded import Agenda, Host, succeed
from tests.engine.test_embedded import Counting as Action
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock

LEE = Actor("person", "person:lee", "Lee")
STORE: Mapping[str, Json] = {"/app/image": "ami-1", "/app/hosts": ["a", "b"]}
PARAMETERS = {
    "Image": {"type": "String", "default": "{{ ssm:/app/image }}"},
    "Hosts": {"type": "StringList", "default": ["{{ssm:/app/image}}", "x"]},
}


def text_of(parameters: dict[str, Any], **top: Any) -> str:
    """A runbook that does nothing, with these parameters."""
    nap = {"name": "nap", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}
    return json.dumps({"schemaVersion": "0.3", "parameters": parameters, "mainSteps": [nap], **top})


def order(parameters: dict[str, Any], given: Mapping[str, Json] | None = None, **top: Any) -> StartOrder:
    """A start of it."""
    return StartOrder(parse(text_of(parameters, **top), name="x"), given or {}, LEE, "eu-west-1", "123456789012")


def read(name: str) -> Json:
    """A Parameter Store with two entries."""
    if name not in STORE:
        raise AwsRefused("ParameterNotFound", f"There is no parameter {name}.")
    return STORE[name]


def test_only_defaults_in_use_are_read() -> None:
    """A value that is given needs nothing, and what two defaults need is read once."""
    document = order(PARAMETERS).document

    assert names_of(document, {}) == ("/app/image",)
    assert names_of(document, {"Image": "ami-2", "Hosts": ["y"]}) == ()


def test_what_was_read_ahead_is_what_the_execution_gets(database: Database, clock: ManualClock) -> None:
    """The start itself reads nothing more."""
    host = Host(database, clock, Action(succeed))
    prepared = ReadAhead(lambda _: read, clock)(order(PARAMETERS))
    with database.transaction() as tx:
        execution = host.engine.start(tx, prepared)

    assert host.state(execution).parameters == {"Image": "ami-1", "Hosts": ["ami-1", "x"]}


def test_it_is_read_as_the_role_of_the_run(clock: ManualClock) -> None:
    """The role that the runbook asks for with these parameters, in the Region of the run."""
    asked: list[tuple[str, str]] = []

    def reader_for(state: Execution) -> Reader:
        asked.append((state.assume_role, state.region))
        return read

    role = "arn:aws:iam::123456789012:role/runbook"
    parameters = {**PARAMETERS, "Role": {"type": "String"}}
    ReadAhead(reader_for, clock)(order(parameters, {"Role": role}, assumeRole="{{ Role }}"))

    assert asked == [(role, "eu-west-1")]


def test_what_cannot_be_read_is_the_refusal_of_the_start(database: Database, clock: ManualClock) -> None:
    """Its parameter is named, and no execution is there."""
    host = Host(database, clock, Action(succeed))
    prepared = ReadAhead(lambda _: read, clock)(order({"P": {"type": "String", "default": "{{ssm:nope}}"}}))
    with pytest.raises(ParametersInvalid) as refused, database.transaction() as tx:
        host.engine.start(tx, prepared)

    assert refused.value.problems == {
        "P": 'The default of parameter "P" cannot be read from Parameter Store: There is no parameter nope.'
    }
    with database.reading() as connection:
        assert host.store.everything(connection) == []


def test_a_start_that_nobody_prepared_is_refused(database: Database, clock: ManualClock) -> None:
    """The template itself is never taken for the value."""
    host = Host(database, clock, Action(succeed))

    with pytest.raises(ParametersInvalid, match="it was not read before the start"), database.transaction() as tx:
        host.engine.start(tx, order(PARAMETERS))


def test_a_store_that_does_not_answer_is_not_waited_for(clock: ManualClock) -> None:
    """After its time the start is refused, and a person may try again."""
    never = threading.Event()

    def slow(name: str) -> Json:
        if name == "/slow":
            never.wait()
        return read(name)

    parameters = {**PARAMETERS, "Slow": {"type": "String", "default": "{{ssm:/slow}}"}}
    prepared = ReadAhead(lambda _: slow, clock, patience=timedelta(milliseconds=50))(order(parameters))
    never.set()

    assert str(prepared.stored["/slow"]) == "AWS did not answer within 0.05 s; try again"


def test_a_child_reads_outside_of_any_transaction(database: Database, clock: ManualClock) -> None:
    """What a step's child needs is read while nobody waits for the database, with the parent's role."""
    roles: list[str] = []

    def prepare(wish: StartOrder) -> StartOrder:
        with database.transaction():  # refuses to open inside another
            roles.append(wish.role)
        return replace(wish, stored={"/app/image": "ami-1"})

    store = ExecutionStore(Host(database, clock, Action(succeed)).audit)
    performer = Performer(BY_NAME, lambda state: QuietAws(state.region, state.account, "aws"), clock)
    here = Surroundings(
        database, store, DocumentShelf(store), BY_NAME, performer, clock, documents=Child(), prepare=prepare
    )
    engine, agenda = EmbeddedEngine(here), Agenda(clock)
    engine.dispatcher = agenda
    call = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Child"}}
    role = "arn:aws:iam::123456789012:role/runbook"
    parent = order({}, assumeRole=role, mainSteps=[call])
    with database.transaction() as tx:
        engine.start(tx, parent)
    while agenda.woken:
        engine.carry(agenda.woken.pop(0))
    with database.reading() as connection:
        child = next(state for state in store.everything(connection) if state.parent_id)

    assert child.parameters["Image"] == "ami-1"
    assert child.status is Status.IN_PROGRESS
    assert roles == [role]


class Child:
    """The documents of aws:executeAutomation: one."""

    def find(self, name: str, version: str) -> Any:
        """It."""
        return parse(text_of(PARAMETERS), name=name, version=version or "1")


def test_aws_reads_by_itself_what_we_may_not(database: Database, clock: ManualClock) -> None:
    """A start on Systems Manager is not refused for what its own role may read; a secret is, as AWS would."""
    store, rows = ExecutionStore(Host(database, clock, Action(succeed)).audit), SsmStore()
    engine = SsmEngine(SsmSurroundings(store, DocumentShelf(store), rows, BY_NAME, clock))
    with database.transaction() as tx:
        execution = engine.start(
            tx, replace(order(PARAMETERS), stored={"/app/image": AwsRefused("AccessDenied", "No.")})
        )
    with database.reading() as connection:
        state = store.get(connection, execution)
    assert state is not None
    assert state.parameters == {"Image": "{{ssm:/app/image}}", "Hosts": ["{{ssm:/app/image}}", "x"]}

    secret = replace(order(PARAMETERS), stored={"/app/image": AwsRefused("SecureString", "It is a secret.")})
    with pytest.raises(ParametersInvalid, match="It is a secret"), database.transaction() as tx:
        engine.start(tx, secret)


def test_a_run_in_the_foreground_reads_ahead_too(clock: ManualClock) -> None:
    """The terminal's `runbook run` and its rehearsals go the same way."""
    performer = Performer(BY_NAME, lambda state: QuietAws(state.region, state.account, "aws"), clock)
    engine = Foreground(actions=BY_NAME, performer=performer, clock=clock, pause=clock.advance, parameter_store=read)
    try:
        state = engine.run(order(PARAMETERS), lambda _: None)
    finally:
        engine.close()

    assert (state.status, state.parameters["Image"]) == (Status.SUCCESS, "ami-1")
