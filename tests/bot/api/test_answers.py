"""An answer through SSM's API counts as a click would: rotas, groups, the plan that was shown, a second look."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import Connection

from approvals import policy
from approvals.request import ApprovalChange
from engine.document import Document
from engine.execution import Execution
from infra.db import Database
from playbooks.operations import Order
from playbooks.people import Identity
from playbooks.situation import Known, Situation
from tests.bot.api.worlds import LEE, MAX, ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock
from tests.playbooks.worlds import folder

PEOPLE = [
    {"id": "lee", "iam": [LEE], "slack": "U01", "terminal": "lee"},
    {"id": "max", "iam": [MAX]},
    {"id": "sam", "slack": "U07"},
]
EVERYBODY = ("lee", "max", "sam", "arn:aws:iam::123456789012:role/Operators")
SAM = Identity("person:sam", "Sam", frozenset({"sam", "person:sam"}))


def world(
    database: Database, clock: ManualClock, root: Path, approval: str, *, minimum: int = 1, **settings: Any
) -> ApiWorld:
    """A world with the playbook "careful", which has that policy."""
    text = f"title: Careful\nstart: suggest\nmay_run: [lee, sam]\n{approval}"
    asking = ask(*EVERYBODY, MinRequiredApprovals=minimum)
    home = folder(root / "playbooks", "careful", text, runbook(asking, nap()))
    return ApiWorld(database, clock, **{"playbooks": (home.parent,), "people": PEOPLE, **settings})


def run(world: ApiWorld, by: Identity = SAM) -> str:
    """Somebody starts the playbook, and people are asked."""
    execution_id = world.service.operations.start(Order("careful"), by)
    world.work()
    world.react()
    return execution_id


def answer(world: ApiWorld, execution_id: str, key: str = "AKIDLEE", kind: str = "Approve", **payload: str) -> str:
    """Give an answer; "" or the code and the sentence of its refusal."""
    given = {"Payload": {name: [value] for name, value in payload.items()}} if payload else {}
    client = world.client(key)
    try:
        client.send_automation_signal(AutomationExecutionId=execution_id, SignalType=kind, **given)
    except ClientError as error:
        return "{Code}: {Message}".format_map(error.response["Error"])
    world.react()
    world.work()
    return ""


def status(world: ApiWorld, execution_id: str) -> str:
    """How the step that asks stands."""
    return str(world.state(execution_id).steps[0].status)


# -- who


def test_only_who_is_on_call_now_may_answer(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """The rota's turn decides, and an absence hands it to whoever stands in."""
    begin = clock().isoformat()
    away = {"who": "lee", "since": begin, "until": clock().replace(year=clock().year + 1).isoformat(), "instead": "max"}
    rota = {"kind": "rota", "people": ["lee", "sam"], "starts": begin, "absences": [away]}
    both = world(
        database,
        clock,
        tmp_path,
        "approval: {groups: [{name: on call, of: [oncall:night]}]}\n",
        on_call={"night": rota},
    )
    execution_id = run(both)

    assert answer(both, execution_id).startswith("AccessDeniedException: lee may not decide step ask")
    assert answer(both, execution_id, "AKIDMAX") == ""
    assert status(both, execution_id) == "Success"


