"""The SSM engine: AWS Systems Manager runs the document; the verbs here only record what it is to be told.

Each verb is rows in the caller's transaction. `ssm_runner.py` tells AWS after the commit and mirrors its answers, so
a crash between the two repeats nothing: a start carries a ClientToken derived from our execution id, and before a
signal is sent the waiting step is read.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from audit.events import Actor, Event
from engine import conductor
from engine.action import Action
from engine.execution import Change, Execution, Status
from engine.parameters import bind, initial_variables
from engine.protocol import ExecutionNotFound, StartOrder
from engine.rules import NAMESPACE, Rules, system_values
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalRefused, SignalType
from engine.ssm_store import Look, SsmStore
from engine.store import ExecutionStore
from engine.stored_parameters import shown_of
from engine.wire import strings
from infra.canonical import Json, canonical
from infra.clock import Clock
from infra.db import Transaction

ANSWERS = frozenset({SignalType.APPROVE, SignalType.REJECT, SignalType.RESUME})
"""Signals that a waiting step must want; the others are judged by AWS."""


def client_token(execution_id: str) -> str:
    """The ClientToken of an execution's start: the same on every repetition."""
    return str(uuid.uuid5(NAMESPACE, f"{execution_id}/ssm"))


@dataclass
class SsmSurroundings:
    """What the composition root gives the SSM engine's verbs."""

    store: ExecutionStore
    shelf: DocumentShelf
    ssm: SsmStore
    actions: Mapping[str, Action[Any]]
    clock: Clock


class SsmEngine:
    """Has documents run by AWS. Speaks to AWS never; that is its runner's work."""

    def __init__(self, here: SsmSurroundings) -> None:
        self._here = here
        self._store, self._ssm, self._clock = here.store, here.ssm, here.clock

    def start(self, tx: Transaction, order: StartOrder) -> str:
        """Record a new execution; the same request key gives the same execution. Raises ParametersInvalid."""
        known = self._store.by_request_key(tx, order.request_key) if order.request_key else None
        if known is not None:
            return known
        now, document = self._clock(), order.document
        state = self._bound(order)
        self._here.shelf.put(tx, document)
        change = conductor.start(state, Rules(document, self._here.actions, now), actor=order.actor)
        change = Change(replace(change.state, due_at=None), change.events)
        self._store.add(tx, change, now, request_key=order.request_key or None)
        self._ssm.add(tx, Look(state.id, "", order.region, order.account, 0.0, None), now)
        self._ssm.tell(tx, f"{state.id}/start", state.id, "start", self._start_data(order, change.state))
        return state.id

    def _bound(self, order: StartOrder) -> Execution:
        document = order.document
        state = Execution(
            id=order.execution_id or str(uuid.uuid4()),
            document_name=document.name,
            document_version=document.version,
            document_digest=document.digest,
            parameters={},
            started_by=order.actor,
            region=order.region,
            account=order.account,
            partition=order.partition,
            mode=order.mode,
            tags=order.tags,
            context=order.context,
            secrets=order.secrets,
            engine="ssm",
        )
        system = system_values(state, self._clock())
        parameters = bind(document, order.parameters, system=system, parameter_store=shown_of(order.stored))
        return replace(state, parameters=parameters, variables=initial_variables(document, parameters, system=system))

    @staticmethod
    def _start_data(order: StartOrder, state: Execution) -> dict[str, Json]:
        """Only what was given travels: AWS has the document's defaults itself."""
        given: dict[str, Json] = {
            name: [*strings(state.parameters[name])]
            for name in order.parameters
            if state.parameters.get(name) is not None
        }
        return {"document": order.aws_document, "parameters": given}

    def signal(self, tx: Transaction, execution_id: str, signal: Signal) -> None:
        """Have a signal given to the step that waits. Raises SignalRefused, ExecutionNotFound."""
        state = self._locked(tx, execution_id)
        step = state.step
        if state.is_over:
            raise SignalRefused(f"execution {state.id} is over ({state.status})")
        if signal.type in ANSWERS:
            if step is None or signal.type not in step.signals:
                raise SignalRefused(f"no step of execution {state.id} waits for {signal.type}")
            if signal.step_execution_id not in ("", step.id):
                raise SignalRefused(f"the signal is for another step than the one that waits ({step.name})")
        told: dict[str, Json] = {
            "type": str(signal.type),
            "step": step.name if step else "",
            "step_execution_id": step.id if step else "",
            "actor": [signal.actor.kind, signal.actor.id, signal.actor.name],
            "payload": dict(signal.payload),
        }
        if not self._ssm.tell(tx, _signal_id(told, len(state.steps)), execution_id, "signal", told):
            return
        payload: dict[str, Json] = dict(signal.payload)
        named = signal.payload.get("StepName", "") or told["step"]
        data: dict[str, Json] = {"signal": str(signal.type), "payload": payload, "step": named}
        event = Event("signal.received", state.id, signal.actor, data)
        self._store.save(tx, Change(state, (event,)), self._clock())
        self._ssm.wake(tx, execution_id, self._clock())

    def stop(
        self, tx: Transaction, execution_id: str, actor: Actor, kind: Literal["Cancel", "Complete"] = "Cancel"
    ) -> None:
        """Have AWS stop it. Raises InvalidStatus, ExecutionNotFound."""
        state = self._locked(tx, execution_id)
        if state.is_over:
            raise conductor.InvalidStatus(f"execution {state.id} is over ({state.status})")
        if not self._ssm.tell(tx, f"{state.id}/stop/{kind}", state.id, "stop", {"type": kind}):
            return
        if kind == "Cancel":
            state = replace(state, status=Status.CANCELLING, cancelled_by=actor)
        event = Event("execution.cancelling", state.id, actor, {"type": kind})
        self._store.save(tx, Change(state, (event,)), self._clock())
        self._ssm.wake(tx, execution_id, self._clock())

    def _locked(self, tx: Transaction, execution_id: str) -> Execution:
        claimed = self._store.lock(tx, execution_id)
        if claimed is None:
            raise ExecutionNotFound(f"there is no execution {execution_id}")
        return claimed.execution


def _signal_id(told: Mapping[str, Json], steps: int) -> str:
    """One answer of one actor to one step is one command, however often it is delivered.

    What starts or stops a step is the same wish only as long as no further step (of the `steps`) is known.
    """
    parts = [told["type"], told["step_execution_id"], told["actor"], told["payload"]]
    parts += [] if told["type"] in ANSWERS else [steps]
    return str(uuid.uuid5(NAMESPACE, f"signal/{canonical(parts)}"))
