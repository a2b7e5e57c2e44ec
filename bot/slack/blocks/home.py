"""The App Home: what waits for me, what runs, what is red, what I may start. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.answers import approval_list, execution_list
from bot.slack.blocks.card import APPROVE, REJECT
from bot.slack.blocks.text import Block
from playbooks.desk import Desk
from playbooks.facts import ApprovalFacts, PlaybookFacts, SuggestionFacts

RUN: Final = "home_run"
SEARCH: Final = "home_search"
SEARCH_BLOCK: Final = "search"
MOST_QUESTIONS: Final = 10
MOST_OTHERS: Final = 5
MOST_TOLD: Final = 6
MOST_RUNS: Final = 5
MOST_ALARMS: Final = 8
MOST_PLAYBOOKS: Final = 25
LONGEST_SEARCH: Final = 100
STARTS: Final = {"auto": "Started by", "suggest": "Suggested by"}
STATES: Final = {
    "ALARM": (":rotating_light:", "red"),
    "OK": (":large_green_circle:", "OK"),
    "INSUFFICIENT_DATA": (":grey_question:", "without data"),
}


def home(desk: Desk, links: Mapping[str, str]) -> Block:
    """The whole view."""
    blocks = [
        *_questions(desk, links),
        t.divider("line-1"),
        t.header("running", "Running now"),
        *t.paragraphs(execution_list(desk.running[:MOST_RUNS], links) if desk.running else "Nothing runs.", "now"),
        *_more("now-more", len(desk.running) - MOST_RUNS, "run", "`/playbook status` lists them"),
        t.header("runs", "My latest runs"),
        *t.paragraphs(
            execution_list(desk.runs[:MOST_RUNS], links) if desk.runs else "You have not started anything lately.",
            "mine",
        ),
        t.divider("line-2"),
        t.header("alarms", "Recent alarms"),
        *t.paragraphs(_alarms(desk.alarms[:MOST_ALARMS]), "alarm"),
        t.divider("line-3"),
        *_playbooks(desk),
    ]
    return {"type": "home", "blocks": blocks[:100]}


def searched(body: Mapping[str, Any]) -> str:
    """What stands in the search field of a home."""
    values = ((body.get("view") or {}).get("state") or {}).get("values") or {}
    found = ((values.get(SEARCH_BLOCK) or {}).get(SEARCH) or {}).get("value")
    return str(found or "")[:LONGEST_SEARCH]


def _questions(desk: Desk, links: Mapping[str, str]) -> Iterator[Block]:
    yield t.header("asked", f"Waiting for my answer ({len(desk.mine)})" if desk.mine else "Waiting for my answer")
    if not desk.mine:
        yield t.section("nothing", "Nothing waits for you.")
    for each in desk.mine[:MOST_QUESTIONS]:
        told = [f"On {t.code(t.cut(one, 100))} ({t.line(name, 100)})" for one, name in [*each.called.items()][:3]]
        told += [f":mag: {t.line(one, 300)}" for one in each.situation[:MOST_TOLD]]
        told += t.consequences(each.consequences, [*each.called], MOST_TOLD)
        yield t.section(f"ask-{each.id}"[:255], "\n".join([approval_list([each], links), *told]))
        yield t.actions(f"answer-{each.id}"[:255], *_answers(each))
    yield from _more("asked-more", len(desk.mine) - MOST_QUESTIONS, "question", "`/playbook approvals` lists them")
    if desk.others:
        yield t.context("others-title", "Waiting for others")
        yield from t.paragraphs(approval_list(desk.others[:MOST_OTHERS], links), "others")
        yield from _more("others-more", len(desk.others) - MOST_OTHERS, "question", "`/playbook approvals` lists them")


def _answers(approval: ApprovalFacts) -> Iterator[Block]:
    question = t.cut(" ".join((approval.message or approval.title).split()), 290)
    ask = t.confirmation("Approve this?", question, "Approve")
    # As on the card: the value says, too, which situation was seen.
    value = f"{approval.id}.{approval.painted}" if approval.painted else approval.id
    yield t.button(APPROVE, "Approve", value, style="primary", confirm=ask)
    yield t.button(REJECT, "Reject", value, style="danger")


def _more(block_id: str, count: int, what: str, how: str) -> list[Block]:
    if count <= 0:
        return []
    return [t.context(block_id, f"… and {count} more {what}{'s' if count != 1 else ''}; {how}.")]


def _alarms(alarms: tuple[SuggestionFacts, ...]) -> str:
    return "\n".join(_alarm(each) for each in alarms) or "No alarm has come lately."


def _alarm(facts: SuggestionFacts) -> str:
    state = facts.alarm_now or facts.alarm.state
    emoji, word = STATES.get(state, (":grey_question:", state))
    then = ""
    if facts.started:
        then = f" · started {', '.join(t.code(each[:8]) for each in facts.started[:3])}"
    elif facts.why:
        then = f" · {t.line(facts.why, 120)}"
    return f"{emoji} *{t.line(facts.alarm.name, 120)}*: {t.line(word, 30)} · {t.clock(facts.alarm.changed_at)}{then}"


def _playbooks(desk: Desk) -> Iterator[Block]:
    yield t.header("mine-title", "Playbooks I may run")
    yield _search(desk.search)
    for each in desk.playbooks[:MOST_PLAYBOOKS]:
        yield _playbook(each)
    yield from _more("more", len(desk.playbooks) - MOST_PLAYBOOKS, "playbook", "search for them")
    if not desk.playbooks:
        nothing = "None fits. Other words may." if desk.search else "None yet. Ask the people who set me up."
        yield t.section("none", nothing)


def _search(text: str) -> Block:
    field: Block = {
        "type": "plain_text_input",
        "action_id": SEARCH,
        "max_length": LONGEST_SEARCH,
        "placeholder": t.plain("Name, title or alarm; then Enter", 150),
        "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
    }
    return {
        "type": "input",
        "block_id": SEARCH_BLOCK,
        "dispatch_action": True,
        "optional": True,
        "label": t.plain("Search", 2000),
        "element": {**field, "initial_value": text[:LONGEST_SEARCH]} if text else field,
    }


def _playbook(facts: PlaybookFacts) -> Block:
    starts = STARTS.get(facts.start, "") if facts.trigger else ""
    trigger = f"\n{starts} {t.line(facts.trigger, 100)}" if starts else ""
    text = f"*{t.line(facts.name, 80)}* – {t.line(facts.title, 200)}{trigger}"
    return t.section(f"pb-{facts.name}"[:255], text, t.button(f"{RUN}:{facts.name}"[:255], "Run", facts.name))
