"""Follows every execution that AWS runs: tells AWS what is wanted, mirrors its answers, says when it gets none.

One way to look at an execution: tell AWS what is still to be told, read it, save what changed with the moment of the
next look. Many that stand still are read with one request.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from audit.events import Event
from engine import ssm_notices as notices
from engine.execution import FINAL, Change, Execution, Status
from engine.ssm_adoption import Adoption, AdoptionRule
from engine.ssm_commands import Teller
from engine.ssm_mirror import lost, mirrored, status_of
from engine.ssm_reading import Told, read
from engine.ssm_store import Look
from engine.ssm_telling import NotLeading, Telling, save
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import DatabaseUnavailable, Transaction
from infra.leadership import Lead

log = structlog.get_logger(__name__)

AT_ONCE: Final = 50
BATCH: Final = 10
"""Values that one filter of DescribeAutomationExecutions takes."""
SHORTEST: Final = 1.0
"""Seconds between two looks right after a change; from there on the pauses grow."""
LONGEST: Final = 15.0
AT_A_GATE: Final = 30.0
"""At most, while people are asked."""
FAILING: Final = 60.0
"""At most, while AWS does not answer."""
READ_ANYWAY: Final = 2
"""So many of those that stand still are read step by step in each round: a list of executions does not show all."""
SILENCE: Final = timedelta(seconds=20)
"""So long AWS may be silent before people are told."""
FORGOTTEN: Final = timedelta(minutes=5)
"""So long an accepted execution may be unknown to reads (eventual consistency) before it is given up."""
UNKNOWN: Final = "AutomationExecutionNotFoundException"
IDLE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look brought: AWS's answer, nothing new, or why there was none."""

    look: Look
    answer: Told | None = None
    error: AwsRefused | AwsUnreachable | None = None


