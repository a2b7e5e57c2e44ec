"""The facts of alarms: what their cards show, and what many at once come to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from engine.execution import Execution
from engine.state import encode
from engine.store import ExecutionStore
from infra.db import Transaction
from playbooks.alarm import Alarm
from playbooks.alarm_board import FLAPS_WITHIN, Run, course, judged, resources_of
from playbooks.asking import top_of
from playbooks.facts import AlarmFacts, RunFacts, SeenFacts, StormFacts, SuggestionFacts
from playbooks.guard_store import GuardStore
from playbooks.locks import Holder
from playbooks.retry import request_key
from playbooks.store import AlarmRecord, AlarmStore

HISTORY = 100
"""Changes of one alarm that are looked back through."""
MOST_RUNS = 20


@dataclass(frozen=True)
class AlarmQueries:
    """Read-only; used by playbooks/queries.py."""

    alarms: AlarmStore
    executions: ExecutionStore
    guards: GuardStore

    def card(self, connection: Connection, record: AlarmRecord) -> SuggestionFacts:
        """What a card shows that was posted for this state, as things are now."""
        history = self._history(connection, record)
        told = course([(each.key, each.alarm) for each in history], record.key)
        red = next((each for each in history if each.key == told.red_key), record)
        latest = history[0] if history else record
        now = latest.alarm.state if latest.alarm.changed_at > red.alarm.changed_at else ""
        care, started = latest.care, self._started(history, record)
        seen = next((each.care.seen for each in history if each.care.seen), {})
        return SuggestionFacts(
            red.key,
            alarm_facts(red.alarm),
            red.playbooks or record.playbooks,
            record.channel,
            red.why,
            started,
            now if now != red.alarm.state else "",
            told.red_since,
            told.times_red,
            told.first_red_at,
            told.recovered_at,
            care.acknowledged_by,
            care.acknowledged_at,
            care.muted_by,
            care.muted_until,
            self._earlier(connection, red.alarm, history),
            seen_facts(seen) if seen else None,
            resources_of(red.alarm),
            self._runs(connection, started, history),
            self._holder(connection, red.alarm, started),
        )

    def _history(self, connection: Connection | Transaction, record: AlarmRecord) -> list[AlarmRecord]:
        """Changes of the alarm, newest first; of one with contributors those of the same one."""
        found = self.alarms.of_alarm(connection, record.alarm.id, limit=HISTORY)
        mine = record.alarm.contributor_id
        return [each for each in found if each.alarm.contributor_id in (mine, "")]

    @staticmethod
    def _started(history: Sequence[AlarmRecord], record: AlarmRecord) -> tuple[str, ...]:
        """What was started since the card was posted; of an earlier flap only what answers this one."""
        since = record.alarm.changed_at
        ids = [each for old in reversed(history) if old.alarm.changed_at >= since for each in old.executions]
        return tuple(dict.fromkeys(ids))

    def _earlier(self, connection: Connection, alarm: Alarm, history: Sequence[AlarmRecord]) -> tuple[RunFacts, ...]:
        resources = resources_of(alarm)
        if not resources:
            return ()
        found = self.executions.mentioning(connection, resources[0], limit=MOST_RUNS)
        runs = [_run(state) for state in found if state.context.get("playbook")]
        return judged(runs, [(each.key, each.alarm) for each in history])

    def _runs(self, connection: Connection, ids: Sequence[str], history: Sequence[AlarmRecord]) -> tuple[RunFacts, ...]:
        """What became of what was started, and of what it was gone on with."""
        found: list[Run] = []
        for each in ids[-MOST_RUNS:]:
            state = self.executions.get(connection, each)
            while state is not None:
                found.append(_run(state))
                again = self.executions.by_request_key(connection, request_key(state.id)) if state.is_over else None
                state = self.executions.get(connection, again) if again else None
        return judged(found, [(record.key, record.alarm) for record in history])

    def _holder(self, connection: Connection, alarm: Alarm, started: Sequence[str]) -> Holder | None:
        """Who works on the alarm's resources, by the execution that a card is of; None = nobody but what it started."""
        resources = resources_of(alarm)
        for each in self.guards.named(connection, resources, region=alarm.region, account=alarm.account):
            state = self.executions.get(connection, each.execution_id)
            top = top_of(self.executions, connection, state) if state and not state.is_over else None
            if top is not None and top.id not in started:
                title = str(top.context.get("title") or top.document_name)
                return replace(each, execution_id=top.id, title=title, actor=top.started_by)
        return None

    def of_run(self, tx: Transaction, execution_id: str) -> str | None:
        """The key of the alarm that a run was started from; "" = of none, None = it is a child, or not known."""
        state = self.executions.get(tx, execution_id)
        return None if state is None or state.parent_id else str(state.context.get("alarm_key") or "")

    def showing(self, tx: Transaction, execution_id: str, keys: Sequence[str]) -> list[str]:
        """Those of the alarms whose cards tell of a run, for it names their resource; in the order given."""
        state, records = self.executions.get(tx, execution_id), self.alarms.several(tx, keys)
        told = encode(state) if state is not None else ""
        return [
            key
            for key in keys
            if key in records and any(f'"{each}"' in told for each in resources_of(records[key].alarm))
        ]

    def card_keys(self, tx: Transaction, key: str) -> list[str]:
        """Keys of the states that share a card with this one, newest first: none further apart than a flap."""
        record = self.alarms.get(tx, key)
        if record is None:
            return []
        history = [each for each in self._history(tx, record) if each.alarm.changed_at <= record.alarm.changed_at]
        keys: list[str] = []
        last = record.alarm.changed_at
        for each in history:
            if last - each.alarm.changed_at > FLAPS_WITHIN:
                break
            keys.append(each.key)
            last = each.alarm.changed_at
        return keys

    def storm(self, connection: Connection, keys: Sequence[str], began_at: datetime) -> StormFacts:
        """Many alarms as they are now, in the order of their coming."""
        records = self.alarms.several(connection, keys)
        states = self.alarms.states(connection, {record.alarm.id for record in records.values()})
        found = [records[key] for key in keys if key in records]
        return StormFacts(began_at, tuple((each.key, each.alarm.name, states[each.alarm.id]) for each in found))


def alarm_facts(alarm: Alarm) -> AlarmFacts:
    """An alarm as cards show it."""
    return AlarmFacts(
        alarm.name,
        alarm.state,
        alarm.reason,
        alarm.region,
        alarm.account,
        alarm.changed_at,
        alarm.arn,
        alarm.description,
    )


def seen_facts(plain: Mapping[str, Any]) -> SeenFacts:
    """What was kept of a look at the resource."""
    return SeenFacts(
        datetime.fromisoformat(plain["at"]),
        plain["id"],
        plain["name"],
        plain["detail"],
        plain["owner"],
        plain["tags"],
        tuple(plain["changes"]),
        tuple(plain["problems"]),
    )


def _run(state: Execution) -> Run:
    began = state.created_at or state.steps[0].started_at
    return Run(
        state.id,
        str(state.context.get("playbook") or ""),
        str(state.context.get("title") or state.document_name),
        str(state.status),
        state.started_by,
        began,  # type: ignore[arg-type]  # set by start
    )
