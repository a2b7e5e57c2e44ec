"""The embedded engine: carries executions from wait to wait, running actions here.

One way into "running": `carry`. It takes the lease on a due row, lets the conductor move it, commits the intent,
runs the wanted call outside any transaction, and commits how it ended together with what follows from that.
"""

import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import structlog

from audit.events import Actor, Event
from engine import conductor
from engine.action import Action, ChildOrder, ChildResult, Outcome, Waiting
from engine.children import Children, DocumentSource
from engine.document import Document
from engine.execution import Change, Execution
from engine.leases import LEASE, Leases
from engine.parameters import ParametersInvalid, bind, initial_variables
from engine.performing import Abandoned, Performer, assumed_role
from engine.protocol import ExecutionNotFound, StartOrder
from engine.rules import Rules, exponential_backoff, system_values
from engine.secrets import inherited
from engine.shelf import DocumentShelf
from engine.signals import Signal
from engine.store import ExecutionStore, Superseded
from engine.stored_parameters import Prepare, as_it_is, store_of
from infra.clock import Clock
from infra.db import Database, Transaction

log = structlog.get_logger()


class Dispatcher(Protocol):
    """Who works on a due execution."""

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Have `carry` called for this execution at that moment, by somebody, at least once."""


class NotAdmitted(Exception):
    """A child automation may not run now; the message says why."""


Admit = Callable[[Transaction, StartOrder, Execution], str]
"""Why a child of that parent may not run now; "" where it may, and then has what it works on."""


def _admit_all(_tx: Transaction, _order: StartOrder, _parent: Execution) -> str:
    return ""


@dataclass
class Surroundings:
    """What the composition root gives an embedded engine."""

    db: Database
    store: ExecutionStore
    shelf: DocumentShelf
    actions: Mapping[str, Action[Any]]
    performer: Performer
    clock: Clock
    documents: DocumentSource | None = None
    backoff: Callable[[int], timedelta] = exponential_backoff
    prepare: Prepare = as_it_is
    """Reads ahead what a child's defaults need of Parameter Store."""
    admit: Admit = _admit_all
    """Asked before a child is started."""
    hold: Callable[[Transaction], str] = lambda _tx: ""
    """Why no step of any execution may begin now, in a sentence; "" = they may."""
    worker: str = field(default_factory=lambda: uuid.uuid4().hex[:16])


@dataclass(frozen=True, slots=True)
class _Carried:
    """A state with a call to perform on it."""

    state: Execution
    call: conductor.Call
    document: Document
    child: ChildResult | None
    children: tuple[ChildResult, ...] = ()
    may_have_run: bool = False


