"""The card of an alarm that a person may answer. Pure."""

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from playbooks.facts import SuggestionFacts

RUN = "suggest_run"
MOST_PLAYBOOKS = 5
EMOJI = {"ALARM": ":rotating_light:", "OK": ":large_green_circle:"}
UNKNOWN = ":grey_question:"


def suggestion(facts: SuggestionFacts) -> list[Block]:
    """What is red, and the playbooks that fit."""
    alarm = facts.alarm
    state = facts.alarm_now or alarm.state
    blocks = [t.header("title", f"{EMOJI.get(state, UNKNOWN)} {alarm.name}")]
    text = f"*{t.escape(alarm.state)}* since {t.clock(alarm.changed_at)} in {t.line(alarm.region, 60)}"
    if facts.alarm_now:
        text = f"It is *{t.escape(state)}* by now; it went to {t.escape(alarm.state)} at {t.clock(alarm.changed_at)}"
    if alarm.description:
        text += f"\n{t.line(alarm.description, 500)}"
    if alarm.reason:
        text += f"\n_{t.line(alarm.reason, 300)}_"
    blocks.append(t.section("alarm", text))
    if facts.why:
        blocks.append(t.section("why", f":information_source: {t.line(facts.why, 1000)}"))
    if facts.started:
        started = ", ".join(t.code(each[:8]) for each in facts.started[:20])
        blocks.append(t.context("started", f"Started: {started}"))
    elif facts.playbooks:
        ask = "Nothing was started. " if facts.alarm_now else "Nothing runs yet. "
        blocks.append(t.section("ask", f"{ask}A playbook that fits:"))
        buttons = [t.button(f"{RUN}:{name}"[:255], title, f"{facts.id}|{name}") for name, title in _offered(facts)]
        blocks.append(t.actions("run", *buttons))
    return t.fitted(blocks)


def _offered(facts: SuggestionFacts) -> tuple[tuple[str, str], ...]:
    return facts.playbooks[:MOST_PLAYBOOKS]


def fallback(facts: SuggestionFacts) -> str:
    """One line for notifications."""
    return t.line(f"{facts.alarm_now or facts.alarm.state}: {facts.alarm.name}", t.FALLBACK)


def recovered(name: str, state: str) -> str:
    """What a thread is told when the alarm changes."""
    return f"{EMOJI.get(state, UNKNOWN)} {t.line(name, 255)} is {t.line(state, 30)} now."
