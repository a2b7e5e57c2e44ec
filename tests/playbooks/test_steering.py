"""What somebody who steers a held execution may go past, whichever door they come by."""

import pytest

from audit.events import Actor
from engine.document import Document
from engine.execution import Execution
from engine.validation import parse
from infra.db import Database
from playbooks.access import Access, Rule
from playbooks.guards import GuardRules
from playbooks.operations import NotAllowed, Order
from playbooks.steering import skip_to, why_not_to
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import LEE, SAM, Waist, gate

RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: one, action: "aws:sleep", inputs: {Duration: PT1S}}
  - {name: two, action: "aws:sleep", inputs: {Duration: PT1S}}
  - {name: three, action: "aws:sleep", inputs: {Duration: PT1S}}
  - KEPT
  - {name: last, action: "aws:sleep", inputs: {Duration: PT1S}}
"""
QUESTION = '{name: kept, action: "aws:approve", inputs: {Approvers: [sam]}}'
CHILD = '{name: kept, action: "aws:executeAutomation", inputs: {DocumentName: Other}}'
ROUNDS = f'{{name: kept, action: "aws:loop", inputs: {{Iterators: [1], Steps: [{QUESTION.replace("kept", "inner")}]}}}}'
CHOICE = '{name: kept, action: "aws:branch", inputs: {Choices: [{Variable: a, StringEquals: a, NextStep: last}]}}'


def held(document: Document, before: str) -> Execution:
    """An execution that somebody takes step by step."""
    return Execution(
        id="e1",
        document_name=document.name,
        document_version="1",
        document_digest=document.digest,
        parameters={},
        started_by=Actor("person", "person:lee"),
        region="eu-west-1",
        account="402715938824",
        partition="aws",
        phase="held",
        upcoming=before or None,
    )


@pytest.mark.parametrize(
    ("upcoming", "target", "why"),
    [
        ("one", "one", ""),
        ("one", "three", ""),
        ("one", "kept", ""),
        ("one", "last", "step kept "),
        ("kept", "last", "step kept "),
        ("three", "two", "step kept "),
        ("last", "two", "step two does not come after last"),
        ("", "two", "step two does not come after the last one"),
    ],
)
def test_steps_may_be_left_out_but_nothing_that_asks(upcoming: str, target: str, why: str) -> None:
    """Ahead, as far as the next question; never behind it, and never back to what was done."""
    document = parse(RUNBOOK.replace("KEPT", QUESTION), name="steps")
    found = why_not_to(held(document, upcoming), document, target)

    assert found.startswith(why)
    assert bool(found) == bool(why)


@pytest.mark.parametrize("kept", [QUESTION, CHILD, ROUNDS, CHOICE])
def test_what_may_ask_is_not_left_out(kept: str) -> None:
    """A question, also one in a loop; another runbook, which may ask; a branch, which decides what is next."""
    document = parse(RUNBOOK.replace("KEPT", kept), name="steps")
    state = held(document, "kept")

    assert skip_to(state, document) is None
    assert why_not_to(state, document, "last")


FAILS = """\
schemaVersion: "0.3"
mainSteps:
  - {name: bad, action: "aws:executeAwsApi", inputs: {Service: ec2, Api: NoSuchOperation}}
"""


def test_a_retry_is_judged_by_the_channel_it_is_said_in(database: Database, clock: ManualClock) -> None:
    """Whoever may start it in one channel only may not retry it from another, wherever its card stands."""
    rules = Access(
        (Rule("sam anywhere", ("sam",)), Rule("lee in C01", ("lee",), ("run",), playbooks=("f",), channels=("C01",)))
    )
    failing = gate(name="f", runbook=FAILS, parameters={}, approvers=())
    waist = Waist(database, clock, failing, rules=GuardRules(rules))
    failed = waist.operations.start(Order("f", channel="C01"), SAM)
    waist.settle()

    with pytest.raises(NotAllowed):
        waist.operations.steering.retry(failed, LEE, said_in="D0LEE")
    assert waist.operations.steering.retry(failed, LEE, said_in="C01") != failed
