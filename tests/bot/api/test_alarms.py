"""AlarmConfiguration through SSM's API: an execution does not outlive the alarm that its start names."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.aws import AwsSession
from infra.aws_errors import AwsRefused
from tests.bot.api.test_automations import code, status
from tests.bot.api.worlds import ApiWorld, ask, nap, runbook

WEB = {"Alarms": [{"Name": "web"}]}
TIDY = {
    "name": "tidy",
    "action": "aws:updateVariable",
    "inputs": {"Name": "variable:Tidy", "Value": "yes"},
    "isEnd": True,
}
VARIABLES = {"Tidy": {"type": "String", "default": "no"}}


class Alarms:
    """What CloudWatch says."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {"web": "OK"}
        self.refused = ""

    def call(self, service: str, operation: str, params: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """In place of infra.aws's."""
        assert (service, operation) == ("cloudwatch", "DescribeAlarms")
        if self.refused:
            raise AwsRefused(self.refused, "No.")
        names = [name for name in params["AlarmNames"] if name in self.states]
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": self.states[name]} for name in names]}


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> Alarms:
    """An alarm that is green."""
    found = Alarms()
    monkeypatch.setattr(AwsSession, "call", found.call)
    return found


def look(world: ApiWorld) -> None:
    """One round of the watch, and what follows from it."""
    world.service.alarm_watch.pump()
    for _ in range(3):
        world.later(seconds=2)


def told(world: ApiWorld, execution_id: str) -> Any:
    """The execution, as boto3 has it."""
    return world.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]


def test_a_red_alarm_cancels_with_the_on_cancel_chain(both: ApiWorld, alarms: Alarms) -> None:
    """Green and undecided let it run; red cancels it, and it says which alarm did."""
    text = runbook({**ask(), "onCancel": "step:tidy"}, {**nap(), "isEnd": True}, TIDY, variables=VARIABLES)
    both.client().create_document(Name="Tidied", Content=text, DocumentType="Automation")
    execution_id = both.start("Tidied", AlarmConfiguration=WEB)
    for green in ("OK", "INSUFFICIENT_DATA"):
        alarms.states["web"] = green
        look(both)
        assert status(both, execution_id) == "Waiting"

    alarms.states["web"] = "ALARM"
    look(both)
    found = told(both, execution_id)

    assert found["AutomationExecutionStatus"] == "Cancelled"
    assert [step["StepStatus"] for step in found["StepExecutions"] if step["StepName"] != "nap"] == [
        "Cancelled",
        "Success",
    ]
    assert found["AlarmConfiguration"] == WEB
    assert found["TriggeredAlarms"] == [{"Name": "web", "State": "ALARM"}]


@pytest.mark.parametrize("trouble", ["AccessDenied", "gone"])
@pytest.mark.parametrize("ignores", [True, False])
def test_an_alarm_that_cannot_be_read(world: ApiWorld, alarms: Alarms, trouble: str, *, ignores: bool) -> None:
    """It counts as gone off, with the state UNKNOWN, unless the start says that it shall not."""
    execution_id = world.start(AlarmConfiguration={**WEB, "IgnorePollAlarmFailure": ignores})
    alarms.refused, alarms.states = ("", {}) if trouble == "gone" else (trouble, alarms.states)
    look(world)
    found = told(world, execution_id)

    assert found["AutomationExecutionStatus"] == ("Waiting" if ignores else "Cancelled")
    assert found.get("TriggeredAlarms", []) == ([] if ignores else [{"Name": "web", "State": "UNKNOWN"}])


def test_what_is_over_is_not_looked_at(world: ApiWorld, alarms: Alarms) -> None:
    """After the end the alarm may do as it likes."""
    execution_id = world.start(AlarmConfiguration=WEB)
    world.client().stop_automation_execution(AutomationExecutionId=execution_id)
    world.work()
    alarms.states["web"] = "ALARM"
    look(world)

    assert "TriggeredAlarms" not in told(world, execution_id)


def test_the_trail_says_that_it_was_the_alarm(world: ApiWorld, alarms: Alarms) -> None:
    """Not a person."""
    execution_id = world.start(AlarmConfiguration=WEB)
    alarms.states["web"] = "ALARM"
    look(world)
    with world.database.reading() as connection:
        events = [each.event for each in world.service.audit.entries(connection, subject=execution_id)]
    (cancelling,) = [event for event in events if event.name == "execution.cancelling"]

    assert (cancelling.actor.kind, cancelling.actor.id) == ("alarm", "web")


def test_there_is_one_alarm(world: ApiWorld) -> None:
    """As the model says."""
    two = {"Alarms": [{"Name": "web"}, {"Name": "db"}]}

    assert code(lambda: world.start(AlarmConfiguration=two)) == "ValidationException"


def test_an_alarm_of_one_location_ends_what_runs_there(both: ApiWorld, alarms: Alarms) -> None:
    """The other location goes on; the step of the place says which alarm it was."""
    alarms.states["db"] = "OK"
    both.client().create_document(Name="Ask", Content=runbook(ask()))
    here = {"Accounts": ["123456789012"], "Regions": ["eu-west-1"], "TargetLocationAlarmConfiguration": WEB}
    there = {**here, "Regions": ["us-east-1"], "TargetLocationAlarmConfiguration": {"Alarms": [{"Name": "db"}]}}
    execution_id = both.start("Ask", TargetLocations=[here, there])
    alarms.states["web"] = "ALARM"
    look(both)
    first, second = told(both, execution_id)["StepExecutions"]
    child = told(both, first["Outputs"]["ExecutionId"][0])

    assert (first["StepStatus"], second["StepStatus"]) == ("Cancelled", "InProgress")
    assert first["TriggeredAlarms"] == child["TriggeredAlarms"] == [{"Name": "web", "State": "ALARM"}]
    assert child["AlarmConfiguration"] == WEB
    assert "TriggeredAlarms" not in second


def test_one_that_cannot_be_looked_at_keeps_no_other_one(
    world: ApiWorld, alarms: Alarms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that one execution brings to light is logged; the alarm of the next one still cancels it."""
    first, second = (world.start("Ask-First", AlarmConfiguration=WEB) for _ in range(2))
    alarms.states["web"] = "ALARM"
    stop = world.service.engine.stop

    def broken(tx: Any, execution_id: str, *more: Any) -> None:
        if execution_id == first:
            raise ZeroDivisionError
        stop(tx, execution_id, *more)

    monkeypatch.setattr(world.service.engine, "stop", broken)
    for _ in range(2):
        look(world)

    assert (status(world, first), status(world, second)) == ("Waiting", "Cancelled")
