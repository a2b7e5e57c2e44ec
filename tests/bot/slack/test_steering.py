"""Runs that go step by step, stops that say what they leave behind, and retries from the step that failed."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot.slack.blocks.card import APPROVE
from bot.slack.blocks.controls import FINISH, RESUME, RETRY, RUN_ON, RUN_STEP, SKIP_STEP, STOP
from bot.slack.blocks.form import STEPWISE
from infra.aws_errors import AwsRefused
from infra.db import Database
from playbooks.timeline import as_json, as_markdown
from tests.bot.slack.rig import Rig, library
from tests.fakes.aws import QuietAws
from tests.fakes.strict_slack import StrictSlack

POWER = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: String}
mainSteps:
  - {name: look, action: "aws:executeAwsApi", inputs: {Service: ec2, Api: DescribeInstances},
     outputs: [{Name: Note, Selector: "$.Note", Type: String}]}
  - {name: ask, action: "aws:approve", inputs: {Approvers: [sam], Message: "Stop it?"}}
  - name: halt
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: StopInstances, InstanceIds: ["{{ InstanceId }}"]}
  - name: boot
    action: aws:executeAwsApi
    inputs: {Service: ec2, Api: StartInstances, InstanceIds: ["{{ InstanceId }}"]}
  - {name: tell, action: "aws:pause", inputs: {}}
"""


@pytest.fixture
def aws() -> QuietAws:
    """Everything goes well."""
    return QuietAws(
        answers={"ec2:DescribeInstances": {"Note": "seen"}, "ec2:StopInstances": {}, "ec2:StartInstances": {}}
    )


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path, aws: QuietAws) -> Iterator[Rig]:
    """A bot whose engine calls that AWS, with a playbook that turns an instance off and on."""
    folder = library(tmp_path)
    for name, engine in (("power", "embedded"), ("remote", "ssm")):
        home = folder / name
        home.mkdir()
        text = f"title: Off and on\nmay_run: [lee]\napprovers: [sam]\nengine: {engine}\n"
        (home / "playbook.yaml").write_text(text, encoding="utf-8")
        (home / "runbook.yaml").write_text(POWER, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), folder)
    made.service.__dict__["aws"] = SimpleNamespace(session=lambda *_, **__: aws)
    yield made
    made.close()


def refuse(_params: Any) -> dict[str, Any]:
    """There is no room for it."""
    raise AwsRefused("InsufficientInstanceCapacity", "no capacity", operation="StartInstances")


def press(rig: Rig, action: str, by: str = "", value: str = "") -> None:
    """Press a button of the newest card as it stands there now."""
    rig.clock_on()
    rig.settle()
    rig.click(action, value or rig.buttons()[action], by)
    rig.settle()
    rig.clock_on()
    rig.settle()


def told(rig: Rig) -> str:
    """Everything that stands in threads."""
    return "\n".join(str(each["text"]) for each in rig.slack.messages() if each.get("thread_ts"))


def status(rig: Rig) -> tuple[str, str | None]:
    """Status, and the step that is waited for."""
    facts = rig.newest()
    return facts.status, facts.held


def test_each_step_waits_for_its_button(rig: Rig, aws: QuietAws) -> None:
    """`--step` holds before each step; the question still waits for those who may answer it."""
    rig.started("run power i-1 --step")
    assert status(rig) == ("Waiting", "look")
    assert aws.asked == []

    press(rig, RUN_STEP)
    assert status(rig) == ("Waiting", "ask")
    assert SKIP_STEP not in rig.buttons()

    press(rig, RUN_STEP)
    assert status(rig) == ("Waiting", None)
    press(rig, APPROVE, rig.sam)
    assert status(rig) == ("Waiting", "halt")
    assert [name for name, _ in aws.asked] == ["ec2:DescribeInstances"]

    press(rig, SKIP_STEP)
    assert [name for name, _ in aws.asked] == ["ec2:DescribeInstances", "ec2:StartInstances"]
    press(rig, RUN_STEP)
    press(rig, RESUME)
    assert status(rig) == ("Waiting", "")
    press(rig, FINISH)

    assert status(rig) == ("Success", None)


