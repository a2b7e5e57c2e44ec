"""What holds starts back, as people in Slack meet it: a resource in use, everything paused, why they may not."""

import textwrap
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.db import Database
from playbooks.alarm import Alarm, AlarmMetric
from tests.bot.slack.rig import KIM, SPARE, Rig, library
from tests.fakes.block_limits import view_problems
from tests.fakes.strict_slack import StrictSlack

ACCESS = """\
ask: "#sre-leads"
rules:
  - {who: "*", may: [run], playbooks: restart}
  - {who: "*", rule: deny, may: run, playbooks: restart, parameters: {Size: large}, ask: "#dba"}
  - {who: sam, may: run, playbooks: restart, parameters: {Size: large}}
  - {who: [sam, kim], may: [approve, stop]}
"""
LOCKED = """\
title: Fix it
trigger: {name: "web-*"}
start: auto
parameters: {InstanceId: "{{ alarm.dimensions.InstanceId }}"}
approvers: [sam, kim]
may_run: [lee, sam]
lock: InstanceId
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The usual playbooks, and one that has its instance alone."""
    folder = library(tmp_path)
    (folder / "fix").mkdir()
    (folder / "fix" / "playbook.yaml").write_text(LOCKED, encoding="utf-8")
    runbook = (folder / "restart" / "runbook.yaml").read_text(encoding="utf-8")
    (folder / "fix" / "runbook.yaml").write_text(runbook, encoding="utf-8")
    return folder


@pytest.fixture
def busy(slack: StrictSlack, sqlite_database: Database, folder: Path) -> Iterator[Rig]:
    """A bot with that playbook, whose admin is Kim."""
    made = Rig(slack, str(sqlite_database.url), folder, fields={"admins": ("kim",)})
    yield made
    made.close()


@pytest.fixture
def ruled(slack: StrictSlack, sqlite_database: Database, folder: Path, tmp_path: Path) -> Iterator[Rig]:
    """A bot whose access is in a file."""
    (tmp_path / "access.yaml").write_text(ACCESS, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), folder, fields={"access": tmp_path / "access.yaml"})
    yield made
    made.close()


def buttons(answer: Any) -> dict[str, str]:
    """action_id -> value of an answer's buttons."""
    blocks = [block for block in answer.json.get("blocks", ()) if block["type"] == "actions"]
    return {each["action_id"]: each["value"] for block in blocks for each in block["elements"]}


def red(name: str = "web-1") -> Alarm:
    """An alarm on the instance."""
    metric = AlarmMetric("m1", "AWS/EC2", "CPUUtilization", {"InstanceId": "i-0abc"})
    return Alarm(name, "ALARM", "123456789012", "eu-west-1", datetime.now(UTC), metrics=(metric,))


def texts(rig: Rig) -> str:
    """Everything that stands in the channel."""
    rig.clock_on()
    rig.settle()
    return "\n".join(str(message) for message in rig.slack.messages())


def test_whoever_comes_second_is_told_who_is_at_it(busy: Rig) -> None:
    """Privately, with *Notify me* and *Take over*, and the same as commands."""
    first = busy.started("run fix i-0abc")

    answer = busy.command("run fix i-0abc", busy.sam)

    assert f"i-0abc is already being handled by Fix it ({first.id[:8]}), started by Lee Park" in answer.text
    assert f"`/playbook notify {first.id[:8]}`" in answer.text
    assert buttons(answer).keys() == {"guard_notify", "guard_take_over"}
    assert buttons(answer)["guard_notify"] == first.id
    assert busy.count() == 1
    assert "start.refused" in busy.events()


def test_notify_me_calls_in_the_thread(busy: Rig) -> None:
    """Whoever pressed it is mentioned below the card when the run is over."""
    first = busy.started("run fix i-0abc")
    offered = buttons(busy.command("run fix i-0abc", busy.sam))

    busy.click("guard_notify", offered["guard_notify"], busy.sam)
    assert busy.whispers() == ["You will be told in its thread when it is over."]
    assert "is free" not in texts(busy)
    busy.command(f"stop {first.id[:8]}")

    assert f"<@{busy.sam}> `i-0abc` is free: this run ended (Cancelled)." in texts(busy)


