"""Follows every execution that AWS runs: tells AWS what is wanted, mirrors its answers, says when it gets none.

One way to look at an execution: take its row, tell AWS what is still to be told, read it, save what changed, give the
row back with the moment of the next look. Reads are batched and stay within AWS's rates.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from audit.events import Event
from engine.execution import FINAL, Change, Execution, Status
from engine.ssm_adoption import Adoption, AdoptionRule
from engine.ssm_commands import EXPIRED, Teller, Telling, save
from engine.ssm_mirror import lost, mirrored, status_of
from engine.ssm_store import Look
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.db import DatabaseUnavailable, Transaction
from infra.rate import Rate

log = structlog.get_logger(__name__)

CLAIM: Final = timedelta(seconds=60)
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
CLOSE_LOOK: Final = 8.0
"""From this pause on the steps are read each time, not only when the batched answer shows a change."""
SILENCE: Final = timedelta(seconds=20)
"""So long AWS may be silent before people are told."""
FORGOTTEN: Final = timedelta(minutes=5)
"""So long an accepted execution may be unknown to reads (eventual consistency) before it is given up."""
UNKNOWN: Final = "AutomationExecutionNotFoundException"
READS_PER_SECOND: Final = 3.0
IDLE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look brought: AWS's answer, nothing new, or why there was none."""

    look: Look
    answer: Mapping[str, Any] | None = None
    error: AwsRefused | AwsUnreachable | None = None