def test_two_of_one_group_are_not_one_of_each(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """The step counts two answers, the playbook wants one from each group: the playbook's rule holds."""
    groups = "approval: {groups: [{name: SRE, of: [lee, max]}, {name: Shop, of: [sam]}]}\n"
    both = world(database, clock, tmp_path, groups, minimum=2)
    execution_id = run(both, by=Identity("person:kim", "Kim", frozenset({"sam"})))

    assert answer(both, execution_id) == ""
    assert answer(both, execution_id, "AKIDMAX") == ""
    assert status(both, execution_id) == "Waiting"


def test_one_rejection_of_a_quorum_ends_nothing(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """Where the playbook wants as many to reject as to approve."""
    policy = "approvers: [lee, max]\nminimum_approvals: 2\napproval: {rejection: quorum, reject_needs_reason: true}\n"
    both = world(database, clock, tmp_path, policy, minimum=2)
    execution_id = run(both)

    assert answer(both, execution_id, kind="Reject").startswith("InvalidAutomationSignalException: lee may not decide")
    assert answer(both, execution_id, kind="Reject", Comment="not now") == ""
    assert answer(both, execution_id, kind="Reject", Comment="not now") == ""
    assert status(both, execution_id) == "Waiting"
    assert both.events().count("approval.decided") == 1


# -- one's own


@pytest.mark.parametrize("door", ["slack", "terminal", "api"])
def test_nobody_approves_what_they_have_started_by_whichever_door(
    database: Database, clock: ManualClock, tmp_path: Path, door: str
) -> None:
    """Started as lee in Slack, at the terminal or with a key, and approved with lee's key: refused and audited."""
    both = world(database, clock, tmp_path, "approvers: [lee, max]\n")
    directory = both.service.directory
    starters = {
        "slack": directory.slack("T01", "U01"),
        "terminal": directory.terminal("lee"),
        "api": directory.iam(LEE, name="lee"),
    }
    execution_id = run(both, by=starters[door])

    assert "You started this, so somebody else has to approve it." in answer(both, execution_id)
    assert "approval.refused" in both.events()
    assert status(both, execution_id) == "Waiting"
    assert answer(both, execution_id, "AKIDMAX") == ""
    assert status(both, execution_id) == "Success"


def test_a_second_key_is_no_second_person(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    """A role session that the table ties to lee is lee: neither a second approver nor four eyes."""
    session = "arn:aws:sts::123456789012:assumed-role/Operators/sam"
    people = [{"id": "lee", "iam": [LEE, session]}, *PEOPLE[1:]]
    both = world(database, clock, tmp_path, "approvers: [lee, max]\nminimum_approvals: 2\n", minimum=2, people=people)
    execution_id = run(both)

    assert answer(both, execution_id) == ""
    assert answer(both, execution_id, "AKIDOPS") == ""
    assert both.events().count("approval.decided") == 1
    assert status(both, execution_id) == "Waiting"


# -- what was shown


def test_another_plan_than_was_asked_about_is_asked_anew(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """What would run is otherwise than the question says: a new question takes its place before anybody's answer."""
    both = world(database, clock, tmp_path, "approvers: [lee, max]\n")
    execution_id = run(both)
    with database.transaction() as tx:
        (asked,) = both.service.approvals.of_execution(tx, execution_id)
        both.service.approvals.save(tx, ApprovalChange(replace(asked, digest="another")), clock())

    assert answer(both, execution_id).startswith("InvalidAutomationSignalException: What would run has changed")
    assert status(both, execution_id) == "Waiting"
    assert answer(both, execution_id, Comment="I have looked") == ""
    assert status(both, execution_id) == "Success"


class Looks:
    """Sees the alarm in a state."""

    def __init__(self) -> None:
        self.alarm = "ALARM"

    def known(self, _connection: Connection, state: Execution, _top: Execution) -> Known:
        """As it is now."""
        return Known(state, Document("", "", "", ()), Situation(self.alarm))

    def quickly(self, known: Known) -> Situation:
        """The same."""
        return known.situation

    def thoroughly(self, _execution_id: str) -> Situation:
        """The same."""
        return Situation(self.alarm)


def test_what_has_happened_since_is_said_before_anything_is_decided(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    """Sending it again blindly is refused again; with the mark that the refusal names it counts."""
    both = world(database, clock, tmp_path, "approvers: [lee, max]\n")
    looks = Looks()
    both.service.reactions.asking.__dict__["looks"] = True
    both.service.deciding.lookout = looks
    execution_id = run(both)
    with database.reading() as connection:
        (request,) = both.service.approvals.of_execution(connection, execution_id)
    both.service.operations.expire(request.id)
    looks.alarm = "OK"

    for comment in ("go", "go on"):
        refusal = answer(both, execution_id, Comment=comment)
        assert refusal.startswith("InvalidAutomationSignalException: Nothing was decided yet")
        assert "the alarm recovered" in refusal
    assert status(both, execution_id) == "Waiting"
    mark = refusal.partition("Seen=")[2].partition(" ")[0]
    assert answer(both, execution_id, Seen=mark) == ""
    assert status(both, execution_id) == "Success"


@pytest.mark.parametrize("by_whom", ["the person", "the second look"])
def test_an_answer_that_was_taken_back_does_not_count_for_the_step(
    database: Database, clock: ManualClock, by_whom: str
) -> None:
    """A document's step hears of its question when that is closed: of two answers one is gone, so one is left."""
    world = ApiWorld(database, clock, people=PEOPLE)
    text = runbook(ask(LEE, MAX, "sam", MinRequiredApprovals=2), nap())
    world.client("AKIDOPS").create_document(Name="Two", Content=text, DocumentType="Automation", DocumentFormat="JSON")
    execution_id = world.start("Two")
    world.react()
    assert answer(world, execution_id, "AKIDLEE") == ""
    (request,) = world.service.queries.open_approvals()
    if by_whom == "the person":
        lee = world.service.directory.of_person("lee")
        assert lee is not None
        world.service.operations.revoke(request.id, lee)
    else:
        with database.transaction() as tx:
            asked = world.service.approvals.lock(tx, request.id)
            assert asked is not None
            world.service.approvals.save(tx, policy.reopen(asked, {"person:lee": "left"}), clock())
    assert answer(world, execution_id, "AKIDMAX") == ""

    step = world.state(execution_id).steps[0]
    assert (step.status, step.outputs["ApproverDecisions"]) == ("Waiting", [])
    found = world.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]
    (shown,) = found["StepExecutions"][0]["Outputs"]["ApproverDecisions"]
    assert "person:max" in shown
    assert answer(world, execution_id, "AKIDLEE", Comment="after all") == ""
    assert world.state(execution_id).steps[0].status == "Success"
