"""Clicks on a card: decided once, by those who may, and everybody else is told so privately."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

from bot.slack.blocks import form
from bot.slack.blocks.card import APPROVE, REJECT
from bot.slack.blocks.controls import RESUME, STOP
from bot.slack.blocks.replies import DATABASE_AWAY
from infra.db import Database, DatabaseUnavailable, Transaction
from tests.bot.slack.rig import KIM, SPARE, Rig


def test_an_approver_approves_and_the_card_says_so(rig: Rig) -> None:
    """One click: decided, carried out, the card says by whom, and its buttons are gone."""
    rig.started()
    rig.clock_on()
    answer = rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)
    rig.settle()

    facts = rig.newest()
    card = json.dumps(rig.card(), ensure_ascii=False)
    assert (answer.status, answer.content) == (200, b"")
    assert facts.status == "Success"
    assert "Approved by Sam Reyes" in card
    assert rig.buttons() == {}
    assert rig.whispers() == []


def test_whoever_is_not_listed_is_refused_privately_and_noted(rig: Rig) -> None:
    """Nothing is decided, the person alone hears why, and the trail remembers it."""
    rig.started()
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.max)

    [said] = rig.whispers()
    assert said == "You are not among the people who may decide this. It was noted."
    assert rig.slack.whispered[0]["response_type"] == "ephemeral"
    assert rig.newest().status == "Waiting"
    assert "approval.refused" in rig.events()


def test_nobody_approves_what_they_started(rig: Rig) -> None:
    """The one who started it may not be the one who agrees."""
    rig.command("run restart i-0abc", rig.sam)
    rig.settle()
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)

    assert "somebody else has to approve it" in rig.whispers()[0]
    assert rig.newest().status == "Waiting"


def test_whoever_started_it_is_not_asked(rig: Rig) -> None:
    """The card says what they may do, the thread calls the others, and their home has it under those for others."""
    rig.command("run restart i-0abc", rig.sam)
    rig.settle()
    rig.event("app_home_opened", user=rig.sam, tab="home")
    rig.clock_on()
    rig.settle()

    card = json.dumps(rig.card())
    (call,) = [each["text"] for each in rig.slack.messages() if "Please answer" in each["text"]]
    home = json.dumps(rig.slack.called("views.publish")[-1]["view"])
    assert f"May decide: <@{KIM}>" in card
    assert f"<@{rig.sam}> started it and may only reject." in card
    assert (f"<@{KIM}>" in call, f"<@{rig.sam}>" in call) == (True, False)
    assert "Nothing waits for you." in home
    assert "Waiting for others" in home
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    assert len(rig.opened()) == 1


def test_a_double_click_counts_once(rig: Rig) -> None:
    """The second click, and the second approver, hear who was first."""
    rig.started()
    value = rig.buttons()[APPROVE]
    for by in (rig.sam, rig.sam, KIM):
        rig.click(APPROVE, value, by)

    assert rig.events().count("approval.decided") == 1
    assert rig.whispers() == ["This was decided already: Approved by Sam Reyes."] * 2


def test_a_stale_button_does_nothing_and_says_so(rig: Rig) -> None:
    """Buttons of a run that is over, and of one nobody knows, are answered with a sentence."""
    rig.started()
    value = rig.buttons()[APPROVE]
    rig.command(f"stop {rig.newest().id[:8]}")
    rig.settle()
    rig.click(APPROVE, value, rig.sam)
    rig.click(APPROVE, "unknown", rig.sam)
    rig.click(STOP, rig.newest().id)

    closed, unknown, over = rig.whispers()
    assert "closed already" in closed
    assert unknown == "This request is not known here. Nothing was decided."
    assert "over already" in over
    assert rig.events().count("approval.decided") == 0


def test_the_same_signed_click_again_is_answered_but_not_done(rig: Rig) -> None:
    """A replay inside Slack's five minutes changes nothing."""
    rig.started()
    payload = rig.click_payload(APPROVE, rig.buttons()[APPROVE], rig.max)
    rig.interact(payload)
    rig.interact(payload)

    assert rig.events().count("approval.refused") == 1
    assert rig.whispers()[1] == "This request was seen before; nothing was done again."


