"""What happened becomes what should stand in Slack; told twice, the same stands there."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from audit.events import SYSTEM, Actor, Event
from audit.relay import Relay
from audit.trail import Entry
from bot.slack.blocks.alarm import MUTE
from bot.slack.notifier import Notifier
from bot.slack.store import (
    CARD,
    DECISIONS,
    DETAILS,
    FAILURES,
    HELD,
    PROGRESS,
    QUESTION,
    SUGGESTION,
    TEXT,
    message_table,
)
from infra.clock import utc_now
from playbooks.alarm import Alarm, AlarmMetric
from tests.bot.slack.rig import Rig

LEE = Actor("person", "slack:T01/U01LEEPARK", "Lee")
RUN = "e" * 32
INSTANCE = "i-0abc"


class Desk:
    """A notifier that is told events one by one."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.seq = rig, 0
        self.notifier = Notifier(rig.store, rig.service.queries, utc_now, channel="C9")

    def tell(self, name: str, *, subject: str = RUN, actor: Actor = SYSTEM, times: int = 1, **data: Any) -> None:
        """Tell one event, once or more."""
        self.seq += 1
        entry = Entry(self.seq, utc_now(), Event(name, subject, actor, data), "0" * 64, "1" * 64)
        for _ in range(times):
            with self.rig.service.db.transaction() as tx:
                self.notifier.handle(tx, entry)

    def rows(self) -> list[Mapping[str, Any]]:
        """What is wanted."""
        with self.rig.service.db.reading() as connection:
            query = select(message_table).order_by(message_table.c.created_at, message_table.c.key)
            return [dict(row) for row in connection.execute(query).mappings()]

    def row(self, kind: str) -> Mapping[str, Any]:
        """The only row of a kind."""
        [row] = [row for row in self.rows() if row["kind"] == kind]
        return row


def alarm(state: str = "ALARM", *, minute: int = 0, name: str = "web-1") -> Alarm:
    """A state change of the instance's alarm."""
    metric = AlarmMetric("m1", "AWS/EC2", "CPUUtilization", {"InstanceId": INSTANCE})
    moment = utc_now().replace(minute=minute)
    return Alarm(name, state, "402715938824", "eu-west-1", moment, reason="<!channel> hot", metrics=(metric,))  # type: ignore[arg-type]


def test_a_start_wants_a_card(rig: Rig) -> None:
    """In the channel the event names, else in the bot's own; at once where a person waits for it."""
    desk = Desk(rig)
    desk.tell("execution.started", channel="C7", actor=LEE)
    desk.tell("execution.started", subject="f" * 32)

    assert [(row["kind"], row["channel"], row["lane"]) for row in desk.rows()] == [
        (CARD, "C7", DECISIONS),
        (CARD, "C9", FAILURES),
    ]


def test_without_a_channel_there_is_no_card(rig: Rig) -> None:
    """A bot that was given no channel stays silent."""
    desk = Desk(rig)
    desk.notifier = Notifier(rig.store, rig.service.queries, utc_now, channel="")
    desk.tell("execution.started")
    desk.tell("step.started")
    desk.tell("bot.started", last_event_at="2026-03-01T03:00:00", open_executions=1)

    assert desk.rows() == []


def test_progress_repaints_as_urgently_as_people_wait_for_it(rig: Rig) -> None:
    """Each event of a run wants its card anew; decisions before failures before progress."""
    desk = Desk(rig)
    desk.tell("execution.started")
    with rig.service.db.transaction() as tx:
        tx.execute(message_table.update().values(lane=DETAILS, state="sent"))
    lanes = []
    for name in ("step.started", "step.ended", "execution.ended", "approval.asked"):
        desk.tell(name, status="Success", request_id="r1")
        lanes.append(desk.row(CARD)["lane"])

    assert lanes == [PROGRESS, PROGRESS, FAILURES, DECISIONS]
    assert desk.row(CARD)["wanted"] == 5


def test_events_of_runs_without_a_card_want_nothing(rig: Rig) -> None:
    """What never had a card gets none by its details."""
    desk = Desk(rig)
    for name in ("step.started", "approval.asked", "aws.called", "execution.ended"):
        desk.tell(name, operation="StopInstances", request_id="r1")

    assert desk.rows() == []


def test_a_question_calls_those_who_may_answer_once(rig: Rig) -> None:
    """Below the card, however often the event is told."""
    desk = Desk(rig)
    desk.tell("execution.started")
    desk.tell("approval.asked", request_id="r1", times=3)

    question = desk.row(QUESTION)
    assert (question["subject"], question["thread_key"], question["lane"]) == ("r1", f"card:{RUN}", DECISIONS)


def test_details_stand_below_the_card(rig: Rig) -> None:
    """Calls that change something, failures, answers and refusals; not what only looks."""
    desk = Desk(rig)
    desk.tell("execution.started")
    desk.tell("aws.called", service="ec2", operation="DescribeInstances")
    desk.tell("aws.called", service="ec2", operation="DescribeInstances", error="Throttling")
    desk.tell("aws.called", service="ec2", operation="StopInstances", resource=INSTANCE, request_id="q1", times=2)
    desk.tell("step.ended", step="stop", status="Success")
    desk.tell("step.ended", step="start", status="Failed", message="no capacity <!here>")
    desk.tell("approval.refused", actor=LEE, verdict="Approve", reason="not listed", has_right=False)
    desk.tell("approval.refused", actor=LEE, verdict="Reject", reason="Please say why.", has_right=True)
    desk.tell("execution.ended", status="Failed", message="x")

    texts = [row["text"] for row in desk.rows() if row["kind"] == TEXT]
    assert texts == [
        "called ec2:DescribeInstances → Throttling",
        f"called ec2:StopInstances on {INSTANCE} (request q1)",
        "start: Failed. no capacity &lt;!here&gt;",
        "<@U01LEEPARK>: may not approve: not listed",
        "<@U01LEEPARK>: tried to reject, not counted: Please say why.",
        "ended: Failed. x",
    ]
    assert {row["lane"] for row in desk.rows() if row["kind"] == TEXT} == {DETAILS}


