"""What those who follow AWS share: the rows, and the one way to AWS.

Every call keeps AWS's rates, and is made only while this process leads; every result is written only if it leads still.
So one who was stopped and wakes up finds out before it opens anybody's gate.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Connection

from audit.events import Actor, Event
from engine.execution import Change, Execution
from engine.guarded_aws import GuardedAws, RecordingAws
from engine.shelf import DocumentShelf
from engine.ssm_store import Command, Look, SsmStore
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database, Transaction
from infra.leadership import ALONE, Lead
from infra.rate import Rate

PER_SECOND: Final = 3.0
"""AWS's limit of each read and of signals; starts and stops (1) come with reads, which keep them below theirs."""
Changes = Callable[[Execution], Change]


class NotLeading(Exception):
    """Another process follows AWS now: what was begun here is left to it, and nothing is concluded."""


@dataclass
class Telling:
    """The surroundings. `signer` gives the role by which a person signs their own signal at AWS, "" = none."""

    db: Database
    store: ExecutionStore
    shelf: DocumentShelf
    ssm: SsmStore
    aws_for: Callable[[Look, str], RecordingAws]
    clock: Clock
    signer: Callable[[Actor], str] = lambda _: ""
    hold: Callable[[Connection], str] = lambda _connection: ""
    """Why AWS may not be told now to go on, in a sentence; "" = it may."""
    rate: Rate = field(default_factory=lambda: Rate(PER_SECOND, PER_SECOND))
    lead: Lead = ALONE
    pause: Callable[[float], object] = threading.Event().wait

    def aws(self, look: Look, role: str = "") -> RecordingAws:
        """AWS where an execution runs. Its calls wait until the rate allows them, and raise NotLeading, too."""
        return GuardedAws(self.aws_for(look, role), self._make_sure)

    def _make_sure(self) -> None:
        self.pause(self.rate.take(self.clock()).total_seconds())
        if not self.lead.is_held:
            raise NotLeading

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction of the leader; nobody can take over before it ends. Raises NotLeading."""
        with self.db.transaction() as tx:
            if not self.lead.confirm(tx):
                raise NotLeading
            yield tx

    def conclude(
        self, look: Look, commands: Sequence[Command], state: Literal["done", "refused"], change: Changes,
        events: Sequence[Event] = (), *, aws_id: str = "",
    ) -> None:  # fmt: skip
        """One transaction: the commands' end, what it means for the execution, and its events."""
        now = self.clock()
        with self.transaction() as tx:
            self.ssm.conclude(tx, [command.id for command in commands], state)
            if aws_id:
                self.ssm.accepted(tx, look.execution_id, aws_id)
            save(tx, self.store, look.execution_id, change, events, now)


def save(
    tx: Transaction, store: ExecutionStore, execution_id: str, change: Changes, events: Sequence[Event], now: datetime
) -> Execution | None:
    """Apply a change to the row as it is now; a row that does not change gets no new version."""
    claimed = store.lock(tx, execution_id)
    if claimed is None:
        return None
    found = change(claimed.execution)
    found = Change(found.state, (*events, *found.events))
    if found.state == claimed.execution:
        store.record(tx, found, now)
        return claimed.execution
    return store.save(tx, found, now)


def called(aws: RecordingAws, look: Look) -> list[Event]:
    """What was called, for the trail; reads are left out, there are too many of them."""
    calls = [call.facts() for call in aws.drain()]
    told = [call for call in calls if not str(call.get("operation", "")).startswith(("Get", "Describe", "List"))]
    return [Event("aws.called", look.execution_id, data=call) for call in told]
