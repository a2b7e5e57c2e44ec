"""Every event can be told."""

import pytest

from audit.events import EVENTS, Event
from infra.canonical import Json
from playbooks.story import sentence


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_has_a_sentence(name: str) -> None:
    """No timeline shows a bare event name, even where an old event lacks what newer ones have."""
    told = sentence(Event(name, "e1"))

    assert told
    assert told != name


def test_long_reasons_are_cut() -> None:
    """A reason of 10,000 letters does not drown the line."""
    told = sentence(Event("approval.refused", "e1", data={"verdict": "Approve", "reason": "x" * 10_000}))

    assert len(told) < 400
    assert told.endswith("…")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"signal": "StartStep", "step": "boot"}, "started step boot"),
        ({"signal": "Resume", "step": "halt"}, "resumed step halt"),
        ({"signal": "Resume", "step": ""}, "let the remaining steps run without asking"),
        ({"signal": "StopStep", "step": "boot"}, "stopped step boot"),
        ({"signal": "Approve", "step": "ask"}, "signal Approve"),
        ({"signal": "Resume"}, "signal Resume"),
    ],
)
def test_a_signal_is_told_by_what_it_does(data: dict[str, Json], told: str) -> None:
    """Where the event says which step; of an old one only its name is known."""
    assert sentence(Event("signal.received", "e1", data=data)) == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"verdict": "Approve", "has_right": False}, "may not approve: why"),
        ({"verdict": "Reject", "has_right": True}, "tried to reject, not counted: why"),
        ({"verdict": "Revoke", "has_right": True}, "tried to take back an answer, not done: why"),
        ({"verdict": "Approve"}, "tried to approve, not counted: why"),
    ],
)
def test_only_whoever_has_no_right_may_not(data: dict[str, Json], told: str) -> None:
    """Of an old event, which does not say, nothing is claimed."""
    assert sentence(Event("approval.refused", "e1", data={"reason": "why", **data})) == told
