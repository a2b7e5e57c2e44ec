"""`{{ssm:…}}` in a playbook's runbook: people and alarms start with what is stored, or learn why not."""

from typing import Any

import pytest

from engine.stored_parameters import ReadAhead
from infra.aws_errors import AwsRefused
from infra.canonical import Json
from infra.db import Database
from playbooks.playbook import AlarmTrigger
from playbooks.refusals import ParametersRefused
from tests.fakes.clock import ManualClock
from tests.playbooks.waist import Waist
from tests.playbooks.worlds import alarm, playbook

SIZED = """\
schemaVersion: "0.3"
parameters:
  Size: {type: String, default: "{{ssm:/app/size}}"}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: "{{ Size }}"}}
"""
SECRET = 'The parameter "/app/size" is a SecureString, which runbooks may not read.'


class ParameterStore:
    """One stored parameter, which may be a secret."""

    def __init__(self, database: Database) -> None:
        self.database, self.is_secret, self.read_by = database, False, list[str]()

    def read(self, name: str) -> Json:
        """It, as infra/aws.py reads it."""
        if self.is_secret:
            raise AwsRefused("SecureString", SECRET)
        self.read_by.append(name)
        return "PT2H"


def waist(database: Database, clock: ManualClock, **fields: Any) -> tuple[Waist, ParameterStore]:
    """A playbook whose runbook needs it."""
    store = ParameterStore(database)
    sized = playbook(name="sized", runbook=SIZED, may_run=("group:responders",), **fields)
    ahead = ReadAhead(lambda _: store.read, clock)

    def prepare(order: Any) -> Any:
        with database.transaction():  # refuses to open inside another
            pass
        return ahead(order)

    return Waist(database, clock, sized, prepare=prepare), store


def test_a_person_starts_with_what_is_stored(database: Database, clock: ManualClock) -> None:
    """It is read before the transaction, once; a value of the person's own needs no reading."""
    here, store = waist(database, clock)
    first = here.run("sized")
    second = here.run("sized", Size="PT1H")

    assert here.state(first).parameters == {"Size": "PT2H"}
    assert here.state(second).parameters == {"Size": "PT1H"}
    assert store.read_by == ["/app/size"]


def test_a_person_learns_that_it_may_not_be_read(database: Database, clock: ManualClock) -> None:
    """At the field; nothing is started."""
    here, store = waist(database, clock)
    store.is_secret = True
    with pytest.raises(ParametersRefused) as refused:
        here.run("sized")

    assert refused.value.problems == {
        "Size": f'The default of parameter "Size" cannot be read from Parameter Store: {SECRET}'
    }
    assert here.trail("execution.started") == []


def test_an_alarm_starts_with_what_is_stored(database: Database, clock: ManualClock) -> None:
    """Before the transaction that takes the alarm."""
    here, _ = waist(database, clock, trigger=AlarmTrigger(), start="auto")
    received = here.operations.receive(alarm())

    assert received.verdict == "started"
    assert here.state(received.executions[0]).parameters == {"Size": "PT2H"}


def test_an_alarm_that_cannot_start_by_itself_is_suggested(database: Database, clock: ManualClock) -> None:
    """With the reason, so that a person can give the value."""
    here, store = waist(database, clock, trigger=AlarmTrigger(), start="auto")
    store.is_secret = True
    received = here.operations.receive(alarm())
    (suggested,) = here.trail("playbook.suggested")

    assert received.verdict == "suggested"
    assert SECRET in str(suggested.event.data["why"])