def test_take_over_by_button(busy: Rig) -> None:
    """The first is stopped, the second runs, and both cards say so."""
    first = busy.started("run fix i-0abc")
    offered = buttons(busy.command("run fix i-0abc", busy.sam))

    busy.click("guard_take_over", offered["guard_take_over"], busy.sam)
    busy.settle()

    second = busy.newest()
    assert second.id != first.id
    assert second.started_by.id == "person:sam"
    assert busy.service.queries.execution(first.id).status == "Cancelled"
    assert busy.whispers() == [f"Fix it `{first.id[:8]}` is over, and yours has started: `{second.id[:8]}`."]
    assert f"<@{busy.sam}>" in texts(busy) or "took over i-0abc for fix" in texts(busy)


def test_take_over_from_a_run_that_has_ended(busy: Rig) -> None:
    """A sentence all the same: it names the run that is over."""
    first = busy.started("run fix i-0abc")
    offered = buttons(busy.command("run fix i-0abc", busy.sam))
    busy.command(f"stop {first.id[:8]}")
    busy.settle()

    busy.click("guard_take_over", offered["guard_take_over"], busy.sam)
    busy.settle()

    assert busy.whispers() == [f"Fix it `{first.id[:8]}` is over, and yours has started: `{busy.newest().id[:8]}`."]


def test_take_over_is_not_for_everybody(busy: Rig) -> None:
    """Somebody else's button does nothing in foreign hands."""
    first = busy.started("run fix i-0abc")
    offered = buttons(busy.command("run fix i-0abc", busy.sam))

    busy.click("guard_take_over", offered["guard_take_over"], busy.max)

    assert busy.whispers() == ["You may not run `fix`."]
    assert busy.service.queries.execution(first.id).status == "Waiting"
    assert busy.count() == 1


def test_a_click_on_an_alarm_is_told_with_buttons(busy: Rig) -> None:
    """*Run* on the second alarm's card: who is at it, and what can be done."""
    busy.started("run fix i-0abc")
    second = busy.service.operations.receive(red())

    busy.click("suggest_run:fix", f"{second.key}|fix", busy.sam)

    busy.door.whispers.pump()
    (whisper,) = busy.slack.whispered
    assert "already being handled by Fix it" in whisper["text"]
    assert [block["type"] for block in whisper["blocks"]] == ["section", "actions", "context"]


def test_a_second_alarm_is_noted_on_the_first_card(busy: Rig) -> None:
    """It starts nothing; its own card and the first one's thread say who is at it."""
    busy.service.operations.receive(red())
    assert "1 of 3 automatic starts in 60 min" in texts(busy)

    busy.service.operations.receive(red("web-1-disk"))

    assert busy.count() == 1
    said = texts(busy)
    assert said.count("i-0abc is already being handled by Fix it") >= 2


def test_an_alarms_card_tells_who_has_its_resource_while_that_is_so(busy: Rig) -> None:
    """Who and when, with *Notify me*, and no "Nothing runs" beside it; once that run is over the card says so."""
    first = busy.started("run fix i-0abc")
    busy.service.operations.receive(red())
    during = card_of(busy, "web-1")
    offered = {each["action_id"]: each["value"] for each in elements(during)}
    busy.click("guard_notify", offered["guard_notify"], busy.sam)
    busy.command(f"stop {first.id[:8]}")
    after = card_of(busy, "web-1")

    assert f"`i-0abc` is already being handled by Fix it `{first.id[:8]}`, started by Lee Park <!date^" in str(during)
    assert "*Run* offers to take over what is in use. A playbook that fits:" in str(during)
    assert "Nothing runs" not in str(during)
    assert busy.whispers() == ["You will be told in its thread when it is over."]
    assert f"`{first.id[:8]}`: stopped" in str(after)
    assert "is already being handled" not in str(after)
    assert f"i-0abc was in use by Fix it ({first.id[:8]}), which Lee Park had started at " in str(after)
    assert "suggest_run:fix" in {each["action_id"] for each in elements(after)}
    assert "guard_notify" not in {each["action_id"] for each in elements(after)}


def card_of(rig: Rig, name: str) -> dict[str, Any]:
    """The card of an alarm, as it stands once everything has settled."""
    texts(rig)
    rig.clock_on()
    rig.settle()
    return deepcopy(next(message for message in rig.slack.messages() if message["text"] == f"ALARM: {name}"))


