"""The card of an alarm: flaps and storms, who looks after it, mutes, reminders, recovery."""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.slack import alarm_board
from bot.slack.alarm_board import AlarmBoard
from bot.slack.blocks.alarm import ACKNOWLEDGE, MUTE, PREVIEW, RUN, SHOW, UNMUTE
from bot.slack.store import message_table
from engine.document import Parameter
from engine.protocol import StartOrder
from infra.clock import utc_now
from infra.db import Database
from playbooks.alarm import Alarm, AlarmMetric
from playbooks.retry import request_key
from tests.bot.slack.rig import Rig, library
from tests.fakes.block_limits import message_problems
from tests.fakes.strict_slack import StrictSlack

INSTANCE = "i-0abc"


def alarm(state: str = "ALARM", *, ago: float = 0, name: str = "web-1") -> Alarm:
    """A state change of an instance's alarm, so many minutes ago."""
    metric = AlarmMetric("m1", "AWS/EC2", "CPUUtilization", {"InstanceId": INSTANCE})
    moment = utc_now() - timedelta(minutes=ago)
    return Alarm(name, state, "402715938824", "eu-west-1", moment, reason="hot", metrics=(metric,))  # type: ignore[arg-type]


def receive(rig: Rig, *alarms: Alarm) -> list[str]:
    """Let alarms come; what became of them."""
    verdicts: list[str] = []
    for each in alarms:
        verdicts.append(rig.service.operations.receive(each).verdict)
        later(rig)
    return verdicts


def later(rig: Rig) -> None:
    """Let the pauses between edits be over; what is to be said much later stays."""
    rig.settle()
    with rig.service.db.transaction() as tx:
        tx.execute(update(message_table).where(message_table.c.kind != "reminder").values(next_at=rig.clock()))
    rig.settle()


def remind(rig: Rig) -> list[str]:
    """Let the next reminder's time come; what is said in the thread."""
    with rig.service.db.transaction() as tx:
        waiting = message_table.c.kind == "reminder", message_table.c.state == "wanted"
        first = select(message_table.c.key).where(*waiting).order_by(message_table.c.next_at).limit(1)
        key = tx.execute(first).scalar()
        tx.execute(update(message_table).where(message_table.c.key == key).values(next_at=rig.clock()))
    rig.settle()
    return [message["text"] for message in thread(rig) if "still red" in message["text"]]


def cards(rig: Rig) -> list[dict[str, Any]]:
    """Messages that are no answers to others."""
    return [message for message in rig.slack.messages() if not message.get("thread_ts")]


def thread(rig: Rig) -> list[dict[str, Any]]:
    """Answers to messages."""
    return [message for message in rig.slack.messages() if message.get("thread_ts")]


def told(rig: Rig) -> str:
    """The only card."""
    [card] = cards(rig)
    assert message_problems(card["blocks"]) == []
    return json.dumps(card["blocks"], ensure_ascii=False)


def test_an_alarm_that_flaps_has_one_card(rig: Rig) -> None:
    """Red, OK, red, OK, red: the same card counts, and its thread says that it is red again."""
    course = [alarm(state, ago=ago) for state, ago in (("ALARM", 9), ("OK", 7), ("ALARM", 5), ("OK", 3), ("ALARM", 1))]
    receive(rig, *course)

    assert "red for the 3rd time" in told(rig)
    assert [message["text"].split("red again, ")[1] for message in thread(rig) if "red again" in message["text"]] == [
        "for the 2nd time.",
        "for the 3rd time.",
    ]


def test_a_later_day_is_a_new_card(rig: Rig) -> None:
    """What turns red again long after is no flap."""
    receive(rig, alarm(ago=600), alarm("OK", ago=590), alarm())

    assert len(cards(rig)) == 2
    assert "It flaps" not in json.dumps(cards(rig))


def test_recovery_closes_the_card(rig: Rig) -> None:
    """No button to start anything is left, and the card says how long it took; red again opens it."""
    receive(rig, alarm(ago=12), alarm("OK", ago=2))
    closed = told(rig)
    receive(rig, alarm(ago=1))

    assert "*Recovered*" in closed
    assert "after 10 min" in closed
    assert RUN not in closed
    assert ACKNOWLEDGE not in closed
    assert RUN in told(rig)


