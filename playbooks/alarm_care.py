"""The verbs of people about alarms: acknowledge, mute for a while, unmute. Each one is one audited transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from audit.events import Event
from audit.store import AuditStore
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks.access import Decision
from playbooks.alarm import Alarm
from playbooks.people import Identity, actor_of
from playbooks.refusals import NotAllowed, Refused
from playbooks.store import NO_CARE, AlarmRecord, AlarmStore, Care

MUTE: Final = timedelta(minutes=30)

Judge = Callable[[str, Identity], tuple[Decision, Decision | None] | None]
"""Whether a person may run the playbook of that name: what counts, and what rules that are tried out would say.

None where there is no such playbook any more.
"""


@dataclass
class AlarmCare:
    """Composed in bot/service.py. Who may run one of an alarm's playbooks may look after the alarm."""

    db: Database
    audit: AuditStore
    alarms: AlarmStore
    judge: Judge
    clock: Clock

    def acknowledge(self, key: str, by: Identity) -> None:
        """Say that somebody looks after it: no more reminders. Raises Refused, NotAllowed (audited)."""
        now = self.clock()

        def taken(record: AlarmRecord) -> tuple[Care, Event]:
            care = record.care
            if care.acknowledged_by is not None:
                raise Refused(f"It is acknowledged already, by {care.acknowledged_by.name or care.acknowledged_by.id}.")
            return (
                replace(care, acknowledged_by=actor_of(by), acknowledged_at=now),
                _event("alarm.acknowledged", record, by),
            )

        self._change(key, by, "acknowledge", taken)

    def mute(self, key: str, by: Identity, *, span: timedelta = MUTE) -> datetime:
        """Have the alarm start and say nothing for a while; until when. Raises Refused, NotAllowed (audited)."""
        until = self.clock() + span

        def muted(record: AlarmRecord) -> tuple[Care, Event]:
            event = _event("alarm.muted", record, by, until=until.isoformat())
            return replace(record.care, muted_by=actor_of(by), muted_until=until), event

        self._change(key, by, "mute", muted)
        return until

    def unmute(self, key: str, by: Identity) -> None:
        """End a mute. Raises Refused, NotAllowed (audited)."""
        now = self.clock()

        def loud(record: AlarmRecord) -> tuple[Care, Event]:
            if not record.care.is_muted(now):
                raise Refused("It is not muted any more.")
            return replace(record.care, muted_by=None, muted_until=None), _event("alarm.unmuted", record, by)

        self._change(key, by, "unmute", loud)

    def remember(self, key: str, seen: Mapping[str, Json]) -> None:
        """Keep what was seen in AWS; no event, as nothing was decided."""
        with self.db.transaction() as tx:
            record = self._latest(tx, key)
            self.alarms.conclude(tx, replace(record, care=replace(record.care, seen=seen)))

    def _change(self, key: str, by: Identity, verb: str, change: Callable[[AlarmRecord], tuple[Care, Event]]) -> None:
        with self.db.transaction() as tx:
            record = self._latest(tx, key)
            is_allowed, is_surprising = self._judged(record, by)
            sentence = f"You may not {verb} this alarm: that is for those who may run one of its playbooks."
            data: dict[str, Json] = {"what": f"{verb} {record.alarm.name}", "reason": sentence}
            if is_allowed:
                care, event = change(record)
                self.alarms.conclude(tx, replace(record, care=care))
                learned = [Event("access.learned", record.alarm.id, actor_of(by), data)] if is_surprising else []
                self.audit.append(tx, [event, *learned], self.clock())
            else:
                self.audit.append(tx, [Event("access.refused", record.alarm.id, actor_of(by), data)], self.clock())
        if not is_allowed:
            raise NotAllowed(f"{sentence} It was noted.")

    def _judged(self, record: AlarmRecord, by: Identity) -> tuple[bool, bool]:
        """(whether somebody may look after the alarm, whether rules that are tried out would refuse that)."""
        judged = [found for name, _ in record.playbooks if (found := self.judge(name, by)) is not None]
        tried = [rehearsed for _, rehearsed in judged if rehearsed is not None]
        may_by_those = any(rehearsed.is_allowed for rehearsed in tried)
        return any(decision.is_allowed for decision, _ in judged), bool(tried) and not may_by_those

    def _latest(self, tx: Transaction, key: str) -> AlarmRecord:
        """The newest state of the alarm, which nobody else changes until the end. Raises Refused."""
        record = self.alarms.get(tx, key)
        if record is None:
            raise Refused("This alarm is not known here.")
        tx.take_turn("alarm", record.alarm.account, record.alarm.region, record.alarm.name)
        latest = self.alarms.latest(tx, record.alarm.id) or record
        return replace(latest, playbooks=latest.playbooks or record.playbooks)


def carried(tx: Transaction, alarms: AlarmStore, alarm: Alarm, now: datetime) -> Care:
    """What of an alarm's care still holds for its next state: a mute until it ends, an acknowledgement while red."""
    before = alarms.of_alarm(tx, alarm.id, limit=2)
    previous = next((record for record in before if record.alarm.changed_at < alarm.changed_at), None)
    if previous is None:
        return NO_CARE
    care = previous.care if previous.care.is_muted(now) else replace(previous.care, muted_by=None, muted_until=None)
    if previous.alarm.state == "OK":
        care = replace(care, acknowledged_by=None, acknowledged_at=None)
    return care


def why_silent(alarm: Alarm, care: Care, now: datetime) -> str:
    """Why an alarm starts nothing now; "" when nothing keeps it."""
    if alarm.is_silenced:
        return f"suppressed by {alarm.suppressed_by}" if alarm.suppressed_by else f"muted by {alarm.muted_by}"
    if not care.is_muted(now) or care.muted_until is None or care.muted_by is None:
        return ""
    return f"muted by {care.muted_by.name or care.muted_by.id} until {care.muted_until:%H:%M} UTC"


def _event(name: str, record: AlarmRecord, by: Identity, **more: str) -> Event:
    data: dict[str, Json] = {"alarm_key": record.key, "name": record.alarm.name, "state": record.alarm.state, **more}
    return Event(name, record.alarm.id, actor_of(by), data)
