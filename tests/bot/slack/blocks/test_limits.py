"""Foreign text of any length and kind: within Slack's limits, pinging nobody, forging nothing."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from bot.slack.blocks import alarm, answers, card, form, home, preview
from bot.slack.blocks import text as t
from bot.slack.blocks.inputs import Pickers
from engine.consequence import Consequence
from engine.document import Parameter
from playbooks.desk import Desk
from playbooks.facts import DecisionFacts, StormFacts
from playbooks.typed import typed_values
from tests.bot.slack.blocks import facts as f
from tests.bot.slack.blocks.foreign import check_message, check_view
from tests.fakes.block_limits import view_problems
from tests.fakes.clock import NIGHT

foreign = some.text(max_size=40) | some.sampled_from([f.EVIL, "x" * 5000, "a b\n" * 2000, "&<>" * 2000, "", "`*_~"])
PINGS = ("<!channel", "<!here", "<!everyone", "<@U1>", "<@U2>")


def harmless(blocks: Any) -> None:
    """No mention of anybody in any marked-up text; and Slack makes none of its own."""
    for text in texts(blocks):
        if text["type"] != "mrkdwn":
            continue
        assert text["verbatim"] is True
        for ping in PINGS:
            assert ping not in text["text"]


def texts(value: Any) -> list[dict[str, Any]]:
    """All text objects."""
    if isinstance(value, dict):
        mine = [value] if value.get("type") in ("mrkdwn", "plain_text") else []
        return [*mine, *(each for inner in value.values() for each in texts(inner))]
    return [each for inner in value for each in texts(inner)] if isinstance(value, list) else []


@given(foreign, some.integers(0, 120), some.integers(0, 30), some.sampled_from(["Waiting", "InProgress", "Failed"]))
def test_a_card_of_anything_fits(text: str, steps: int, people: int, status: str) -> None:
    """However long the run and whatever its texts, Slack takes the card and its buttons stand."""
    question = f.approval(message=text, title=text, approvers=tuple([text] * people))
    decisions = tuple(
        DecisionFacts(replace(f.KIM, id=f"person:{number}", name=text), "Approve", NIGHT, text)
        for number in range(people)
    )
    facts = f.execution(
        title=text or "x", status=status, region=text, targets=tuple([text] * people), failure_message=text,
        steps=tuple(f.step(f"s{number}", "InProgress", description=text, say=text) for number in range(steps)),
        outputs={f"{text}{number}": [text] for number in range(people)},
        approval=replace(question, decisions=decisions, minimum=3),
        approvals=(replace(question, status="Approved", decisions=decisions, called={text: text}), question),
        alarm=f.alarm(name=text, reason=text), alarm_now=text, started_by=replace(f.KIM, name=text),
        cancelled_by=replace(f.ALARM_ACTOR, name=text), recovered=True,
    )  # fmt: skip
    blocks = card.card(facts)

    check_message(blocks)
    harmless(blocks)
    assert blocks[0]["type"] == "header"
    if status != "Failed":
        assert blocks[-1]["type"] == "actions"
    for ping in PINGS:
        assert ping not in card.fallback(facts) + card.call(question)


@given(foreign, some.integers(0, 20))
def test_a_suggestion_of_anything_fits(text: str, count: int) -> None:
    """Whatever an alarm is called and says."""
    names = tuple((f"playbook-{number}", text or "x") for number in range(count))
    facts = f.suggestion(
        alarm=f.alarm(name=text or "x", reason=text, description=text, region=text), playbooks=names, why=text,
        seen=f.seen(id=text, name=text, owner=text, tags=dict.fromkeys((text, "x"), text), changes=(text,) * count),
        earlier=tuple(replace(run, title=text, id=text) for run in f.earlier()) * count,
        acknowledged_by=replace(f.KIM, name=text), muted_by=replace(f.KIM, name=text), muted_until=NIGHT,
    )  # fmt: skip
    many = alarm.storm(StormFacts(NIGHT, tuple((f"k{number}", text, text) for number in range(count * 40))))
    check_message(many)
    harmless(many)
    blocks = alarm.suggestion(facts)

    check_message(blocks)
    harmless(blocks)
    assert all(ping not in alarm.fallback(facts) + alarm.recovered(text, text) for ping in PINGS)


@given(foreign, some.integers(0, 60))
def test_answers_of_anything_fit(text: str, count: int) -> None:
    """Lists, stories and the home, however much there is."""
    executions = [f.execution(title=text or "x", targets=(text,) * 5)] * count
    approvals = [f.approval(title=text or "x", message=text, approvers=(text,) * 9)] * count
    playbooks = [f.playbook(name=f"p{number}", title=text, trigger=text) for number in range(count)]
    story = answers.timeline([f.line(number, text) for number in range(count * 5)])
    red = (f.suggestion(alarm=f.alarm(name=text, reason=text), why=text),) * count
    some_ = (tuple(replace(each, id=f"r{number}") for number, each in enumerate(approvals)), tuple(approvals))
    view = home.home(Desk(*some_, tuple(executions), tuple(executions), red, tuple(playbooks), text), {})
    said = [
        t.paragraphs(answers.execution_list(executions, {})),
        t.paragraphs(answers.approval_list(approvals, {})),
        t.paragraphs(answers.playbook_list(playbooks, "/playbook")),
        *([story] if story else []),
    ]

    check_view(view)
    harmless(view)
    for blocks in said:
        check_message(blocks)
        harmless(blocks)


@example(" ", "")
@given(foreign, foreign)
def test_a_form_of_anything_fits(text: str, given_: str) -> None:
    """Whatever was given and is wrong about it."""
    facts = f.playbook(name=(text or "x")[:40], title=text, description=text, approvers=(text,) * 20)
    given_values = dict.fromkeys(("InstanceId", "Note", "Names", "Tags", "Size"), given_)
    errors = {f"{text}{number}"[:100]: text for number in range(5)}
    view = form.run_form(facts, given_values, errors, carried={"channel": "C1", "region": "eu-west-1"})

    check_view(view)
    harmless(view)
    check_view(form.reject_form("r1", text or "x"))


@pytest.mark.parametrize("pickers", [{}, f.PICKERS])
def test_a_form_that_is_left_as_it_is_gives_back_its_values(pickers: Pickers) -> None:
    """Defaults and given values survive the way through the form, commas and all, whatever they are chosen with."""
    facts = f.playbook()
    offer = form.Offer(pickers, regions=("eu-west-1", "us-east-1"))
    given_ = {"InstanceId": "i-1", "Really": "true"}
    view = form.run_form(facts, given_, {}, carried={"region": "us-east-1"}, offer=offer)
    state = {
        block["block_id"]: {"value": _as_submitted(block["element"])}
        for block in view["blocks"]
        if block["type"] == "input"
    }
    found = form.submitted({**view, "state": {"values": state}})

    assert typed_values(facts.parameters, found) == {
        "InstanceId": "i-1", "Size": "small", "Force": "false", "Names": ["a", "b"], "Odd": ["a,b", "c"],
        "Tags": {"team": "shop"}, "Count": "3", "Really": "true", "Day": "2026-03-02", "Zones": ["a", "c"],
        "Others": ["i-0b7d1c44e9f2a6d36"], "Bucket": "logs-of-web",
    }  # fmt: skip


def test_a_box_that_is_not_ticked_says_no() -> None:
    """Also where Slack leaves it out of the state: its default must not win over what was seen."""
    view = form.run_form(f.playbook(), {"Force": "true"}, {}, carried={})
    unticked = {"p:Force": {"value": {"type": "checkboxes", "selected_options": []}}}

    assert form.submitted({**view, "state": {"values": unticked}}) == {"Force": "false"}
    assert form.submitted({**view, "state": {"values": {}}}) == {"Force": "false"}


def test_each_type_has_its_input() -> None:
    """Menus, boxes, numbers, days, pickers: by the parameter's type and what it allows."""
    view = form.run_form(f.playbook(), {}, {}, carried={}, offer=form.Offer(f.PICKERS))
    kinds = {block["label"]["text"]: block["element"]["type"] for block in view["blocks"] if block["type"] == "input"}

    assert kinds == {
        "InstanceId": "external_select", "Size": "static_select", "Force": "checkboxes", "Note": "plain_text_input",
        "Names": "plain_text_input", "Odd": "plain_text_input", "Tags": "plain_text_input", "Count": "number_input",
        "Really": "static_select", "Day": "datepicker", "Zones": "multi_static_select",
        "Others": "multi_external_select", "Bucket": "external_select", "How": "checkboxes",
    }  # fmt: skip


