"""An AWS that answers from a table and remembers what it was asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.aws_models import operation_model


@dataclass
class QuietAws:
    """Answers `service:Operation` from `answers` (a value, or a function of the params); records every call."""

    region: str = "eu-west-1"
    account: str = "123456789012"
    partition: str = "aws"
    answers: Mapping[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Answer from the table."""
        name = f"{service}:{operation}"
        self.asked.append((name, dict(params)))
        answer: Any = self.answers[name]
        if isinstance(answer, Callable):  # type: ignore[arg-type]  # a test's function
            answer = answer(params)
        return dict(answer)

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's own model."""
        return operation_model(service, operation)

    def drain(self) -> Sequence[Any]:
        """Nothing to audit."""
        return ()
