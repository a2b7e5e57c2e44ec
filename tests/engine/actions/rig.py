"""One action in the hands of a test: AWS from a table or from moto, a clock by hand, a crash whenever wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.action import ActionContext, AwsApi, ChildResult, Failed, Outcome, Succeeded, Waiting
from engine.actions import BY_NAME
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_models import operation_model, operation_name, service_name
from infra.canonical import Json, canonical

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TOKEN = "0f8fad5b-d9cb-469f-a165-70867728950e"
THROTTLED = AwsRefused("Throttling", "An error occurred (Throttling): Rate exceeded", status=400)
DENIED = AwsRefused("UnauthorizedOperation", "An error occurred (UnauthorizedOperation): not you", status=403)
SILENT = AwsUnreachable("the network is gone")


@dataclass
class TableAws:
    """Answers `service:Operation` from a list, the last answer again and again; records every call."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """The next answer of the operation."""
        name = f"{service_name(service)}:{operation_name(service, operation)}"
        self.asked.append((name, dict(params)))
        if name not in self.answers:
            raise AssertionError(f"the test has no answer for {name} with {dict(params)}")
        left = self.answers[name]
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer(params) if callable(answer) else answer)

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's own model."""
        return operation_model(service, operation)

    def times(self, name: str) -> int:
        """How often an operation was called."""
        return [called for called, _ in self.asked].count(name)

    def params(self, name: str) -> dict[str, Any]:
        """What an operation was last called with."""
        return next(params for called, params in reversed(self.asked) if called == name)


def answering(**answers: Any) -> TableAws:
    """A table: `ec2__StopInstances=…` answers ec2:StopInstances with a map, an error, a function, or a list of them."""
    table = {name.replace("__", ":").replace("_", "-"): answer for name, answer in answers.items()}
    return TableAws({name: answer if isinstance(answer, list) else [answer] for name, answer in table.items()})


def context_of(aws: AwsApi, **fields: Any) -> ActionContext:
    """The first run of the first attempt, unless said otherwise."""
    plain: dict[str, Any] = {
        "now": NOON,
        "execution_id": "11111111-1111-4111-8111-111111111111",
        "step_name": "step",
        "step_execution_id": "22222222-2222-4222-8222-222222222222",
        "token": TOKEN,
        "memo": {},
        "may_have_run": False,
        "system": {},
    }
    return ActionContext(aws=aws, **{**plain, **fields})


@dataclass
class Rig:
    """One attempt of one step."""

    action: str
    inputs: Mapping[str, Any]
    aws: Any
    context: ActionContext = field(init=False)
    said: list[str] = field(default_factory=list)
    outputs: dict[str, Json] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = context_of(self.aws, **self.fields)

    def look(
        self, *, crashed: bool = False, child: ChildResult | None = None, children: Sequence[ChildResult] = ()
    ) -> Outcome:
        """Run the action once. `crashed` says that the process died while this very call was in flight."""
        action = BY_NAME[self.action]
        inputs = action.Inputs.model_validate(dict(self.inputs))
        outcome = action.run(inputs, replace(self.context, may_have_run=crashed, child=child, children=tuple(children)))
        if isinstance(outcome, Waiting):
            assert outcome.memo, "a wait without a memo is forgotten at the next run"
            assert canonical(outcome.memo), "a memo is JSON"
            now = max(outcome.until or self.context.now, self.context.now)
            self.context = replace(self.context, memo=outcome.memo, now=now)
            self.outputs |= outcome.outputs
            self.said.append(outcome.say)
        return outcome

    def finish(self, *, most: int = 100) -> Succeeded | Failed:
        """Look until it has ended."""
        for _ in range(most):
            outcome = self.look()
            if not isinstance(outcome, Waiting):
                return outcome
        raise AssertionError(f"the step does not end: {self.said[-3:]}")

    def cancel(self) -> None:
        """Tell the action that its step is cancelled."""
        action = BY_NAME[self.action]
        action.cancel(action.Inputs.model_validate(dict(self.inputs)), self.context)

    @property
    def elapsed(self) -> timedelta:
        """How long it has waited."""
        return self.context.now - NOON


def succeeded(outcome: Outcome) -> Succeeded:
    """The outcome, which must be a success."""
    assert isinstance(outcome, Succeeded), outcome
    return outcome


def failed(outcome: Outcome) -> Failed:
    """The outcome, which must be a failure."""
    assert isinstance(outcome, Failed), outcome
    return outcome


def waiting(outcome: Outcome) -> Waiting:
    """The outcome, which must be a wait."""
    assert isinstance(outcome, Waiting), outcome
    return outcome
