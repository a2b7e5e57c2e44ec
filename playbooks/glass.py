"""The glass of a question: whether an answer alone can be enough, and what must be typed to break it. Pure."""

from collections.abc import Collection
from typing import Final

from approvals.request import ApprovalRequest
from engine.execution import Execution

SHORTEST_REASON: Final = 10
"""Characters of a reason to break the glass."""
REASON: Final = "reason"
TARGET: Final = "target"


def required_by(request: ApprovalRequest, state: Execution | None) -> int:
    """How many the asking step itself wants (`MinRequiredApprovals`), which no policy and no emergency lowers."""
    step = state.step if state is not None else None
    if step is None or step.id != request.step_execution_id:
        return 1
    return int(str(step.inputs.get("MinRequiredApprovals") or 1))


def is_enough(request: ApprovalRequest, person: str, required: int) -> bool:
    """Whether somebody's approval is, beside those that were given, as many as the step itself wants."""
    agreed = {each.actor.id for each in request.decisions if each.verdict == "Approve"}
    return len(agreed | {person}) >= required


def problems(reason: str, target: str, names: Collection[str]) -> dict[str, str]:
    """What is wrong with what was typed, by field: a reason that says something, one of the targets' names."""
    found: dict[str, str] = {}
    if len(reason.strip()) < SHORTEST_REASON:
        found[REASON] = f"Say why, in at least {SHORTEST_REASON} characters: everybody will read it."
    if target.strip() not in names:
        found[TARGET] = "Type the name of what it works on exactly as the card shows it."
    return found
