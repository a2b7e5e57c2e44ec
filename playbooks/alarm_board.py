"""What the card of an alarm tells beyond its state: since when, how often, who looks after it, what helped. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.events import Actor
from playbooks.alarm import Alarm
from playbooks.facts import RunFacts

HELPED_WITHIN: Final = timedelta(hours=1)
"""An alarm that is OK so soon after a run began may have been helped by it."""
FLAPS_WITHIN: Final = timedelta(hours=2)
"""A card takes up an alarm that turns red again so soon after its last change; later it is a new card."""
RESOURCE_DIMENSIONS: Final = (
    "InstanceId", "DBInstanceIdentifier", "DBClusterIdentifier", "FunctionName", "LoadBalancer", "TargetGroup",
    "AutoScalingGroupName", "ClusterName", "ServiceName", "QueueName", "TableName", "BucketName", "CacheClusterId",
    "VolumeId", "NatGatewayId", "FileSystemId",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Course:
    """How an alarm went: `red_key` is its latest red state."""

    red_key: str
    red_since: datetime | None
    first_red_at: datetime | None
    times_red: int
    recovered_at: datetime | None


def course(history: Sequence[tuple[str, Alarm]], first_key: str) -> Course:
    """Read the history (newest first) back to the state by which a card is known."""
    keys = [key for key, _ in history]
    known = history[: keys.index(first_key) + 1] if first_key in keys else history
    ordered = list(reversed(known))
    reds: list[tuple[str, datetime]] = []
    red_since: datetime | None = None
    recovered_at: datetime | None = None
    red_key = first_key
    for key, alarm in ordered:
        if alarm.state == "ALARM":
            red_key = key
            if red_since is None:
                reds.append((key, alarm.changed_at))
            red_since, recovered_at = red_since or alarm.changed_at, None
        elif alarm.state == "OK":
            red_since, recovered_at = None, alarm.changed_at
    first = reds[0][1] if reds else None
    return Course(red_key, red_since, first, max(len(reds), 1), recovered_at)


def resources_of(alarm: Alarm) -> tuple[str, ...]:
    """What the alarm is about, by its dimensions: the most telling first."""
    return tuple(alarm.dimensions[name] for name in RESOURCE_DIMENSIONS if name in alarm.dimensions)


@dataclass(frozen=True, slots=True)
class Run:
    """A run on the resource, before it is known whether it helped."""

    id: str
    playbook: str
    title: str
    status: str
    started_by: Actor
    started_at: datetime


def judged(runs: Sequence[Run], history: Sequence[tuple[str, Alarm]]) -> tuple[RunFacts, ...]:
    """Each run with when the alarm was OK again after it, where it was red when the run began."""
    changes = sorted((alarm.changed_at, alarm.state) for _, alarm in history)
    return tuple(
        RunFacts(run.id, run.playbook, run.title, run.status, run.started_by, run.started_at, _recovered(run, changes))
        for run in runs
    )


def _recovered(run: Run, changes: Sequence[tuple[datetime, str]]) -> timedelta | None:
    before = [state for at, state in changes if at <= run.started_at]
    if not before or before[-1] != "ALARM":
        return None
    after = next((at for at, state in changes if at > run.started_at and state == "OK"), None)
    return after - run.started_at if after is not None and after - run.started_at <= HELPED_WITHIN else None
