"""AWS as a preview may use it: it answers questions, and stops at the first call that could change anything.

This is the only AWS that previews have, so no action, however it is written, can change something from one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.aws_models import operation_name, service_name
from infra.aws_reading import why_no_look
from infra.canonical import Json


class WouldChange(Exception):
    """The call was not made: it could change something."""

    def __init__(self, service: str, operation: str, params: Mapping[str, Any], *, region: str, why: str) -> None:
        super().__init__(f"{service}:{operation} is not called in a preview: {why}")
        self.service, self.operation, self.params, self.region = service, operation, dict(params), region
        self.why = why


class Session(Protocol):
    """AWS in one account and Region."""

    @property
    def region(self) -> str:
        """Where calls go."""

    @property
    def account(self) -> str:
        """The account id."""

    @property
    def partition(self) -> str:
        """Such as aws or aws-cn."""

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """One call. Raises AwsRefused, AwsUnreachable."""

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model of the operation. Raises AwsRefused."""


@dataclass
class LookingAws:
    """Guards a session. The same question is asked once."""

    session: Session
    looked: list[str] = field(default_factory=list)
    """Every call that was made, as `service:Operation`."""
    _answers: dict[str, dict[str, Any] | AwsRefused | AwsUnreachable] = field(default_factory=dict)

    @property
    def unanswered(self) -> int:
        """How many questions AWS did not answer, or not to whoever asks."""
        answers = self._answers.values()
        return sum(
            isinstance(each, AwsUnreachable) or (isinstance(each, AwsRefused) and each.is_denied) for each in answers
        )

    @property
    def region(self) -> str:
        """Where calls go."""
        return self.session.region

    @property
    def account(self) -> str:
        """The account id."""
        return self.session.account

    @property
    def partition(self) -> str:
        """aws, aws-cn, aws-us-gov."""
        return self.session.partition

    def input_members(self, service: str, operation: str) -> Any:
        """Botocore's model of the operation. Raises AwsRefused when there is none."""
        return self.session.input_members(service, operation)

    def parameter(self, name: str) -> Json:
        """A plain parameter of Parameter Store. Raises AwsRefused, AwsUnreachable."""
        found = self.call("ssm", "GetParameter", {"Name": name})["Parameter"]
        if found["Type"] == "SecureString":
            raise AwsRefused("SecureString", f'The parameter "{name}" is a SecureString, which runbooks may not read.')
        value = str(found["Value"])
        return [*value.split(",")] if found["Type"] == "StringList" else value

    def drain(self) -> tuple[()]:
        """A preview leaves no trail of an execution."""
        return ()

    def call(self, service: str, operation: str, params: Mapping[str, Any], *, region: str = "") -> dict[str, Any]:
        """Ask. Raises WouldChange, AwsRefused, AwsUnreachable."""
        name, action = service_name(service), operation_name(service, operation)
        why = why_no_look(name, action, params)
        if why:
            raise WouldChange(name, action, params, region=region or self.region, why=why)
        key = json.dumps([name, action, params, region], sort_keys=True, default=str)
        if key not in self._answers:
            self.looked.append(f"{name}:{action}")
            try:
                self._answers[key] = self.session.call(name, action, params, region=region)
            except (AwsRefused, AwsUnreachable) as error:
                self._answers[key] = error
        answer = self._answers[key]
        if isinstance(answer, Exception):
            raise answer
        return answer