@given(foreign, foreign)
def test_a_form_with_choices_of_anything_fits(text: str, given_: str) -> None:
    """Whatever resources and Regions are called, and whatever was given before."""
    facts = f.playbook()
    pickers = {kind: {given_: text} for kind in f.PICKERS}
    offer = form.Offer(pickers, (text,) * 12, ("eu-west-1", "us-east-1"), has_preview=True)
    values = {each.name: given_ for each in facts.parameters}
    view = form.run_form(facts, values, {}, carried={"region": "eu-west-1"}, offer=offer)

    check_view(view)
    harmless(view)


@given(foreign, some.integers(1, 200))
def test_a_preview_of_anything_fits(text: str, count: int) -> None:
    """However long the runbook and whatever it takes away."""
    usual = f.previewed()
    step = replace(usual.preview.steps[1], why=text, name=text or "x")
    lost = tuple(Consequence("lost", f"{text}{number}", text) for number in range(count))
    step = replace(step, calls=tuple(replace(call, consequences=lost) for call in step.calls))
    found = replace(usual.preview, steps=(step,) * count, role=text, not_reached=(text,) * count)
    view = preview.view(text or "x", replace(usual, preview=found))

    check_view(view)
    harmless(view)


def _as_submitted(element: dict[str, Any]) -> dict[str, Any]:
    match element["type"]:
        case "static_select" | "external_select":
            return {"type": element["type"], "selected_option": element.get("initial_option")}
        case "multi_static_select" | "multi_external_select" | "checkboxes":
            return {"type": element["type"], "selected_options": element.get("initial_options", [])}
        case "datepicker":
            return {"type": "datepicker", "selected_date": element.get("initial_date")}
    return {"type": element["type"], "value": element.get("initial_value")}


