"""One document run to its end in the calling thread: for the terminal, rehearsals and tests. No worker, no file."""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from audit.store import AuditStore
from engine.action import Action
from engine.children import DocumentSource
from engine.embedded import EmbeddedEngine, Surroundings
from engine.execution import FINAL, Execution, Status
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.rules import exponential_backoff
from engine.shelf import DocumentShelf
from engine.signals import Signal
from engine.store import ExecutionStore, Selection
from engine.stored_parameters import Prepare, ReadAhead, as_it_is
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, metadata

OPEN: Final = Selection(statuses=tuple(str(status) for status in Status if status not in FINAL))
MOST_OPEN: Final = 10_000
PATIENCE: Final = timedelta(seconds=20)
"""For Parameter Store: nobody but the caller waits."""
Answer = Callable[[Execution], Signal | None]
"""Asked when only people can move the execution; None leaves it waiting, and the run ends there."""


@dataclass
class Agenda:
    """A dispatcher that only remembers; the foreground loop does the work."""

    timers: list[tuple[datetime, str]] = field(default_factory=list)

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Note it down."""
        heapq.heappush(self.timers, (due_at, execution_id))


class Foreground:
    """An embedded engine on a database in memory, driven step by step."""

    def __init__(
        self,
        *,
        actions: Mapping[str, Action[Any]],
        performer: Performer,
        clock: Clock,
        pause: Callable[[float], object],
        documents: DocumentSource | None = None,
        backoff: Callable[[int], timedelta] = exponential_backoff,
        parameter_store: Callable[[str], Json] | None = None,
    ) -> None:
        self._db = Database("sqlite://")
        metadata.create_all(self._db.engine)
        self.audit = AuditStore()
        self.store = ExecutionStore(self.audit)
        self._clock, self._pause = clock, pause
        self._prepare: Prepare = as_it_is
        if parameter_store is not None:
            self._prepare = ReadAhead(lambda _: parameter_store, clock, patience=PATIENCE)
        self._agenda = Agenda()
        surroundings = Surroundings(
            self._db,
            self.store,
            DocumentShelf(self.store),
            actions,
            performer,
            clock,
            documents=documents,
            backoff=backoff,
            prepare=self._prepare,
        )
        self._engine = EmbeddedEngine(surroundings)
        self._engine.dispatcher = self._agenda

    def run(self, order: StartOrder, answer: Answer) -> Execution:
        """Run to the end, or to a question that nobody answers. Raises ParametersInvalid."""
        prepared = self._prepare(order)
        with self._db.transaction() as tx:
            execution_id = self._engine.start(tx, prepared)
        while True:
            self._work()
            state = self._state(execution_id)
            waiting = state if state.is_over else self._waiting(state)
            if state.is_over or waiting is None:
                return state
            signal = answer(waiting)
            if signal is None:
                return state
            with self._db.transaction() as tx:
                self._engine.signal(tx, waiting.id, signal)

    def _work(self) -> None:
        """Carry everything that is due, waiting for timers; stop where only people can move it."""
        while self._agenda.timers:
            due_at, execution_id = self._agenda.timers[0]
            if self._asks_people() and due_at > self._clock():
                return
            heapq.heappop(self._agenda.timers)
            if self._state(execution_id).is_over:
                continue
            pause = (due_at - self._clock()).total_seconds()
            if pause > 0:
                self._pause(pause)
            self._engine.carry(execution_id)

    def _asks_people(self) -> bool:
        with self._db.reading() as connection:
            running = self.store.page(connection, OPEN, after="", limit=MOST_OPEN)
        return any(state.phase == "signal" for state in running)

    def _waiting(self, state: Execution) -> Execution | None:
        """The execution that waits for people: this one, or the descendant it waits for."""
        step = state.step
        if state.phase == "signal":
            return state
        return self._waiting(self._state(step.child_id)) if step is not None and step.child_id else None

    def _state(self, execution_id: str) -> Execution:
        with self._db.reading() as connection:
            state = self.store.get(connection, execution_id)
        if state is None:
            raise LookupError(f"there is no execution {execution_id}")
        return state

    def close(self) -> None:
        """Forget everything."""
        self._db.close()
