"""Several engines behind one protocol: a start goes where the order says, everything else where the row is."""

from collections.abc import Mapping
from typing import Literal

from audit.events import Actor
from engine.protocol import Engine, ExecutionNotFound, StartOrder
from engine.signals import Signal
from engine.store import ExecutionStore
from infra.db import Transaction

EngineName = Literal["embedded", "ssm"]


class Engines:
    """The engine that those above see."""

    def __init__(self, engines: Mapping[EngineName, Engine], store: ExecutionStore, *, default: EngineName) -> None:
        self._engines, self._store, self._default = engines, store, default

    def start(self, tx: Transaction, order: StartOrder) -> str:
        """Record a new execution and return its id. Raises ParametersInvalid."""
        known = self._store.by_request_key(tx, order.request_key) if order.request_key else None
        return known or self._engines[order.engine or self._default].start(tx, order)

    def signal(self, tx: Transaction, execution_id: str, signal: Signal) -> None:
        """Give a signal. Raises SignalRefused, ExecutionNotFound."""
        self._of(tx, execution_id).signal(tx, execution_id, signal)

    def stop(
        self, tx: Transaction, execution_id: str, actor: Actor, kind: Literal["Cancel", "Complete"] = "Cancel"
    ) -> None:
        """Stop an execution. Raises InvalidStatus, ExecutionNotFound."""
        self._of(tx, execution_id).stop(tx, execution_id, actor, kind)

    def _of(self, tx: Transaction, execution_id: str) -> Engine:
        state = self._store.get(tx, execution_id)
        if state is None:
            raise ExecutionNotFound(f"there is no execution {execution_id}")
        return self._engines[state.engine]
