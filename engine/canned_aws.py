"""An AWS that answers what it was told to: for rehearsals. It keeps AWS's own model of each operation. No network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from engine.aws_shapes import unfit
from infra.aws_calls import AwsCall, resource_of
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_models import operation_model, operation_name, service_name
from infra.aws_operations import is_reading
from infra.canonical import Json

ACCOUNT: Final = "123456789012"
REGION: Final = "us-east-1"
REFUSAL: Final = frozenset({"refused", "message"})

Answer: TypeAlias = Mapping[str, Json]
"""An answer, or `{refused: CODE, message: …}`, or `{unreachable: …}`."""
Answers: TypeAlias = Mapping[str, Sequence[Answer]]
"""`service:Operation` -> its answers in order; the last one stays."""
Behind: TypeAlias = Callable[[str, str, Mapping[str, Any]], dict[str, Any]]
"""Service, operation and parameters -> the answer. Raises AwsRefused, AwsUnreachable."""


@dataclass(frozen=True, slots=True)
class Made:
    """One call that a step made."""

    step: str
    operation: str
    """`service:Operation`."""
    params: Mapping[str, Any]

    @property
    def changes(self) -> bool:
        """Whether it may change something, by the operation's name."""
        return not is_reading(self.operation.partition(":")[2])


@dataclass
class CannedAws:
    """Answers the calls of one rehearsal. `of_step` has answers that hold at one step only; `now` names that step."""

    general: Answers
    of_step: Mapping[str, Answers]
    step: str = ""
    behind: Behind | None = None
    """Answers what nobody has written an answer for: an imitated AWS."""
    made: list[Made] = field(default_factory=list)
    lacking: list[Made] = field(default_factory=list)
    """Calls that nobody has written an answer for."""
    _given: dict[tuple[str, str], int] = field(default_factory=dict)
    _calls: list[AwsCall] = field(default_factory=list)
    region: str = REGION
    account: str = ACCOUNT
    partition: str = "aws"

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """The next answer to an operation. Raises AwsRefused, AwsUnreachable as it was told to."""
        name, action = service_name(service), operation_name(service, operation)
        made = Made(self.step, f"{name}:{action}", dict(params))
        wrong = "; ".join(unfit(params, operation_model(name, action).input_shape, is_complete=True))
        if wrong:
            raise AwsRefused("ParamValidation", f"Parameter validation failed: {wrong}", operation=action)
        self.made.append(made)
        self._calls.append(AwsCall(name, action, region or self.region, resource_of(params), "rehearsed", "", 0.0))
        return self._answer(made, action)

    def _answer(self, made: Made, action: str) -> dict[str, Any]:
        here = self.of_step.get(self.step, {})
        scope, answers = (self.step, here) if made.operation in here else ("", self.general)
        if made.operation not in answers:
            if self.behind is not None:
                return self.behind(made.operation.partition(":")[0], action, made.params)
            self.lacking.append(made)
            raise AwsRefused("NotRehearsed", f"the rehearsal has no answer to {made.operation}", operation=action)
        choices, number = answers[made.operation], self._given.get((scope, made.operation), 0)
        self._given[(scope, made.operation)] = number + 1
        answer = choices[min(number, len(choices) - 1)]
        if "unreachable" in answer:
            raise AwsUnreachable(str(answer["unreachable"]))
        if is_refusal(answer):
            code = str(answer["refused"])
            text = f"An error occurred ({code}) when calling the {action} operation: {answer.get('message', '')}"
            raise AwsRefused(code, text, operation=action)
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200, "RequestId": "rehearsed"}}

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model of the operation. Raises AwsRefused when there is none."""
        return operation_model(service, operation)

    def drain(self) -> list[AwsCall]:
        """The calls since the last time, in order."""
        calls, self._calls = self._calls, []
        return calls


def is_refusal(answer: Answer) -> bool:
    """Whether an answer is AWS's refusal."""
    return "refused" in answer and answer.keys() <= REFUSAL


def unfit_answer(operation: str, answer: Answer) -> Iterator[str]:
    """What in an answer somebody wrote could not come from AWS."""
    if "unreachable" in answer or is_refusal(answer):
        return
    service, _, action = operation.partition(":")
    yield from unfit(answer, operation_model(service, action).output_shape)
