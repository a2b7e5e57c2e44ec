"""What is known of an alarm and of what an execution works on, at one moment: whether it is still needed. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from engine.document import Document
from engine.execution import Execution
from infra.canonical import Json, digest, plain

RUNNING = "running"
LONG: timedelta = timedelta(hours=2)
"""Beyond this a time of day says more than how long ago it was."""


@dataclass(frozen=True, slots=True)
class OtherRun:
    """Another execution on the same resource."""

    id: str
    title: str
    by: str
    status: str
    at: str
    """ISO: when it ended, or began where it still runs."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The alarm's state, the resources' states, other runs; what would be lost, where that was looked at."""

    alarm: str = ""
    alarm_at: str = ""
    states: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[OtherRun, ...] = ()
    consequences: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    """What could not be looked at."""
    called: Mapping[str, str] = field(default_factory=dict)
    """What people call each resource, and whose it is: `web-1, of payments`."""

    @property
    def mark(self) -> str:
        """What tells this situation from another one; the time of looking does not, nor what is as it should be."""
        states = {resource: state for resource, state in self.states.items() if state != RUNNING}
        return digest([self.alarm, states, [[run.id, run.status] for run in self.runs]])[:12]

    def beside(self, before: "Situation") -> "Situation":
        """With what an earlier look has found where this one could not look: that it could not is no news."""
        found = replace(self, consequences=self.consequences or before.consequences)
        return replace(found, states=before.states, called=before.called) if self.gaps else found

    def words(self, now: datetime | None = None) -> tuple[str, ...]:
        """It in sentences; with `now` how long ago, else the time of day."""
        found = []
        if self.alarm and self.alarm != "ALARM":
            word = "recovered" if self.alarm == "OK" else f"went to {self.alarm}"
            found.append(f"the alarm {word} {_when(self.alarm_at, now)}".rstrip())
        found += [f"{resource} is {state}" for resource, state in self.states.items() if state != RUNNING]
        for run in self.runs:
            if run.status in ("Success", "Failed", "TimedOut", "Cancelled"):
                found.append(f"{run.title} by {run.by} ended {_when(run.at, now)}: {run.status} ({run.id[:8]})")
            else:
                found.append(f"{run.title} by {run.by} runs since {_when(run.at, None)} ({run.id[:8]})")
        return (*found, *self.gaps)

    def news(self, before: "Situation", now: datetime) -> tuple[str, ...]:
        """What is otherwise than before."""
        old = set(before.words(now))
        told = [each for each in self.words(now) if each not in old]
        if self.alarm == "ALARM" != before.alarm:
            told.append("the alarm is red again")
        for resource, state in self.states.items():
            if state == RUNNING != before.states.get(resource, state):
                told.append(f"{resource} is running again")
        return tuple(told) or ("something has changed, look at the card",)

    def kept(self) -> dict[str, Json]:
        """As rows keep it."""
        found = plain(asdict(self))
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Known:
    """What our own rows say of an execution, before AWS is asked about what it works on."""

    state: Execution
    document: Document
    situation: Situation


def from_kept(found: object) -> Situation | None:
    """Back from a row."""
    if not isinstance(found, Mapping):
        return None
    runs = tuple(OtherRun(**run) for run in found.get("runs", ()))
    lists = {name: tuple(found.get(name, ())) for name in ("consequences", "gaps")}
    states, called = (dict(found.get(name, {})) for name in ("states", "called"))
    return Situation(found.get("alarm", ""), found.get("alarm_at", ""), states, runs, called=called, **lists)


def _when(moment: str, now: datetime | None) -> str:
    if not moment:
        return ""
    at = datetime.fromisoformat(moment)
    if now is None or now - at > LONG or now < at:
        return f"at {at:%H:%M} UTC"
    seconds = int((now - at).total_seconds())
    return f"{seconds} s ago" if seconds < 120 else f"{seconds // 60} minutes ago"