def elements(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The buttons of a message."""
    return [each for block in message["blocks"] if block["type"] == "actions" for each in block["elements"]]


def test_the_big_red_switch(busy: Rig) -> None:
    """An admin pauses with a reason; everybody is told; starts and approvals wait; *Resume* lets them go on."""
    first = busy.started("run fix i-0abc")

    refused = busy.command("pause DNS is down", busy.lee)
    assert refused.text == "Only the admins of the settings may pause everything."
    paused = busy.command("pause DNS is down", KIM)
    assert paused.text == "Everything is paused. `/playbook pause off` resumes it."
    assert "paused everything: DNS is down" in texts(busy)

    assert "Everything is paused by Kim Bell" in busy.command("run nap").text
    busy.click("approve", busy.buttons()["approve"], busy.sam)
    assert "Everything is paused by Kim Bell" in busy.whispers()[-1]
    state = busy.command("pause", KIM)
    assert "Everything is paused by Kim Bell" in state.text
    busy.click("guard_resume", buttons(state)["guard_resume"], KIM)
    assert busy.whispers()[-1] == "Everything goes on."
    assert "let everything go on" in texts(busy)
    assert buttons(busy.command("pause", KIM)).keys() == {"guard_pause"}
    busy.click("approve", busy.buttons()["approve"], busy.sam)
    busy.settle()
    assert busy.service.queries.execution(first.id).status == "Success"


def test_access_of_a_file_counts_in_slack(ruled: Rig) -> None:
    """Small for everybody, large for Sam; the refusal names whom to ask, and nobody else sees it."""
    assert "Started *Restart it*" in ruled.command("run restart i-0abc", ruled.max).text

    refused = ruled.command("run restart i-0abc Size=large", ruled.max)

    assert refused.json["response_type"] == "ephemeral"
    assert refused.text == "You may not run `restart`. It is access.yaml:4 that refuses it. Please ask #dba."
    assert "Started *Restart it*" in ruled.command("run restart i-0abc Size=large", ruled.sam).text
    assert ruled.command("run nap").text == "You may not run `nap`. Please ask #sre-leads."
    assert ruled.events().count("access.refused") == 2


def test_why_prints_each_rule(ruled: Rig) -> None:
    """For oneself, or for somebody who is mentioned; the deciding rule first."""
    mine = ruled.command("why restart i-0abc Size=large", ruled.max).text
    sams = ruled.command(f"why <@{ruled.sam}|sam> restart InstanceId=i-0abc Size=large", ruled.max).text

    assert mine == textwrap.dedent("""\
        *You may not run restart with InstanceId=i-0abc, Note=none, Size=large in eu-west-1.*
        :point_right: access.yaml:4: it denys *; Size = large – this one decides
        :small_blue_diamond: access.yaml:3: it allows *
        :white_small_square: whoever started it: it is for starter
        :white_small_square: access.yaml:5: it is for sam
        :white_small_square: access.yaml:6: it is for sam, kim
        :information_source: Ask #dba.""")
    assert sams.splitlines()[:2] == [
        "*Sam Reyes may run restart with InstanceId=i-0abc, Note=none, Size=large in eu-west-1.*",
        ":point_right: access.yaml:5: it allows sam; Size = large – this one decides",
    ]


def test_what_may_not_be_seen_is_not_told(ruled: Rig) -> None:
    """Status, audit and lists of executions are for those whom a rule lets see them."""
    execution = ruled.started("run restart i-0abc")
    guest = ruled.slack.people[SPARE[0]]
    guest.update(is_restricted=True)

    assert ruled.command(f"status {execution.id[:8]}", ruled.max).text.startswith(":raised_hand:")
    for verb in ("status", "audit"):
        answer = ruled.command(f"{verb} {execution.id[:8]}", SPARE[0])
        assert answer.text == "You may not see this execution. Please ask #sre-leads."
    assert ruled.command("status", SPARE[0]).text == "Nothing runs, and nothing has run yet."
    assert ruled.command("approvals", SPARE[0]).text == "Nothing waits for an answer."
    assert ":raised_hand:" in ruled.command("approvals", ruled.max).text


def test_home_and_list_show_what_one_may_run(ruled: Rig) -> None:
    """By the rules of the file, not by the playbooks' own lists."""
    text = ruled.command("list", ruled.max).text

    assert "*restart*" in text
    assert "*nap*" not in text


def test_a_replayed_pause_does_not_pause_again(busy: Rig) -> None:
    """The same request, sent once more after everything was resumed, changes nothing."""
    fields = busy.command_fields("pause DNS", KIM)
    busy.command("pause DNS", KIM, trigger_id=fields["trigger_id"])
    busy.command("pause off", KIM)

    again = busy.command("pause DNS", KIM, trigger_id=fields["trigger_id"])

    assert "seen before" in again.text
    assert busy.service.operations.guarding.paused() is None


def test_guests_ask_about_themselves_only(busy: Rig) -> None:
    """Who may do what is for members to know; strangers are nobody."""
    busy.slack.people[SPARE[1]].update(is_restricted=True)

    assert busy.command(f"why <@{busy.sam}> fix", SPARE[1]).text == "Guests may ask about themselves only."
    assert "may not run fix" in busy.command("why fix", SPARE[1]).text
    assert "may do nothing here" in busy.command("why <@U0NOBODY9> fix", busy.lee).text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("why", "Say which one: `/playbook why [@user] PLAYBOOK [parameter=value …]`."),
        ("why fixx", "There is no playbook `fixx`. Did you mean `fix`?"),
        ("why fix Bogus=1", 'fix has no parameter "Bogus". It takes InstanceId, Note, Size.'),
        ("notify", "Say which one: `/playbook notify ID`."),
        ("takeover 0123456789abcdef", "This offer is no longer open. Please start the playbook again."),
        ("pause off", "Nothing is paused."),
    ],
)
def test_what_cannot_be_is_a_sentence(busy: Rig, text: str, says: str) -> None:
    """What is missing, or what was probably meant."""
    assert busy.command(text, KIM).text == says


