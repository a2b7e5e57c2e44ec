"""The verbs: everything a door may ask for. Each one is one transaction; none of them talks to AWS or Slack."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Literal

from approvals.store import ApprovalStore
from audit.events import SYSTEM, Actor, Event
from audit.store import AuditStore
from engine.conductor import InvalidStatus
from engine.execution import Execution
from engine.parameters import ParametersInvalid
from engine.protocol import Engine, ExecutionNotFound, StartOrder, Stored
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from engine.stored_parameters import Prepare, as_it_is, names_of
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks.absences import Absences, Away
from playbooks.access import DOCUMENT, Access, Verb, Wish, implicit
from playbooks.alarm import Alarm
from playbooks.answering import Answering
from playbooks.asking import Asking, top_of
from playbooks.deciding import Deciding, FormVerb, Found
from playbooks.facts import ExecutionFacts
from playbooks.guard_store import GuardStore
from playbooks.guarding import Guarding
from playbooks.guards import GuardParts, GuardRules, Guards, about
from playbooks.mapping import MappingFailed, parameters_from
from playbooks.masking import problems
from playbooks.people import Directory, Identity, actor_of
from playbooks.playbook import Playbook
from playbooks.receiving import Protected, Received, Receiving, context_of, protect_nothing
from playbooks.refusals import (
    InvalidLibrary,
    NoLongerOpen,
    NotAllowed,
    ParametersRefused,
    Refused,
    UnknownPlaybook,
)
from playbooks.shelf import Shelf
from playbooks.starters import ACCOUNT
from playbooks.steering import Steering
from playbooks.store import AlarmRecord, AlarmStore

__all__ = [
    "InvalidLibrary",
    "NoLongerOpen",
    "NotAllowed",
    "Operations",
    "Order",
    "ParametersRefused",
    "Received",
    "Refused",
    "Shelf",
    "UnknownPlaybook",
]


@dataclass(frozen=True, slots=True)
class Order:
    """A person's wish to run a playbook. `request_key` makes the same wish, delivered twice, one execution."""

    playbook: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    channel: str = ""
    request_key: str = ""
    suggestion_id: str = ""
    """The suggestion this answers, so that its alarm fills parameters and shows on the card."""
    region: str = ""
    """Where to run; empty = the alarm's Region, else the bot's own."""
    override: str = ""
    """Why it shall start although a freeze holds."""
    stored: Stored = field(default_factory=dict)
    """What its defaults need of Parameter Store, as `start` has read it; kept for a start that is held back."""
    mode: Literal["Auto", "Interactive"] = "Auto"
    """Interactive = each step is started by a person."""


def _hear_nothing(_tx: Transaction, _aws_execution_id: str) -> None:
    """Used where AWS runs nothing for us."""


def _count_nothing(_verdict: str) -> None:
    """Used where nobody reads figures."""


@dataclass
class Parts:
    """What the composition root gives the verbs."""

    db: Database
    audit: AuditStore
    executions: ExecutionStore
    approvals: ApprovalStore
    alarms: AlarmStore
    engine: Engine
    catalog: Shelf
    directory: Directory
    clock: Clock
    region: str
    account: str = ""
    channel: str = ""
    regions: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    count_alarm: Callable[[str], object] = _count_nothing
    """Called with the verdict on each alarm message, once it is saved."""
    hear: Callable[[Transaction, str], None] = _hear_nothing
    """Called with AWS's id of an execution that AWS says has moved."""
    deciding: Deciding | None = None
    """The verbs about questions; None = as they are without rotas and without a second look at those who agreed."""
    rules: GuardRules | None = None
    """Access, freezes and budget; None = what the playbooks and `admins` imply."""
    prepare: Prepare = as_it_is
    """Reads ahead what a start needs of Parameter Store; asked outside any transaction."""
    absences: Absences | None = None
    """Who is away; None = as people say it here."""
    protected: Protected = protect_nothing
    """Says why only a person may start something on resources; asked outside any transaction."""
    tagged: Callable[[Alarm], Alarm] = lambda alarm: alarm
    """Reads an alarm's tags where its owner matters; asked outside any transaction."""
    go_on: Callable[[Transaction], None] = lambda _tx: None
    """Has the engine look at what was held between two steps, when a pause has ended."""


