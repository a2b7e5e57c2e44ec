"""What every engine promises, whoever runs the document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from audit.events import Actor
from engine.document import Document
from engine.resumption import Resumption
from engine.signals import Signal
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json
from infra.db import Transaction

Stored = Mapping[str, Json | AwsRefused | AwsUnreachable]
"""What Parameter Store answered, by name."""


class ExecutionNotFound(Exception):
    """There is no such execution."""


@dataclass(frozen=True, slots=True)
class StartOrder:
    """A wish to run a document. `request_key` makes the same wish, delivered twice, one execution.

    `parameters` are native values or lists of strings as StartAutomationExecution takes them; `context` is kept for
    those above the engine and never read by it.
    """

    document: Document
    parameters: Mapping[str, Json]
    actor: Actor
    region: str
    account: str
    partition: str = "aws"
    mode: Literal["Auto", "Interactive"] = "Auto"
    request_key: str = ""
    execution_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Json] = field(default_factory=dict)
    engine: Literal["", "embedded", "ssm"] = ""
    """Who is to run it; "" = as the settings say."""
    stored: Stored = field(default_factory=dict)
    """What the defaults need of Parameter Store, as it was read before (engine/stored_parameters.py)."""
    role: str = ""
    """Whom it runs as, unless the document says; "" = as the engine itself."""
    aws_document: str = ""
    """For SSM: name, NAME:VERSION or ARN of the document there; "" = ours is pushed."""
    secrets: tuple[str, ...] = ()
    """Parameters whose values nobody shall read; those that are named like secrets need not be named here."""
    resumption: Resumption | None = None
    """What is taken over from an execution that failed; None = from the first step."""


class Engine(Protocol):
    """Runs documents. Each verb is part of the caller's transaction; work begins when it commits."""

    def start(self, tx: Transaction, order: StartOrder) -> str:
        """Record a new execution and return its id. Raises ParametersInvalid."""

    def signal(self, tx: Transaction, execution_id: str, signal: Signal) -> None:
        """Give a signal. Raises SignalRefused, ExecutionNotFound."""

    def stop(
        self, tx: Transaction, execution_id: str, actor: Actor, kind: Literal["Cancel", "Complete"] = "Cancel"
    ) -> None:
        """Stop an execution. Raises InvalidStatus, ExecutionNotFound."""
