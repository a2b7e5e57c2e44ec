"""What threads tell beside the card: the outputs of steps, what a stop left behind, whole stories, the morning digest.

Each is rendered when it is sent, from the facts, in which secrets are masked already; a long text becomes a file.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bot.slack.blocks import breakglass, controls, digest
from bot.slack.blocks import story as story_blocks
from bot.slack.blocks import text as t
from bot.slack.blocks.text import escape_lines
from bot.slack.door import SlackDoor
from bot.slack.files import TextFile, named
from bot.slack.store import SlackMessage
from infra.canonical import Json, canonical
from playbooks.breakglass import week_named
from playbooks.done import TELLING
from playbooks.facts import StepFacts
from playbooks.timeline import as_json, as_markdown

SHORT: Final = 1500
"""Characters of an output that a thread shows; a longer one is a file."""
LINES: Final = 25
_DULL: Final = frozenset({"Status", "ResponseCode", "StatusCode", "CommandId", "ExecutionId", "OutputPayload"})
"""Outputs that say nothing to a reader, or everything once more."""

Painted = Mapping[str, Any]


def output(door: SlackDoor, message: SlackMessage) -> Painted | None:
    """The outputs of one step; None when it has none worth telling."""
    execution_id, _, name = message.subject.partition("|")
    facts = door.queries.execution(execution_id)
    step = next((each for each in facts.steps if each.name == name), None)
    text = _spelled(step) if step else ""
    if not text:
        return None
    head = story_blocks.output(name)
    if len(text) <= SHORT and text.count("\n") < LINES:
        return _said(f"{head}:\n{_block(text)}", message.key)
    shortened = "\n".join(text[:SHORT].split("\n")[:LINES])
    cut = f"{story_blocks.output_cut(name, facts.id)}:\n{_block(shortened)}"
    return {**_said(cut, message.key), "comment": f"{head}:", "file": TextFile(named(name, message.key), name, text)}


def stopped(door: SlackDoor, message: SlackMessage) -> Painted:
    """What a stop left behind."""
    return _said(controls.stopped(door.queries.execution(message.subject)), message.key)


def tale(door: SlackDoor, message: SlackMessage) -> Painted:
    """The story of an execution, with the button that exports it."""
    return story_blocks.story(door.queries.execution(message.subject), door.queries.timeline(message.subject))


def story(door: SlackDoor, message: SlackMessage) -> Painted:
    """The export of an execution's story: Markdown or JSON, by the ending in the subject."""
    execution_id, _, ending = message.subject.partition("|")
    facts, entries = door.queries.execution(execution_id), door.queries.timeline(execution_id)
    made = as_json(facts, entries) if ending == "json" else as_markdown(facts, entries)
    name = named(f"{facts.playbook or facts.document}-{facts.id[:8]}", message.key, ending)
    comment = story_blocks.exported(facts, ending)
    cut = f"{comment}\n{story_blocks.NO_FILES}\n{_block(made[:SHORT])}"
    return {**_said(cut, message.key), "comment": comment, "file": TextFile(name, name, made)}


def morning(door: SlackDoor, message: SlackMessage) -> Painted:
    """The digest of the day that ends at the moment in the subject."""
    facts = door.queries.digest(datetime.fromisoformat(message.subject))
    links = door.links([each.id for each in facts.executions])
    return {"text": digest.fallback(facts), "blocks": digest.digest(facts, links)}


def week(door: SlackDoor, message: SlackMessage) -> Painted:
    """The break-glass of the week that the subject names, in its zone."""
    name, _, zone = message.subject.partition("|")
    facts = door.queries.breakglass(week_named(name, ZoneInfo(zone)))
    links = door.links([each.execution_id for each in (*facts.lines, *facts.earlier)])
    return {"text": breakglass.fallback(facts), "blocks": breakglass.report(facts, links)}


def _said(text: str, key: str) -> dict[str, Any]:
    return {"text": t.fit(text, t.SECTION), "blocks": t.paragraphs(text, key[:60])}


def _block(text: str) -> str:
    """Foreign text as it stands, which cannot end the block it stands in."""
    return f"```{escape_lines(text).replace('```', 'ˋˋˋ')}```"


def _spelled(step: StepFacts) -> str:
    if step.action not in TELLING:
        return ""
    found = {name: text for name, value in step.outputs.items() if name not in _DULL and (text := _text(value))}
    if len(found) == 1:
        return next(iter(found.values()))
    return "\n".join(f"{name}: {text}" for name, text in found.items())


def _text(value: Json) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(str(each) for each in value).strip()
    return (canonical(value) if isinstance(value, (dict, list)) else str(value if value is not None else "")).strip()