class Operations:
    """The verbs. Composed in bot/service.py."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._deciding = parts.deciding or deciding(parts)
        rules = parts.rules or GuardRules(Access(implicit(parts.catalog.all, parts.admins)))
        ground = GuardParts(
            parts.db, parts.audit, parts.executions, parts.engine, parts.clock, rules, GuardStore(), go_on=parts.go_on
        )
        self.guards = Guards(ground)
        self.steering = Steering(
            parts.db, parts.executions, parts.engine, parts.catalog, parts.clock, self.guards, self._controllable
        )
        self.receiving = Receiving(
            parts.db, parts.audit, parts.alarms, parts.catalog, parts.clock, self.guards, parts.channel, parts.prepare,
            parts.protected,
        )  # fmt: skip
        self.absences = parts.absences or Absences(parts.db, parts.audit, parts.directory, parts.clock)
        self.guarding = Guarding(
            self.guards, parts.catalog, lambda by: parts.directory.is_listed(by, parts.admins), self._begin
        )

    # -- alarms

    def receive(self, alarm: Alarm) -> Received:
        """Record an alarm's state change once, and start or suggest what matches it."""
        received = self.receiving.receive(self._parts.tagged(alarm))
        self._parts.count_alarm(received.verdict)
        return received

    def hear_from_aws(self, aws_execution_id: str) -> None:
        """AWS says that an execution it runs has moved: look at it now."""
        with self._parts.db.transaction() as tx:
            self._parts.hear(tx, aws_execution_id)

    def refuse_request(self, door: str, reason: str, *, sender: str = "") -> None:
        """Audit a request that was not authentic or not for us."""
        name = "alarm.refused" if door in ("sns", "sqs", "eventbridge") else "request.refused"
        data: dict[str, Json] = {"door": door, "reason": reason, "sender": sender}
        with self._parts.db.transaction() as tx:
            self._parts.audit.append(tx, [Event(name, "", SYSTEM, data)], self._parts.clock())
        if name == "alarm.refused":
            self._parts.count_alarm("refused")

    # -- people

    def start(self, order: Order, by: Identity) -> str:
        """Start a playbook; returns the execution id.

        Raises UnknownPlaybook, NotAllowed (audited), ParametersRefused.
        """
        playbook = self.runnable(order.playbook, by)
        if names_of(playbook.runbook, order.parameters):
            order = replace(order, stored=self._parts.prepare(self.planned(order, by)).stored)
        with self.guards.audited(), self._parts.db.transaction() as tx:
            return self._start(tx, playbook, order, by)

    def _start(self, tx: Transaction, playbook: Playbook, order: Order, by: Identity) -> str:
        record = self._asked_by(tx, order.suggestion_id) if order.suggestion_id else None
        wish = self._wish(playbook, order, record, by)
        try:
            execution_id = self.guards.start(
                tx, playbook, wish, by, said_in=order.channel, override=order.override, wish=_kept(order)
            )
        except ParametersInvalid as error:
            raise ParametersRefused(problems(error.problems, wish)) from None
        if record is not None and execution_id not in record.executions:
            self._parts.alarms.conclude(tx, replace(record, executions=(*record.executions, execution_id)))
        return execution_id

    def _asked_by(self, tx: Transaction, key: str) -> AlarmRecord | None:
        """The state of an alarm that a start answers; what was started from it nobody else writes down meanwhile."""
        record = self._parts.alarms.get(tx, key)
        if record is None:
            return None
        tx.take_turn("alarm", record.alarm.account, record.alarm.region, record.alarm.name)
        return self._parts.alarms.get(tx, key)

    def _begin(self, tx: Transaction, kept: Mapping[str, Json], by: Identity) -> str:
        """Start what was held back, for whoever takes it over. Raises as `start` does."""
        order = Order(**kept)  # type: ignore[arg-type]  # as `asdict` has written it
        playbook = self._parts.catalog.get(order.playbook)
        if playbook is None:
            raise UnknownPlaybook(order.playbook, self._parts.catalog.suggestion(order.playbook))
        return self._start(tx, playbook, order, by)

    def planned(self, order: Order, by: Identity) -> StartOrder:
        """The start that `start` would make now, for a preview. Raises as `start` does."""
        playbook = self.runnable(order.playbook, by)
        with self._parts.db.reading() as connection:
            record = self._parts.alarms.get(connection, order.suggestion_id) if order.suggestion_id else None
        return self._wish(playbook, order, record, by)

    def runnable(self, name: str, by: Identity) -> Playbook:
        """The playbook, which this person may run. Raises UnknownPlaybook, NotAllowed (audited)."""
        playbook = self._parts.catalog.get(name)
        if playbook is None:
            raise UnknownPlaybook(name, self._parts.catalog.suggestion(name))
        self.guards.permit(Wish("run", playbook.name), by)
        return playbook

    def _wish(self, playbook: Playbook, order: Order, record: AlarmRecord | None, by: Identity) -> StartOrder:
        try:
            preset = parameters_from(playbook, record.alarm if record else None, given=frozenset(order.parameters))
        except MappingFailed as error:
            raise Refused(str(error)) from error
        if order.mode == "Interactive" and playbook.engine == "ssm":
            raise Refused(f"`{playbook.name}` runs on AWS, and only what runs here can go step by step.")
        given = {name: value for name, value in order.parameters.items() if value is not None}
        fixed = sorted(given.keys() & playbook.fixed)
        if fixed:
            raise ParametersRefused({name: f"`{name}` is set by the playbook and cannot be given." for name in fixed})
        region = order.region or (record.alarm.region if record else self._parts.region)
        allowed = self._parts.regions or (self._parts.region,)
        if region not in allowed and (record is None or region != record.alarm.region):
            raise Refused(f"Region `{region}` is not one of {', '.join(allowed)}.")
        return StartOrder(
            playbook.runbook,
            {**preset, **given},
            _actor(by),
            region,
            record.alarm.account if record else self._parts.account,
            engine=playbook.engine,
            aws_document=playbook.aws_document,
            secrets=playbook.secret,
            request_key=order.request_key[:128],
            stored=order.stored,
            mode=order.mode,
            context={
                **context_of(
                    playbook,
                    channel=playbook.channel or order.channel or self._parts.channel,
                    alarm_key=record.key if record else "",
                ),
                ACCOUNT: by.account,
            },
        )

    def leave(
        self, who: Identity, until: datetime, *, by: Identity, since: datetime | None = None, instead: str = ""
    ) -> Away:
        """Say that somebody is away, oneself or, as an admin, another. Raises NotAllowed (audited), Refused."""
        if who.id != by.id:
            self.guarding.admins_only(by, "say that somebody else is away")
        return self.absences.leave(who, until, by=by, since=since, instead=instead)

    def come_back(self, who: Identity, *, by: Identity) -> None:
        """Say that somebody is back. Raises as `leave`."""
        if who.id != by.id:
            self.guarding.admins_only(by, "say that somebody else is back")
        self.absences.come_back(who, by=by)

    # -- questions

    def decide(
        self,
        request_id: str,
        by: Identity,
        verdict: Literal["Approve", "Reject"],
        comment: str = "",
        *,
        key: str = "",
        seen: str = "",
    ) -> None:
        """Take one person's answer. Raises NotAllowed (audited), NoLongerOpen, SituationChanged."""
        found = self._may_answer(request_id, by, verdict)
        self._deciding.decide(found, by, verdict, comment, key=key, seen=seen)

    def revoke(self, request_id: str, by: Identity, *, key: str = "") -> None:
        """Take back one's own answer, until the step has begun. Raises NotAllowed (audited), NoLongerOpen."""
        self._deciding.revoke(request_id, by, key=key)

    def delegate(self, request_id: str, by: Identity, to: Identity) -> None:
        """Hand one's answer to somebody whom the policy allows. Raises NotAllowed (audited), NoLongerOpen."""
        self._deciding.delegate(request_id, by, to)

    def break_glass(self, request_id: str, by: Identity, reason: str, target: str) -> None:
        """Decide alone in an emergency. Raises NotAllowed (audited), NoLongerOpen, Mistyped, Refused."""
        self._may_answer(request_id, by, "BreakGlass")
        self._deciding.break_glass(request_id, by, reason, target)

    def check(self, request_id: str, by: Identity, verb: FormVerb) -> None:
        """Refuse whoever could not do it, before a form asks for more. Raises NotAllowed (audited), NoLongerOpen."""
        if verb in ("Reject", "BreakGlass"):
            self._may_answer(request_id, by, verb)
        self._deciding.check(request_id, by, verb)

    def _may_answer(self, request_id: str, by: Identity, verdict: str) -> Found:
        """The question. Raises NotAllowed (audited), NoLongerOpen; Refused for what goes on while all is paused."""
        with self._parts.db.reading() as connection:
            known = self._deciding.read(connection, request_id, verdict)
            is_held = verdict != "Reject" and bool(self.guards.why_paused(connection))
        found = known or self._deciding.unknown(request_id, by, verdict)
        if found.state is not None and found.top is not None:
            self.guards.permit(about(found.top, by, "approve"), by, subject=found.state.id)
            if is_held:
                self.guards.must_go_on(actor_of(by), f"approve {found.state.id}", subject=found.state.id)
        return found

    def review(self, request_id: str, by: Identity, note: str) -> None:
        """Close the review of a break-glass. Raises NotAllowed (audited), NoLongerOpen."""
        self._deciding.review(request_id, by, note)

    def expire(self, request_id: str) -> None:
        """Do what is due about a question by itself: remind, ask the next people, close it; else nothing."""
        if not self._is_silence_held(request_id):
            self._deciding.tend(request_id)

    def _is_silence_held(self, request_id: str) -> bool:
        """Whether everything is paused and silence would let this go on: then it is looked at again later."""
        if self.guards.paused() is None:
            return False
        with self._parts.db.reading() as connection:
            request = self._parts.approvals.get(connection, request_id)
        return request is not None and request.at_expiry == "approve"

    def stop(self, execution_id: str, by: Identity) -> None:
        """Cancel an execution. Raises Refused, NotAllowed (audited)."""
        state = self._controllable(execution_id, by, "stop")
        try:
            with self._parts.db.transaction() as tx:
                self._parts.engine.stop(tx, state.id, _actor(by))
        except InvalidStatus as error:
            raise Refused(f"Nothing to stop: it is over already ({state.status}).") from error

    def resume(self, execution_id: str, by: Identity, *, step_id: str = "") -> None:
        """Let a paused execution go on; with `step_id` only from that pause. Raises Refused, NotAllowed (audited)."""
        state = self._controllable(execution_id, by, "resume")
        step = state.step
        if step_id and (step is None or step.id != step_id):
            raise Refused("That pause is over already; nothing was resumed.")
        signal = Signal(SignalType.RESUME, _actor(by), step.id if step else "")
        try:
            with self.guards.audited(), self._parts.db.transaction() as tx:
                self.guards.not_paused(tx, signal.actor, f"resume {state.id}", subject=state.id)
                self._parts.engine.signal(tx, state.id, signal)
        except (SignalRefused, ExecutionNotFound) as error:
            raise Refused("Nothing to resume: no step of this execution is paused.") from error

    def _controllable(self, execution_id: str, by: Identity, verb: Verb) -> Execution:
        with self._parts.db.reading() as connection:
            state = self._parts.executions.get(connection, execution_id)
            top = state and top_of(self._parts.executions, connection, state)
        if state is None or top is None:
            raise Refused(f"There is no execution `{execution_id}`.")
        self.guards.permit(about(top, by, verb), by, subject=execution_id)
        return state

    def may_see(self, facts: ExecutionFacts, by: Identity) -> bool:
        """Whether somebody may read about an execution; asking leaves no trace."""
        name = facts.playbook or f"{DOCUMENT}{facts.document}"
        is_starter = facts.started_by.id == by.id
        wish = Wish("see", name, facts.parameters, None, facts.region, facts.account, is_starter=is_starter)
        return self.guards.may(wish, by)

    def see(self, execution_id: str, by: Identity) -> None:
        """Let somebody read about an execution. Raises Refused, NotAllowed (audited)."""
        self._controllable(execution_id, by, "see")


def deciding(parts: Parts) -> Deciding:
    """The verbs about questions, for parts that have none of their own."""
    asking = Asking(parts.executions, parts.catalog, parts.clock)
    return Deciding(parts.db, parts.audit, parts.approvals, asking, Answering(parts.directory), parts.clock)


def _kept(order: Order) -> dict[str, Json]:
    """As it can be written down once its start was found good: what was not read of Parameter Store refuses that."""
    return {**asdict(replace(order, stored={})), "stored": {**order.stored}}


def _actor(by: Identity) -> Actor:
    return Actor("person", by.id, by.name)