def test_reject_asks_why_and_everybody_reads_it(rig: Rig) -> None:
    """The form's reason stands on the card, as text that pings nobody."""
    rig.started()
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    [view] = rig.opened()
    assert rig.newest().status == "Waiting"
    answer = rig.submit(view, {"reason": "too risky <!channel>"}, rig.sam)
    rig.settle()

    card = json.dumps(rig.card(), ensure_ascii=False)
    assert answer.content == b""
    assert rig.newest().status == "Failed"
    assert "Rejected by Sam Reyes" in card
    assert "too risky &lt;!channel&gt;" in card
    assert "<!channel" not in json.dumps(rig.slack.messages())


def test_reject_counts_at_once_where_no_form_can_be_opened(rig: Rig) -> None:
    """To do nothing is always possible, even when Slack does not open a form."""
    rig.started()
    rig.slack.trouble("views.open", error="expired_trigger_id")
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    rig.settle()

    assert rig.newest().status == "Failed"


def test_reject_opens_no_form_for_what_is_decided(rig: Rig) -> None:
    """A stale Reject says who decided instead of asking why."""
    rig.started()
    buttons = rig.buttons()
    rig.click(APPROVE, buttons[APPROVE], rig.sam)
    rig.click(REJECT, buttons[REJECT], KIM)

    assert rig.opened() == []
    assert rig.whispers() == ["This was decided already: Approved by Sam Reyes."]


def test_a_rejection_by_form_is_checked_when_it_comes_back(rig: Rig) -> None:
    """Whoever may not decide reads it beside the field; a form with other metadata decides nothing."""
    rig.started()
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    [view] = rig.opened()
    refused = rig.submit(view, {"reason": "x"}, rig.max)
    other = rig.submit({**view, "private_metadata": "{"}, {"reason": "x"}, rig.sam)

    assert refused.errors == {"reason": "You are not among the people who may decide this. It was noted."}
    assert "not known here" in other.errors["reason"]
    assert rig.newest().status == "Waiting"


def test_stop_on_the_card_stops(rig: Rig) -> None:
    """The button stops the run; the card says by whom, and its buttons are gone."""
    rig.started()
    rig.click(STOP, rig.buttons()[STOP], rig.sam)
    rig.settle()
    rig.clock_on()
    rig.settle()

    assert rig.newest().status == "Cancelled"
    assert "stopped by Sam Reyes" in json.dumps(rig.card())
    assert rig.buttons() == {}


def test_resume_ends_the_pause_it_was_shown_for_and_no_other(rig: Rig) -> None:
    """A second click on the first pause's button does not run through the second pause."""
    rig.started("run pausing")
    first = rig.buttons()[RESUME]
    rig.click(RESUME, first)
    rig.settle()
    rig.click(RESUME, first, rig.sam)

    assert rig.whispers() == ["That pause is over already; nothing was resumed."]
    assert rig.newest().status == "Waiting"
    rig.clock_on()
    rig.settle()
    rig.click(RESUME, rig.buttons()[RESUME])
    rig.settle()
    assert rig.newest().status == "Success"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"deleted": True}, "Your account is deactivated"),
        ({"is_bot": True}, "Bots may not do this."),
        ({"is_workflow_bot": True}, "Bots may not do this."),
        ({"team_id": "T09OTHER"}, "You belong to another workspace"),
        ({"is_stranger": True}, "You belong to another workspace"),
        ({"team_id": "T09OTHER", "enterprise_user": {"enterprise_id": "E09OTHER"}}, "You belong to another workspace"),
    ],
)
def test_strangers_decide_nothing(rig: Rig, facts: dict[str, object], sentence: str) -> None:
    """Deactivated people, bots and other workspaces' members are told so, and the trail remembers who it was."""
    rig.slack.people[rig.sam] = dict(facts)
    rig.started()
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)

    assert sentence in rig.whispers()[0]
    assert rig.newest().status == "Waiting"
    assert any(sentence in reason for reason in rig.reasons())


def test_an_outsider_in_a_shared_channel_is_told_by_the_payload(rig: Rig) -> None:
    """Slack Connect: the payload's team is ours, the person's is not."""
    rig.started()
    user = {"id": rig.sam, "team_id": "T09OTHER"}
    rig.click(APPROVE, rig.buttons()[APPROVE], user=user)

    assert "You belong to another workspace" in rig.whispers()[0]
    assert rig.newest().status == "Waiting"


