"""Alarms that cancel an execution (AlarmConfiguration): looked at while it runs, by one process at a time.

Source: reference/ssm-automation.md §5.8. ALARM cancels; a state that cannot be read does too, unless the start says
IgnorePollAlarmFailure; everything else lets it run on.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog

from audit.events import Actor
from engine.conductor import InvalidStatus
from engine.execution import Execution
from engine.protocol import Engine, ExecutionNotFound
from engine.store import ExecutionStore
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import Database, DatabaseUnavailable, Transaction
from playbooks.documents.store import Reader, TagStore

log = structlog.get_logger(__name__)

POLL: Final = timedelta(seconds=15)
"""AWS publishes none."""
WATCHED: Final = "AlarmWatched"
TRIGGERED: Final = "AlarmTriggered"
"""Kinds of rows: what is still looked at, and what has cancelled its execution."""
ALARM: Final = "ALARM"
UNKNOWN: Final = "UNKNOWN"
Call = Callable[[Execution, str, str, Mapping[str, Any]], Mapping[str, Any]]
"""Calls AWS (service, operation, members) where and as whom an execution runs. Raises AwsRefused, AwsUnreachable."""


def watch(tx: Transaction, tags: TagStore, execution_id: str, configuration: Any) -> None:
    """Remember which alarm an execution that is being started must not outlive, if any."""
    if not configuration:
        return
    ignores = "yes" if configuration.get("IgnorePollAlarmFailure") else "no"
    tags.put(tx, WATCHED, execution_id, {"alarm": str(configuration["Alarms"][0]["Name"]), "ignores": ignores})


def told(reader: Reader, tags: TagStore, state: Execution) -> dict[str, Any]:
    """AlarmConfiguration and TriggeredAlarms of an execution; {} where it has none."""
    configuration = state.context.get("alarms")
    if not configuration:
        return {}
    row = tags.of(reader, TRIGGERED, state.id)
    triggered = [{"Name": row["alarm"], "State": row["state"]}] if row else []
    return {"AlarmConfiguration": configuration, **({"TriggeredAlarms": triggered} if triggered else {})}


@dataclass(frozen=True, slots=True)
class AlarmWatch:
    """The loop. Composed in bot/service.py."""

    db: Database
    executions: ExecutionStore
    tags: TagStore
    engine: Engine
    call: Call

    def run(self, stop: threading.Event) -> None:
        """Look every few seconds until told to stop."""
        while not stop.wait(POLL.total_seconds()):
            try:
                self.pump()
            except DatabaseUnavailable as error:
                log.warning("alarms of executions cannot be looked at", error=str(error))
            except Exception:  # the thread must live until the defect is mended
                log.exception("looking at alarms of executions failed")

    def pump(self) -> None:
        """Look at the alarm of each execution that has one, once."""
        with self.db.reading() as connection:
            watched = self.tags.of_kind(connection, WATCHED)
            states = {each: self.executions.get(connection, each) for each in watched}
        for execution_id, row in watched.items():
            state = states[execution_id]
            if state is None or state.is_over:
                self._forget(execution_id)
                continue
            try:
                self._look(state, row["alarm"], ignores=row["ignores"] == "yes")
            except DatabaseUnavailable:
                raise
            except Exception:  # its own defect must not keep the alarms of all others from being looked at
                log.exception("the alarm of an execution was not looked at", execution=execution_id)

    def _look(self, state: Execution, alarm: str, *, ignores: bool) -> None:
        found = self._state_of(state, alarm)
        if found == ALARM or (found == UNKNOWN and not ignores):
            self._cancel(state, alarm, found)

    def _state_of(self, state: Execution, alarm: str) -> str:
        members = {"AlarmNames": [alarm], "AlarmTypes": ["CompositeAlarm", "MetricAlarm"]}
        try:
            answer = self.call(state, "cloudwatch", "DescribeAlarms", members)
        except (AwsRefused, AwsUnreachable) as error:
            log.warning("alarm of an execution cannot be read", execution=state.id, alarm=alarm, error=str(error))
            return UNKNOWN
        found = [*(answer.get("MetricAlarms") or ()), *(answer.get("CompositeAlarms") or ())]
        return str(found[0].get("StateValue")) if found else UNKNOWN

    def _cancel(self, state: Execution, alarm: str, found: str) -> None:
        log.info("execution is cancelled by its alarm", execution=state.id, alarm=alarm, state=found)
        try:
            with self.db.transaction() as tx:
                self.tags.forget(tx, WATCHED, state.id)
                self.tags.put(tx, TRIGGERED, state.id, {"alarm": alarm, "state": found})
                self.engine.stop(tx, state.id, Actor("alarm", alarm, alarm))
        except (InvalidStatus, ExecutionNotFound):
            self._forget(state.id)

    def _forget(self, execution_id: str) -> None:
        with self.db.transaction() as tx:
            self.tags.forget(tx, WATCHED, execution_id)
