"""What a start has to pass: access, the big pause, freezes, protected tags, the budget, and the lock of its resources.

Everything is looked at in the transaction that starts, so that two starts cannot both find the way free. A refusal
undoes that transaction; what is to be remembered of it is written in one of its own (`audited`).
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from audit.events import Actor, Event
from audit.store import AuditStore
from engine.execution import FINAL, Execution
from engine.parameters import bind
from engine.protocol import Engine, StartOrder
from engine.rules import system_values
from engine.store import ExecutionStore
from engine.stored_parameters import store_of
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks import budgets, locks
from playbooks.access import DOCUMENT, Access, Decision, Verb, Wish, refusal
from playbooks.alarm import Alarm
from playbooks.asking import top_of
from playbooks.budgets import Budget
from playbooks.freezes import Freeze, Pause, frozen, why_frozen
from playbooks.guard_store import GuardStore, HeldWish
from playbooks.locks import Holder, busy, keys_of
from playbooks.people import Identity, actor_of
from playbooks.playbook import Playbook
from playbooks.protection import protects
from playbooks.refusals import Busy, Denied, HeldBack

USUAL_BUDGET: Final = Budget(3, timedelta(hours=1))
CALLER: Final = "caller"
"""Where the context of a start on targets keeps who wants them."""
OVERRIDE: Final = "override"
"""The pair of a command that gives the reason for starting in a freeze."""


@dataclass(frozen=True)
class GuardRules:
    """What the settings say."""

    access: Access
    freezes: tuple[Freeze, ...] = ()
    budget: Budget | None = USUAL_BUDGET
    protected_tags: tuple[str, ...] = ("no-auto-remediate",)


@dataclass(frozen=True)
class GuardParts:
    """What the guards stand on."""

    db: Database
    audit: AuditStore
    executions: ExecutionStore
    engine: Engine
    clock: Clock
    rules: GuardRules
    store: GuardStore
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex[:16]
    go_on: Callable[[Transaction], None] = lambda _tx: None
    """Has the engine look at what was held between two steps."""


@dataclass(frozen=True, slots=True)
class _Start:
    """A start that is being looked at."""

    playbook: Playbook
    order: StartOrder
    parameters: Mapping[str, Json]
    keys: tuple[str, ...]


class Guards:
    """Lets starts, stops and answers pass, or says why not."""

    def __init__(self, parts: GuardParts) -> None:
        self.parts = parts

    # -- access

    def permit(self, wish: Wish, by: Identity, *, subject: str = "") -> None:
        """Raises NotAllowed (audited)."""
        with self.audited():
            learned = self._decided(wish, by, subject)
            if learned is not None:
                self._write([learned])

    def permit_in(self, tx: Transaction, wish: Wish, by: Identity, *, subject: str = "") -> None:
        """The same inside a transaction; the refusal is written by `audited` around it. Raises Denied."""
        learned = self._decided(wish, by, subject)
        if learned is not None:
            self.parts.audit.append(tx, [learned], self.parts.clock())

    def may(self, wish: Wish, by: Identity) -> bool:
        """Whether it would be allowed; asking leaves no trace."""
        return self.parts.rules.access.allows(wish, by)

    def judged(self, wish: Wish, by: Identity) -> tuple[Decision, Decision | None]:
        """The decision that counts, and that of the rules which are tried out."""
        access = self.parts.rules.access
        return access.decide(wish, by), access.rehearse(wish, by)

    def _decided(self, wish: Wish, by: Identity, subject: str) -> Event | None:
        """The event of what rules that are tried out would have refused. Raises Denied."""
        decision, tried = self.judged(wish, by)
        data: dict[str, Json] = {"what": f"{wish.verb} {wish.playbook or subject}", "verb": wish.verb}
        if not decision.is_allowed:
            sentence = refusal(decision, wish)
            event = Event("access.refused", subject, actor_of(by), {**data, "reason": sentence})
            raise Denied(sentence, event)
        if tried is None or tried.is_allowed:
            return None
        return Event("access.learned", subject, actor_of(by), {**data, "reason": refusal(tried, wish)})

    @contextmanager
    def audited(self) -> Iterator[None]:
        """Around a transaction: what refused it is remembered after it was undone."""
        try:
            yield
        except (Denied, HeldBack) as refused:
            self._write([refused.event], refused.wish if isinstance(refused, Busy) else None)
            raise

    def _write(self, events: Sequence[Event], wish: HeldWish | None = None) -> None:
        with self.parts.db.transaction() as tx:
            self.parts.audit.append(tx, events, self.parts.clock())
            if wish is not None:
                self.parts.store.hold(tx, wish)

    # -- starting

    def start(
        self,
        tx: Transaction,
        playbook: Playbook,
        order: StartOrder,
        by: Identity,
        *,
        said_in: str,
        override: str = "",
        wish: Mapping[str, Json] | None = None,
    ) -> str:
        """Start for a person. Raises Denied, HeldBack, Busy, ParametersInvalid; the same wish twice is one execution.

        `wish` is what to remember for *take over*.
        """
        known = self._known(tx, order)
        if known is not None:
            return known
        start = self._looked_at(playbook, order)
        secrets = frozenset(order.secrets)
        asked = Wish("run", playbook.name, start.parameters, said_in, order.region, order.account, secrets=secrets)
        self.permit_in(tx, asked, by)
        self.not_paused(tx, order.actor, f"run {playbook.name}")
        self._not_frozen(tx, start, by, override, asked)
        self._take(tx, start, by, wish)
        return self.parts.engine.start(tx, start.order)

    def start_by_itself(
        self, tx: Transaction, playbook: Playbook, order: StartOrder, alarm: Alarm, *, protected: str = ""
    ) -> str:
        """Start for an alarm. Raises HeldBack, ParametersInvalid: then nothing of it is in the transaction.

        `protected` is why only a person may, as AWS was asked before (playbooks/protection.py).
        """
        known = self._known(tx, order)
        if known is not None:
            return known
        start = self._looked_at(playbook, order)
        self.not_paused(tx, order.actor, f"start {playbook.name}")
        self._not_frozen(tx, start, None, "", None)
        self._not_protected(start, alarm, protected)
        counted = self._within_budget(tx, start, alarm)
        self._take(tx, start, None, None)
        context = {**start.order.context, "budget": counted} if counted else start.order.context
        execution_id = self.parts.engine.start(tx, replace(start.order, context=context))
        targets = budgets.targets(start.keys, alarm.id)
        self.parts.store.count(tx, execution_id, playbook.name, targets, self.parts.clock())
        return execution_id

    def start_document(self, tx: Transaction, order: StartOrder, by: Identity) -> str:
        """Start what is no playbook. Raises Denied, HeldBack, Busy, ParametersInvalid.

        As on AWS several may work on one resource, but none beside what a playbook has started.
        """
        known = self._known(tx, order)
        if known is not None:
            return self.parts.engine.start(tx, order)
        parameters, name = self.bound(order), f"{DOCUMENT}{order.document.name}"
        self.permit_in(tx, Wish("run", name, parameters, "", order.region, order.account), by)
        self.not_paused(tx, order.actor, f"run {name}")
        found = frozen(self.parts.rules.freezes, None, self.parts.clock())
        if found is not None:
            raise _held(why_frozen(*found), "frozen", order.actor, f"run {name}")
        keys = keys_of(None, order.document, parameters, order.region, order.account)
        holder = self._take_beside(tx, order, keys, None)
        if holder is not None:
            text = busy(holder, self.parts.clock())
            raise _held(text, "busy", order.actor, f"run {order.document.name}", holder.execution_id)
        return self.parts.engine.start(tx, order)

    def admit_child(self, tx: Transaction, order: StartOrder, parent: Execution) -> str:
        """Have what a child works on, from now on; why that cannot be, or "". Raises ParametersInvalid.

        What one playbook or start has begun may share a resource, however deep. What a caller's start on targets has
        found is judged as if they had started it there: a rule may speak of a value that nobody knew before.
        """
        parameters, top = self.bound(order), top_of(self.parts.executions, tx, parent)
        caller = top.context.get(CALLER) if parent.context.get("fan_out") and not order.context.get("fan_out") else None
        if isinstance(caller, str):
            wish = Wish("run", f"{DOCUMENT}{order.document.name}", parameters, "", order.region, order.account)
            try:
                self.permit_in(tx, wish, caller_of(caller), subject=order.execution_id)
            except Denied as denied:
                self.parts.audit.append(tx, [denied.event], self.parts.clock())
                return str(denied)
        keys = keys_of(None, order.document, parameters, order.region, order.account)
        holder = self._take_beside(tx, order, keys, top) if keys else None
        return busy(holder, self.parts.clock()) if holder else ""

    def _take_beside(
        self, tx: Transaction, order: StartOrder, keys: Sequence[str], top: Execution | None
    ) -> Holder | None:
        """Have them beside others who share them, or say who is in the way: a playbook's execution shares with none."""
        now, store, executions = self.parts.clock(), self.parts.store, self.parts.executions
        store.turns(tx, keys)
        for holder in store.holders(tx, keys):
            state = executions.get(tx, holder.execution_id)
            if state is None or not self.is_open(tx, state.id):
                store.release(tx, holder.execution_id)
                continue
            other = top_of(executions, tx, state)
            is_kin = top is not None and other.id == top.id
            if not is_kin and any(each and each.context.get("playbook") for each in (other, top)):
                return holder
        if keys:
            ours = tuple(locks.shared(key, order.execution_id) for key in keys)
            store.take(tx, ours, Holder(ours[0], order.execution_id, order.document.name, order.actor, now))
        return None

    def _known(self, tx: Transaction, order: StartOrder) -> str | None:
        return self.parts.executions.by_request_key(tx, order.request_key) if order.request_key else None

    def _looked_at(self, playbook: Playbook, order: StartOrder) -> _Start:
        """With the values that the execution will have. Raises ParametersInvalid."""
        order = replace(order, execution_id=order.execution_id or str(uuid.uuid4()))
        parameters = self.bound(order)
        keys = keys_of(playbook, order.document, parameters, order.region, order.account)
        return _Start(playbook, order, parameters, keys)

    def keys_of(self, playbook: Playbook, order: StartOrder) -> tuple[str, ...]:
        """The keys of what an order would work on. Raises ParametersInvalid."""
        return keys_of(playbook, order.document, self.bound(order), order.region, order.account)

    def bound(self, order: StartOrder) -> Mapping[str, Json]:
        """Every parameter's value, defaults too. Raises ParametersInvalid."""
        state = Execution(
            id=order.execution_id,
            document_name=order.document.name,
            document_version=order.document.version,
            document_digest=order.document.digest,
            parameters={},
            started_by=order.actor,
            region=order.region,
            account=order.account,
            partition=order.partition,
        )
        system = system_values(state, self.parts.clock())
        return bind(order.document, order.parameters, system=system, parameter_store=store_of(order.stored))

    # -- what holds back

    def not_paused(self, tx: Transaction, actor: Actor, what: str, *, subject: str = "") -> None:
        """Raises HeldBack while everything is paused."""
        pause = self.parts.store.pause(tx)
        if pause is not None:
            raise _held(pause.sentence, "paused", actor, what, subject)

    def why_held(self, tx: Transaction) -> str:
        """Why no step may begin now, in a sentence; "" = they may. For the engine, which asks before each."""
        pause = self.parts.store.lasting_pause(tx)
        return pause.sentence if pause is not None else ""

    def why_paused(self, connection: Connection) -> str:
        """The same for whoever only reads."""
        pause = self.parts.store.pause(connection)
        return pause.sentence if pause is not None else ""

    def must_go_on(self, actor: Actor, what: str, *, subject: str = "") -> None:
        """Raises HeldBack (audited) while everything is paused."""
        if self.paused() is None:
            return  # a click waits for no turn to write where there is nothing to write
        with self.audited(), self.parts.db.transaction() as tx:
            self.not_paused(tx, actor, what, subject=subject)

    def paused(self) -> Pause | None:
        """Whether everything is paused now."""
        with self.parts.db.reading() as connection:
            return self.parts.store.pause(connection)

    def _not_frozen(
        self, tx: Transaction, start: _Start, by: Identity | None, override: str, wish: Wish | None
    ) -> None:
        found = frozen(self.parts.rules.freezes, start.playbook, self.parts.clock())
        if found is None:
            return
        sentence, name, actor = why_frozen(*found), start.playbook.name, start.order.actor
        overriding = replace(wish, verb="override") if wish is not None else None
        may_override = by is not None and overriding is not None and self.may(overriding, by)
        if by is not None and overriding is not None and may_override and override.strip():
            data: dict[str, Json] = {"freeze": found[0].name, "playbook": name, "reason": override.strip()[:1000]}
            event = Event("freeze.overridden", start.order.execution_id, actor, data)
            self.permit_in(tx, overriding, by)
            self.parts.audit.append(tx, [event], self.parts.clock())
            return
        if override.strip():
            sentence += " You may not override it."
        elif may_override:
            sentence += f' You may override it: say why with {OVERRIDE}="…".'
        raise _held(sentence, "frozen", actor, f"run {name}")

    def _not_protected(self, start: _Start, alarm: Alarm, why: str) -> None:
        tags = (tag for tag in self.parts.rules.protected_tags if tag in alarm.tags and protects(alarm.tags[tag]))
        why = next((f"the alarm has the tag {tag}" for tag in tags), why)
        if why:
            name = start.playbook.name
            text = f"{name} did not start by itself: {why}. A person may start it."
            raise _held(text, "protected", start.order.actor, f"start {name}")

    def _within_budget(self, tx: Transaction, start: _Start, alarm: Alarm) -> str:
        """The counter with this start in it, for the card. Raises HeldBack."""
        budget, now = start.playbook.budget or self.parts.rules.budget, self.parts.clock()
        if budget is None:
            return ""
        counters = []
        for target in sorted(budgets.targets(start.keys, alarm.id)):
            past = self.parts.store.starts(tx, start.playbook.name, target, now - budget.within)
            spent = budgets.spending(target, past, budget, now)
            if spent.is_spent:
                text = budgets.exhausted(start.playbook.name, spent)
                raise _held(text, "budget", start.order.actor, f"start {start.playbook.name}")
            counters.append(replace(spent, used=spent.used + 1))
        return max(counters, key=lambda each: each.used).counter

    # -- locks

    def _take(self, tx: Transaction, start: _Start, by: Identity | None, wish: Mapping[str, Json] | None) -> None:
        """Have the resources from now on, also while it waits for people. Raises Busy."""
        if not start.keys:
            return
        now, order, store = self.parts.clock(), start.order, self.parts.store
        store.turns(tx, start.keys)
        for holder in store.holders(tx, start.keys):
            if self.is_open(tx, holder.execution_id):
                raise self._busy(start, holder, by, wish)
            store.release(tx, holder.execution_id)
        title = str(order.context.get("title") or order.document.name)
        ours = Holder(start.keys[0], order.execution_id, title, order.actor, now)
        if not store.take(tx, start.keys, ours):
            raise _held("The resource was taken at this very moment. Please try again.", "busy", order.actor, "start")

    def is_open(self, tx: Connection | Transaction, execution_id: str) -> bool:
        """Whether an execution can still do something; the truth about a lock, whatever was told of its end."""
        state = self.parts.executions.get(tx, execution_id)
        return state is not None and state.status not in FINAL

    def _busy(self, start: _Start, holder: Holder, by: Identity | None, wish: Mapping[str, Json] | None) -> Busy:
        now, actor = self.parts.clock(), start.order.actor
        sentence = busy(holder, now)
        data: dict[str, Json] = {
            "why": "busy",
            "what": f"run {start.playbook.name}",
            "playbook": start.playbook.name,
            "resource": locks.same_resource(holder.key),
            "reason": sentence,
        }
        event = Event("start.refused", holder.execution_id, actor, data)
        if by is None or wish is None:
            return Busy(sentence, event, holder=holder, wish=None)
        held = HeldWish(self.parts.new_id(), holder.execution_id, now, by, dict(wish))
        return Busy(sentence, event, holder=holder, wish=held)


def kept_caller(by: Identity) -> str:
    """Who starts something on targets, as its context keeps them."""
    return json.dumps([by.id, by.name, sorted(by.spellings), by.is_full_member, by.account])


def caller_of(text: str) -> Identity:
    """Back from a context."""
    who, name, spellings, is_full_member, account = json.loads(text)
    return Identity(who, name, frozenset(spellings), is_full_member, account)


def about(state: Execution, by: Identity, verb: Verb) -> Wish:
    """A wish about an execution that is there; what it has started in turn is judged as it is (asking.top_of)."""
    return Wish(
        verb,
        str(state.context.get("playbook") or f"{DOCUMENT}{state.document_name}"),
        state.parameters,
        None,
        state.region,
        state.account,
        is_starter=state.started_by.id == by.id,
        secrets=frozenset(state.secrets),
    )


def _held(sentence: str, why: str, actor: Actor, what: str, subject: str = "") -> HeldBack:
    return HeldBack(sentence, Event("start.refused", subject, actor, {"why": why, "what": what, "reason": sentence}))
