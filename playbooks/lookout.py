"""Looks whether an execution that asks is still needed, and what it would take away; with questions only."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from engine.action import Action
from engine.consequence import told
from engine.document import Document
from engine.execution import Execution
from engine.parameters import ParametersInvalid
from engine.preview import Surroundings, preview
from engine.preview_aws import LookingAws, Session
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.clock import Clock
from infra.db import Database
from playbooks.alarm_look import called_by, tags_of
from playbooks.asking import top_of
from playbooks.queries import targets_of
from playbooks.situation import Known, OtherRun, Situation
from playbooks.store import AlarmStore

log = structlog.get_logger()

RECENT: Final = timedelta(hours=1)
MOST_RUNS: Final = 50
"""So many of the latest executions are looked through for others on the same resource."""
NO_INSTANCE: Final = "InvalidInstanceID.NotFound"
GONE: Final = "not there any more"
PATIENCE_SECONDS: Final = 1.5
"""How long a click waits for AWS: Slack wants its answer within three seconds."""


@dataclass
class Lookout:
    """Reads, never in a transaction."""

    db: Database
    executions: ExecutionStore
    alarms: AlarmStore
    shelf: DocumentShelf
    reads: Callable[[Execution], Session]
    actions: Mapping[str, Action[Any]]
    clock: Clock
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, thread_name_prefix="lookout"))

    def thoroughly(self, execution_id: str) -> Situation | None:
        """The situation with what the run would take away; may take seconds."""
        with self.db.reading() as connection:
            state = self.executions.get(connection, execution_id)
            if state is None:
                return None
            known = self.known(connection, state, top_of(self.executions, connection, state))
        aws = LookingAws(self.reads(state))
        return replace(self._seen(known, aws), consequences=self._lost(state, known.document, aws))

    def quickly(self, known: Known) -> Situation:
        """The situation, for a click: AWS is waited for a moment only; what it did not say in time is a gap."""
        if not _instances(known):
            return known.situation
        looking = self._pool.submit(lambda: self._seen(known, LookingAws(self.reads(known.state))))
        try:
            return looking.result(PATIENCE_SECONDS)
        except TookTooLong:
            log.warning("AWS does not say in time whether it is still needed", execution=known.state.id)
            return _unseen(known, "in time ")

    def known(self, connection: Connection, state: Execution, top: Execution) -> Known:
        """What our own rows say."""
        document = self.shelf.get(connection, state.document_digest)
        key = str(top.context.get("alarm_key") or "")
        record = self.alarms.get(connection, key) if key else None
        latest = self.alarms.latest(connection, record.alarm.id) if record else None
        targets = targets_of(state, document)
        since = self.clock() - RECENT
        recent = self.executions.lively(connection, since=since, among=MOST_RUNS) if targets else []
        others = [
            (each, self.shelf.get(connection, each.document_digest))
            for each in recent
            if each.id not in (state.id, top.id)
        ]
        alarm = latest.alarm if latest else None
        runs = self._others(targets, others)
        at = alarm.changed_at.isoformat() if alarm else ""
        return Known(state, document, Situation(alarm.state if alarm else "", at, runs=runs))

    def _others(self, targets: Sequence[str], others: Sequence[tuple[Execution, Document]]) -> tuple[OtherRun, ...]:
        found = []
        for each, document in others:
            at = each.ended_at or each.created_at
            is_recent = at is not None and (not each.is_over or self.clock() - at <= RECENT)
            if at is None or not is_recent or not set(targets) & set(targets_of(each, document)):
                continue
            title, by = str(each.context.get("title") or each.document_name), each.started_by
            found.append(OtherRun(each.id, title, by.name or by.id, str(each.status), at.isoformat()))
        return tuple(found[:5])

    def _seen(self, known: Known, aws: LookingAws) -> Situation:
        """And what AWS says of the instances that it works on."""
        instances, situation = _instances(known), known.situation
        if not instances:
            return situation
        try:
            answer = aws.call("ec2", "DescribeInstances", {"InstanceIds": instances})
        except AwsRefused as error:
            log.info("what it works on cannot be looked at", execution=known.state.id, reason=str(error))
            gone = {each: GONE for each in instances if error.code == NO_INSTANCE and each in str(error)}
            return replace(situation, states=gone) if gone else _unseen(known)
        except AwsUnreachable as error:
            log.info("what it works on cannot be looked at", execution=known.state.id, reason=str(error))
            return _unseen(known)
        described = [each for group in answer.get("Reservations", ()) for each in group.get("Instances", ())]
        states = {str(each["InstanceId"]): str((each.get("State") or {}).get("Name", "")) for each in described}
        called = {str(each["InstanceId"]): called_by(tags_of(each)) for each in described}
        return replace(situation, states=states, called={one: name for one, name in called.items() if name})

    def _lost(self, state: Execution, document: Document, aws: LookingAws) -> tuple[str, ...]:
        try:
            found = preview(document, state.parameters, Surroundings(aws, self.actions, self.clock(), lambda *_: None))
        except (ParametersInvalid, AwsRefused, AwsUnreachable) as error:
            log.info("consequences are not known", execution=state.id, reason=str(error))
            return ()
        calls = [call for step in found.steps for call in step.calls]
        return told(tuple(dict.fromkeys(each for call in calls for each in call.consequences)))


def _unseen(known: Known, how: str = "") -> Situation:
    """What our own rows say, and that AWS said nothing."""
    return replace(known.situation, gaps=(f"AWS does not say {how}how {', '.join(_instances(known))} is now",))


def _instances(known: Known) -> list[str]:
    return [target for target in targets_of(known.state, known.document) if target.startswith("i-")]
