"""Run forms that ask AWS: opened at once, filled in behind, searched while somebody types, previewed before a start."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.slack import forms
from bot.slack.blocks import form
from bot.slack.blocks.inputs import PICK
from infra.aws_errors import AwsUnreachable
from infra.db import Database
from tests.bot.slack.rig import PLAYBOOKS, Rig, library
from tests.fakes.aws import QuietAws
from tests.fakes.block_limits import options_problems, view_problems
from tests.fakes.strict_slack import StrictSlack

MOVING = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
  Note: {type: String, default: none}
mainSteps:
  - {name: stop, action: "aws:changeInstanceState", inputs: {InstanceIds: ["{{ InstanceId }}"], DesiredState: stopped}}
"""


def instance(number: int, name: str = "", **tags: str) -> dict[str, Any]:
    """An instance as DescribeInstances tells it."""
    return {
        "InstanceId": f"i-{number:017x}", "InstanceType": "t3.micro", "State": {"Name": "running"},
        "Tags": [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items() if value],
    }  # fmt: skip


def page(*instances: dict[str, Any]) -> dict[str, Any]:
    """One page of DescribeInstances."""
    return {"Reservations": [{"Instances": [each]} for each in instances]}


@pytest.fixture
def aws() -> QuietAws:
    """Two instances."""
    found = page(instance(1, "web-1", owner="payments"), instance(2, "db-1", owner="search"))
    return QuietAws(answers=defaultdict(dict, {"ec2:DescribeInstances": found}))


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path, aws: QuietAws) -> Iterator[Rig]:
    """A bot that reads AWS, with a playbook about an instance."""
    folder = library(tmp_path)
    home = folder / "moving"
    home.mkdir()
    (home / "playbook.yaml").write_text("title: Stop it\nmay_run: [lee]\n", encoding="utf-8")
    (home / "runbook.yaml").write_text(MOVING, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), folder, aws=aws)
    yield made
    made.close()


def options(rig: Rig, view: dict[str, Any], text: str, by: str = "") -> dict[str, Any]:
    """What a menu is answered when somebody has typed `text` into it."""
    block_id = next(block["block_id"] for block in view["blocks"] if block.get("element", {}).get("action_id") == PICK)
    more = {"action_id": PICK, "block_id": block_id, "value": text, "view": {"id": "V1", **view}}
    answer = rig.interact({**rig._interaction("block_suggestion", by), **more}).json
    assert options_problems(answer) == []
    return answer


def labels(answer: dict[str, Any]) -> list[str]:
    """The options of an answer."""
    return [each["text"]["text"] for group in answer.get("option_groups", []) for each in group["options"]]


def filled(rig: Rig) -> dict[str, Any]:
    """The form that took the place of what was opened at once."""
    rig.door.workbench.pump()
    view: dict[str, Any] = rig.slack.called("views.update")[-1]["view"]
    return view


def test_the_form_opens_before_aws_is_asked(rig: Rig, aws: QuietAws) -> None:
    """Slack gives three seconds: what is opened says that it is looking, and the whole form follows."""
    rig.command("run moving Note=slow")
    [opened] = rig.opened()
    asked_before = list(aws.asked)
    view = filled(rig)

    assert "Looking in AWS" in json.dumps(opened)
    assert asked_before == []
    assert view["callback_id"] == form.SUBMIT
    assert '"slow"' in json.dumps(view)
    assert view_problems(view) == []
    assert rig.slack.called("views.update")[-1]["view_id"].startswith("V")


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["db-1", "web-1"]),
        ("WEB", ["web-1"]),
        ("owner=search", ["db-1"]),
        ("payments running", ["web-1"]),
        ("i-00000000000000002", ["db-1"]),
    ],
)
def test_instances_are_found_by_name_tag_and_id(rig: Rig, typed: str, found: list[str]) -> None:
    """Whatever a tired person remembers of it; every word must fit."""
    rig.command("run moving")

    assert [label.split()[0] for label in labels(options(rig, filled(rig), typed))] == found


