"""How often a playbook may start by itself on one target: what is counted, and when only a person may go on. Pure.

An automatic start beyond the budget becomes a suggestion: what did not help twice will hardly help a third time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.canonical import digest


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so many automatic starts of a playbook on one target in any period of this length."""

    starts: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Spending:
    """What was counted on the target that has used up most of its budget."""

    target: str
    used: int
    budget: Budget
    freed_at: datetime | None = None
    """When the oldest start that counts is out of the period."""

    @property
    def is_spent(self) -> bool:
        """Whether nothing may start by itself."""
        return self.used >= self.budget.starts

    @property
    def counter(self) -> str:
        """`2 of 2 automatic starts in 60 min`."""
        return f"{self.used} of {self.budget.starts} automatic starts in {in_words(self.budget.within)}"


def spending(target: str, starts: Sequence[datetime], budget: Budget, now: datetime) -> Spending:
    """What of the budget is used at this moment."""
    counted = sorted(start for start in starts if start > now - budget.within)
    freed_at = counted[-budget.starts] + budget.within if 0 < budget.starts <= len(counted) else None
    return Spending(target, len(counted), budget, freed_at)


def exhausted(playbook: str, spent: Spending) -> str:
    """Why an alarm has started nothing."""
    until = f" It may again after {spent.freed_at:%H:%M} UTC." if spent.freed_at else ""
    return (
        f"{playbook} did not start by itself on {resource_of(spent.target)}: its budget is used up "
        f"({spent.counter}).{until} A person may start it."
    )


def targets(keys: Sequence[str], alarm_id: str) -> tuple[str, ...]:
    """What starts are counted on: the resources, or the alarm where none is named."""
    return tuple(keys) or (f"alarm/{digest([alarm_id])[:16]}",)


def resource_of(key: str) -> str:
    """The resource of a key, as people know it."""
    return "this alarm" if key.startswith("alarm/") else key.rpartition("/")[2]


def in_words(duration: timedelta) -> str:
    """`45 s`, `60 min`, `3 h` or `2 d`."""
    seconds = round(duration.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds % length == 0 and seconds > length:
            return f"{seconds // length} {unit}"
    return f"{seconds // 60} min" if seconds % 60 == 0 and seconds else f"{seconds} s"
