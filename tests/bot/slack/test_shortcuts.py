"""*Run a playbook on this*: what the message names is in the form."""

import json
from typing import Any

import pytest

from bot.slack.blocks import form, picking
from bot.slack.shortcuts import CALLBACK, found_in
from tests.bot.slack.blocks.foreign import check_view
from tests.bot.slack.rig import Rig
from tests.bot.slack.test_forms import aws, instance, rig

__all__ = ["aws", "rig"]

WEB, DB = instance(1)["InstanceId"], instance(2)["InstanceId"]


def choose(rig: Rig, message: dict[str, Any], by: str = "") -> None:
    """Choose the shortcut on a message."""
    more = {"callback_id": CALLBACK, "message": message, "channel": {"id": rig.slack.identity.channel}}
    answer = rig.interact({**rig._interaction("message_action", by), **more, "response_url": rig.slack.response_url()})
    assert answer.status == 200


def pick(rig: Rig, view: dict[str, Any], name: str, instances: list[str], by: str = "") -> dict[str, Any]:
    """Choose a playbook; the form that takes the place of the question."""
    values = {
        picking.PLAYBOOK: {"value": {"type": "static_select", "selected_option": {"value": name}}},
        picking.INSTANCES: {"value": {"selected_options": [{"value": each} for each in instances]}},
    }
    sent = {"id": "V1", **view, "state": {"values": values}}
    answer = rig.interact({**rig._interaction("view_submission", by), "view": sent}).json
    assert answer["response_action"] == "update"
    found: dict[str, Any] = answer["view"]
    check_view(found)
    return found


def test_the_instances_of_the_message_are_in_the_form(rig: Rig) -> None:
    """From the message to the filled form: two clicks, nothing typed; then it starts."""
    choose(rig, {"text": f"{WEB} looks dead", "blocks": [{"text": {"text": f"and {DB}, and {WEB} again"}}]})
    [view] = rig.opened()
    rig.door.workbench.pump()
    run = pick(rig, view, "moving", [DB])

    check_view(view)
    assert f"`{WEB}`, `{DB}`" in json.dumps(view)
    assert run["callback_id"] == form.SUBMIT
    chosen = next(block["element"]["initial_option"] for block in run["blocks"] if "InstanceId" in block["block_id"])
    assert (chosen["value"], chosen["text"]["text"].split()[0]) == (DB, "db-1")
    rig.submit(run, {"p:InstanceId@eu-west-1": {"value": DB, "text": {}}})
    assert rig.newest().parameters["InstanceId"] == DB


def test_aws_that_has_not_answered_yet_costs_the_menu_only(rig: Rig) -> None:
    """The form cannot wait there: the id stands in it as text."""
    choose(rig, {"text": WEB})
    run = pick(rig, rig.opened()[0], "moving", [WEB])

    assert f'"initial_value": "{WEB}"' in json.dumps(run)
    assert "has not told its instances yet" in json.dumps(run)


def test_a_message_that_names_nothing_asks_in_the_form(rig: Rig) -> None:
    """It says so, and the playbook's form asks for it."""
    choose(rig, {"text": "the shop is slow"})
    [view] = rig.opened()

    assert "found no instance id" in json.dumps(view)
    assert picking.INSTANCES not in json.dumps(view)
    assert pick(rig, view, "nap", [])["callback_id"] == form.SUBMIT


def test_only_playbooks_one_may_run_are_offered(rig: Rig) -> None:
    """And choosing another one all the same is refused."""
    choose(rig, {"text": WEB}, rig.max)
    [view] = rig.opened()
    refused = pick(rig, view, "moving", [WEB], rig.max)

    assert "Stop it" not in json.dumps(view)
    assert "You may not run" in json.dumps(refused)


@pytest.mark.parametrize("message", [None, [], "x", {}, {"text": None}, {"blocks": 7}])
def test_a_message_of_any_shape_is_read(message: object) -> None:
    """What is no message names nothing."""
    assert found_in(message) == []


def test_what_only_looks_like_an_id_is_none() -> None:
    """Ids have eight or seventeen digits."""
    text = "i-12345678 i-123 mi-0123456789abcdef0 hi-12345678 i-123456789 i-12345678"

    assert found_in({"text": text}) == ["i-12345678", "mi-0123456789abcdef0"]
