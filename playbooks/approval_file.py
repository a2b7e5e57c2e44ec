"""The key `approval` of a playbook.yaml as a person writes it, and the policy that it means."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from approvals.request import ApproverGroup
from playbooks.approval_policy import ApprovalPolicy, Handover, StepPolicies
from playbooks.spellings import Duration, Names, several

LONGEST_EXPIRY: Final = timedelta(days=30)
"""aws:approve waits no longer (SSM: "aws:approve")."""
SILENCE: Final = "silence means approval"
EXPECTED: Final = {
    "approval": "a map such as {groups: [{name: SRE, of: [group:sre]}], expires_in: 1h}",
    "groups": "a list such as [{name: SRE, of: [group:sre], minimum: 1}]",
    "of": "names as in approvers: [lee, group:sre, S0123456789, oncall:primary]",
    "minimum": "a number from 1 to 10",
    "expires_in": "a duration of at most 30 days, such as 30m, 12h or 2d",
    "at_expiry": f'reject, or in these words "{SILENCE}"',
    "remind_every": "a duration of at least a minute, such as 10m",
    "after": "a duration such as 15m",
    "escalate": "a list such as [{after: 15m, to: [oncall:secondary]}]",
    "rejection": "first (one rejection ends it) or quorum (as many as an approval needs)",
    "reject_needs_reason": "true or false",
    "steps": "a map: the name of an aws:approve step to keys as in approval",
}


class GroupFile(BaseModel):
    """Some people of whom `minimum` must agree."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", max_length=60)
    of: Names
    minimum: int = Field(default=1, ge=1, le=10)


class EscalationFile(BaseModel):
    """After so long these may answer, too; `group` where there are several."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    after: Duration
    to: Names
    group: str = ""


class StepApprovalFile(BaseModel):
    """One policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: Annotated[tuple[GroupFile, ...], BeforeValidator(several)] = ()
    minimum: int | None = Field(default=None, ge=1, le=10)
    expires_in: Duration | None = None
    at_expiry: Literal["reject", "silence means approval"] = "reject"
    remind_every: Duration | None = None
    escalate: Annotated[tuple[EscalationFile, ...], BeforeValidator(several)] = ()
    never: Names = ()
    reject_needs_reason: bool = False
    rejection: Literal["first", "quorum"] = "first"
    may_delegate_to: Names = ()

    @field_validator("expires_in")
    @classmethod
    def _within_limits(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not timedelta() < value <= LONGEST_EXPIRY:
            raise ValueError("too short or too long")
        return value

    @field_validator("remind_every")
    @classmethod
    def _not_too_often(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < timedelta(minutes=1):
            raise ValueError("too often")
        return value


class ApprovalFile(StepApprovalFile):
    """The policy of a playbook, and of single steps."""

    steps: dict[str, StepApprovalFile] = {}


def step_policies(file: ApprovalFile, plain: ApprovalPolicy, approvers: tuple[str, ...]) -> StepPolicies:
    """What the file means; `plain` is what `approvers`, `minimum_approvals` and their kin say, and holds beside it."""
    usual = _policy(file, plain, approvers)
    return StepPolicies(usual, {name: _policy(each, plain, approvers) for name, each in file.steps.items()})


def _policy(file: StepApprovalFile, plain: ApprovalPolicy, approvers: tuple[str, ...]) -> ApprovalPolicy:
    groups = tuple(ApproverGroup(each.of, each.minimum, each.name) for each in file.groups)
    if not groups and approvers:
        groups = (ApproverGroup(approvers),)
    numbers = {each.title: number for number, each in enumerate(groups)}
    return ApprovalPolicy(
        groups=groups,
        minimum=file.minimum or plain.minimum,
        expires_in=file.expires_in or plain.expires_in,
        at_expiry="approve" if file.at_expiry == SILENCE else "reject",
        remind_every=file.remind_every,
        handovers=tuple(
            Handover(each.after, each.to, numbers.get(each.group, -1 if each.group or len(groups) > 1 else 0))
            for each in file.escalate
        ),
        never=file.never,
        may_approve_own=plain.may_approve_own,
        needs_reason=file.reject_needs_reason,
        rejection=file.rejection,
        delegates=file.may_delegate_to,
        breakers=plain.breakers,
    )
