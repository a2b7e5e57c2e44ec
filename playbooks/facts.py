"""What doors may know: read-only views of executions, approvals and playbooks. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from audit.events import Actor
from engine.document import Parameter
from engine.preview_result import Preview
from infra.canonical import Json
from playbooks.locks import Holder

ENDED: Final = ("Success", "Failed", "TimedOut", "Cancelled")
"""The final statuses of a run."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One line of the card. `status` is SSM's; `say` is what the action says about its waiting."""

    name: str
    action: str
    status: str
    description: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempt: int = 1
    max_attempts: int = 1
    say: str = ""
    failure_message: str = ""
    inputs: Mapping[str, Json] = field(default_factory=dict)
    outputs: Mapping[str, Json] = field(default_factory=dict)
    id: str = ""
    """The step execution's; "" while it is ahead."""
    is_skipped: bool = False
    """Whether a person has left it out; it is Pending then, as SSM has no such status."""


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """One person's answer."""

    actor: Actor
    verdict: str
    """Approve or Reject."""
    at: datetime
    comment: str = ""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """One group of a question: who is in it, how many of them must agree, how many still lack."""

    title: str
    approvers: tuple[str, ...]
    minimum: int
    missing: int


@dataclass(frozen=True, slots=True)
class ApprovalFacts:
    """A question to people. `status` is Waiting, Approved, Rejected, TimedOut or Cancelled.

    `approvers` are the people and groups who may approve, spelled for reading: `<@U01>`, `<!subteam^S01>`, `lee`.
    """

    id: str
    execution_id: str
    step_name: str
    status: str
    message: str
    approvers: tuple[str, ...]
    minimum: int
    decisions: tuple[DecisionFacts, ...]
    asked_at: datetime
    expires_at: datetime | None
    playbook: str = ""
    title: str = ""
    may_approve_own: bool = False
    problem: str = ""
    """Why nobody can answer it, if so."""
    groups: tuple[GroupFacts, ...] = ()
    """Each must reach its own minimum; none = all approvers are one group."""
    barred: tuple[tuple[str, str], ...] = ()
    """(who, spelled for reading; why) may not approve it."""
    starter: str = ""
    """Who started it, spelled for reading, if they are among those who answer and may not approve it."""
    objectors: tuple[str, ...] = ()
    """Those who may answer but never approve, spelled for reading; `starter` is one of them."""
    never: frozenset[str] = frozenset()
    """Who never may approve it, as ids and lists spell them."""
    needs_reason: bool = False
    silence_approves: bool = False
    """Whether nobody's answer lets it go on in the end."""
    may_be_delegated: bool = False
    may_be_broken: bool = False
    """Whether somebody may decide alone in an emergency, and that would be enough for the runbook."""
    delegations: tuple[tuple[Actor, Actor], ...] = ()
    """(who handed it over, to whom)."""
    revision: int = 1
    """More than 1: the plan has changed since people were asked first."""
    situation: tuple[str, ...] = ()
    """What has happened since it began, in words: whether it is still needed."""
    consequences: tuple[str, ...] = ()
    """What the next steps take away, in words, the worst first."""
    called: Mapping[str, str] = field(default_factory=dict)
    """What people call what it works on, and whose it is, by id: `web-1, of payments`."""
    painted: str = ""
    """What tells this situation from another, for the buttons of a card."""
    is_broken: bool = False
    """Whether it was decided by break-glass."""
    waits_for_review: bool = False
    """Whether the glass was broken and nobody has reviewed it."""
    reviewers: tuple[str, ...] = ()
    """Who may do so, spelled for reading."""
    held: str = ""
    """Why the step does not go on, although it was approved."""