class SsmRunner:
    """The loop, which one process at a time runs: AWS's rates are the account's, and so are they kept.

    A row is claimed all the same, so that one who was stopped and wakes up does not look at what another looks at.
    """

    def __init__(self, here: Telling, *, rate: Rate | None = None, adopt: Sequence[AdoptionRule] = ()) -> None:
        self._here, self._teller = here, Teller(here)
        self._adoption = Adoption(here, adopt)
        self._has_heard = False
        self._rate = rate or Rate(READS_PER_SECOND, READS_PER_SECOND)
        self._stopping = threading.Event()
        self._news = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set, woken by commits."""
        self._stopping = stop
        self._here.db.listen(self._news.set)
        has_begun = False
        while not stop.is_set():
            self._news.clear()
            try:
                if not has_begun:
                    self.begin()
                    has_begun = True
                pause = self.pump()
            except DatabaseUnavailable as error:
                log.warning("the mirror waits for the database", error=str(error))
                pause = 1.0
            except Exception:  # one execution's trouble must not end the following of all others
                log.exception("following AWS failed")
                pause = 5.0
            self._news.wait(pause)

    def begin(self) -> None:
        """Nobody else follows: what a dead process has claimed is free."""
        with self._here.db.transaction() as tx:
            self._here.ssm.free_all(tx)

    def wake(self) -> None:
        """Look up."""
        self._news.set()

    def pump(self) -> float:
        """Look at everything that is due; returns the seconds until something is due next."""
        here, began = self._here, self._here.clock()
        heard, self._has_heard = self._has_heard, False
        limit = min(self._adoption.pump(at_once=heard).total_seconds(), IDLE_SECONDS)
        with here.db.transaction() as tx:
            looks = here.ssm.claim(tx, began, until=began + CLAIM, limit=AT_ONCE)
        told = [self._told(look) for look in looks]
        for seen in (each for each in told if each.error):
            self._take(seen, began)
        for seen in self._read([each.look for each in told if not each.error]):
            self._take(seen, began)
        with here.db.reading() as connection:
            following = here.ssm.next_moment(connection)
        if following is None:
            return limit
        return min(max((following - here.clock()).total_seconds(), 0.01), limit)

    def hear(self) -> None:
        """AWS says that something has happened to an execution that is not followed here."""
        self._has_heard = True
        self._news.set()

    def _told(self, look: Look) -> _Seen:
        try:
            return _Seen(self._teller.tell(look))
        except (AwsRefused, AwsUnreachable) as error:
            return _Seen(look, error=error)

    # -- reading

    def _read(self, looks: Sequence[Look]) -> Iterator[_Seen]:
        yield from (_Seen(look) for look in looks if not look.aws_id)
        followed = [look for look in looks if look.aws_id]
        for place in dict.fromkeys((look.region, look.account) for look in followed):
            here = [look for look in followed if (look.region, look.account) == place]
            close = [look for look in here if len(here) == 1 or look.pause == 0 or look.pause >= CLOSE_LOOK]
            rest = [look for look in here if look not in close]
            for start in range(0, len(rest), BATCH):
                yield from self._glance(rest[start : start + BATCH])
            yield from (self._close(look) for look in close)

    def _glance(self, looks: Sequence[Look]) -> Iterator[_Seen]:
        """One request for many; those that have moved are read closely."""
        filters = [{"Key": "ExecutionId", "Values": [look.aws_id for look in looks]}]
        try:
            answer = self._call(looks[0], "DescribeAutomationExecutions", {"Filters": filters})
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
        try:
            answer = self._call(look, "GetAutomationExecution", {"AutomationExecutionId": look.aws_id})
        except (AwsRefused, AwsUnreachable) as error:
            return _Seen(look, error=error)
        return _Seen(look, answer["AutomationExecution"])

    def _call(self, look: Look, operation: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
        self._stopping.wait(self._rate.take(self._here.clock()).total_seconds())
        return self._here.aws_for(look, "").call("ssm", operation, members)

    # -- what a look brought

    def _take(self, seen: _Seen, began: datetime) -> None:
        """Save it, and give the row back."""
        here, look, now = self._here, seen.look, self._here.clock()
        since = None if seen.error is None else look.failing_since or now
        changed = False
        with here.db.transaction() as tx:
            before = here.store.get(tx, look.execution_id)
            after = save(tx, here.store, look.execution_id, lambda state: self._change(tx, state, seen, now), (), now)
            changed = before is not None and after is not None and after.version != before.version
            pause = _pause(after, look, changed=changed, is_failing=seen.error is not None)
            look_at = None if after is None or after.is_over else now + timedelta(seconds=pause)
            here.ssm.release(tx, look.execution_id, look_at=look_at, pause=pause, failing_since=since, began=began)

    def _change(self, tx: Transaction, state: Execution, seen: _Seen, now: datetime) -> Change:
        if seen.error is not None:
            return _unanswered(state, seen, now)
        change = Change(state)
        if seen.answer is not None:
            change = mirrored(state, seen.answer, self._here.shelf.of(tx, state), now)
        if seen.look.failing_since is not None and state.notice:
            observed = Event("execution.observed", state.id)
            return Change(replace(change.state, notice=""), (observed, *change.events))
        return change


def _pause(state: Execution | None, look: Look, *, changed: bool, is_failing: bool) -> float:
    """Seconds until the next look."""
    if is_failing:
        return min(max(look.pause * 2, SHORTEST), FAILING)
    if changed or state is None:
        return SHORTEST
    limit = AT_A_GATE if state.status is Status.WAITING else LONGEST
    return min(max(look.pause, SHORTEST) * 1.5, limit)


def _unanswered(state: Execution, seen: _Seen, now: datetime) -> Change:
    """AWS did not answer, or refused: after a while the card says so, and since when."""
    error, since = seen.error, seen.look.failing_since or now
    if state.status in FINAL or error is None:
        return Change(state)
    is_unknown = isinstance(error, AwsRefused) and error.code == UNKNOWN
    if is_unknown and now - since >= FORGOTTEN:
        return lost(state, "AWS does not know this execution any more.", now)
    notice = _notice(error, since)
    if notice == state.notice or (now - since < SILENCE and not _is_denied(error)):
        return Change(state)
    event = Event("execution.unobserved", state.id, data={"reason": notice, "since": since.isoformat()})
    return Change(replace(state, notice=notice), (event,) if not state.notice else ())


def _is_denied(error: AwsRefused | AwsUnreachable) -> bool:
    return isinstance(error, AwsRefused) and error.is_denied


def _notice(error: AwsRefused | AwsUnreachable, since: datetime) -> str:
    at = f"{since:%H:%M} UTC"
    if isinstance(error, AwsUnreachable):
        return f"AWS has not answered since {at}; what is shown here is as of then. I keep asking."
    if error.code in EXPIRED:
        return f"My AWS credentials have expired at {at}; what is shown here is as of then."
    if error.is_denied:
        return f"AWS refuses me since {at} ({error.code}): {error}"
    if error.is_throttling:
        return f"AWS throttles my requests since {at}; what is shown here may be late."
    return f"AWS cannot say how it stands since {at} ({error.code}): {error}"