class SsmRunner:
    """The loop, which one process at a time runs: AWS's rates are the account's, and so are they kept."""

    def __init__(self, here: Telling, *, adopt: Sequence[AdoptionRule] = ()) -> None:
        self._here, self._teller = here, Teller(here)
        self._adoption = Adoption(here, adopt)
        self._news = threading.Event()
        self._read_at: dict[str, datetime] = {}
        """When each execution was last read step by step."""
        self._unknown_since: dict[str, datetime] = {}
        """Since when AWS has said each time that it does not know an execution."""

    def led_by(self, lead: Lead) -> None:
        """There are several processes: this one calls and writes while it leads."""
        self._here.lead = lead

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set, woken by commits."""
        self._here.pause = stop.wait
        self._here.db.listen(self._news.set)
        has_begun = False
        while not stop.is_set():
            self._news.clear()
            try:
                if not has_begun:
                    self.begin()
                    has_begun = True
                pause = self.pump()
            except NotLeading:
                log.warning("following AWS left to another process")
                return
            except DatabaseUnavailable as error:
                log.warning("the mirror waits for the database", error=str(error))
                pause = 1.0
            except Exception:  # one execution's trouble must not end the following of all others
                log.exception("following AWS failed")
                pause = 5.0
            self._news.wait(pause)

    def begin(self) -> None:
        """Ask at once for what others have started."""
        self._adoption.begin()

    def wake(self) -> None:
        """Look up."""
        self._news.set()

    def pump(self) -> float:
        """Look at everything that is due; returns the seconds until something is due next. Raises NotLeading."""
        here, began = self._here, self._here.clock()
        with here.db.reading() as connection:
            due = here.ssm.due(connection, began, limit=AT_ONCE)
        for watch in (look for look in due if look.is_watch):
            self._adoption.look(watch, began)
        told = [self._told(look) for look in due if not look.is_watch]
        for seen in (each for each in told if each.error):
            self._take(seen, began)
        for seen in self._read([each.look for each in told if not each.error]):
            self._take(seen, began)
        with here.db.reading() as connection:
            following = here.ssm.next_moment(connection)
        if following is None:
            return IDLE_SECONDS
        return min(max((following - here.clock()).total_seconds(), 0.01), IDLE_SECONDS)

    def _told(self, look: Look) -> _Seen:
        try:
            return _Seen(self._teller.tell(look))
        except (AwsRefused, AwsUnreachable) as error:
            return _Seen(look, error=error)

    # -- reading

    def _read(self, looks: Sequence[Look]) -> Iterator[_Seen]:
        """Closely what is new or was woken, and a few others in turn; of the rest whether it has moved."""
        yield from (_Seen(look) for look in looks if not look.aws_id)
        followed = [look for look in looks if look.aws_id]
        yield from (self._close(look) for look in followed if look.pause == 0)
        still = sorted(
            (look for look in followed if look.pause > 0),
            key=lambda look: self._read_at.get(look.execution_id, datetime.min.replace(tzinfo=UTC)),
        )
        yield from (self._close(look) for look in still[:READ_ANYWAY])
        for place in dict.fromkeys((look.region, look.account) for look in still[READ_ANYWAY:]):
            here = [look for look in still[READ_ANYWAY:] if (look.region, look.account) == place]
            for start in range(0, len(here), BATCH):
                yield from self._glance(here[start : start + BATCH])

    def _glance(self, looks: Sequence[Look]) -> Iterator[_Seen]:
        """One request for many; those that have moved are read closely."""
        filters = [{"Key": "ExecutionId", "Values": [look.aws_id for look in looks]}]
        try:
            answer = self._here.aws(looks[0]).call("ssm", "DescribeAutomationExecutions", {"Filters": filters})
        except (AwsRefused, AwsUnreachable) as error:
            yield from (_Seen(look, error=error) for look in looks)
            return
        listed = {each["AutomationExecutionId"]: each for each in answer.get("AutomationExecutionMetadataList") or ()}
        for look in looks:
            found = listed.get(look.aws_id)
            yield self._close(look) if found is None or self._has_moved(look, found) else _Seen(look)

    def _has_moved(self, look: Look, found: Mapping[str, Any]) -> bool:
        with self._here.db.reading() as connection:
            state = self._here.store.get(connection, look.execution_id)
        if state is None or state.is_over:
            return False
        step = state.step.name if state.step else ""
        is_same = status_of(str(found.get("AutomationExecutionStatus"))) is state.status
        return not is_same or str(found.get("CurrentStepName") or "") != step

    def _close(self, look: Look) -> _Seen:
        self._read_at[look.execution_id] = self._here.clock()
        try:
            return _Seen(look, read(self._here.aws(look), look.aws_id))
        except (AwsRefused, AwsUnreachable) as error:
            return _Seen(look, error=error)

    # -- what a look brought

    def _take(self, seen: _Seen, began: datetime) -> None:
        """Save it, with the moment of the next look."""
        here, look, now = self._here, seen.look, self._here.clock()
        self._note_unknown(seen, now)
        since = None if seen.error is None else look.failing_since or now
        changed = False
        with here.transaction() as tx:
            before = here.store.get(tx, look.execution_id)
            after = save(tx, here.store, look.execution_id, lambda state: self._change(tx, state, seen, now), (), now)
            changed = before is not None and after is not None and after.version != before.version
            pause = _pause(after, look, changed=changed, is_failing=seen.error is not None)
            look_at = None if after is None or after.is_over else now + timedelta(seconds=pause)
            here.ssm.looked(tx, look.execution_id, look_at=look_at, pause=pause, failing_since=since, began=began)
        if look_at is None:
            self._read_at.pop(look.execution_id, None)

    def _note_unknown(self, seen: _Seen, now: datetime) -> None:
        if isinstance(seen.error, AwsRefused) and seen.error.code == UNKNOWN:
            self._unknown_since.setdefault(seen.look.execution_id, now)
        else:
            self._unknown_since.pop(seen.look.execution_id, None)

    def _change(self, tx: Transaction, state: Execution, seen: _Seen, now: datetime) -> Change:
        unknown = self._unknown_since.get(state.id)
        if unknown is not None and now - unknown >= FORGOTTEN:
            return lost(state, "AWS does not know this execution any more.", now)
        if seen.error is not None:
            return _unanswered(state, seen.error, seen.look.failing_since or now, now)
        change = Change(state)
        if seen.answer is not None:
            change = mirrored(state, seen.answer, self._here.shelf.of(tx, state), now)
        if seen.look.failing_since is None or notices.lasting(state.notice) == state.notice:
            return change
        observed = Event("execution.observed", state.id)
        state = replace(change.state, notice=notices.lasting(change.state.notice))
        return Change(state, (observed, *change.events))


def _pause(state: Execution | None, look: Look, *, changed: bool, is_failing: bool) -> float:
    """Seconds until the next look."""
    if is_failing:
        return min(max(look.pause * 2, SHORTEST), FAILING)
    if changed or state is None:
        return SHORTEST
    limit = AT_A_GATE if state.status is Status.WAITING else LONGEST
    return min(max(look.pause, SHORTEST) * 1.5, limit)


def _unanswered(state: Execution, error: AwsRefused | AwsUnreachable, since: datetime, now: datetime) -> Change:
    """AWS did not answer, or refused: after a while the card says so, and since when."""
    is_denied = isinstance(error, AwsRefused) and error.is_denied
    notice = notices.with_outage(state.notice, error, since)
    if state.status in FINAL or notice == state.notice or (now - since < SILENCE and not is_denied):
        return Change(state)
    event = Event("execution.unobserved", state.id, data={"reason": notice, "since": since.isoformat()})
    is_news = notices.lasting(state.notice) == state.notice
    return Change(replace(state, notice=notice), (event,) if is_news else ())