def test_the_rest_can_run_by_itself(rig: Rig) -> None:
    """*Run the rest* asks no more before each step; questions still wait."""
    rig.started("run power i-1 —step")
    press(rig, RUN_ON)

    assert status(rig) == ("Waiting", None)
    assert rig.newest().approval is not None


def test_a_button_of_an_earlier_step_does_nothing(rig: Rig) -> None:
    """Two people press Run at once: one step runs, not two."""
    rig.started("run power i-1 --step")
    shown = rig.buttons()[RUN_STEP]
    press(rig, RUN_STEP)
    press(rig, RUN_STEP, value=shown)

    assert "`look` is not the next one any more (`ask` is); nothing was done." in rig.whispers()[-1]
    assert status(rig) == ("Waiting", "ask")


def test_a_question_is_never_skipped(rig: Rig) -> None:
    """Not by a forged button either."""
    execution = rig.started("run power i-1 --step")
    press(rig, RUN_STEP)
    press(rig, SKIP_STEP, value=f"{execution.id}|ask")

    assert "cannot be skipped: it asks people" in rig.whispers()[-1]
    assert status(rig) == ("Waiting", "ask")


def story(rig: Rig, ending: str) -> str:
    """The newest run's story as a file."""
    facts = rig.newest()
    tell = as_markdown if ending == "md" else as_json
    return tell(facts, rig.service.queries.timeline(facts.id))


def test_what_was_skipped_started_and_resumed_is_told_with_who_did_it(rig: Rig) -> None:
    """On the card while it waits and when it is over, in the story that is posted, in the trail and its exports."""
    facts = rig.started("run power i-1 --step")
    for action in (SKIP_STEP, APPROVE, SKIP_STEP, RUN_STEP, RESUME):
        press(rig, action, rig.sam if action == APPROVE else "")
    waiting = str(rig.card()["blocks"])
    press(rig, FINISH)
    over = str(rig.card()["blocks"])

    for card in (waiting, over):
        assert ":fast_forward: *look*: skipped" in card
        assert ":fast_forward: *halt*: skipped" in card
        assert " more" not in card
    assert "All steps are done or skipped" in waiting
    rig.command(f"timeline {facts.id[:8]}")
    rig.settle()
    posted = str(rig.slack.messages()[-1]["blocks"])
    for said in (
        "skipped step look", "started step ask", "skipped step halt", "started step boot", "started step tell",
        "resumed step tell",
    ):  # fmt: skip
        assert f"Lee Park {said}" in posted
        assert f"| Lee Park | {said} |" in story(rig, "md")
        assert f'"text": "{said}"' in story(rig, "json")


def test_the_last_step_can_be_skipped_and_that_is_told(rig: Rig) -> None:
    """It ends the run, and the trail has who left it out."""
    rig.started("run power i-1 --step")
    for action in (RUN_STEP, RUN_STEP, APPROVE, RUN_STEP, RUN_STEP, SKIP_STEP):
        press(rig, action, rig.sam if action == APPROVE else "")

    assert status(rig) == ("Success", None)
    assert ":fast_forward: *tell*: skipped" in str(rig.card()["blocks"])
    assert "| Lee Park | skipped step tell |" in story(rig, "md")


def test_running_the_rest_is_told_with_who_asked_for_it(rig: Rig) -> None:
    """Nothing is said to be skipped."""
    rig.started("run power i-1 --step")
    press(rig, RUN_ON)

    assert "| Lee Park | let the remaining steps run without asking |" in story(rig, "md")
    assert "step.skipped" not in rig.events()


def test_somebody_who_may_not_steer_is_refused(rig: Rig) -> None:
    """Whoever may not resume a run may not start its steps."""
    rig.started("run power i-1 --step")
    press(rig, RUN_STEP, rig.max)

    assert status(rig) == ("Waiting", "look")
    assert "access.refused" in rig.events()


