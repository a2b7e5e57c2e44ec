"""What an action is: the contract between the conductor and one kind of step."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic.alias_generators import to_pascal

from engine.document import MISSING, Missing
from engine.signals import Signal, SignalRefused, SignalType
from infra.canonical import Json

STANDARD_TIMEOUT = timedelta(seconds=3600)
"""For polling actions without a published default (SSM documentation is silent; CDK's simulator uses the same)."""


class Stage(StrEnum):
    """SSM's FailureDetails.FailureStage."""

    INPUT_VALIDATION = "InputValidation"
    PRE_VERIFICATION = "PreVerification"
    INVOCATION = "Invocation"
    POST_VERIFICATION = "PostVerification"


class FailureType(StrEnum):
    """SSM's FailureDetails.FailureType."""

    ACTION = "Action"
    PERMISSION = "Permission"
    THROTTLING = "Throttling"
    VERIFICATION = "Verification"
    INTERNAL = "Internal"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The step is done. `root` is what declared output selectors see (default: `outputs`).

    `next_step` jumps (aws:branch); `variables` are new values (aws:updateVariable).
    """

    outputs: Mapping[str, Json] = field(default_factory=dict)
    root: Json | Missing = MISSING
    next_step: str | None = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    response: str = ""
    response_code: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed. `is_final` forbids further attempts (rejections, bad inputs)."""

    message: str
    stage: Stage = Stage.INVOCATION
    type: FailureType = FailureType.ACTION
    is_final: bool = False
    outputs: Mapping[str, Json] = field(default_factory=dict)
    response: str = ""
    response_code: str = ""
    while_doing: str = "Execute/Cancelling action"


@dataclass(frozen=True, slots=True)
class ChildOrder:
    """A child execution the step wants (aws:executeAutomation)."""

    document_name: str
    document_version: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    execution_id: str = ""
    """For one of several children: its id, the same on every repetition of the attempt."""
    account: str = ""
    region: str = ""
    """Where it runs; "" = where its parent does."""
    role: str = ""
    """The role it runs as there, unless the document names its own; "" = its parent's."""
    stored: Mapping[str, Any] = field(default_factory=dict)
    """What its defaults need of Parameter Store; the engine reads it."""
    fan_out: Mapping[str, Json] = field(default_factory=dict)
    """Rate-control members as StartAutomationExecution spells them, for targets that are sought there."""
    label: str = ""
    alarms: Mapping[str, Json] = field(default_factory=dict)
    """AlarmConfiguration of its own; whoever admits it watches the alarm."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not done yet: look again at `until`, or when one of `signals` comes, or when `child` has ended.

    `memo` survives a restart and is given to the next `run`; `say` is one line for people.
    """

    until: datetime | None = None
    signals: frozenset[SignalType] = frozenset()
    memo: Mapping[str, Json] = field(default_factory=dict)
    child: ChildOrder | None = None
    children: tuple[ChildOrder, ...] | None = None
    """Further children of a fan-out to start, maybe none; None where the step has no fan-out."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    say: str = ""


Outcome = Succeeded | Failed | Waiting


@dataclass(frozen=True, slots=True)
class ChildResult:
    """How a child execution ended; `status` is None while it runs."""

    execution_id: str
    status: str | None
    outputs: tuple[Json, ...] = ()
    failure_message: str = ""


class AwsApi(Protocol):
    """AWS as an action sees it: one call at a time, signed with the execution's role, each one audited."""

    @property
    def region(self) -> str:
        """Where calls go unless they name another Region."""

    @property
    def account(self) -> str:
        """The account id."""

    @property
    def partition(self) -> str:
        """aws, aws-cn, aws-us-gov."""

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Call `operation` (PascalCase) of `service`; `params` and answer are botocore's.

        Raises AwsRefused for an error answer, AwsUnreachable when there was none.
        """

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's OperationModel of an operation. Raises AwsRefused when it does not exist."""


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Everything an attempt may know. No clock, no connection: values only, and AWS through `aws`."""

    now: datetime
    execution_id: str
    step_name: str
    step_execution_id: str
    token: str
    """UUID, the same on every repetition of this attempt: AWS's ClientToken."""
    memo: Mapping[str, Json]
    """What the last Waiting left; empty on the first run."""
    may_have_run: bool
    """True after a crash between intent and outcome: look before repeating a side effect."""
    aws: AwsApi
    system: Mapping[str, Json]
    """`global:REGION`, `automation:EXECUTION_ID` …"""
    variable_types: Mapping[str, str] = field(default_factory=dict)
    child: ChildResult | None = None
    children: tuple[ChildResult, ...] = ()
    """Every child that this step has started in a fan-out."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    timeout: timedelta | None = None
    poll: timedelta = timedelta(seconds=5)
    """How long to wait between two looks."""
    services: Mapping[str, Any] = field(default_factory=dict)
    """What the host offers beyond AWS (the script runner); by name."""


def _as_list(value: object) -> object:
    """A lone value where a list is wanted (`InstanceIds: "{{ InstanceId }}"`)."""
    return value if isinstance(value, list) else [value]


StringList = Annotated[list[str], BeforeValidator(_as_list)]


def _as_map(value: object) -> object:
    """JSON text where a map is wanted (`Parameters: "{{ DocumentParameters }}"`)."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


JsonObject = Annotated[dict[str, Any], BeforeValidator(_as_map)]


class ActionInputs(BaseModel):
    """Base of every action's Inputs: AWS's PascalCase names, "true"/"2" accepted for booleans and integers.

    An optional input that is null or "" counts as absent: AWS's own runbooks hand on empty parameters so.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_pascal, populate_by_name=True, coerce_numbers_to_str=True
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        optional = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        return {key: value for key, value in given.items() if key not in optional or not (value is None or value == "")}


I = TypeVar("I", bound=ActionInputs)  # noqa: E741 - the one type variable of this file


class Action(ABC, Generic[I]):
    """One kind of step. Stateless; listed in engine/actions/__init__.py."""

    name: ClassVar[str]
    permissions: ClassVar[tuple[str, ...]] = ()
    """IAM actions the step needs; executeAwsApi and friends add theirs from the inputs."""
    impact: ClassVar[Literal["Mutating", "NonMutating", "Undetermined"]]
    """SSM's preview classes."""
    is_pure: ClassVar[bool] = False
    """True where `run` needs no AWS: it is then evaluated inside the conductor, in the same transaction."""
    default_timeout: ClassVar[timedelta | None] = STANDARD_TIMEOUT
    max_timeout: ClassVar[timedelta | None] = None
    Inputs: ClassVar[type[ActionInputs]]

    @abstractmethod
    def run(self, inputs: I, context: ActionContext) -> Outcome:
        """Do the step, or look how far it is (memo not empty). Never sleeps; never raises for an expected failure."""

    def receive(self, inputs: I, memo: Mapping[str, Json], signal: Signal, now: datetime) -> Outcome:
        """Answer a signal while Waiting. Pure. Raises SignalRefused when it does not fit."""
        raise SignalRefused(f"{self.name} takes no {signal.type} signal")

    def cancel(self, inputs: I, context: ActionContext) -> None:
        """Undo what only the action can undo when its step is cancelled or timed out (stop the remote command)."""
