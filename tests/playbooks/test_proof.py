"""What an exported story is compared with, and what is said where the trail cannot tell."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from playbooks.facts import ExecutionFacts, TimelineEntry
from playbooks.proof import Proof, prove, read
from playbooks.timeline import as_plain
from tests.bot.slack.blocks import facts as f

BEGUN = f.execution(status="InProgress", approval=None, approvals=())
OVER = f.answered("Failed", failure_message="no capacity")
STORY = (
    replace(f.line(1), name="execution.started"),
    f.line(2),
    replace(f.line(3), name="execution.ended"),
    replace(f.line(4), name="lock.released"),
)


def proved(then: ExecutionFacts, told: Sequence[TimelineEntry], now: ExecutionFacts = OVER, **changed: Any) -> Proof:
    """What is found in a story of that moment, with something changed above its events."""
    return prove(read(json.dumps({**as_plain(then, told), **changed})), now, STORY)


def test_a_story_from_before_the_end_is_true_and_says_what_it_cannot_prove() -> None:
    """The status of that moment is nowhere in the trail; that it was not over is."""
    found = proved(BEGUN, STORY[:2])

    assert found.is_whole
    assert [each.split(":")[0] for each in found.notes] == [
        "the trail has 2 later events, which are not in it",
        "it ends before the run does",
    ]
    assert proved(BEGUN, STORY[:2], status="Success").facts == (
        'it says that it ended ("Success"), and none of its events does',
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"status": "Success"}, 'status is "Success", and would be "Failed"'),
        ({"failure": ""}, 'failure is "", and would be "no capacity"'),
        ({"ended_at": None}, "ended_at is null, and would be "),
        ({"retried_as": "c0ffee"}, 'retried_as is "c0ffee", and would be null'),
        ({"status": ["Failed"]}, 'status is ["Failed"], and would be "Failed"'),
    ],
)
@pytest.mark.parametrize("events", [3, 4])
def test_how_it_ended_is_compared_once_the_story_has_the_end(changed: dict[str, Any], said: str, events: int) -> None:
    """Whatever has happened since: an end is final."""
    assert proved(OVER, STORY[:events]).is_whole
    (found,) = proved(OVER, STORY[:events], **changed).facts
    assert found.startswith(said)


def test_a_retry_after_the_export_makes_no_story_false() -> None:
    """It is a note, as the trail does not say which came first."""
    found = proved(OVER, STORY, replace(OVER, retried_as="c0ffee"))

    assert found.is_whole
    assert "gone on with in c0ffee" in found.notes[0]


def test_words_and_facts_are_told_apart() -> None:
    """An event whose data was changed is no matter of words."""
    worded = replace(STORY[1], text="stop: failed")
    both = replace(worded, data={"step": "x"})

    assert not proved(OVER, (STORY[0], worded, *STORY[2:])).facts
    assert proved(OVER, (STORY[0], worded, *STORY[2:])).words
    assert proved(OVER, (STORY[0], both, *STORY[2:])).facts == ("event 2 is not as the trail has it: data",)


def test_a_story_in_another_order_is_another_story() -> None:
    """Each event is as it was, and what led to what is not."""
    first, second, *others = STORY

    assert proved(OVER, (second, first, *others)).facts == ("the events are not in the order of the trail",)
