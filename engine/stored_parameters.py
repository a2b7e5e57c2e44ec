"""What the defaults of a start need of Parameter Store, read before its transaction: no transaction waits for AWS.

Source: SSM User Guide, "Use Parameter Store parameters in runbooks"; reference/ssm-automation.md §2.3.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from engine.document import Document, Missing
from engine.execution import Execution
from engine.parameters import SSM_REFERENCE, ParametersInvalid, bind
from engine.performing import assumed_role
from engine.protocol import StartOrder, Stored
from engine.rules import system_values
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json
from infra.clock import Clock

PATIENCE: Final = timedelta(seconds=2)
"""For all that one start needs: Slack shows an error three seconds after a click that nobody answered."""
SECURE: Final = "SecureString"
"""The code with which infra/aws.py refuses one."""
NOT_READ: Final = "it was not read before the start"
Reader = Callable[[str], Json]
"""Reads one stored parameter. Raises AwsRefused, AwsUnreachable."""
ReaderFor = Callable[[Execution], Reader]
"""Parameter Store where, and as the role with which, an execution is to run."""
Prepare = Callable[[StartOrder], StartOrder]


def as_it_is(order: StartOrder) -> StartOrder:
    """Reads nothing ahead: for places that have no Parameter Store."""
    return order


def names_of(document: Document, supplied: Mapping[str, Json]) -> tuple[str, ...]:
    """The stored parameters that the defaults in use refer to, each once. Pure."""
    found: dict[str, None] = {}
    for name, parameter in document.parameters.items():
        if supplied.get(name) is None and not isinstance(parameter.default, Missing):
            texts = parameter.default if isinstance(parameter.default, list) else [parameter.default]
            matched = (SSM_REFERENCE.finditer(text) for text in texts if isinstance(text, str))
            found |= dict.fromkeys(match[1] for matches in matched for match in matches)
    return tuple(found)


def store_of(stored: Stored) -> Reader:
    """Parameter Store as it was read ahead."""

    def read(name: str) -> Json:
        found = stored.get(name, AwsUnreachable(NOT_READ))
        if isinstance(found, Exception):
            raise found
        return found

    return read


def shown_of(stored: Stored) -> Reader:
    """The same where AWS reads by itself, as a role that may be closed to us.

    What cannot be read here stays as it is written; a SecureString is refused, as AWS would.
    """
    read = store_of(stored)

    def show(name: str) -> Json:
        try:
            return read(name)
        except AwsRefused as error:
            if error.code == SECURE:
                raise
        except AwsUnreachable:
            pass
        return f"{{{{ssm:{name}}}}}"

    return show


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """Reads ahead for one start after the other; what cannot be read becomes the refusal of the start."""

    reader_for: ReaderFor
    clock: Clock
    patience: timedelta = PATIENCE

    def __call__(self, order: StartOrder) -> StartOrder:
        """The order with what its defaults need; it takes `patience` at the most."""
        names = names_of(order.document, order.parameters)
        if not names:
            return order
        return replace(order, stored=self._read(self.reader_for(self._planned(order)), names))

    def _planned(self, order: StartOrder) -> Execution:
        """The execution that will be, as far as its place and its role go."""
        document = order.document
        state = Execution(
            order.execution_id, document.name, document.version, document.digest, {}, order.actor, order.region,
            order.account, partition=order.partition, context=order.context,
        )  # fmt: skip
        system = system_values(state, self.clock())
        try:
            parameters = bind(document, order.parameters, system=system, parameter_store=lambda _: "")
        except ParametersInvalid:
            return state
        return replace(state, assume_role=assumed_role(document, parameters, system) or order.role)

    def _read(self, read: Reader, names: tuple[str, ...]) -> Stored:
        found: dict[str, Json | AwsRefused | AwsUnreachable] = {}

        def look(name: str) -> None:
            try:
                found[name] = read(name)
            except (AwsRefused, AwsUnreachable) as error:
                found[name] = error

        # Threads, since botocore's own time limits are for each try and for each of what a call is made of.
        threads = [threading.Thread(target=look, args=(name,), daemon=True) for name in names]
        for thread in threads:
            thread.start()
        end = time.monotonic() + self.patience.total_seconds()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        late = AwsUnreachable(f"AWS did not answer within {self.patience.total_seconds():g} s; try again")
        return {name: found.get(name, late) for name in names}
