"""SSM's API beside playbooks: what a playbook has started is steered and approved by its people only."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.signals import SignalType
from infra.db import Database
from playbooks.documents.refusals import SsmRefused
from playbooks.operations import Order
from playbooks.people import Identity
from tests.bot.api.worlds import LEE, MAX, ApiWorld, ask, hold, nap, runbook
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import folder

SAM = Identity("person:sam", "Sam", frozenset({"sam", "person:sam"}))
PLAYBOOK = """\
title: Careful
start: suggest
may_run: [sam]
approvers: [lee, sam]
minimum_approvals: 1
"""


@pytest.fixture
def careful(database: Database, clock: ManualClock, tmp_path: Path) -> ApiWorld:
    """A world with the playbook "careful": lee or sam approve, and only they steer."""
    text = runbook(ask(LEE, MAX, "sam"), hold(), nap())
    home = folder(tmp_path / "playbooks", "careful", PLAYBOOK, text)
    people = [{"id": "lee", "iam": [LEE]}, {"id": "sam", "slack": "U07"}, {"id": "max", "iam": [MAX]}]
    return ApiWorld(database, clock, playbooks=(home.parent,), people=people)


def run(world: ApiWorld) -> str:
    """Sam starts the playbook."""
    execution_id = world.service.operations.start(Order("careful"), SAM)
    world.work()
    world.react()
    return execution_id


def refused(world: ApiWorld, key: str, execution_id: str, **members: Any) -> str:
    """The code a signal is refused with."""
    with pytest.raises(ClientError) as caught:
        world.client(key).send_automation_signal(AutomationExecutionId=execution_id, **members)
    return str(caught.value.response["Error"]["Code"])


def test_the_playbooks_approvers_count_not_only_the_steps(careful: ApiWorld) -> None:
    """Max is on the step's list and not on the playbook's; lee is on both, through the table of people."""
    execution_id = run(careful)

    assert refused(careful, "AKIDMAX", execution_id, SignalType="Approve") == "AccessDeniedException"

    careful.client().send_automation_signal(AutomationExecutionId=execution_id, SignalType="Approve")
    careful.react()
    careful.work()

    assert careful.state(execution_id).steps[0].status == "Success"
    decisions = careful.state(execution_id).steps[0].outputs["ApproverDecisions"]
    assert isinstance(decisions, list)
    assert [each["Approver"] for each in decisions if isinstance(each, dict)] == ["person:lee"]


def test_only_the_playbooks_people_steer_its_executions(careful: ApiWorld) -> None:
    """Others are told so, it is in the trail, and the execution goes on."""
    execution_id = run(careful)
    with pytest.raises(ClientError) as caught:
        careful.client("AKIDMAX").stop_automation_execution(AutomationExecutionId=execution_id)

    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert refused(careful, "AKIDMAX", execution_id, SignalType="StopStep") == "AccessDeniedException"
    assert careful.events().count("access.refused") == 2
    assert not careful.state(execution_id).is_over

    careful.client().stop_automation_execution(AutomationExecutionId=execution_id)

    assert careful.state(execution_id).status == "Cancelled"


def test_who_started_it_shows_as_an_arn(careful: ApiWorld) -> None:
    """Also somebody who came through another door."""
    found = careful.client().get_automation_execution(AutomationExecutionId=run(careful))["AutomationExecution"]

    assert found["ExecutedBy"] == "arn:aws:iam::123456789012:user/Sam"


def test_a_user_called_as_a_person_is_that_person(careful: ApiWorld) -> None:
    """Sam has no ARN in the table; the key of the user sam is sam's all the same, and four eyes stay four."""
    sam = careful.service.directory.iam("arn:aws:iam::123456789012:user/sam", name="sam", spellings={"sam"})
    session = careful.service.directory.iam("arn:aws:sts::123456789012:assumed-role/Any/sam", name="sam")

    assert sam.id == "person:sam"
    assert session.id == "arn:aws:sts::123456789012:assumed-role/Any/sam"

    execution_id = run(careful)
    with pytest.raises(SsmRefused, match="somebody else has to approve"):
        careful.service.automation.signal(execution_id, SignalType.APPROVE, {}, sam)
