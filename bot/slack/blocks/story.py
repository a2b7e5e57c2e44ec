"""The story of an execution, for its thread; what goes with its exports, and with outputs that are files. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.slack.blocks import text as t
from bot.slack.blocks.answers import timeline
from playbooks.done import READS
from playbooks.facts import ExecutionFacts, TimelineEntry
from playbooks.timeline import outcome

EXPORT: Final = "timeline_export"
FILES: Final = {"json": "JSON, with the hashes of the audit", "md": "Markdown, for the review"}
STEERING: Final = frozenset({"StartStep", "Resume", "StopStep"})
NO_FILES: Final = "I may not upload files here (scope `files:write`), so this is its beginning:"


def story(facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> Mapping[str, Any]:
    """What was decided, changed and found, with the button that exports it: every step and call is in the export."""
    kept = [each for each in entries if _matters(each)]
    head = f"*{t.line(facts.title, 200)}* {outcome(facts)}. What happened, in order:"
    button = t.actions("export", t.button(EXPORT, "Export Markdown and JSON", facts.id))
    blocks = [t.section("head", head), *timeline(kept)]
    if len(kept) < len(entries):
        quiet = f"{len(entries) - len(kept)} quieter events are left out; the export has all."
        blocks.append(t.context("quiet", quiet))
    blocks.append(button)
    return {"text": t.line(f"{facts.title} {outcome(facts)}: what happened, in order", t.FALLBACK), "blocks": blocks}


def _matters(entry: TimelineEntry) -> bool:
    """Whether somebody who takes over wants to read it: not what only looked, nor that a step began by itself.

    Answers to a question are told by the question's own events.
    """
    if entry.name == "aws.called":
        return not str(entry.data.get("operation", "")).lower().startswith(READS) or bool(entry.data.get("error"))
    if entry.name == "signal.received":
        return entry.data.get("signal") in STEERING
    return entry.name != "step.started"


def exported(facts: ExecutionFacts, ending: str) -> str:
    """What is said with the file of an export."""
    return f"{t.line(facts.title, 200)}: {outcome(facts)}. The whole story as {FILES[ending]}."


def output(step: str) -> str:
    """What is said with a step's output."""
    return f"Output of {t.code(t.cut(step, 100))}"


def output_cut(step: str, execution_id: str) -> str:
    """The same where only its beginning can be said."""
    return f"{output(step)}, cut; `playbook-bot status {execution_id[:8]} --json` has it all"