def test_run_on_a_flapping_card_is_for_the_latest_red(rig: Rig) -> None:
    """The button carries the state that is shown, and a run of an earlier flap does not stand in for a new one."""
    receive(rig, alarm(ago=9))
    first = rig.buttons()[f"{RUN}:restart"]
    receive(rig, alarm("OK", ago=5), alarm(ago=1))
    second = rig.buttons()[f"{RUN}:restart"]
    rig.click(f"{RUN}:restart", second)
    later(rig)

    assert first != second
    assert rig.newest().alarm is not None
    assert f"Restart it `{rig.newest().id[:8]}`: under way" in json.dumps(cards(rig)[0])


def run_from_card(rig: Rig, *, times: int = 1) -> str:
    """Press *Run* on the alarm's card; the newest run's id."""
    value = rig.buttons()[f"{RUN}:restart"]
    for _ in range(times):
        rig.click(f"{RUN}:restart", value)
    later(rig)
    return rig.newest().id


def stop(rig: Rig, execution_id: str) -> None:
    """Stop a run, and let everything follow."""
    rig.command(f"stop {execution_id[:8]}")
    later(rig)


def test_a_card_says_how_its_run_ended_and_offers_it_again(rig: Rig) -> None:
    """While the run goes on there is nothing to choose; once it is over and the alarm still red there is all of it."""
    receive(rig, alarm(ago=3))
    first = run_from_card(rig)
    running, during = json.dumps(cards(rig)[0]), rig.buttons()
    stop(rig, first)

    assert f"Restart it `{first[:8]}`: under way" in running
    assert during.keys() == {MUTE}
    assert f"Restart it `{first[:8]}`: stopped" in json.dumps(cards(rig)[0])
    assert "Nothing that was started from it runs any more." in json.dumps(cards(rig)[0])
    assert rig.buttons().keys() == {f"{RUN}:restart", f"{PREVIEW}:restart", ACKNOWLEDGE, MUTE}


def test_a_red_alarm_starts_a_second_run_after_the_first_has_ended(rig_anywhere: Rig) -> None:
    """Each painting of the card starts one run, however often its button is pressed."""
    rig = rig_anywhere
    receive(rig, alarm(ago=3))
    first = run_from_card(rig, times=2)
    assert rig.count() == 1
    stop(rig, first)
    second = run_from_card(rig, times=2)

    assert rig.count() == 2
    assert second != first
    assert rig.newest().alarm is not None
    card = json.dumps(cards(rig)[0])
    assert f"`{first[:8]}`: stopped" in card
    assert f"`{second[:8]}`: under way" in card
    stop(rig, second)
    assert rig.buttons()[f"{RUN}:restart"].endswith(second[:8])


def test_a_button_of_before_says_that_its_run_has_ended(rig: Rig) -> None:
    """Pressed in the moment before the card is painted anew, it starts nothing, and is not silent about it."""
    receive(rig, alarm(ago=3))
    old = rig.buttons()[f"{RUN}:restart"]
    first = run_from_card(rig)
    stop(rig, first)
    before = len(rig.whispers())
    rig.click(f"{RUN}:restart", old)

    assert rig.count() == 1
    assert f"`{first[:8]}`, which this button started, has ended" in rig.whispers()[before]


def test_a_closed_card_says_how_a_run_ended(rig: Rig) -> None:
    """The alarm recovered while the run went on: its end is told, and nothing is offered."""
    receive(rig, alarm(ago=3))
    first = run_from_card(rig)
    receive(rig, alarm("OK", ago=1))
    closed = json.dumps(cards(rig)[0])
    stop(rig, first)

    assert "This card is closed" in closed
    assert f"`{first[:8]}`: under way" in closed
    assert f"`{first[:8]}`: stopped" in json.dumps(cards(rig)[0])
    assert RUN not in json.dumps(cards(rig)[0])


def test_a_run_of_somebody_else_ends_on_the_cards_of_its_resource(rig: Rig) -> None:
    """Whoever started it; a run on something else repaints nothing."""
    first = rig.started("run restart i-0abc")
    other = rig.started("run restart i-0def")
    receive(rig, alarm(ago=3))
    rig.clock_on()
    rig.settle()
    assert f"`{first.id[:8]}`: under way" in alarm_card(rig)

    before = painted(rig)
    stop(rig, other.id)
    assert painted(rig) == before
    stop(rig, first.id)

    assert f"`{first.id[:8]}`: stopped" in alarm_card(rig)
    assert painted(rig) == before + 1