def test_foreign_text_cannot_pass_for_a_line_of_ours() -> None:
    """Line breaks in a name or a reason do not make a second line that says who approved."""
    blocks = card.card(f.execution(alarm=f.alarm(reason=f.EVIL), failure_message=f.EVIL))
    lines = [line for text in texts(blocks) for line in text["text"].splitlines()]

    assert not any(line.startswith(":white_check_mark: Approved") for line in lines)
    assert "\u202e" not in json.dumps(blocks, ensure_ascii=False)


def test_only_whole_mentions_are_mentions() -> None:
    """A list's entry that merely begins like one is foreign text."""
    assert t.person("<@U02SAM>") == "<@U02SAM>"
    assert t.person("<!subteam^S01>") == "<!subteam^S01>"
    for entry in ("<@U1> <!channel>", "<!channel>", "<@U1|x>", "<!subteam^S01|@here>", "lee"):
        assert "<" not in t.person(entry)


@given(some.text("ab \n<>&;|é", max_size=300), some.integers(20, 80))
def test_a_cut_leaves_no_half_mention(text: str, most: int) -> None:
    """What is shortened stays within its limit and ends in no half of a mention or an entity."""
    marked = t.escape(text) + "<@U02SAM>" * 3 + "&amp;" * 5
    found = t.fit(marked, most)

    assert len(found) <= most
    assert found.count("<") == found.count(">")
    assert "&" not in found.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")


def test_spans_and_moments_are_for_reading() -> None:
    """The largest sensible units, and the reader's own time zone."""
    spans = [timedelta(seconds=7), timedelta(seconds=318), timedelta(hours=2, minutes=5), timedelta(seconds=-3)]

    assert [t.spent(span) for span in spans] == ["7 s", "5 min 18 s", "2 h 05 min", "0 s"]
    assert t.clock(NIGHT) == f"<!date^{int(NIGHT.timestamp())}^{{time}}|03:02 UTC>"
    assert t.when(NIGHT).endswith("|2026-03-01 03:02 UTC>")


@pytest.mark.parametrize("kind", ["String", "StringList"])
def test_more_choices_than_a_menu_takes_are_divided_into_groups(kind: str) -> None:
    """Slack takes a hundred at once, and a hundred groups of them; what is given stays chosen.

    Only our own limits are asked: slackblocks wants a whole group where Slack wants the chosen option.
    """
    names = [f"host-{number:03}" for number in range(250)]
    parameter = Parameter("Host", kind, allowed_values=tuple(names))
    view = form.run_form(f.playbook(parameters=(parameter,)), {"Host": "host-170"}, {}, carried={})
    element = next(each for each in view["blocks"] if each["block_id"] == "p:Host")["element"]

    assert view_problems(view) == []
    assert [len(group["options"]) for group in element["option_groups"]] == [100, 100, 50]
    chosen = element["initial_option"] if kind == "String" else element["initial_options"][0]
    assert chosen["value"] == "host-170"
