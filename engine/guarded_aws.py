"""AWS for those who have to make sure, right before each call, that they may still make it. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.action import AwsApi
from infra.canonical import Json


class AwsCallRecord(Protocol):
    """One AWS call, as the trail keeps it."""

    def facts(self) -> dict[str, Json]:
        """Service, operation, resource, request id, error: never a payload."""


class RecordingAws(AwsApi, Protocol):
    """AWS for one execution, which remembers what was called."""

    def drain(self) -> Sequence[AwsCallRecord]:
        """The calls since the last time, in order."""


@dataclass(frozen=True, slots=True)
class GuardedAws:
    """However long its owner stood still before: `make_sure` is asked at the moment of each call, and may raise."""

    aws: RecordingAws
    make_sure: Callable[[], object]

    @property
    def region(self) -> str:
        """Where calls go unless they name another Region."""
        return self.aws.region

    @property
    def account(self) -> str:
        """The account id."""
        return self.aws.account

    @property
    def partition(self) -> str:
        """Such as aws or aws-cn."""
        return self.aws.partition

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Call, if it may still be done. Raises what `make_sure` does, AwsRefused, AwsUnreachable."""
        self.make_sure()
        return self.aws.call(service, operation, params, region=region)

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's OperationModel of an operation. Raises AwsRefused when it does not exist."""
        return self.aws.input_members(service, operation)

    def drain(self) -> Sequence[AwsCallRecord]:
        """The calls since the last time, in order."""
        return self.aws.drain()
