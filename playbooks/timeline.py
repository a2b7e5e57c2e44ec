"""The story of an execution for a post-incident review: Markdown for people, JSON with the audit's hashes. Pure."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta

from audit.events import Actor
from infra.canonical import Json
from playbooks.facts import ExecutionFacts, TimelineEntry

WORDS = {
    "Success": "succeeded",
    "Failed": "failed",
    "TimedOut": "timed out",
    "Cancelled": "was stopped",
    "Cancelling": "is being stopped",
    "Waiting": "waits for people",
}


def outcome(facts: ExecutionFacts) -> str:
    """How it ended, and after how long, in words."""
    word = WORDS.get(facts.status, "is running")
    return f"{word} after {_spent(facts.ended_at - facts.started_at)}" if facts.ended_at else word


def as_markdown(facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> str:
    """A page to paste into a review: summary, people, timeline, where the trail can be verified."""
    return "\n".join(_page(facts, entries)) + "\n"


def _page(facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> Iterator[str]:
    yield f"# {_plain(facts.title)}: {outcome(facts)}"
    yield ""
    yield f"- Execution: `{facts.id}`, runbook {_plain(facts.document)}"
    yield f"- On: {', '.join(facts.targets) or 'no single resource'} in {facts.region}"
    yield f"- Started by: {_who(facts.started_by)} at {facts.started_at:%F %T} UTC"
    if facts.alarm is not None:
        yield f"- Alarm: {_plain(facts.alarm.name)}, {facts.alarm.state} at {facts.alarm.changed_at:%F %T} UTC"
    if facts.ended_at is not None:
        yield f"- Ended: {facts.ended_at:%F %T} UTC"
    for approval in facts.approvals:
        told = ", ".join(f"{decision.verdict} by {_who(decision.actor)}" for decision in approval.decisions)
        yield f"- Question of step {_plain(approval.step_name)}: {approval.status}{f' ({told})' if told else ''}"
    if facts.retry_of:
        yield f"- Goes on with: `{facts.retry_of}` from step {_plain(facts.retry_step)}"
    if facts.retried_as:
        yield f"- Gone on with in: `{facts.retried_as}`"
    if facts.failure_message:
        yield f"- Why: {_plain(facts.failure_message)}"
    yield ""
    yield "## Timeline (UTC)"
    yield ""
    yield "| # | When | Who | What |"
    yield "| --- | --- | --- | --- |"
    for entry in entries:
        yield f"| {entry.seq} | {entry.at:%F %T} | {_who(entry.actor)} | {_plain(entry.text)} |"
    if entries:
        yield ""
        yield f"Up to event {entries[-1].seq} of the audit, hash `{entries[-1].hash}`."
        yield "`playbook-bot audit verify` checks the whole chain."


def as_json(facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> str:
    """Everything the Markdown says and the data of each event, each with its hash and place in the chain."""
    return json.dumps(as_plain(facts, entries), indent=2, ensure_ascii=False) + "\n"


def as_plain(facts: ExecutionFacts, entries: Sequence[TimelineEntry]) -> dict[str, Json]:
    """The same as one JSON object: a head, and the events."""
    return {
        "execution": facts.id,
        "playbook": facts.playbook,
        "title": facts.title,
        "document": facts.document,
        "status": facts.status,
        "region": facts.region,
        "account": facts.account,
        "targets": list(facts.targets),
        "started_by": dict(_actor(facts.started_by)),
        "started_at": facts.started_at.isoformat(),
        "ended_at": facts.ended_at.isoformat() if facts.ended_at else None,
        "failure": facts.failure_message,
        "retry_of": facts.retry_of or None,
        "retried_as": facts.retried_as or None,
        "events": [_event(entry) for entry in entries],
    }


def _event(entry: TimelineEntry) -> dict[str, Json]:
    return {
        "seq": entry.seq,
        "at": entry.at.isoformat(),
        "name": entry.name,
        "actor": dict(_actor(entry.actor)),
        "text": entry.text,
        "data": dict(entry.data),
        "hash": entry.hash,
    }


def _actor(actor: Actor) -> dict[str, str]:
    return {"kind": actor.kind, "id": actor.id, "name": actor.name}


def _who(actor: Actor) -> str:
    return _plain(actor.name or actor.id)


def _plain(text: str) -> str:
    """Foreign text that can be no table, link, HTML or heading of its own."""
    one = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|").replace("`", "\\`")
    return one.replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*").replace("_", "\\_")


def _spent(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"