def test_the_end_of_a_run_repaints_a_few_cards_only(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many alarms its resource has; those below the card of a storm stay there."""
    monkeypatch.setattr(alarm_board, "STORM_AT", 3)
    monkeypatch.setattr(alarm_board, "MOST_REPAINTED", 2)
    first = rig.started("run restart i-0abc")
    receive(rig, *(alarm(name=f"web-{number}", ago=1) for number in range(5)))
    before = painted(rig)
    stop(rig, first.id)

    assert painted(rig) == before + 2


def alarm_card(rig: Rig) -> str:
    """The card of the alarm, among others."""
    return next(json.dumps(card["blocks"]) for card in cards(rig) if card["text"] == "ALARM: web-1")


def painted(rig: Rig) -> int:
    """How often cards of alarms were wanted."""
    with rig.service.db.reading() as connection:
        wanted = select(func.sum(message_table.c.wanted)).where(message_table.c.kind == "suggestion")
        return int(connection.execute(wanted).scalar() or 0)


def test_a_retry_counts_as_a_run_of_its_alarm(rig: Rig) -> None:
    """What goes on with a failed run is told of, and while it does nothing else is offered."""
    receive(rig, alarm(ago=3))
    first = run_from_card(rig)
    question = rig.service.queries.execution(first).approvals[0]
    rig.service.operations.decide(question.id, rig.service.directory.slack("T1", rig.sam, name="Sam"), "Reject")
    later(rig)
    offered = rig.buttons()
    with rig.service.db.reading() as connection:
        state = rig.service.executions.get(connection, first)
    assert state is not None
    order = StartOrder(
        rig.service.catalog.get("restart").runbook,  # type: ignore[union-attr]
        {"InstanceId": INSTANCE}, state.started_by, state.region, state.account, request_key=request_key(first),
        context=state.context,
    )  # fmt: skip
    with rig.service.db.transaction() as tx:
        second = rig.service.engine.start(tx, order)
    later(rig)

    assert f"{RUN}:restart" in offered
    assert f"{RUN}:restart" not in rig.buttons()
    assert f"`{second[:8]}`: under way" in json.dumps(cards(rig)[0])


def test_acknowledging_says_who_and_ends_the_reminders(rig: Rig) -> None:
    """The card names the person, the trail too; once is enough."""
    receive(rig, alarm(ago=3))
    assert len(remind(rig)) == 1
    rig.click(ACKNOWLEDGE, rig.buttons()[ACKNOWLEDGE])
    later(rig)
    key = json.loads(json.dumps(rig.buttons()))[MUTE]
    rig.click(ACKNOWLEDGE, key, rig.sam)

    assert "looks after it since <!date^" in told(rig)
    assert ACKNOWLEDGE not in rig.buttons()
    assert rig.events().count("alarm.acknowledged") == 1
    assert "acknowledged already, by Lee Park" in rig.whispers()[-1]
    assert len(remind(rig)) == 1


def test_a_muted_alarm_starts_nothing_until_then(rig: Rig) -> None:
    """It is recorded and silent; the card says who muted it until when; unmuted, it counts again."""
    receive(rig, alarm(ago=9))
    rig.click(MUTE, rig.buttons()[MUTE])
    later(rig)
    muted = told(rig)
    silent = receive(rig, alarm("OK", ago=5), alarm(ago=3))
    rig.click(UNMUTE, rig.buttons()[UNMUTE])
    later(rig)
    loud = receive(rig, alarm("OK", ago=2), alarm(ago=1))

    assert "Muted by" in muted
    assert silent == ["recorded", "silenced"]
    assert loud == ["recorded", "suggested"]
    assert [name for name in rig.events() if name.startswith("alarm.") and name != "alarm.received"] == [
        "alarm.muted",
        "alarm.unmuted",
    ]
    assert len(cards(rig)) == 1


def test_a_mute_that_ends_on_a_red_alarm_is_told(rig: Rig) -> None:
    """Nobody forgets an alarm that turned red while it was muted."""
    receive(rig, alarm(ago=60))
    with rig.service.db.transaction() as tx:
        tx.execute(update(message_table).where(message_table.c.kind == "reminder").values(state="dead"))
    rig.click(MUTE, rig.buttons()[MUTE])
    later(rig)
    receive(rig, alarm("OK", ago=5), replace(alarm(), changed_at=utc_now() + timedelta(seconds=1)))
    still_muted = remind(rig)
    care = rig.service.alarm_care
    care.mute(rig.buttons()[UNMUTE], rig.service.directory.slack("T1", rig.lee, name="x"), span=timedelta(0))
    later(rig)

    assert still_muted == []
    assert len(remind(rig)) == 1


@pytest.mark.parametrize("action", [ACKNOWLEDGE, MUTE])
def test_whoever_may_run_nothing_of_it_may_not_hush_it(rig: Rig, action: str) -> None:
    """Refused privately, and noted."""
    receive(rig, alarm())
    rig.click(action, rig.buttons()[action], rig.max)
    rig.click(action, "nothing", rig.lee)
    later(rig)

    assert "may run one of its playbooks" in rig.whispers()[0]
    assert "not known here" in rig.whispers()[1]
    assert "access.refused" in rig.events()
    assert rig.service.operations.receive(alarm("OK")).verdict == "recorded"


def test_rules_that_are_tried_out_note_it(slack: StrictSlack, sqlite_database: Database, tmp_path: Path) -> None:
    """They let pass who may run its playbook by the playbook's own list, and note whom they would have refused."""
    (tmp_path / "access.yaml").write_text(
        "mode: learn\nrules:\n  - {who: sam, may: [run, approve]}\n", encoding="utf-8"
    )
    rig = Rig(slack, str(sqlite_database.url), library(tmp_path), fields={"access": tmp_path / "access.yaml"})
    receive(rig, alarm())
    rig.click(MUTE, rig.buttons()[MUTE], rig.lee)
    rig.click(ACKNOWLEDGE, rig.buttons()[ACKNOWLEDGE], rig.sam)
    with rig.service.db.reading() as connection:
        noted = [each.event for each in rig.service.audit.entries(connection) if each.event.name == "access.learned"]
    events = rig.events()
    rig.close()

    assert {"alarm.muted", "alarm.acknowledged"} <= set(events)
    assert [event.data["what"] for event in noted] == ["mute web-1"]


def test_a_red_alarm_is_told_of_again(rig: Rig) -> None:
    """After the setting's span and then twice as long each time; never once it is OK."""
    receive(rig, alarm(ago=3))
    first, second = len(remind(rig)), len(remind(rig))
    receive(rig, alarm("OK"))
    third = len(remind(rig))

    assert (first, second, third) == (1, 2, 2)


def test_an_old_reminder_is_not_said_of_a_new_red(rig: Rig) -> None:
    """Each red has its own span."""
    receive(rig, alarm(ago=3), alarm("OK", ago=2))
    receive(rig, replace(alarm(), changed_at=utc_now() + timedelta(seconds=1)))

    assert [len(remind(rig)) for _ in range(4)][-1] == 0


def test_reminders_can_be_switched_off(rig: Rig) -> None:
    """0 minutes: never."""
    board = AlarmBoard(rig.store, rig.service.queries, rig.clock, "C1", timedelta(0))
    received = rig.service.operations.receive(alarm())
    with rig.service.db.transaction() as tx:
        board._suggested(tx, received.key, "C1")
        kinds = list(tx.execute(select(message_table.c.kind)).scalars())

    assert sorted(kinds) == ["errand", "suggestion"]


def test_an_alarm_whose_run_goes_on_reminds_nobody(rig: Rig) -> None:
    """Somebody acted; the run's own card says how it goes."""
    receive(rig, alarm(ago=3))
    rig.click(f"{RUN}:restart", rig.buttons()[f"{RUN}:restart"])
    later(rig)

    assert remind(rig) == []


def test_a_storm_is_one_card(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few cards, then one that counts; nothing is lost, and each alarm's own card can be shown below it."""
    monkeypatch.setattr(alarm_board, "STORM_AT", 2)  # so that Slack's limits leave room for all messages here
    many = [alarm(name=f"web-{number}", ago=1) for number in range(30)]
    for each in many:
        rig.service.operations.receive(each)
    later(rig)
    later(rig)
    storm = deepcopy(next(card for card in cards(rig) if "at once" in card["text"]))
    menu = storm["blocks"][-2]["elements"][0]
    rig.service.operations.receive(alarm("OK", name="web-29"))
    later(rig)
    later(rig)
    storm_after = next(card for card in cards(rig) if "at once" in card["text"])
    self_shown = next(option["value"] for option in menu["options"] if "web-28" in option["text"]["text"])
    show(rig, self_shown)
    later(rig)

    assert len(cards(rig)) == 3
    assert storm["text"] == "28 alarms at once, 28 of them red"
    assert storm_after["text"] == "28 alarms at once, 27 of them red"
    assert len(menu["options"]) == 28
    assert message_problems(storm["blocks"]) == []
    [shown] = [message for message in thread(rig) if "web-28" in message["text"]]
    assert shown["thread_ts"] == storm["ts"]
    assert RUN in json.dumps(shown)
    assert len(remind(rig)) <= 1


def show(rig: Rig, key: str) -> None:
    """Choose an alarm in a storm's menu."""
    payload = rig.click_payload(SHOW, "")
    action = {**payload["actions"][0], "type": "static_select", "selected_option": {"value": key}}
    rig.interact({**payload, "actions": [action]})


def test_nonsense_in_the_menu_shows_nothing(rig: Rig) -> None:
    """Values that name no alarm, or none at all."""
    show(rig, "x")
    rig.click(SHOW, "")
    later(rig)

    assert cards(rig) == []


def test_earlier_runs_stand_on_the_card_with_what_came_of_them(rig: Rig) -> None:
    """What helped last time is the best suggestion."""
    rig.command(f"run restart {INSTANCE}")
    later(rig)
    receive(rig, alarm(name="web-9"))
    card = next(each for each in cards(rig) if "web-9" in each["text"])

    assert "Earlier runs on it" in json.dumps(card)
    assert rig.newest().id[:8] in json.dumps(card)


def test_a_form_for_an_alarm_has_what_the_alarm_gives(rig: Rig) -> None:
    """Only what is missing is to be filled in; what the alarm says stands there already."""
    rig.service.catalog.get("restart").runbook.parameters["Why"] = Parameter("Why", "String")  # type: ignore[index,union-attr]
    receive(rig, alarm())
    rig.click(f"{RUN}:restart", rig.buttons()[f"{RUN}:restart"])

    [view] = rig.opened()
    inputs = {block["label"]["text"]: block["element"] for block in view["blocks"] if block["type"] == "input"}
    assert inputs["InstanceId"]["initial_value"] == INSTANCE
    assert "initial_value" not in inputs["Why"]
    assert rig.count() == 0


def test_events_told_twice_want_the_same(rig: Rig) -> None:
    """The relay repeats; the messages do not."""
    receive(rig, alarm(ago=5), alarm("OK", ago=3), alarm(ago=1))
    before = len(rig.slack.messages())
    with rig.service.db.reading() as connection:
        entries = list(rig.service.audit.entries(connection))
    board = next(relay for relay in rig.relays if relay._name == "alarms")
    with rig.service.db.transaction() as tx:
        for entry in entries:
            board._handle(tx, entry)
    later(rig)

    assert len(rig.slack.messages()) == before


def test_preview_on_a_card_without_aws_says_why(rig: Rig) -> None:
    """The button answers in every case."""
    receive(rig, alarm())
    rig.click(f"{PREVIEW}:restart", rig.buttons()[f"{PREVIEW}:restart"])
    rig.door.workbench.pump()
    rig.click(f"{PREVIEW}:restart", rig.buttons()[f"{PREVIEW}:restart"], rig.max)

    assert "no way to AWS" in json.dumps(rig.slack.called("views.update")[-1])
    assert "You may not run `restart`." in rig.whispers()[-1]


def test_a_night_of_alarms_on_each_database(rig_anywhere: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flap, a mute, an acknowledgement, a storm and its reminder, with every statement on SQLite and PostgreSQL."""
    rig = rig_anywhere
    monkeypatch.setattr(alarm_board, "STORM_AT", 1)
    receive(rig, alarm(ago=9), alarm("OK", ago=7), alarm(ago=5))
    rig.click(ACKNOWLEDGE, rig.buttons()[ACKNOWLEDGE])
    rig.click(MUTE, rig.buttons()[MUTE])
    later(rig)
    silent = receive(rig, alarm("OK", ago=3), alarm(ago=2))
    for number in range(5):
        rig.service.operations.receive(alarm(name=f"web-{number}0", ago=1))
    later(rig)
    later(rig)
    [storm] = [card for card in cards(rig) if "at once" in card["text"]]
    rig.event("app_home_opened", user=rig.lee, tab="home")
    later(rig)

    assert silent == ["recorded", "silenced"]
    assert storm["text"] == "5 alarms at once, 5 of them red"
    assert "red for the 3rd time" in json.dumps(cards(rig)[0])
    assert "Recent alarms" in json.dumps(rig.slack.called("views.publish")[-1])
    with rig.service.db.reading() as connection:
        assert rig.store.errands(connection, rig.clock())[0].subject
