"""What an execution started with stays what it runs, whatever becomes of the library."""

import json
from typing import Any

import pytest

from engine.document import RunbookRefused
from engine.execution import Status
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalType
from engine.validation import parse
from infra.db import Database
from tests.engine.test_embedded import LEE, Host, scripted, succeed
from tests.engine.test_embedded import Counting as Action
from tests.fakes.clock import ManualClock


def text_of(*steps: dict[str, Any]) -> str:
    """A document of these steps."""
    return json.dumps({"schemaVersion": "0.3", "mainSteps": list(steps)})


ASK = {"name": "ask", "action": "aws:pause", "inputs": {}}


def test_an_execution_runs_to_its_end_with_what_it_started_with(database: Database, clock: ManualClock) -> None:
    """While it waits for a person the library changes and the process dies; its own steps still follow."""
    host = Host(database, clock, Action(succeed))
    waiting = host.start(ASK, scripted("old"))
    host.work()
    host = host.reborn()
    newer = host.start(scripted("new"))
    host.work()
    with database.transaction() as tx:
        host.engine.signal(tx, waiting, resume())
    host.work()

    assert [step.name for step in host.state(waiting).steps] == ["ask", "old"]
    assert host.state(waiting).status is Status.SUCCESS
    assert [step.name for step in host.state(newer).steps] == ["new"]
    assert host.state(waiting).document_digest != host.state(newer).document_digest


def resume() -> Signal:
    """Somebody says: go on."""
    return Signal(SignalType.RESUME, LEE)


def test_a_document_is_stored_once_by_its_content(database: Database, clock: ManualClock) -> None:
    """Starting it again stores nothing; another content is another document."""
    host = Host(database, clock, Action(succeed))
    first, second, other = host.start(scripted("a")), host.start(scripted("a")), host.start(scripted("b"))

    digests = [host.state(each).document_digest for each in (first, second, other)]
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] == parse(text_of(scripted("a")), name="x").digest


def test_the_digest_in_the_trail_is_that_of_the_stored_text(database: Database, clock: ManualClock) -> None:
    """An auditor can fetch by it exactly what ran."""
    host = Host(database, clock, Action(succeed))
    execution = host.start(scripted("a"))
    with database.reading() as connection:
        started = next(iter(host.audit.entries(connection, subject=execution))).event
        row = host.store.document(connection, str(started.data["document_sha256"]))

    assert row is not None
    assert parse(row[2], name=row[0]).digest == started.data["document_sha256"]


def test_a_rule_that_came_later_does_not_strand_what_runs(database: Database, clock: ManualClock) -> None:
    """A release that refuses the document at a start still carries the executions that have it."""
    host = Host(database, clock, Action(succeed))
    refused = json.dumps({"schemaVersion": "0.3", "mainSteps": [scripted("a")], "newKey": 1})
    with pytest.raises(RunbookRefused):
        parse(refused, name="x")
    with database.transaction() as tx:
        host.store.keep_document(tx, digest="d" * 64, name="x", version="1", text=refused)
    with database.reading() as connection:
        found = DocumentShelf(host.store).get(connection, "d" * 64)

    assert [step.name for step in found.steps] == ["a"]


def test_an_unknown_digest_is_an_error(database: Database, clock: ManualClock) -> None:
    """Not some other document."""
    host = Host(database, clock, Action(succeed))
    with database.reading() as connection, pytest.raises(LookupError, match="is not stored"):
        DocumentShelf(host.store).get(connection, "0" * 64)


def test_the_same_text_keeps_both_of_its_names(database: Database, clock: ManualClock) -> None:
    """A copy under another name: each execution is told by the name and version it was started with."""
    host = Host(database, clock, Action(succeed))
    text = text_of(scripted("a"))
    orders = [
        StartOrder(parse(text, name=name, version=version), {}, LEE, "eu-west-1", "123456789012")
        for name, version in (("original", "1"), ("copy", "7"))
    ]
    with database.transaction() as tx:
        executions = [host.engine.start(tx, order) for order in orders]
    with database.reading() as connection:
        found = [DocumentShelf(host.store).of(connection, host.state(each)) for each in executions]

    assert [(document.name, document.version) for document in found] == [("original", "1"), ("copy", "7")]
    assert found[0].digest == found[1].digest
