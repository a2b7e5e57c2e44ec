"""The card of an alarm that a person may answer. Pure."""

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from playbooks.facts import SuggestionFacts

RUN = "suggest_run"


def suggestion(facts: SuggestionFacts) -> list[Block]:
    """What is red, and the playbooks that fit."""
    alarm = facts.alarm
    emoji = {"ALARM": ":rotating_light:", "OK": ":large_green_circle:"}.get(alarm.state, ":grey_question:")
    blocks = [t.header("title", f"{emoji} {alarm.name}")]
    text = f"*{alarm.state}* since {t.clock(alarm.changed_at)} in {t.escape(alarm.region)}"
    if alarm.description:
        text += f"\n{t.escape(t.cut(alarm.description, 500))}"
    if alarm.reason:
        text += f"\n_{t.escape(t.cut(alarm.reason, 300))}_"
    blocks.append(t.section("alarm", text))
    if facts.why:
        blocks.append(t.section("why", f":information_source: {t.escape(facts.why)}"))
    if facts.started:
        started = ", ".join(t.code(each[:8]) for each in facts.started)
        blocks.append(t.context("started", f"Started: {started}"))
    elif facts.playbooks:
        blocks.append(t.section("ask", "Nothing runs yet. A playbook that fits:"))
        buttons = [t.button(f"{RUN}:{name}"[:255], title, f"{facts.id}|{name}") for name, title in facts.playbooks[:5]]
        blocks.append(t.actions("run", *buttons))
    return blocks


def fallback(facts: SuggestionFacts) -> str:
    """One line for notifications."""
    return t.cut(f"{facts.alarm.state}: {t.escape(facts.alarm.name)}", t.FALLBACK)


def recovered(name: str, state: str) -> str:
    """What a thread is told when the alarm changes."""
    emoji = ":large_green_circle:" if state == "OK" else ":grey_question:"
    return f"{emoji} {t.escape(name)} is {state} now."