@dataclass(frozen=True, slots=True)
class AlarmFacts:
    """The alarm that started an execution, as far as a card shows it."""

    name: str
    state: str
    reason: str
    region: str
    account: str
    changed_at: datetime
    arn: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ExecutionFacts:
    """All a card says about one execution."""

    id: str
    playbook: str
    title: str
    document: str
    status: str
    started_by: Actor
    started_at: datetime
    region: str
    account: str
    parameters: Mapping[str, Json]
    steps: tuple[StepFacts, ...]
    """In document order, never-reached ones as Pending; repeated loop bodies once each, latest."""
    targets: tuple[str, ...] = ()
    """Resources it works on (instance ids …), from parameters of resource types."""
    ended_at: datetime | None = None
    alarm: AlarmFacts | None = None
    alarm_now: str = ""
    """The alarm's latest known state when it is not the one that started it: "OK" once it has recovered."""
    approval: ApprovalFacts | None = None
    """The open question, else the latest one."""
    approvals: tuple[ApprovalFacts, ...] = ()
    failure_message: str = ""
    cancelled_by: Actor | None = None
    channel: str = ""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    parent_id: str = ""
    notice: str = ""
    """What keeps it from being followed now: AWS does not answer, or refuses."""
    held: str | None = None
    """It goes step by step: the step that waits for somebody to start it, "" once all are done, None otherwise."""
    skip_to: str | None = None
    """What follows when that step is left out ("" = nothing); None where it cannot be left out."""
    on_stop: str = ""
    """The step that a stop would still run, to take back what can be taken back."""
    retry_of: str = ""
    """The execution that failed and is gone on with here."""
    retried_as: str = ""
    """The execution that goes on with this one."""
    retry_step: str = ""
    """The step from which this one can be gone on with, or, in a retry, from which it went on."""
    budget: str = ""
    """How much of the budget of automatic starts is used with this one: `2 of 2 automatic starts in 60 min`."""
    recovered: bool = False
    """Whether the bot was restarted while it ran and a step had to be looked at."""
    version: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class SuggestionFacts:
    """An alarm that a person may answer with a playbook, or that started nothing (`why` says so)."""

    id: str
    alarm: AlarmFacts
    playbooks: tuple[tuple[str, str], ...]
    """(name, title) of the playbooks that match."""
    channel: str
    why: str = ""
    started: tuple[str, ...] = ()
    """Executions that were started from it."""
    alarm_now: str = ""
    """The alarm's latest known state when it is not this one any more."""
    red_since: datetime | None = None
    """Since when it has been red without a break; None = not known, or not red."""
    times_red: int = 1
    """How often it went red since `first_red_at`: more than once = it flaps."""
    first_red_at: datetime | None = None
    recovered_at: datetime | None = None
    acknowledged_by: Actor | None = None
    acknowledged_at: datetime | None = None
    muted_by: Actor | None = None
    muted_until: datetime | None = None
    """Who muted it until when; None once that is over."""
    earlier: tuple["RunFacts", ...] = ()
    """Runs on the same resource, newest first."""
    seen: "SeenFacts | None" = None
    """The resource as AWS told it; None = nobody has looked (yet)."""
    resources: tuple[str, ...] = ()
    """Values of the alarm's dimensions that name something: an instance, a load balancer."""
    runs: tuple["RunFacts", ...] = ()
    """What was started from it, and the retries of that, in order; empty in a list of alarms."""
    holder: Holder | None = None
    """What works on its resources now without having been started from it."""

    @property
    def is_red(self) -> bool:
        """Whether the alarm is red now, as far as is known."""
        return (self.alarm_now or self.alarm.state) == "ALARM"

    @property
    def is_running(self) -> bool:
        """Whether something that was started from it is not over."""
        return any(not run.is_over for run in self.runs)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """An earlier run in one line."""

    id: str
    playbook: str
    title: str
    status: str
    started_by: Actor
    started_at: datetime
    recovered_after: timedelta | None = None
    """How long after its start the alarm was OK again, where the alarm had started it or was red then."""

    @property
    def is_over(self) -> bool:
        """Whether the status is final."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class SeenFacts:
    """What AWS told of an alarm's resource."""

    at: datetime
    id: str
    name: str = ""
    detail: str = ""
    """State, type, zone."""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    """Latest changes by others, newest first: `StopInstances by lee at 02:55`."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StormFacts:
    """Many alarms of one channel within a short while."""

    began_at: datetime
    alarms: tuple[tuple[str, str, str], ...]
    """(key, name, state now) of each, in the order of their coming."""

    @property
    def red(self) -> int:
        """How many are red now."""
        return sum(state == "ALARM" for _, _, state in self.alarms)


@dataclass(frozen=True, slots=True)
class PlaybookFacts:
    """One entry of the list, and what its form needs."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    """Those a person may give, in document order."""
    preset: Mapping[str, Json]
    """Values the playbook fixes itself."""
    start: str
    approvers: tuple[str, ...]
    trigger: str
    """One line: what alarm starts it, or ""."""
    document: str
    secret: tuple[str, ...] = ()
    """Parameters whose values nobody shall read."""
    goes_step_by_step: bool = True
    """Whether each step may be started by a person: only where it runs here, not on AWS."""


@dataclass(frozen=True, slots=True)
class PreviewFacts:
    """What a start would do now, and where that was looked at."""

    preview: Preview
    region: str
    questions: int
    """How many were put to AWS."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One line of an execution's story, from the audit trail."""

    seq: int
    at: datetime
    name: str
    actor: Actor
    text: str
    data: Mapping[str, Json]
    hash: str