def refused_form(busy: Rig, slack: StrictSlack) -> dict[str, Any]:
    """The page above a form that was refused, as Slack shows it: opened by Sam, whose instance Lee has."""
    busy.started("run fix i-0abc")
    busy.command("run fix", busy.sam)
    answer = busy.submit(busy.opened()[-1], {"p:InstanceId": "i-0abc"}, busy.sam).json
    assert answer["response_action"] == "push"
    page: dict[str, Any] = answer["view"]
    assert view_problems(page) == []
    return page


def press_in(busy: Rig, page: dict[str, Any], action: str) -> str:
    """Press a button of a page; what the page says then."""
    value = buttons(SimpleNamespace(json=page))[action]
    view = {**page, "id": "V1"}
    busy.click(action, value, busy.sam, view=view, response_url=None, channel=None)
    busy.settle()
    shown = busy.slack.called("views.update")[-1]
    assert (shown["view_id"], view_problems(shown["view"])) == ("V1", [])
    return str(shown["view"]["blocks"])


def test_a_form_that_is_refused_offers_both_too(busy: Rig, slack: StrictSlack) -> None:
    """Above the form, so that what was filled in is still there; *Notify me* answers on the page itself."""
    page = refused_form(busy, slack)

    assert page["close"]["text"] == "Back"
    assert "is already being handled by Fix it" in str(page)
    assert "You will be told in its thread" in press_in(busy, page, "guard_notify")
    assert busy.whispers() == []


def test_take_over_from_a_refused_form(busy: Rig, slack: StrictSlack) -> None:
    """The page says that theirs is over and that this one has started; *Close* leaves the form, too."""
    page = refused_form(busy, slack)
    told = press_in(busy, page, "guard_take_over")

    assert "is over, and yours has started" in told
    assert busy.slack.called("views.update")[-1]["view"]["clear_on_close"] is True
    assert busy.newest().started_by.name == "Sam Reyes"


def test_a_mention_that_is_refused_offers_both_too(busy: Rig) -> None:
    """In its thread, for nobody else's eyes."""
    busy.started("run fix i-0abc")
    channel = busy.slack.identity.channel
    busy.event("app_mention", user=busy.sam, text="<@U0BOT> run fix i-0abc", ts="7.7", channel=channel)
    busy.door.workbench.pump()

    assert "guard_take_over" in str(busy.slack.called("chat.postEphemeral")[-1]["blocks"])


def test_cards_of_what_is_open_say_that_everything_is_paused(busy: Rig) -> None:
    """Each open card is painted anew when the switch is turned, and again when it is turned back."""
    busy.started("run fix i-0abc")
    for text, is_said in (("pause DNS is down", True), ("pause off", False)):
        busy.command(text, KIM)
        busy.settle()
        busy.clock_on()
        busy.settle()
        assert ("Everything is paused by" in str(busy.card())) == is_said