def test_a_child_shows_itself_when_it_asks(rig: Rig) -> None:
    """A child execution works behind its parent's card, in its channel, until people must answer."""
    desk = Desk(rig)
    desk.tell("execution.started", channel="C7")
    desk.tell("execution.started", subject="child", parent=RUN)
    desk.tell("step.started", subject="child")
    desk.tell("step.ended", subject="child", step="x", status="Failed")
    child = next(row for row in desk.rows() if row["key"] == "card:child")
    assert (child["state"], child["channel"]) == (HELD, "C7")
    assert [row["kind"] for row in desk.rows()] == [CARD, CARD]

    desk.tell("approval.asked", subject="child", request_id="r1")

    assert next(row for row in desk.rows() if row["key"] == "card:child")["state"] == "wanted"
    assert desk.row(QUESTION)["thread_key"] == "card:child"


def test_the_first_message_after_a_restart_says_what_was_missed(rig: Rig) -> None:
    """Once per start, and only where something was going on."""
    desk = Desk(rig)
    desk.tell("bot.started", last_event_at=None, open_executions=0)
    desk.tell("bot.started", last_event_at="2026-03-01T03:00:00+00:00", open_executions=0)
    assert desk.rows() == []
    desk.tell(
        "bot.started", last_event_at="2026-03-01T03:00:00+00:00", open_executions=2, interrupted=1, open_approvals=1,
        times=2,
    )  # fmt: skip

    text = desk.row(TEXT)["text"]
    assert "away since about 2026-03-01 03:00 UTC" in text
    assert "2 runs taken up again" in text
    assert "1 of them had a step in flight" in text
    assert "1 question still waiting" in text


def test_an_alarm_becomes_a_card_that_people_answer(rig: Rig) -> None:
    """Red: a card with the playbooks that fit. Run: the playbook, from the alarm. Green: all of them say so."""
    received = rig.service.operations.receive(alarm())
    rig.settle()
    suggestion = rig.card()
    assert "web-1" in json.dumps(suggestion)
    assert "<!channel" not in json.dumps(suggestion)
    button = next(iter(rig.buttons().items()))

    rig.click(*button)
    rig.settle()
    rig.clock_on()
    rig.settle()
    facts = rig.newest()
    assert (facts.parameters["InstanceId"], facts.alarm.name if facts.alarm else "") == (INSTANCE, "web-1")
    assert f"Restart it `{facts.id[:8]}`: under way" in json.dumps(rig.card())
    assert list(rig.buttons()) == [MUTE]

    rig.service.operations.receive(replace(alarm("OK"), changed_at=utc_now()))
    rig.settle()
    rig.clock_on()
    rig.settle()
    told = json.dumps(rig.slack.messages())
    assert received.verdict == "suggested"
    assert "*Recovered* at" in json.dumps(rig.card())
    assert "web-1 is OK now." in told


def test_run_on_a_suggestion_twice_starts_once(rig: Rig) -> None:
    """Two people press the same button: one execution."""
    rig.service.operations.receive(alarm())
    rig.settle()
    action_id, value = next(iter(rig.buttons().items()))
    rig.click(action_id, value)
    rig.click(action_id, value, rig.sam)

    assert rig.count() == 1


def test_a_suggestion_without_what_the_playbook_needs_opens_the_form(rig: Rig) -> None:
    """An alarm that does not name the instance: the person does."""
    rig.service.operations.receive(replace(alarm(), metrics=(), name="web-2"))
    rig.settle()
    action_id, value = next(iter(rig.buttons().items()))
    rig.click(action_id, value)

    answered = [*rig.whispers(), *[json.dumps(view) for view in rig.opened()]]
    assert len(answered) == 1
    assert "InstanceId" in answered[0]
    assert rig.count() == 0


def test_whoever_may_not_run_is_told_so_privately(rig: Rig) -> None:
    """A button on a card is no right."""
    rig.service.operations.receive(alarm())
    rig.settle()
    rig.click(*next(iter(rig.buttons().items())), rig.max)

    assert rig.whispers() == ["You may not run `restart`."]
    assert rig.count() == 0


def test_a_whole_run_told_twice_paints_the_same(rig: Rig) -> None:
    """Reading the trail again from its beginning posts nothing anew."""
    rig.started()
    rig.click("approve", rig.buttons()["approve"], rig.sam)
    rig.settle()
    rig.clock_on()
    rig.settle()
    before = {message["ts"]: message["text"] for message in rig.slack.messages()}
    notifier = Notifier(rig.store, rig.service.queries, rig.clock, channel=rig.slack.identity.channel)
    Relay(rig.service.db, rig.service.audit, name="again", handle=notifier.handle, clock=rig.clock).pump()
    rig.clock_on()
    rig.settle()

    assert {message["ts"]: message["text"] for message in rig.slack.messages()} == before
    assert [row["kind"] for row in Desk(rig).rows()].count(SUGGESTION) == 0