class EmbeddedEngine:
    """Runs documents itself, with the lease and the fence of each row as its only coordination."""

    def __init__(self, here: Surroundings) -> None:
        self._here = here
        self._store, self._clock = here.store, here.clock
        self._children = Children(here.store, here.shelf, here.documents, here.prepare)
        self.dispatcher: Dispatcher | None = None
        self._carriers = itertools.count(1)
        self._leases = Leases(here.db, here.store, here.clock)

    # -- verbs

    def start(self, tx: Transaction, order: StartOrder) -> str:
        """Record a new execution; the same request key gives the same execution. Raises ParametersInvalid."""
        known = self._store.by_request_key(tx, order.request_key) if order.request_key else None
        return known or self._start(tx, order)

    def _start(self, tx: Transaction, order: StartOrder, *, parent: Execution | None = None, refused: str = "") -> str:
        document, now = order.document, self._clock()
        state, rules = self._bound(order, parent, now, is_refused=bool(refused)), self._rules(tx, document, now)
        self._here.shelf.put(tx, document)
        change = conductor.start(state, rules, actor=order.actor)
        if refused:
            change = _then(change, conductor.refuse(change.state, refused, rules))
        self._store.add(tx, change, now, request_key=order.request_key or None)
        self._wake_after(tx, replace(change.state, version=1))
        return state.id

    def _bound(self, order: StartOrder, parent: Execution | None, now: datetime, *, is_refused: bool) -> Execution:
        """Raises ParametersInvalid, unless it is refused anyway: then it is kept with what was given."""
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
            parent_id=parent.id if parent else "",
            parent_step_execution_id=parent.step.id if parent and parent.step else "",
            depth=parent.depth + 1 if parent else 1,
            tags=order.tags,
            context=order.context,
        )
        system = system_values(state, now)
        try:
            parameters = bind(document, order.parameters, system=system, parameter_store=store_of(order.stored))
            variables = initial_variables(document, parameters, system=system)
        except ParametersInvalid:
            if not is_refused:
                raise
            parameters, variables = dict(order.parameters), {}
        role = assumed_role(document, parameters, system) or order.role
        secrets = inherited(order.secrets, parameters, parent)
        state = replace(state, parameters=parameters, variables=variables, assume_role=role, secrets=secrets)
        return order.resumption.taken_up(state) if order.resumption else state

    def signal(self, tx: Transaction, execution_id: str, signal: Signal) -> None:
        """Give a signal. Raises SignalRefused, ExecutionNotFound."""
        state, rules = self._locked(tx, execution_id)
        self._forward(tx, conductor.receive(state, signal, rules), rules)

    def stop(
        self, tx: Transaction, execution_id: str, actor: Actor, kind: Literal["Cancel", "Complete"] = "Cancel"
    ) -> None:
        """Stop an execution. Raises InvalidStatus, ExecutionNotFound."""
        state, rules = self._locked(tx, execution_id)
        change = conductor.stop(state, actor, rules, kind=kind)
        if change.state is not state:
            self._forward(tx, change, rules)

    def _forward(self, tx: Transaction, change: Change, rules: Rules) -> None:
        """Save a change with all that follows from it without a call; a worker does the rest."""
        change = _then(change, conductor.advance(change.state, rules))
        self._after(tx, self._store.save(tx, change, rules.now))

    def _locked(self, tx: Transaction, execution_id: str) -> tuple[Execution, Rules]:
        claimed = self._store.lock(tx, execution_id)
        if claimed is None:
            raise ExecutionNotFound(f"there is no execution {execution_id}")
        state = claimed.execution
        return state, self._rules(tx, self._here.shelf.of(tx, state), self._clock())

    # -- carrying

    def carry(self, execution_id: str) -> None:
        """Take a due execution to its next wait. Harmless when it is not due, or somebody else has it."""
        carrier = f"{self._here.worker}.{next(self._carriers)}"
        try:
            with self._here.db.transaction(gives_way=True) as tx:
                carried = self._take_up(tx, execution_id, carrier)
            while carried is not None:
                carried = self._perform(carried, carrier)
        except Superseded:
            return
        except Abandoned as left:
            self._leave(execution_id, left)
        finally:
            self._leases.drop(carrier)

    def _leave(self, execution_id: str, left: Abandoned) -> None:
        """Keep what was called before the lease ran out; whoever has the step now says how it ended."""
        log.warning("lease lost, step left to others", execution=execution_id)
        if left.events:
            with self._here.db.transaction() as tx:
                state, rules = self._locked(tx, execution_id)
                self._store.record(tx, Change(state, left.events), rules.now)

    def _take_up(self, tx: Transaction, execution_id: str, carrier: str) -> _Carried | None:
        claimed, now = self._store.lock(tx, execution_id), self._clock()
        if claimed is None or claimed.is_held_by_another(carrier, now):
            return None
        state = claimed.execution
        rules = self._rules(tx, self._here.shelf.of(tx, state), now)
        child = self._children.of_step(tx, state)
        change = Change(state)
        if state.phase == "child" and child is not None and child.status is not None:
            change = conductor.child_ended(state, child, rules)
        elif conductor.awaits_children(state, ended := self._children.ended(tx, state)):
            change = conductor.children_ended(state, ended, rules)
        elif state.phase != "ready" and not conductor.is_due(state, now):  # between two steps it may have been held
            self._wake_after(tx, state)
            return None
        may_have_run = state.phase == "calling" and claimed.claimed_by is not None
        if may_have_run:
            change = conductor.recover(state, rules)
        carried = self._onward(tx, change, rules, carrier, child=child)
        return replace(carried, may_have_run=may_have_run) if carried else None

    def _onward(
        self, tx: Transaction, change: Change, rules: Rules, carrier: str, *, child: ChildResult | None = None
    ) -> _Carried | None:
        """Advance and save; keep the lease while a call is wanted."""
        change = _then(change, conductor.advance(change.state, rules))
        call = conductor.wants(change.state)
        lease = (carrier, rules.now + LEASE) if call else None
        saved = self._store.save(tx, change, rules.now, lease=lease)
        if call is None:
            self._after(tx, saved)
            return None
        self._leases.hold(carrier, saved.id)
        return _Carried(saved, call, rules.document, child, self._children.results(tx, saved))

    def _perform(self, carried: _Carried, carrier: str) -> _Carried | None:
        state, call = carried.state, carried.call
        outcome, events = self._here.performer.perform(
            state, carried.document, call, may_have_run=carried.may_have_run, child=carried.child,
            children=carried.children, may_act=lambda: self._leases.may_act(carrier),
        )  # fmt: skip
        if call.kind == "cancel":
            for child_id in (call.step.child_id, *(each.execution_id for each in carried.children)):
                self._stop_child(child_id, state)
        outcome = self._children.prepared(state, outcome)
        with self._here.db.transaction(gives_way=True) as tx:
            return self._conclude(tx, carried, outcome, events, carrier)

    def _conclude(
        self, tx: Transaction, carried: _Carried, outcome: Outcome | None, events: list[Event], carrier: str
    ) -> _Carried | None:
        state, rules = self._locked(tx, carried.state.id)
        wanted = conductor.wants(state)
        if wanted is None or wanted.id != carried.call.id:
            self._store.record(tx, Change(state, tuple(events)), rules.now)
            return None
        change = conductor.report(state, carried.call.id, outcome, rules)
        orders = (outcome.child, *(outcome.children or ())) if isinstance(outcome, Waiting) else ()
        for order in sorted(filter(None, orders), key=lambda each: each.label):  # two fan-outs lock in one order
            if change.state.phase == "child":
                change = self._with_child(tx, state, change, order, rules)
        return self._onward(tx, Change(change.state, (*events, *change.events)), rules, carrier)

    def _with_child(
        self, tx: Transaction, before: Execution, change: Change, order: ChildOrder, rules: Rules
    ) -> Change:
        """Start the child a step has asked for; a child that cannot start fails the step instead.

        One of a fan-out that may not run now has failed: how much of that the fan-out bears is MaxErrors' to say.
        """
        try:
            self._start_child(tx, change.state, order)
        except Exception as error:  # noqa: BLE001 - any refusal of the child is the step's failure, in its own words
            call = conductor.wants(before)
            for sibling in self._children.fan_out(tx, change.state):
                if not sibling.is_over:
                    self.stop(tx, sibling.id, before.started_by)
            return conductor.report(before, call.id, conductor.refused_child(error), rules) if call else change
        return change

    def _start_child(self, tx: Transaction, parent: Execution, order: ChildOrder) -> None:
        step = parent.step
        child_id = order.execution_id or (step.child_id if step else "")
        if step is None or self._store.get(tx, child_id) is not None:
            return
        wish = self._children.wish(parent, order, child_id)
        is_one_of_many = bool(order.execution_id)
        try:
            refused = self._here.admit(tx, wish, parent)
            if refused and not is_one_of_many:
                raise NotAdmitted(refused)
            self._start(tx, wish, parent=parent, refused=refused)
        except ParametersInvalid as error:
            if not is_one_of_many:
                raise
            self._start(tx, wish, parent=parent, refused=str(error))

    def _stop_child(self, child_id: str, parent: Execution) -> None:
        if not child_id:
            return
        actor = parent.cancelled_by or Actor("system", f"execution:{parent.id}")
        try:
            with self._here.db.transaction() as tx:
                self.stop(tx, child_id, actor)
        except (conductor.InvalidStatus, ExecutionNotFound):
            return

    # -- after a commit

    def _after(self, tx: Transaction, state: Execution) -> None:
        self._wake_after(tx, state)
        now = self._clock()
        if state.is_over and state.parent_id:
            self._wake_now(tx, state.parent_id, now)
        if conductor.awaits_children(state, self._children.ended(tx, state)):
            self._wake_now(tx, state.id, now)

    def _wake_now(self, tx: Transaction, execution_id: str, now: datetime) -> None:
        """Have an execution looked at because of a child; its row says so, too, should this process die now."""
        self._store.make_due(tx, execution_id, now)
        if self.dispatcher is not None:
            dispatcher = self.dispatcher
            tx.on_commit(lambda: dispatcher.wake(execution_id, now))

    def _wake_after(self, tx: Transaction, state: Execution) -> None:
        due, dispatcher = state.due_at, self.dispatcher
        if due is not None and dispatcher is not None:
            tx.on_commit(lambda: dispatcher.wake(state.id, due))

    def renew_leases(self) -> None:
        """Say that this worker's carriers live; called every few seconds by its dispatcher."""
        self._leases.renew()

    def go_on(self, tx: Transaction) -> None:
        """Have everything looked at that was held between two steps; harmless where that still holds."""
        now = self._clock()
        for execution_id in self._store.between_steps(tx):
            self._wake_now(tx, execution_id, now)

    def _rules(self, tx: Transaction, document: Document, now: datetime) -> Rules:
        return Rules(document, self._here.actions, now, backoff=self._here.backoff, hold=self._here.hold(tx))


def _then(first: Change, second: Change) -> Change:
    return Change(second.state, (*first.events, *second.events))
