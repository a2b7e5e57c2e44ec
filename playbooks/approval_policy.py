"""Who must agree before a step goes on, and what happens while nobody does: a playbook's policy of approval. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from approvals.request import ApproverGroup, Escalation

REQUESTER: Final = "requester"
RUNBOOK_EDITOR: Final = "runbook_editor"
ALARM_OWNER: Final = "alarm_owner"
WHY_BARRED: Final[Mapping[str, str]] = {
    RUNBOOK_EDITOR: "You edited this runbook, so somebody else has to approve it.",
    ALARM_OWNER: "You own the alarm that asks for this, so somebody else has to approve it.",
}
NAMED: Final = "The playbook says that you may not approve this."
MOST_REMINDERS: Final = 50


@dataclass(frozen=True, slots=True)
class Handover:
    """After so long these people may answer for the group, too."""

    after: timedelta
    names: tuple[str, ...]
    group: int = 0


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """The rule of one question. Names are spelled as in `approvers`; `oncall:NAME` is whoever is on call then."""

    groups: tuple[ApproverGroup, ...] = ()
    """Each must reach its minimum, by people of its own; none = the runbook's list alone counts."""
    minimum: int = 1
    """How many must agree altogether."""
    expires_in: timedelta | None = None
    at_expiry: Literal["reject", "approve"] = "reject"
    remind_every: timedelta | None = None
    handovers: tuple[Handover, ...] = ()
    never: tuple[str, ...] = ()
    """Who may never approve, beside who started it: names, `runbook_editor`, `alarm_owner`."""
    may_approve_own: bool = False
    needs_reason: bool = False
    rejection: Literal["first", "quorum"] = "first"
    delegates: tuple[str, ...] = ()
    breakers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who could ever answer, each once."""
        found = [name for group in self.groups for name in group.names]
        found += [name for handover in self.handovers for name in handover.names]
        return tuple(dict.fromkeys([*found, *self.delegates]))

    def escalations(self, asked_at: datetime) -> tuple[Escalation, ...]:
        """When whom else is asked, soonest first."""
        found = (Escalation(asked_at + each.after, each.group, each.names) for each in self.handovers)
        return tuple(sorted(found, key=lambda each: each.at))

    def reminders(self, asked_at: datetime, expires_at: datetime | None) -> tuple[datetime, ...]:
        """When people are reminded, up to the end."""
        if self.remind_every is None:
            return ()
        found = (asked_at + self.remind_every * number for number in range(1, MOST_REMINDERS + 1))
        return tuple(moment for moment in found if expires_at is None or moment < expires_at)

    def bars(self, *, editors: Iterable[str], owners: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """(who, why) may never approve, now that it is known who edited and who owns."""
        found: list[tuple[str, str]] = []
        for entry in self.never:
            if entry == RUNBOOK_EDITOR:
                found += [(who, WHY_BARRED[entry]) for who in editors]
            elif entry == ALARM_OWNER:
                found += [(who, WHY_BARRED[entry]) for who in owners]
            elif entry != REQUESTER:
                found.append((entry, NAMED))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class StepPolicies:
    """The policy of a playbook, and those of single steps that have their own."""

    usual: ApprovalPolicy = field(default_factory=ApprovalPolicy)
    of_steps: Mapping[str, ApprovalPolicy] = field(default_factory=dict)

    def of(self, step: str) -> ApprovalPolicy:
        """The policy of a step."""
        return self.of_steps.get(step, self.usual)

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who could ever answer one of the questions."""
        return tuple(dict.fromkeys(name for policy in self._all for name in policy.names))

    @property
    def entries(self) -> tuple[str, ...]:
        """Every entry of every list: those who may answer, and those who never may."""
        return tuple(dict.fromkeys((*self.names, *(name for policy in self._all for name in policy.never))))

    @property
    def _all(self) -> tuple[ApprovalPolicy, ...]:
        return (self.usual, *self.of_steps.values())
