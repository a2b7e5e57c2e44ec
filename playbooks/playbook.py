"""A playbook: our binding of a trigger, a runbook, an approval policy, access and a channel. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from engine.document import Document
from infra.canonical import Json, canonical
from playbooks.approval_policy import ApprovalPolicy, StepPolicies
from playbooks.budgets import Budget

StartMode = Literal["auto", "suggest", "off"]
EngineName = Literal["", "embedded", "ssm"]
_FROM_ALARM = re.compile(r"\{\{\s*alarm\.")


@dataclass(frozen=True, slots=True)
class AlarmTrigger:
    """What an alarm must look like. Every given field must match; globs are case-sensitive `fnmatch` patterns."""

    name: str = "*"
    namespace: str = "*"
    metric: str = "*"
    dimensions: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    accounts: tuple[str, ...] = ()
    """Empty = any account the intake accepts."""
    regions: tuple[str, ...] = ()
    states: tuple[str, ...] = ("ALARM",)

    @property
    def in_words(self) -> str:
        """What fires it, in one line: the alarm's name, or what it measures where any name will do."""
        measured = " ".join(each for each in (self.namespace, self.metric) if each != "*")
        where = [f"{name}={value}" for given in (self.dimensions, self.tags) for name, value in given.items()]
        named = f"alarm {self.name}" if self.name != "*" or not (measured or where) else "an alarm"
        on, among = f" on {measured}" if measured else "", f" ({', '.join(where)})" if where else ""
        return f"{named}{on}{among}"


@dataclass(frozen=True, slots=True)
class Playbook:
    """One folder of the library. `parameters` are values or templates: `{{ alarm.dimensions.InstanceId }}`."""

    name: str
    title: str
    runbook: Document
    description: str = ""
    trigger: AlarmTrigger | None = None
    start: StartMode = "suggest"
    parameters: Mapping[str, Json] = field(default_factory=dict)
    approvers: tuple[str, ...] = ()
    """Who may approve: `U…` / `S…` ids of Slack, person ids of `people:`, IAM principals. Empty = nobody."""
    minimum_approvals: int = 1
    approval_expiry: timedelta | None = None
    may_approve_own: bool = False
    approval: StepPolicies | None = None
    """The policy in full; None = what the keys above say is all of it."""
    break_glass: tuple[str, ...] = ()
    """Who may decide alone in an emergency, to be reviewed afterwards."""
    edited_by: tuple[str, ...] = ()
    """Who wrote the runbook: names of lists, or e-mail addresses of git."""
    channel: str = ""
    """Empty = the default channel of the settings."""
    may_run: tuple[str, ...] = ()
    """Same spellings as `approvers`; "*" = any full member. Empty = nobody (alarms may still start it)."""
    engine: EngineName = ""
    """Who runs it; "" = as the settings say."""
    aws_document: str = ""
    """With engine ssm: the document there (name, NAME:VERSION or ARN); "" = ours is pushed."""
    budget: Budget | None = None
    """How often it may start by itself on one target; None = as the settings say."""
    lock: tuple[str, ...] | None = None
    """Parameters that hold the resources it works on alone; None = those of AWS's resource types."""
    tags: tuple[str, ...] = ()
    """Words by which freezes name it."""
    secret: tuple[str, ...] = ()
    """Parameters whose values nobody shall read; those that are named like secrets need not be named."""
    source: str = ""
    """Folder it was read from."""

    @property
    def fixed(self) -> frozenset[str]:
        """Parameters a person may not give: set by the playbook, or deciding who approves or as whom it runs."""
        ours = {name for name, value in self.parameters.items() if not _FROM_ALARM.search(canonical(value))}
        return frozenset(ours | _parameters_in(self.runbook, self.runbook.assume_role) | self._approver_parameters())

    def policy_of(self, step: str) -> ApprovalPolicy:
        """Who must agree before a step goes on, and what happens while nobody does."""
        if self.approval is not None:
            return self.approval.of(step)
        return ApprovalPolicy(
            minimum=self.minimum_approvals,
            expires_in=self.approval_expiry,
            may_approve_own=self.may_approve_own,
            breakers=self.break_glass,
        )

    @property
    def runs_others(self) -> bool:
        """Whether it runs further runbooks, whose questions are asked by its policy, too."""
        return any(step.action == "aws:executeAutomation" for step in self.runbook.all_steps())

    def _approver_parameters(self) -> set[str]:
        asking = (step for step in self.runbook.all_steps() if step.action == "aws:approve")
        keys = ("Approvers", "MinRequiredApprovals")
        return {name for step in asking for key in keys for name in _parameters_in(self.runbook, step.inputs.get(key))}

    @property
    def needs_approval(self) -> bool:
        """Whether some step of the runbook asks people."""
        return any(step.action == "aws:approve" for step in self.runbook.all_steps())


def _parameters_in(runbook: Document, value: Json) -> set[str]:
    """Names of the parameters that a value refers to."""
    return {name for name in re.findall(r"\{\{\s*(\w+)\s*\}\}", canonical(value)) if name in runbook.parameters}
