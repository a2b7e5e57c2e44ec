"""Every event can be told."""

import pytest

from audit.events import EVENTS, Event
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