def test_a_stop_says_what_stays_before_and_after(rig: Rig) -> None:
    """The instance that was stopped is not started again by stopping the run."""
    rig.started("run power i-0abc --step")
    for action, by in ((RUN_STEP, ""), (RUN_STEP, ""), (APPROVE, rig.sam), (RUN_STEP, "")):
        press(rig, action, by)
    stop = next(
        each for block in rig.card()["blocks"] if block["type"] == "actions" for each in block["elements"]
        if each["action_id"] == STOP
    )  # fmt: skip
    assert "i-0abc stays stopped" in stop["confirm"]["text"]["text"]

    press(rig, STOP)

    assert status(rig) == ("Cancelled", None)
    assert "i-0abc stays stopped" in told(rig)
    assert "Not begun: `boot`, `tell`" in told(rig)


def failed(rig: Rig, aws: QuietAws) -> str:
    """A run that failed at `boot`; its id."""
    aws.answers = {**aws.answers, "ec2:StartInstances": refuse}
    rig.started("run power i-0abc")
    press(rig, APPROVE, rig.sam)
    assert rig.newest().status == "Failed"
    aws.answers = {**aws.answers, "ec2:StartInstances": {}}
    return rig.newest().id


def test_a_retry_goes_on_from_the_failed_step_and_asks_again(rig: Rig, aws: QuietAws) -> None:
    """Nothing is done twice, whoever had to agree is asked again, and both cards name each other."""
    first = failed(rig, aws)
    aws.asked.clear()
    press(rig, RETRY)
    again = rig.newest()

    assert (again.retry_of, again.retry_step, again.status) == (first, "boot", "Waiting")
    assert again.approval is not None
    assert aws.asked == []
    rig.service.operations.decide(again.approval.id, rig.people.identify(rig.sam), "Approve")
    rig.settle()
    assert [name for name, _ in aws.asked] == ["ec2:StartInstances"]
    assert rig.service.queries.execution(first).retried_as == again.id
    assert f"`{again.id[:8]}` goes on with it" in str(rig.card())
    assert RETRY not in rig.buttons()


def test_one_failure_has_one_retry(rig: Rig, aws: QuietAws) -> None:
    """However often, and by whomever, the button is pressed."""
    first = failed(rig, aws)
    press(rig, RETRY)
    press(rig, RETRY, value=first)

    assert rig.count() == 2


def test_whoever_may_not_run_it_may_not_retry_it(rig: Rig, aws: QuietAws) -> None:
    """A retry is a start."""
    failed(rig, aws)
    press(rig, RETRY, rig.max)

    assert rig.count() == 1
    assert "access.refused" in rig.events()


def test_what_aws_runs_does_not_go_step_by_step(rig: Rig) -> None:
    """Its steps could not be started from here, so it is not begun."""
    answer = rig.command("run remote i-1 --step")

    assert "only what runs here can go step by step" in answer.text
    assert rig.count() == 0


def test_what_aws_runs_by_default_does_not_go_step_by_step(
    slack: StrictSlack, sqlite_database: Database, tmp_path: Path
) -> None:
    """Where the settings have AWS run what names no engine, that is refused as well, and no form offers it."""
    rig = Rig(slack, str(sqlite_database.url), library(tmp_path), fields={"engine": "ssm"})
    answer = rig.command("run pausing --step")
    rig.command("run restart")
    blocks = [each["block_id"] for each in rig.opened()[-1]["blocks"]]

    assert "only what runs here can go step by step" in answer.text
    assert rig.count() == 0
    assert STEPWISE not in blocks
    rig.close()


@pytest.mark.parametrize(("ticked", "waits"), [(1, ("Waiting", "look")), (0, ("Waiting", None))])
def test_the_form_has_a_box_for_it(rig: Rig, ticked: int, waits: tuple[str, str | None]) -> None:
    """Ticked, each step waits; it is ticked already where `--step` was typed, and what counts is what is seen."""
    rig.command("run power --step")
    view = rig.opened()[-1]
    box = next(each for each in view["blocks"] if each["block_id"] == STEPWISE)
    options = box["element"]["options"][:ticked]
    rig.submit(view, {"p:InstanceId": "i-1", STEPWISE: {"type": "checkboxes", "selected_options": options}})
    rig.settle()

    assert box["element"]["initial_options"] == box["element"]["options"]
    assert status(rig) == waits
