"""playbook.yaml as a person writes it: every key, its type and its default, and what to say of a wrong one."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from engine.document import Problem
from engine.model_problems import model_problems
from engine.source import Source
from playbooks.approval_file import EXPECTED as EXPECTED_OF_APPROVAL
from playbooks.approval_file import LONGEST_EXPIRY, ApprovalFile
from playbooks.playbook import StartMode
from playbooks.spellings import Duration, Names, several

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,60}")
EXPECTED: Final = {
    **EXPECTED_OF_APPROVAL,
    "": "a map of keys: title, trigger, parameters …",
    "name": "2 to 61 lower-case letters, digits and hyphens, such as reboot-instance",
    "accounts": "an account id of 12 digits, in quotes",
    "states": "ALARM, OK or INSUFFICIENT_DATA",
    "start": "auto, suggest or off",
    "engine": "embedded or ssm",
    "overrides": "library",
    "approval_expires_in": "a duration such as 30m, 12h, 2d or PT30M",
    "minimum_approvals": "a number from 1 to 10",
    "title": "a text of 1 to 150 characters",
    "parameters": 'a map: the runbook\'s parameter to its value, such as "{{ alarm.dimensions.InstanceId }}"',
    "dimensions": "a map: the dimension's name to what its value looks like",
    "tags": "a map: the tag's name to what its value looks like",
    "budget": "a map such as {starts: 2, within: 60m}",
    "starts": "a number from 1 to 1000",
    "within": "a duration such as 60m, 12h or 2d, at most 30d",
    "lock": "one or more of the runbook's parameters",
    "secret": "one or more of the runbook's parameters",
    "trigger": "a map such as {namespace: AWS/EC2, metric: StatusCheckFailed_System}",
}
"""What would be right, by key."""


Accounts = Annotated[tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...], BeforeValidator(several)]
States = Annotated[tuple[Literal["ALARM", "OK", "INSUFFICIENT_DATA"], ...], BeforeValidator(several)]


class TriggerFile(BaseModel):
    """What an alarm must look like; what is left out matches anything."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, coerce_numbers_to_str=True)

    name: str = Field(default="*", alias="alarm")
    namespace: str = "*"
    metric: str = "*"
    dimensions: dict[str, str] = {}
    tags: dict[str, str] = {}
    accounts: Accounts = ()
    regions: Names = ()
    states: States = ("ALARM",)


class BudgetFile(BaseModel):
    """How often it may start by itself on one target."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    starts: int = Field(ge=1, le=1000)
    within: Annotated[Duration, Field(gt=timedelta(), le=timedelta(days=30))]


class PlaybookFile(BaseModel):
    """One playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", pattern=rf"^({NAME.pattern})?$")
    """Empty = the folder's name."""
    title: str = Field(min_length=1, max_length=150)
    description: str = ""
    overrides: Literal["library"] | None = None
    """Says that this folder stands in for the library's playbook of the same name."""
    runbook: str = ""
    """Empty = runbook.yaml beside this file, or the library's where this overrides it and brings none."""
    document_name: str = ""
    trigger: TriggerFile | None = None
    start: StartMode = "suggest"
    parameters: dict[str, Any] = {}
    approvers: Names = ()
    minimum_approvals: int = Field(default=1, ge=1, le=10)
    approval_expires_in: Duration | None = None
    may_approve_own: bool = False
    approval: ApprovalFile | None = None
    """The policy in full: groups, reminders, escalation, who may never approve; beside the keys above."""
    break_glass: Names = ()
    """Who may decide alone in an emergency, with a reason and a review afterwards."""
    edited_by: Names = ()
    """Who wrote the runbook, where git does not know it: for `never: [runbook_editor]`."""
    channel: str = ""
    may_run: Names = ()
    budget: BudgetFile | None = None
    """How often it may start by itself on one target; empty = as the settings say."""
    lock: Names | None = None
    """Parameters that hold the resources it works on alone; empty = those of AWS's resource types."""
    tags: Names = ()
    """Words by which freezes name it."""
    secret: Names = ()
    """Parameters whose values nobody shall read: masked in cards, threads, logs and the audit."""
    engine: Literal["embedded", "ssm"] | None = None
    """Who runs the runbook; empty = as the settings say."""
    aws_document: str = ""
    """With `engine: ssm`: name, NAME:VERSION or ARN of the document on AWS; empty = the runbook here is pushed."""

    @field_validator("approval_expires_in")
    @classmethod
    def _within_limits(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not timedelta() < value <= LONGEST_EXPIRY:
            raise ValueError("too short or too long")
        return value


def read_file(source: Source, problems: list[Problem]) -> PlaybookFile | None:
    """The file's content; what is wrong with it is added to the problems."""
    try:
        return PlaybookFile.model_validate(source.tree)
    except ValidationError as error:
        problems += model_problems(error, source, PlaybookFile, code="PBK005", expected=EXPECTED)
    return None
