"""What else a card offers: take an answer back, hand it over, break the glass, confirm what has changed."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from bot.slack.blocks.card import APPROVE, BREAK_GLASS, DELEGATE, REJECT, REVIEW, REVOKE
from engine.document import Document
from engine.execution import Execution
from infra.db import Database
from playbooks.situation import Known, Situation
from tests.bot.slack.rig import KIM, PLAYBOOKS, Rig
from tests.fakes.strict_slack import StrictSlack

PLAYBOOK = """\
title: Restart by two
may_run: [lee]
approval: {groups: {of: [sam, max]}, minimum: 2, may_delegate_to: [kim]}
break_glass: [lee]
"""


@pytest.fixture
def bot(slack: StrictSlack, sqlite_database: Database, tmp_path: Path) -> Iterator[Rig]:
    """A bot with one playbook that has everything."""
    home = tmp_path / "playbooks" / "two"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text(textwrap.dedent(PLAYBOOK), encoding="utf-8")
    runbook = PLAYBOOKS["restart"][1].replace("[sam, kim]", "[sam, max, kim]")
    (home / "runbook.yaml").write_text(runbook, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), home.parent)
    yield made
    made.close()


def test_an_answer_is_taken_back_on_the_card(bot: Rig) -> None:
    """One of two has agreed: the button appears, takes the answer back, and is gone again."""
    bot.started("run two i-0abc")
    assert REVOKE not in bot.buttons()
    bot.click(APPROVE, bot.buttons()[APPROVE], bot.sam)
    bot.clock_on()
    bot.settle()
    bot.click(REVOKE, bot.buttons()[REVOKE], bot.sam)
    bot.clock_on()
    bot.settle()

    assert bot.service.queries.open_approvals()[0].decisions == ()
    assert REVOKE not in bot.buttons()


def test_an_answer_is_handed_over_in_a_form(bot: Rig) -> None:
    """The form asks to whom; the card says who answers for whom."""
    bot.started("run two i-0abc")
    bot.click(DELEGATE, bot.buttons()[DELEGATE], bot.sam)
    (view,) = bot.opened()
    kept = bot.click_payload("x", "x", bot.sam)
    state = {"values": {"to": {"value": {"type": "users_select", "selected_user": KIM}}}}
    sent: dict[str, Any] = {**kept, "type": "view_submission", "view": {**view, "id": "V1", "state": state}}
    sent.pop("actions")
    answer = bot.interact(sent)
    bot.clock_on()
    bot.settle()

    assert answer.content == b""
    assert "handed their answer over to Kim Bell" in json.dumps(bot.card())


def test_the_glass_is_broken_in_a_form_and_everybody_hears_of_it(bot: Rig) -> None:
    """A wrong name is said beside its field; the right one goes on, and the approvers are called below the card."""
    bot.started("run two i-0abc")
    bot.click(BREAK_GLASS, bot.buttons()[BREAK_GLASS], bot.lee)
    (view,) = bot.opened()
    wrong = bot.submit(view, {"reason": "the shop is down <!here>", "target": "twoo"}, bot.lee)
    right = bot.submit({**view, "id": "V2"}, {"reason": "the shop is down <!here>", "target": "two"}, bot.lee)
    bot.clock_on()
    bot.settle()

    assert "exactly as the card shows it" in wrong.errors["target"]
    assert right.content == b""
    assert bot.newest().status == "Success"
    said = json.dumps(bot.slack.messages(), ensure_ascii=False)
    assert "Glass broken" in said
    assert "Please review it" in said
    assert "<!here" not in said


@pytest.mark.parametrize(
    ("button", "by", "why"),
    [
        (REJECT, "lee", "You are not among the people who may decide this. It was noted."),
        (DELEGATE, "lee", "You are not among the people who may decide this. It was noted."),
        (BREAK_GLASS, "sam", "You are not among the people who may decide this. It was noted."),
    ],
)
def test_who_may_not_is_told_so_before_any_form(bot: Rig, button: str, by: str, why: str) -> None:
    """Privately, at the click, and noted, as at *Approve*: nobody writes a reason for nothing."""
    bot.started("run two i-0abc")
    bot.click(button, bot.buttons()[button], getattr(bot, by))

    assert bot.opened() == []
    assert bot.whispers() == [why]
    assert rights(bot) == [button not in (REJECT, BREAK_GLASS)]
    assert bot.newest().status == "Waiting"


def rights(bot: Rig) -> list[bool]:
    """Of each refusal in the trail, whether it leaves open that the person has a right to answer."""
    with bot.service.db.reading() as connection:
        events = [entry.event for entry in bot.service.audit.entries(connection)]
    return [bool(event.data["has_right"]) for event in events if event.name == "approval.refused"]


def test_who_has_answered_is_not_asked_why(bot: Rig) -> None:
    """An answer that was counted stands until it is taken back."""
    bot.started("run two i-0abc")
    bot.click(APPROVE, bot.buttons()[APPROVE], bot.sam)
    bot.click(REJECT, bot.buttons()[REJECT], bot.sam)

    assert bot.opened() == []
    assert bot.whispers() == ["Your answer has been counted already."]
    assert rights(bot) == [True]


def test_what_is_wrong_in_the_form_of_an_emergency_stands_beside_its_field(bot: Rig) -> None:
    """Both at once, each beside its own; how long the reason must be stands in the form from the beginning."""
    bot.started("run two i-0abc")
    bot.click(BREAK_GLASS, bot.buttons()[BREAK_GLASS], bot.lee)
    (view,) = bot.opened()
    both = bot.submit(view, {"reason": "soon", "target": "twoo"}, bot.lee)
    one = bot.submit({**view, "id": "V2"}, {"reason": "soon", "target": "two"}, bot.lee)

    assert "At least 10 characters." in json.dumps(view)
    assert set(both.errors) == {"reason", "target"}
    assert "at least 10 characters" in both.errors["reason"]
    assert "exactly as the card shows it" in both.errors["target"]
    assert set(one.errors) == {"reason"}
    assert bot.newest().status == "Waiting"


def test_a_broken_glass_is_reviewed_where_the_approvers_are_called(bot: Rig) -> None:
    """The message below the card has the button; a form takes the note, which the thread tells, from who may review."""
    bot.started("run two i-0abc")
    asked = bot.buttons()[BREAK_GLASS]
    lee = bot.people.identify(bot.lee)
    bot.service.operations.break_glass(asked, lee, "the shop is down", "two")
    bot.clock_on()
    bot.settle()
    (call,) = [each for each in bot.slack.messages() if "Please review it" in each["text"]]
    (button,) = call["blocks"][-1]["elements"]
    for by in (bot.lee, KIM):
        bot.click(REVIEW, button["value"], by)
    refused = bot.whispers()
    bot.click(REVIEW, button["value"], bot.sam)
    (view,) = bot.opened()
    empty = bot.submit(view, {"note": " "}, bot.sam)
    bot.submit({**view, "id": "V2"}, {"note": "it was right <!here>"}, bot.sam)
    for _ in range(3):
        bot.settle()
        bot.clock_on()
        bot.slack._buckets.clear()
    bot.click(REVIEW, button["value"], bot.sam)

    said = json.dumps(bot.slack.messages(), ensure_ascii=False)
    assert (button["action_id"], "Glass broken" in json.dumps(view)) == (REVIEW, True)
    assert f"<@{bot.lee}>" not in call["text"]
    assert f"playbook-bot review {bot.newest().id[:8]}" in call["text"]
    assert refused == ["You are not among the people who may review this. It was noted."] * 2
    assert "Say what the review has found" in empty.errors["note"]
    assert bot.events().count("breakglass.reviewed") == 1
    assert "it was right &lt;!here&gt;" in said
    assert bot.whispers()[2:] == ["There is nothing to review here, or it was reviewed already."]


class Changing:
    """Somebody who looks, and sees what the test says."""

    def __init__(self) -> None:
        self.now = Situation("ALARM")

    def known(self, _connection: Connection, state: Execution, _top: Execution) -> Known:
        """As it is now."""
        return Known(state, Document("", "", "", ()), self.now)

    def quickly(self, known: Known) -> Situation:
        """The same."""
        return known.situation

    def thoroughly(self, _execution_id: str) -> Situation:
        """The same with what would be lost."""
        return replace(self.now, consequences=("lost: i-0abc: what it holds in memory",))


def test_what_has_changed_is_confirmed_in_a_form(bot: Rig) -> None:
    """Approve after the alarm has recovered: a form says so; what happens while it is open is said in it, too."""
    look = Changing()
    bot.service.deciding.lookout = look
    bot.service.reactions.asking.__dict__["looks"] = True
    bot.started("run two i-0abc")
    bot.service.expiry.pump()
    bot.clock_on()
    bot.settle()
    assert "what it holds in memory" in json.dumps(bot.card())

    look.now = Situation("OK")
    bot.click(APPROVE, bot.buttons()[APPROVE], bot.sam)
    (view,) = bot.opened()
    assert "the alarm recovered" in json.dumps(view)
    assert "approval.decided" not in bot.events()

    look.now = Situation("OK", states={"i-0abc": "stopped"})
    again = bot.submit(view, {}, bot.sam)
    assert "i-0abc is stopped" in json.dumps(again.json["view"])
    done = bot.submit(again.json["view"], {}, bot.sam)

    assert done.content == b""
    assert bot.events().count("approval.decided") == 1


def test_the_weeks_break_glass_is_posted_once(bot: Rig) -> None:
    """Who, where and why, with its review as it stands when it is sent; told twice, it stands there once."""
    bot.started("run two i-0abc")
    request = bot.service.queries.open_approvals()[0]
    lee = bot.service.directory.slack(bot.slack.identity.team_id, bot.lee)
    bot.service.operations.break_glass(request.id, lee, "customers <!channel> are down", "two")
    bot.settle()
    told = replace(
        bot.service.breakglass_reports,
        clock=lambda: bot.clock() + timedelta(days=7),
        channel=bot.slack.identity.channel,
    )
    assert [told.report(), told.report()] == [True, False]
    for _ in range(2):
        bot.settle()
        bot.clock_on()
        bot.slack._buckets.clear()

    (message,) = [each for each in bot.slack.messages() if str(each["text"]).startswith("The glass was broken once")]
    said = str(message["blocks"])
    for part in ("Restart by two", "`two`", "customers &lt;!channel&gt; are down", "Not reviewed yet"):
        assert part in said
