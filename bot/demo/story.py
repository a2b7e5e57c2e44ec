"""The demo's story as data: what the trail, the card and the instance tell, and what would make it untrue. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

APPROVE = "Approve"
READING = ("Describe", "Get", "List")
Row = Mapping[str, Any]
"""One event of the exported audit trail."""


class StoryBroken(Exception):
    """The story cannot be told; the message says where it stands."""


@dataclass(frozen=True, slots=True)
class Story:
    """What was seen to happen. Every figure is read from the world after the fact, none is assumed."""

    execution: Mapping[str, Any]
    approval: Mapping[str, Any]
    instance: Mapping[str, Any]
    messages: Mapping[str, Any]
    audit: Mapping[str, Any]
    seconds: Mapping[str, float]
    doubts: tuple[str, ...]
    """Why it is not the story it should be; empty = it truly happened."""

    @property
    def is_true(self) -> bool:
        """Whether everything happened as it should."""
        return not self.doubts

    def as_json(self) -> dict[str, Any]:
        """The story without the doubts, which are for people."""
        return {name: value for name, value in asdict(self).items() if name != "doubts"}

    def __str__(self) -> str:
        """A few lines for a terminal."""
        steps = ", ".join(f"{step['name']} {step['status']}" for step in self.execution["steps"])
        return (
            f"{self.execution['document']} {self.execution['id']}: {self.execution['status']} ({steps})\n"
            f"approved by {self.approval['decided_by']}, refused to {', '.join(self.approval['refused']) or 'nobody'}\n"
            f"{self.instance['id']} in {self.instance['region']}: {self.instance['state_before']} -> "
            f"{self.instance['state_after']}, launched anew: {self.instance['launch_time_changed']}\n"
            f"card {self.messages['card_ts']}: {self.messages['card_updates']} edits, "
            f"{self.messages['thread_replies']} replies\n"
            f"audit chain {self.audit['chain']}: {self.audit['events']} events, head {self.audit['head']}\n"
            f"alarm to card {self.seconds['alarm_to_card']:.2f} s, click to running "
            f"{self.seconds['click_to_running']:.2f} s, in all {self.seconds['total']:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: Slack ids, and how names in lists and in the trail become Slack ids."""

    approver: str
    outsider: str
    slack_id: Callable[[str], str]
    members_of: Callable[[str], Sequence[str]]


def approval(trail: Iterable[Row], cast: Cast) -> dict[str, Any]:
    """What the trail tells of the question: who was asked, who answered, who was refused; people as Slack ids."""
    rows = list(trail)
    asked: Mapping[str, Any] = next((row["data"] for row in rows if row["name"] == "approval.asked"), {})
    decided = [row for row in rows if row["name"] == "approval.decided"]
    refused = [row for row in rows if row["name"] == "approval.refused"]
    entries = [entry for names in asked.get("approvers", []) for entry in names]
    return {
        "request_id": asked.get("request_id", ""),
        "approvers": sorted({member for entry in entries for member in cast.members_of(entry)}),
        "decided_by": cast.slack_id(decided[-1]["actor"]["id"]) if decided else "",
        "verdict": decided[-1]["data"]["verdict"] if decided else "",
        "refused": [cast.slack_id(row["actor"]["id"]) for row in refused],
    }


def running_at(trail: Iterable[Row]) -> float:
    """When the first step after the approval began: seconds since the epoch."""
    rows = list(trail)
    concluded = next((row["seq"] for row in rows if row["name"] == "approval.concluded"), None)
    if concluded is None:
        raise StoryBroken("No question was concluded.")
    after = next((row for row in rows if row["seq"] > concluded and row["name"] == "step.started"), None)
    if after is None:
        raise StoryBroken("Nothing ran after the approval.")
    return datetime.fromisoformat(after["at"]).timestamp()


def _before_the_answer(trail: Iterable[Row]) -> Iterable[Row]:
    for row in trail:
        if row["name"] == "approval.concluded":
            return
        yield row


def _is_change(row: Row) -> bool:
    called = str(row["data"].get("operation", "")) if row["name"] == "aws.called" else ""
    return bool(called) and not called.startswith(READING)


def doubts(
    story: Mapping[str, Mapping[str, Any]], trail: Iterable[Row], cast: Cast, *, card_says_the_end: bool
) -> tuple[str, ...]:
    """Every way in which it was not the story, as sentences. `story` has Story's parts by name."""
    found = [*_of_the_run(story["execution"], trail), *_of_the_people(story["approval"], cast)]
    instance, audit = story["instance"], story["audit"]
    if (instance["state_before"], instance["state_after"]) != ("running", "running"):
        found.append(f"The instance was {instance['state_before']} before and {instance['state_after']} after.")
    if not instance["launch_time_changed"]:
        found.append("The instance was not started again: its launch time is the old one.")
    if not card_says_the_end:
        found.append("The card does not say how it ended.")
    if audit.get("chain") != "valid":
        found.append(f"The audit chain is {audit.get('chain')}.")
    return tuple(found)


def _of_the_run(execution: Mapping[str, Any], trail: Iterable[Row]) -> Iterable[str]:
    if execution["status"] != "Success":
        yield f"The execution ended {execution['status']}."
    for step in execution["steps"]:
        if step["status"] != "Success":
            yield f"The step {step['name']} ended {step['status']}."
    if any(_is_change(row) for row in _before_the_answer(trail)):
        yield "Something was changed before anybody had agreed."


def _of_the_people(approval: Mapping[str, Any], cast: Cast) -> Iterable[str]:
    if approval["decided_by"] != cast.approver or approval["verdict"] != APPROVE:
        yield f"The approval was decided {approval['verdict']!r} by {approval['decided_by']!r}."
    if cast.outsider not in approval["refused"]:
        yield "Nobody without the right was refused."