def test_what_aws_does_not_know_can_be_taken_as_typed(rig: Rig) -> None:
    """Nothing found is no dead end, and it is said that it was not found."""
    rig.command("run moving")
    answer = options(rig, filled(rig), "i-0abc0abc")

    assert labels(answer) == ["i-0abc0abc"]
    assert "Not found in AWS" in json.dumps(answer)


def test_a_long_list_says_that_it_is_cut(rig: Rig, aws: QuietAws) -> None:
    """A hundred of many, with how to find the others; all pages are searched."""

    def answer(params: Any) -> dict[str, Any]:
        if params.get("NextToken"):
            return page(instance(999, "needle"))
        return {**page(*(instance(number, f"web-{number}") for number in range(300))), "NextToken": "t"}

    aws.answers = {"ec2:DescribeInstances": answer}
    rig.command("run moving")
    view = filled(rig)

    assert len(labels(options(rig, view, ""))) == 100
    assert "100 of 301: type more" in json.dumps(options(rig, view, ""))
    assert labels(options(rig, view, "needle"))[0].startswith("needle")


def test_without_aws_the_id_is_typed(rig: Rig, aws: QuietAws) -> None:
    """AWS that does not answer costs the menu, not the form."""

    def nothing(_: Any) -> Any:
        raise AwsUnreachable("ec2:DescribeInstances got no answer: timeout")

    aws.answers = {"ec2:DescribeInstances": nothing}
    rig.command("run moving")
    view = filled(rig)

    inputs = {block["label"]["text"]: block["element"]["type"] for block in view["blocks"] if block["type"] == "input"}
    assert inputs["InstanceId"] == "plain_text_input"
    assert "AWS does not list instances" in json.dumps(view)
    assert view_problems(view) == []


def test_a_menu_is_nothing_for_those_who_may_not_run(rig: Rig, aws: QuietAws) -> None:
    """What is in the account is told to those who may start the playbook."""
    rig.command("run moving")
    view = filled(rig)

    assert options(rig, view, "", rig.max) == {"options": []}


def test_a_menu_offers_what_the_rules_let_one_choose(
    slack: StrictSlack, sqlite_database: Database, tmp_path: Path, aws: QuietAws
) -> None:
    """An instance with which the start would be refused is not offered; other parameters may still become anything."""
    rules = f"{{InstanceId: i-{1:017x}, Note: fine}}"
    (tmp_path / "access.yaml").write_text(
        f"rules:\n  - {{who: lee, may: run, playbooks: moving, parameters: {rules}}}\n  - {{who: lee, may: approve}}\n"
    )
    folder = library(tmp_path)
    (folder / "moving").mkdir()
    (folder / "moving" / "playbook.yaml").write_text("title: Stop it\nmay_run: [lee]\n", encoding="utf-8")
    (folder / "moving" / "runbook.yaml").write_text(MOVING, encoding="utf-8")
    rig = Rig(slack, str(sqlite_database.url), folder, aws=aws, fields={"access": tmp_path / "access.yaml"})
    rig.command("run moving")

    found = options(rig, filled(rig), "")

    assert [each["value"] for group in found["option_groups"] for each in group["options"]] == [f"i-{1:017x}"]
    rig.close()


def test_aws_is_asked_once_a_minute(rig: Rig, aws: QuietAws) -> None:
    """However many forms and letters: what is known is used again."""
    rig.command("run moving")
    view = filled(rig)
    for text in ("w", "we", "web"):
        options(rig, view, text)
    rig.command("run moving")
    rig.door.workbench.pump()

    assert len(aws.asked) == 1


