"""The glass of a question: whether an answer alone can be enough, and what must be typed to break it. Pure."""

from collections.abc import Collection
from typing import Final

SHORTEST_REASON: Final = 10
"""Characters of a reason to break the glass."""
REASON: Final = "reason"
TARGET: Final = "target"


def problems(reason: str, target: str, names: Collection[str]) -> dict[str, str]:
    """What is wrong with what was typed, by field: a reason that says something, one of the targets' names."""
    found: dict[str, str] = {}
    if len(reason.strip()) < SHORTEST_REASON:
        found[REASON] = f"Say why, in at least {SHORTEST_REASON} characters: everybody will read it."
    if target.strip() not in names:
        found[TARGET] = "Type the name of what it works on exactly as the card shows it."
    return found
