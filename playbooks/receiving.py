"""What becomes of an alarm's message: recorded once, then started, suggested or left alone."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from audit.events import Actor, Event
from audit.store import AuditStore
from engine.parameters import ParametersInvalid
from engine.protocol import StartOrder, Stored
from engine.stored_parameters import Prepare, names_of
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks.alarm import Alarm
from playbooks.alarm_care import carried, why_silent
from playbooks.guards import Guards
from playbooks.locks import was_busy
from playbooks.mapping import MappingFailed, parameters_from
from playbooks.matching import matching
from playbooks.playbook import Playbook
from playbooks.refusals import Busy, HeldBack
from playbooks.shelf import Shelf
from playbooks.store import AlarmRecord, AlarmStore

Protected = Callable[[Alarm, tuple[str, ...]], str]
"""Why only a person may start something on these resources; "" = nothing speaks against it. Asks AWS."""


def protect_nothing(_alarm: Alarm, _keys: tuple[str, ...]) -> str:
    """Used where nobody can be asked for the tags of resources."""
    return ""


@dataclass(frozen=True, slots=True)
class Received:
    """What became of an alarm message."""

    verdict: Literal["started", "suggested", "recorded", "duplicate", "silenced"]
    executions: tuple[str, ...] = ()
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Ahead:
    """What was asked of AWS before the transaction, for the playbook that would start by itself."""

    stored: Stored = field(default_factory=dict)
    """What it needs of Parameter Store."""
    protected: str = ""
    """Why it must not."""


@dataclass(frozen=True)
class Receiving:
    """The verb. Built by Operations."""

    db: Database
    audit: AuditStore
    alarms: AlarmStore
    catalog: Shelf
    clock: Clock
    guards: Guards
    channel: str
    prepare: Prepare
    protected: Protected

    def receive(self, alarm: Alarm) -> Received:
        """Record an alarm's state change once, and start or suggest what matches it."""
        ahead, now = self._ahead(alarm), self.clock()
        with self.db.transaction() as tx:
            record = AlarmRecord(alarm.transition_key, alarm, now)
            if self.alarms.is_known(tx, alarm) or not self.alarms.add(tx, record):
                return Received("duplicate", key=record.key)
            actor = Actor("alarm", alarm.id, alarm.name)
            self.audit.append(tx, [_alarm_event(alarm, record.key, actor)], now)
            record = replace(record, care=carried(tx, self.alarms, alarm, now))
            record = self._answered(tx, record, actor, ahead)
            self.alarms.conclude(tx, record)
        return Received(record.verdict, record.executions, record.key)  # type: ignore[arg-type]

    def _ahead(self, alarm: Alarm) -> _Ahead:
        found = [playbook for playbook in matching(self.catalog.all, alarm) if playbook.start == "auto"]
        if not found or alarm.is_silenced:
            return _Ahead()
        actor = Actor("alarm", alarm.id, alarm.name)
        stored: Stored = {}
        try:
            order = self._order_for(found[0], AlarmRecord(alarm.transition_key, alarm, self.clock()), actor)
            if names_of(found[0].runbook, {}):
                order = self.prepare(order)
            stored = order.stored
            return _Ahead(stored, self.protected(alarm, self.guards.keys_of(found[0], order)))
        except (MappingFailed, ParametersInvalid):
            return _Ahead(stored)  # said where it is to be started

    def _answered(self, tx: Transaction, record: AlarmRecord, actor: Actor, ahead: _Ahead) -> AlarmRecord:
        alarm = record.alarm
        found = [playbook for playbook in matching(self.catalog.all, alarm) if playbook.start != "off"]
        if not found:
            return replace(record, verdict="recorded")
        channel = next((playbook.channel for playbook in found if playbook.channel), self.channel)
        record = replace(record, channel=channel, playbooks=tuple((each.name, each.title) for each in found))
        why = why_silent(alarm, record.care, self.clock())
        if why:
            self._note(tx, "playbook.suppressed", replace(record, why=why), actor)
            return replace(record, verdict="silenced", why=why)
        automatic = [playbook for playbook in found if playbook.start == "auto"]
        if automatic:
            try:
                order = replace(self._order_for(automatic[0], record, actor), stored=ahead.stored)
                execution_id = self.guards.start_by_itself(tx, automatic[0], order, alarm, protected=ahead.protected)
            except (MappingFailed, ParametersInvalid) as error:
                why = f"{automatic[0].name} could not start by itself: {error}"
            except HeldBack as held:
                why = was_busy(held.holder, self.clock()) if isinstance(held, Busy) else str(held)
                self.audit.append(tx, [held.event], self.clock())
            else:
                return replace(record, verdict="started", executions=(execution_id,))
        record = replace(record, verdict="suggested", why=why)
        self._note(tx, "playbook.suggested", record, actor)
        return record

    def _note(self, tx: Transaction, name: str, record: AlarmRecord, actor: Actor) -> None:
        data: dict[str, Json] = {
            "alarm_key": record.key,
            "playbooks": [playbook for playbook, _ in record.playbooks],
            "channel": record.channel,
            "why": record.why,
        }
        self.audit.append(tx, [Event(name, record.alarm.id, actor, data)], self.clock())

    def _order_for(self, playbook: Playbook, record: AlarmRecord, actor: Actor) -> StartOrder:
        alarm = record.alarm
        return StartOrder(
            playbook.runbook,
            parameters_from(playbook, alarm),
            actor,
            alarm.region,
            alarm.account,
            engine=playbook.engine,
            aws_document=playbook.aws_document,
            secrets=playbook.secret,
            request_key=f"alarm:{record.key}:{playbook.name}"[:128],
            context=context_of(playbook, channel=playbook.channel or self.channel, alarm_key=record.key),
        )


def context_of(playbook: Playbook, *, channel: str, alarm_key: str = "") -> dict[str, Json]:
    """What an execution keeps of the playbook that started it."""
    return {"playbook": playbook.name, "title": playbook.title, "channel": channel, "alarm_key": alarm_key}


def _alarm_event(alarm: Alarm, key: str, actor: Actor) -> Event:
    data: dict[str, Json] = {
        "alarm_key": key,
        "name": alarm.name,
        "state": alarm.state,
        "previous": alarm.previous_state,
        "reason": alarm.reason[:1000],
        "region": alarm.region,
        "account": alarm.account,
        "changed_at": alarm.changed_at.isoformat(),
        "source": alarm.source,
    }
    return Event("alarm.received", alarm.id, actor, data)
