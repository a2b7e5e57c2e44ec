"""The path of `engine: ssm`: a runbook on AWS, asked for and answered in Slack, with a restart in its middle."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.slack.blocks.card import APPROVE
from infra.clock import utc_now
from infra.db import Database
from infra.settings_model import AdoptEntry
from tests.bot.slack.rig import Rig
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import LOST, OURSELVES, FakeSsm
from tests.fakes.strict_slack import StrictSlack

RUNBOOK = f"""\
schemaVersion: "0.3"
parameters:
  InstanceId: {{type: String}}
mainSteps:
  - name: ask
    action: aws:approve
    inputs: {{Approvers: ["{OURSELVES}"], Message: "Stop {{{{ InstanceId }}}}?"}}
  - {{name: nap, action: "aws:sleep", inputs: {{Duration: PT1S}}}}
"""
PLAYBOOK = "title: Stop it on AWS\nengine: ssm\napprovers: [sam]\nmay_run: [lee]\n"


class World:
    """A Slack, an AWS, and a bot that can be started again."""

    def __init__(self, slack: StrictSlack, url: str, folder: Path, clock: ManualClock) -> None:
        self.slack, self.url, self.folder, self.clock = slack, url, folder, clock
        self.ssm = FakeSsm(clock)
        self.boot()

    def boot(self) -> None:
        """A new process on the same rows."""
        adopted = AdoptEntry(document="Team-*", playbook="halt", regions=("eu-west-1",))
        fields = {"ssm_principals": (OURSELVES,), "ssm_adopt": (adopted,)}
        self.rig = Rig(self.slack, self.url, self.folder, clock=self.clock, fields=fields)
        self.rig.service.__dict__["_ssm_for"] = lambda look, role: self.ssm.session(role)

    def live(self, seconds: float = 1.0, rounds: int = 6) -> None:
        """Let everybody work."""
        for _ in range(rounds):
            self.rig.settle()
            self.rig.service.ssm_runner.pump()
            self.ssm.work(seconds)
        self.rig.settle()

    def card(self) -> str:
        """All that stands on the card."""
        return json.dumps(self.rig.card(), ensure_ascii=False)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> Iterator[World]:
    """The world, with one playbook, on SQLite and on PostgreSQL; its clock begins now, as Bolt has its own."""
    clock = ManualClock(utc_now())
    home = tmp_path / "playbooks" / "halt"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text(PLAYBOOK)
    (home / "runbook.yaml").write_text(RUNBOOK)
    with StrictSlack(clock) as slack:
        made = World(slack, database.url.render_as_string(hide_password=False), home.parent, clock)
        yield made
        made.rig.close()


def _signals(world: World) -> list[dict[str, Any]]:
    return [members for name, members, _ in world.ssm.asked if name == "SendAutomationSignal"]


def test_asked_in_slack_decided_in_slack_done_on_aws(world: World) -> None:
    """The step's Approvers name the bot, the playbook's name the people: an outsider is refused, an approver counts."""
    world.rig.command("run halt InstanceId=i-0abc")
    world.live()
    asking = world.rig.buttons()[APPROVE]
    world.rig.click(APPROVE, asking, world.rig.max)
    assert _signals(world) == []

    world.rig.close()
    world.boot()
    world.rig.click(APPROVE, asking, world.rig.sam)
    world.live()

    assert world.rig.newest().status == "Success"
    assert "Approved by Sam Reyes" in world.card()
    [signal] = _signals(world)
    assert signal["Payload"]["Comment"] == ["Approve: Sam Reyes (person:sam), through playbook-bot"]
    assert "approval.refused" in world.rig.events()


def test_a_decision_in_awss_own_console_closes_the_card(world: World) -> None:
    """The question is closed as decided, its buttons are gone, and nothing is signalled from here."""
    world.rig.command("run halt InstanceId=i-0abc")
    world.live()
    identity = world.rig.newest().id
    with world.rig.service.db.reading() as connection:
        state = world.rig.service.executions.get(connection, identity)
    assert state is not None
    console = world.ssm.session("arn:aws:iam::123456789012:role/console")
    console.call("ssm", "SendAutomationSignal", {"AutomationExecutionId": state.aws_id, "SignalType": "Approve"})
    world.live(30, rounds=3)

    assert world.rig.newest().status == "Success"
    approval = world.rig.newest().approval
    assert approval is not None
    assert approval.status == "Approved"
    assert APPROVE not in world.rig.buttons()
    assert len(_signals(world)) == 1


def test_an_outage_stands_on_the_card(world: World) -> None:
    """The card says since when AWS is silent, and forgets it when AWS answers again."""
    world.rig.command("run halt InstanceId=i-0abc")
    world.live()
    world.ssm.early = {name: [LOST] * 50 for name in ("GetAutomationExecution", "DescribeAutomationExecutions")}
    world.live(30, rounds=4)
    assert "AWS has not answered since" in world.card()

    world.ssm.early.clear()
    world.live(60, rounds=3)

    assert "AWS has not answered since" not in world.card()


def test_a_run_that_others_started_is_asked_about_in_slack(world: World) -> None:
    """The console starts it, a rule adopts it, its approval is a card here, and the answer reaches AWS once."""
    console = world.ssm.session("arn:aws:iam::123456789012:user/ann")
    text = RUNBOOK.replace("{type: String}", "{type: String, default: i-0abc}")
    console.call("ssm", "CreateDocument", {"Name": "Team-Halt", "Content": text, "DocumentType": "Automation"})
    console.call("ssm", "StartAutomationExecution", {"DocumentName": "Team-Halt"})
    world.rig.service.ssm_runner.begin()
    world.live()

    world.rig.click(APPROVE, world.rig.buttons()[APPROVE], world.rig.sam)
    world.live()

    assert world.rig.newest().status == "Success"
    assert "Approved by Sam Reyes" in world.card()
    assert len(_signals(world)) == 1