def test_a_guest_who_is_listed_may_decide(rig: Rig) -> None:
    """A list that names a guest means them; only "*" leaves guests out."""
    rig.slack.people[rig.sam] = {"is_restricted": True}
    rig.slack.people[rig.max] = {"is_ultra_restricted": True}
    rig.started()
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)
    rig.settle()

    assert rig.events().count("approval.decided") == 1
    assert rig.command("run nap", rig.max).text == "You may not run `nap`."


def test_while_slack_does_not_say_who_it_is_nothing_is_decided(rig: Rig) -> None:
    """No answer is no identity; a moment later the same person may decide."""
    rig.started()
    rig.slack.trouble("users.info", cut="before")
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)
    rig.click(APPROVE, rig.buttons()[APPROVE], rig.sam)

    assert "Slack does not tell me who you are right now" in rig.whispers()[0]
    assert rig.events().count("approval.decided") == 1


class Outage:
    """A database that does not answer while `is_on`."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_on = False
        transaction, reading = db.transaction, db.reading

        @contextmanager
        def writing(**way: bool) -> Iterator[Transaction]:
            self._check()
            with transaction(**way) as tx:
                yield tx

        @contextmanager
        def looking() -> Iterator[Connection]:
            self._check()
            with reading() as connection:
                yield connection

        monkeypatch.setattr(db, "transaction", writing)
        monkeypatch.setattr(db, "reading", looking)

    def _check(self) -> None:
        if self.is_on:
            raise DatabaseUnavailable("gone")


def test_a_database_that_is_gone_is_said_and_loses_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clicks, commands and forms get a sentence; once it is back, the same click counts."""
    rig.started()
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    [view] = rig.opened()
    value = rig.buttons()[APPROVE]
    outage = Outage(rig.service.db, monkeypatch)
    outage.is_on = True
    click = rig.click(APPROVE, value, rig.sam)
    command = rig.command("status")
    run = rig.command("run nap")
    submitted = rig.submit(view, {"reason": "x"}, rig.sam)
    event = rig.event("app_home_opened", user=rig.sam, tab="home")
    outage.is_on = False

    assert (click.status, rig.whispers()) == (200, [DATABASE_AWAY])
    assert (command.text, run.text) == (DATABASE_AWAY, DATABASE_AWAY)
    assert submitted.errors == {"reason": DATABASE_AWAY}
    assert event.status == 503
    rig.click(APPROVE, value, rig.sam)
    rig.settle()
    assert rig.newest().status == "Success"


def test_a_locked_database_delays_a_click_and_loses_nothing(rig: Rig) -> None:
    """While another process holds SQLite's lock the click waits; it counts when the lock is gone."""
    import sqlite3

    rig.started()
    value = rig.buttons()[APPROVE]
    path = str(rig.service.db.url.database)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=rig.click, args=(APPROVE, value, rig.sam))
    waiting.start()
    waiting.join(0.2)
    was_waiting = waiting.is_alive()
    other.execute("COMMIT")
    other.close()
    waiting.join()
    rig.settle()

    assert was_waiting
    assert rig.newest().status == "Success"
    assert rig.whispers() == []


REQUESTS, CLICKS = 50, 10


def test_fifty_questions_with_ten_clicks_each_at_once(rig_anywhere: Rig) -> None:
    """500 clicks from many threads: exactly 50 decisions, and everybody else hears that they were too late."""
    rig = rig_anywhere
    rig.slack.is_limited = False
    for number in range(REQUESTS):
        assert rig.command(f"run restart i-{number:04x}").status == 200
    rig.settle()
    asked = [request.id for request in rig.service.queries.open_approvals()]
    clicks = [(request_id, (rig.sam, KIM)[turn % 2]) for turn in range(CLICKS) for request_id in asked]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: rig.click(APPROVE, one[0], one[1]).status, clicks))

    decided = Counter(name for name in rig.events() if name.startswith("approval."))
    assert len(asked) == REQUESTS
    assert set(answers) == {200}
    assert decided["approval.decided"] == REQUESTS
    assert decided["approval.concluded"] == REQUESTS
    assert len(rig.whispers()) == REQUESTS * (CLICKS - 1)
    assert len(rig.slack.called("users.info")) <= 2 + len(SPARE)


def test_a_reason_can_be_a_thousand_characters_at_most() -> None:
    """What everybody will read has an end."""
    view = form.reject_form("r1", "Restart it?")

    assert view["blocks"][1]["element"]["max_length"] == 1000