def test_a_menu_whose_list_is_not_there_does_not_wait_for_ever(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process filled the form: the list is asked for, and what was typed can be taken meanwhile."""
    monkeypatch.setattr(forms, "OPTIONS_PATIENCE", 0)
    view = form.run_form(
        rig.service.queries.playbook("moving"), {}, {}, carried={"region": "eu-west-1"},
        offer=form.Offer({"AWS::EC2::Instance::Id": {"i-1": ""}}),
    )  # fmt: skip

    assert labels(options(rig, view, "i-0abc0abc")) == ["i-0abc0abc"]
    rig.door.workbench.pump()
    assert len(labels(options(rig, view, ""))) == 2


def test_a_picked_instance_starts(rig: Rig) -> None:
    """What was chosen comes back with the form."""
    rig.command("run moving")
    view = filled(rig)
    block_id = next(block["block_id"] for block in view["blocks"] if block["block_id"].startswith("p:InstanceId"))
    answer = rig.submit(view, {block_id: {"value": f"i-{1:017x}", "text": {}}})

    assert (answer.status, answer.errors) == (200, {})
    assert rig.newest().parameters["InstanceId"] == f"i-{1:017x}"


def test_an_error_stands_beside_a_picker_of_any_region(rig: Rig) -> None:
    """The ids of pickers name their Region; errors find them all the same."""
    rig.command("run moving region=us-east-1")
    view = filled(rig)
    answer = rig.submit(view, {"p:InstanceId@us-east-1": {"value": "web-1", "text": {}}})

    assert list(answer.errors) == ["p:InstanceId@us-east-1"]


def test_another_region_has_other_instances(rig: Rig) -> None:
    """What was picked in one Region is gone in the other; what was typed stays, and the start goes there."""
    rig.command("run moving")
    view = filled(rig)
    picked = {"type": "external_select", "selected_option": {"value": f"i-{1:017x}"}}
    state = {
        "p:InstanceId@eu-west-1": {"pick": picked},
        "p:Note": {"value": {"type": "plain_text_input", "value": "x"}},
    }
    action = {"type": "static_select", "action_id": form.REGION, "block_id": "region", "action_ts": "1",
              "selected_option": {"value": "us-east-1"}}  # fmt: skip
    sent = {"id": "V1", **view, "state": {"values": state}}
    rig.interact({**rig._interaction("block_actions", ""), "actions": [action], "view": sent})
    other = filled(rig)

    assert form.metadata(other)["region"] == "us-east-1"
    assert f"i-{1:017x}" not in json.dumps(other)
    assert '"initial_value": "x"' in json.dumps(other)


def preview(rig: Rig, view: dict[str, Any], instance_id: str, by: str = "") -> dict[str, Any]:
    """Press *Preview* in a form; the page that came of it."""
    state = {"p:InstanceId@eu-west-1": {"pick": {"type": "external_select", "selected_option": {"value": instance_id}}}}
    sent = {"id": "V1", **view, "state": {"values": state}}
    rig.click(form.PREVIEW, "moving", by, view=sent, channel=None, response_url=None)
    [pushed] = rig.slack.called("views.push")
    rig.door.workbench.pump()
    updates = rig.slack.called("views.update")
    found: dict[str, Any] = updates[-1]["view"] if len(updates) > 1 else pushed["view"]
    assert view_problems(found) == []
    return found


def test_a_preview_shows_the_steps_and_changes_nothing(rig: Rig, aws: QuietAws) -> None:
    """What would be called, above the form, before anything is started."""
    rig.command("run moving")
    told = json.dumps(preview(rig, filled(rig), f"i-{1:017x}"), ensure_ascii=False)

    assert "`stop`" in told
    assert "ec2:StopInstances" in told
    assert "Nothing was changed" in told
    assert all(name.split(":")[1].startswith("Describe") for name, _ in aws.asked)
    assert rig.count() == 0


def test_a_preview_says_what_is_wrong_with_the_values(rig: Rig) -> None:
    """An id that is none has no preview, but a sentence."""
    rig.command("run moving")

    assert "InstanceId" in json.dumps(preview(rig, filled(rig), "web-1"))


def test_a_preview_is_not_for_everybody(rig: Rig) -> None:
    """Whoever may not start it may not look with the bot's eyes either."""
    rig.command("run moving")

    assert "You may not run" in json.dumps(preview(rig, filled(rig), f"i-{1:017x}", rig.max))


def test_a_form_without_resources_needs_no_second_picture(rig: Rig, aws: QuietAws) -> None:
    """Nothing to look up: it opens whole."""
    assert "restart" in PLAYBOOKS
    rig.command("run restart")

    assert rig.opened()[0]["callback_id"] == form.SUBMIT
    assert rig.door.workbench.pump() == 0
    assert aws.asked == []
