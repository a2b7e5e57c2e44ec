"""The story is told from the trail, and every way in which it is not true is a doubt."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.demo import story
from bot.demo.story import Cast, Story, StoryBroken

GROUPS = {"approvers": ("U2",)}
CAST = Cast(
    "U2", "U3", slack_id=lambda who: who.rpartition("/")[2].replace("person:sam", "U2"), members_of=GROUPS.__getitem__
)


def _row(seq: int, name: str, actor: str = "playbook-bot", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "at": f"2026-11-24T08:00:{seq:02d}+00:00", "name": name, "actor": {"id": actor}, "data": data}


TRAIL = [
    _row(1, "execution.started"),
    _row(2, "step.started", step="check"),
    _row(3, "aws.called", service="ec2", operation="DescribeInstances"),
    _row(4, "approval.asked", request_id="r1", approvers=[["approvers"]]),
    _row(5, "approval.refused", "slack:T1/U3", verdict="Approve"),
    _row(6, "approval.decided", "person:sam", verdict="Approve"),
    _row(7, "approval.concluded", status="Approved"),
    _row(8, "step.started", step="stop"),
    _row(9, "aws.called", service="ec2", operation="StopInstances"),
]


def _parts(**changed: Mapping[str, Any]) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {
        "execution": {
            "id": "e1",
            "document": "recover-instance",
            "status": "Success",
            "steps": [{"name": "stop", "action": "aws:changeInstanceState", "status": "Success"}],
        },
        "approval": {
            "request_id": "r1",
            "approvers": ["U2"],
            "decided_by": "U2",
            "verdict": "Approve",
            "refused": ["U3"],
        },
        "instance": {
            "id": "i-1",
            "region": "us-east-1",
            "state_before": "running",
            "state_after": "running",
            "launch_time_changed": True,
        },
        "messages": {"card_ts": "1.2", "card_updates": 5, "thread_replies": 3},
        "audit": {"events": 9, "chain": "valid", "head": "abc"},
        "seconds": {"alarm_to_card": 0.1, "click_to_running": 0.01, "total": 9.0},
    }
    return {name: {**part, **changed.get(name, {})} for name, part in parts.items()}


def _doubts(
    parts: dict[str, Any] | None = None, trail: list[dict[str, Any]] | None = None, *, card_says_the_end: bool = True
) -> tuple[str, ...]:
    return story.doubts(parts or _parts(), trail or TRAIL, CAST, card_says_the_end=card_says_the_end)


def test_the_true_story_leaves_no_doubt() -> None:
    """When everything happened as it should, there is nothing to say."""
    assert _doubts() == ()


@pytest.mark.parametrize(
    ("part", "fact", "doubt"),
    [
        ("execution", {"status": "Failed"}, "The execution ended Failed."),
        ("execution", {"steps": [{"name": "stop", "status": "TimedOut"}]}, "The step stop ended TimedOut."),
        ("approval", {"decided_by": "U3"}, "The approval was decided 'Approve' by 'U3'."),
        ("approval", {"verdict": "Reject"}, "The approval was decided 'Reject' by 'U2'."),
        ("approval", {"refused": []}, "Nobody without the right was refused."),
        ("instance", {"state_after": "stopped"}, "The instance was running before and stopped after."),
        ("instance", {"launch_time_changed": False}, "The instance was not started again"),
        ("audit", {"chain": "broken"}, "The audit chain is broken."),
    ],
)
def test_each_flaw_is_a_doubt(part: str, fact: dict[str, Any], doubt: str) -> None:
    """One wrong fact gives one sentence that names it."""
    (told,) = _doubts(_parts(**{part: fact}))

    assert told.startswith(doubt)


def test_a_silent_card_is_a_doubt() -> None:
    """The card must say how it ended."""
    assert _doubts(card_says_the_end=False) == ("The card does not say how it ended.",)


def test_a_change_before_the_answer_is_a_doubt() -> None:
    """Reading before the approval is right, changing is not."""
    early = [TRAIL[0], _row(2, "aws.called", service="ec2", operation="StopInstances"), *TRAIL[2:]]

    assert _doubts(trail=early) == ("Something was changed before anybody had agreed.",)


def test_people_are_told_as_slack_ids() -> None:
    """Groups are opened and persons are named as the workspace knows them."""
    assert story.approval(TRAIL, CAST) == _parts()["approval"]


def test_a_trail_without_a_question_tells_nobody() -> None:
    """No approval is told as none, not as somebody's."""
    told = story.approval(TRAIL[:3], CAST)

    assert told == {"request_id": "", "approvers": [], "decided_by": "", "verdict": "", "refused": []}


def test_running_is_the_first_step_after_the_answer() -> None:
    """Steps that ran before the approval do not count."""
    assert story.running_at(TRAIL) == 1795507208.0


@pytest.mark.parametrize(("rows", "why"), [(5, "No question was concluded"), (7, "Nothing ran after the approval")])
def test_a_trail_that_stops_early_breaks_the_story(rows: int, why: str) -> None:
    """What did not happen has no time."""
    with pytest.raises(StoryBroken, match=why):
        story.running_at(TRAIL[:rows])


def test_the_json_is_the_story_without_doubts() -> None:
    """The object has exactly the promised members."""
    told = Story(**_parts(), doubts=("one",))

    assert list(told.as_json()) == ["execution", "approval", "instance", "messages", "audit", "seconds"]
    assert not told.is_true
    assert "recover-instance e1: Success (stop Success)" in str(told)
