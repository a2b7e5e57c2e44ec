"""The card of an alarm that a person may answer, and of many at once. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.guards import NOTIFY
from bot.slack.blocks.inputs import option
from bot.slack.blocks.text import Block
from playbooks.facts import RunFacts, SeenFacts, StormFacts, SuggestionFacts
from playbooks.locks import Holder

RUN: Final = "suggest_run"
PREVIEW: Final = "suggest_preview"
ACKNOWLEDGE: Final = "alarm_acknowledge"
MUTE: Final = "alarm_mute"
UNMUTE: Final = "alarm_unmute"
SHOW: Final = "storm_show"
MOST_PLAYBOOKS: Final = 5
MOST_TAGS: Final = 8
MOST_RUNS: Final = 4
MOST_CHANGES: Final = 4
MOST_OF_STORM: Final = 25
MOST_IN_MENU: Final = 40
EMOJI: Final = {"ALARM": ":rotating_light:", "OK": ":large_green_circle:"}
UNKNOWN: Final = ":grey_question:"
UNDER_WAY: Final = (":hourglass_flowing_sand:", "under way")


def suggestion(facts: SuggestionFacts) -> list[Block]:
    """What is red, on what, what helped before, and the playbooks that fit."""
    return t.fitted(_parts(facts))


def _parts(facts: SuggestionFacts) -> Iterator[Block]:
    alarm = facts.alarm
    state = facts.alarm_now or alarm.state
    yield t.header("title", f"{EMOJI.get(state, UNKNOWN)} {alarm.name}")
    yield t.section("alarm", "\n".join(_alarm(facts)))
    if facts.seen is not None or facts.resources:
        yield t.section("resource", "\n".join(_resource(facts)))
    yield from _told("started", "Started from this alarm", facts.runs[::-1])
    ours = {run.id for run in facts.runs}
    yield from _told("earlier", "Earlier runs on it", [run for run in facts.earlier if run.id not in ours])
    is_open = facts.recovered_at is None and not facts.is_running
    holder = facts.holder if is_open else None
    if facts.why and not (holder and holder.execution_id[:8] in facts.why):
        yield t.section("why", f":information_source: {t.line(facts.why, 1000)}")
    if holder is not None:
        yield from _busy(holder)
    if is_open:
        yield from _choices(facts)
    care = _care(facts)
    if care:
        yield t.context("care", "\n".join(care))
    controls = _controls(facts)
    if controls:
        yield t.actions("care-controls", *controls)


def _alarm(facts: SuggestionFacts) -> Iterator[str]:
    alarm = facts.alarm
    where = f"in {t.line(alarm.region, 60)}"
    if facts.recovered_at is not None:
        lasted = f" after {t.spent(facts.recovered_at - facts.first_red_at)}" if facts.first_red_at else ""
        yield f"*Recovered* at {t.clock(facts.recovered_at)}{lasted} {where}. This card is closed."
    elif facts.alarm_now:
        since = t.clock(alarm.changed_at)
        yield f"It is *{t.escape(facts.alarm_now)}* by now; it went to {t.escape(alarm.state)} at {since} {where}"
    else:
        yield f"*{t.escape(alarm.state)}* since {t.clock(facts.red_since or alarm.changed_at)} {where}"
    if facts.times_red > 1 and facts.first_red_at is not None:
        yield f":repeat: It flaps: red for the {_nth(facts.times_red)} time since {t.clock(facts.first_red_at)}."
    if alarm.description:
        yield t.line(alarm.description, 500)
    if alarm.reason:
        yield t.italic(t.reason(alarm.reason, 300))


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if 10 <= number % 100 <= 20 else endings.get(number % 10, 'th')}"


def _resource(facts: SuggestionFacts) -> Iterator[str]:
    seen = facts.seen
    if seen is None:
        yield f"*On* {', '.join(t.code(t.cut(each, 100)) for each in facts.resources[:3])}"
        return
    name = f" {t.line(seen.name, 100)}" if seen.name else ""
    detail = f" · {t.line(seen.detail, 150)}" if seen.detail else ""
    yield f"*On* {t.code(t.cut(seen.id, 100))}{name}{detail}"
    if seen.owner:
        yield f"Owner: *{t.line(seen.owner, 100)}*"
    yield from _seen(seen)


def _seen(seen: SeenFacts) -> Iterator[str]:
    said = (seen.name, seen.owner)
    tags = [f"{key}={value}" for key, value in seen.tags.items() if value not in said]
    if tags:
        more = f" and {len(tags) - MOST_TAGS} more" if len(tags) > MOST_TAGS else ""
        yield f"Tags: {', '.join(t.code(t.cut(tag, 80)) for tag in tags[:MOST_TAGS])}{more}"
    if seen.changes:
        yield "\n".join(["Recent changes:", *(f"• {t.line(each, 150)}" for each in seen.changes[:MOST_CHANGES])])
    for problem in seen.problems[:2]:
        yield f":information_source: {t.line(problem, 200)}"


def _told(block_id: str, title: str, runs: Sequence[RunFacts]) -> Iterator[Block]:
    if runs:
        yield t.section(block_id, "\n".join([f"*{title}*", *(_run(run) for run in runs[:MOST_RUNS])]))


def _busy(holder: Holder) -> Iterator[Block]:
    """Who has the resource. *Take over* belongs to a start that was held back, so that *Run* offers it."""
    title, who = t.line(holder.title, 100), t.who(holder.actor)
    run = f"{title} {t.code(holder.execution_id[:8])}, started by {who} {t.when(holder.since)}"
    yield t.section("busy", f":lock: {t.code(t.cut(holder.resource, 100))} is already being handled by {run}.")
    yield t.actions("busy-actions", t.button(NOTIFY, "Notify me", holder.execution_id))


def _run(run: RunFacts) -> str:
    """How it ended; of one that goes on no more than that, for its own card alone is painted at each step."""
    emoji, word = t.STATUS.get(run.status, (UNKNOWN, run.status)) if run.is_over else UNDER_WAY
    helped = f", alarm OK {t.spent(run.recovered_after)} after its start" if run.recovered_after is not None else ""
    who = f"{t.who(run.started_by)} {t.when(run.started_at)}"
    return f"{emoji} {t.line(run.title, 100)} {t.code(run.id[:8])}: {word}{helped} · {who}"


def _choices(facts: SuggestionFacts) -> Iterator[Block]:
    if not facts.playbooks:
        return
    yield t.section("ask", f"{_ask(facts)} A playbook that fits:")
    after = f"|{facts.runs[-1].id[:8]}" if facts.runs else ""
    for number, (name, title) in enumerate(facts.playbooks[:MOST_PLAYBOOKS]):
        yield t.section(f"fits-{number}", f"*{t.line(title, 150)}* {t.code(name)}{_record(facts, name)}")
        yield t.actions(
            f"choose-{number}",
            t.button(f"{RUN}:{name}"[:255], f"Run: {title}", f"{facts.id}|{name}{after}"),
            t.button(f"{PREVIEW}:{name}"[:255], "Preview", f"{facts.id}|{name}"),
        )


def _ask(facts: SuggestionFacts) -> str:
    if facts.holder is not None:
        return "*Run* offers to take over what is in use."
    if facts.runs:
        return "Nothing that was started from it runs any more."
    return "Nothing was started." if facts.alarm_now or facts.why else "Nothing runs yet."


def _record(facts: SuggestionFacts, name: str) -> str:
    """How often a playbook helped on this resource."""
    runs = [run for run in facts.earlier if run.playbook == name]
    helped = sum(run.recovered_after is not None for run in runs)
    return f"\nThe alarm was OK within an hour of {helped} of its {len(runs)} runs here." if runs else ""


def _care(facts: SuggestionFacts) -> list[str]:
    found = []
    if facts.acknowledged_by is not None:
        since = f" since {t.clock(facts.acknowledged_at)}" if facts.acknowledged_at else ""
        found.append(f":eyes: {t.who(facts.acknowledged_by)} looks after it{since}.")
    if facts.muted_by is not None and facts.muted_until is not None:
        found.append(
            f":mute: Muted by {t.who(facts.muted_by)} until {t.clock(facts.muted_until)}: it starts nothing until then."
        )
    return found


def _controls(facts: SuggestionFacts) -> list[Block]:
    if facts.recovered_at is not None and facts.muted_until is None:
        return []
    found = []
    if facts.acknowledged_by is None and facts.is_red and not facts.is_running:
        found.append(t.button(ACKNOWLEDGE, "Acknowledge", facts.id))
    if facts.muted_until is not None:
        found.append(t.button(UNMUTE, "Unmute", facts.id))
    elif facts.is_red:
        ask = t.confirmation("Mute it for 30 minutes?", "It starts nothing and asks nobody until then.", "Mute it")
        found.append(t.button(MUTE, "Mute 30 min", facts.id, confirm=ask))
    return found


def fallback(facts: SuggestionFacts) -> str:
    """One line for notifications."""
    return t.line(f"{facts.alarm_now or facts.alarm.state}: {facts.alarm.name}", t.FALLBACK)


def recovered(name: str, state: str) -> str:
    """What a thread is told when the alarm changes."""
    return f"{EMOJI.get(state, UNKNOWN)} {t.line(name, 255)} is {t.line(state, 30)} now."


def reminder(facts: SuggestionFacts) -> str:
    """What is said below the card of an alarm that stays red."""
    since = f" since {t.clock(facts.red_since)}" if facts.red_since else ""
    return (
        f":rotating_light: {t.line(facts.alarm.name, 255)} is still red{since}, and nobody looks after it. "
        "*Acknowledge* on the card says that you do."
    )


def red_again(facts: SuggestionFacts) -> str:
    """What is said below a card when its alarm turns red once more: an edit notifies nobody."""
    return f":repeat: {t.line(facts.alarm.name, 255)} is red again, for the {_nth(facts.times_red)} time."


def storm(facts: StormFacts) -> list[Block]:
    """Many alarms on one card: how many, which, and a menu that shows each one's own."""
    total, red = len(facts.alarms), facts.red
    state = f"*{red} of {total} alarms are red*" if red else f"*All {total} alarms are over*"
    blocks = [
        t.header("title", f"{EMOJI['ALARM' if red else 'OK']} Many alarms at once: {total}"),
        t.section("storm", f"{state}. They came since {t.clock(facts.began_at)}, too many for a card each."),
        *t.paragraphs("\n".join(_listed(facts.alarms)), "alarms", most=4000),
    ]
    if facts.alarms:
        menu = {
            "type": "static_select",
            "action_id": SHOW,
            "placeholder": t.plain("Show the card of …", 150),
            "options": [
                option(key, f"{'red' if state == 'ALARM' else state}: {name}") for key, name, state in _first(facts)
            ],
        }
        blocks.append(t.actions("show", menu))
    blocks.append(t.context("foot", "Nothing is lost: every alarm is in the audit trail."))
    return t.fitted(blocks)


def _first(facts: StormFacts) -> Sequence[tuple[str, str, str]]:
    """The alarms of the menu: red ones first; a message takes some 13,000 characters altogether."""
    return sorted(facts.alarms, key=lambda each: each[2] != "ALARM")[:MOST_IN_MENU]


def _listed(alarms: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    ranked = sorted(alarms, key=lambda each: each[2] != "ALARM")
    for _, name, state in ranked[:MOST_OF_STORM]:
        yield f"{EMOJI.get(state, UNKNOWN)} {t.line(name, 150)}: {t.line(state, 30)}"
    if len(ranked) > MOST_OF_STORM:
        yield f"… and {len(ranked) - MOST_OF_STORM} more"


def storm_fallback(facts: StormFacts) -> str:
    """One line for notifications."""
    return f"{len(facts.alarms)} alarms at once, {facts.red} of them red"


def storm_reminder(facts: StormFacts) -> str:
    """What is said below a storm that does not end."""
    return f":rotating_light: {facts.red} of these {len(facts.alarms)} alarms are still red."
