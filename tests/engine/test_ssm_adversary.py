"""The SSM engine against an AWS that fails in every way at once: no gate opens unasked, and both ends are the same."""

import copy
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.execution import Execution
from engine.signals import SignalType
from infra.aws_errors import AwsRefused
from infra.db import Database
from migrations.tables import all_tables
from tests.engine.test_ssm import KIM, Host, gate
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import LOST, THROTTLED, FakeSsm

Trouble = Literal["", "lost before", "lost after", "500 before", "500 after", "throttled", "stale", "lost, then stale"]
TROUBLES: tuple[Trouble, ...] = (
    "", "", "lost before", "lost after", "500 before", "500 after", "throttled", "stale", "lost, then stale",
)  # fmt: skip
BEHIND = timedelta(seconds=14)
"""How late AWS's readings may be, and how long in a row."""
TROUBLE_OF_AWS = AwsRefused("InternalServerError", "An internal error occurred", status=500)
BEFORE: Mapping[Trouble, Exception] = {"lost before": LOST, "500 before": TROUBLE_OF_AWS, "throttled": THROTTLED}
AFTER: Mapping[Trouble, Exception] = {"lost after": LOST, "500 after": TROUBLE_OF_AWS, "lost, then stale": LOST}


class Adversary(FakeSsm):
    """Each call meets the next trouble, until there are no more."""

    def __init__(self, clock: ManualClock, troubles: list[Trouble]) -> None:
        super().__init__(clock)
        self.troubles = troubles
        self.stale_until = clock()
        self.past: dict[str, list[tuple[datetime, dict[str, Any]]]] = {}

    def answer(self, operation: str, members: Mapping[str, Any], role: str) -> dict[str, Any]:
        """One call."""
        trouble = self.troubles.pop(0) if self.troubles else ""
        if trouble in BEFORE:
            self.asked.append((operation, dict(members), role))
            raise BEFORE[trouble]
        if trouble == "stale":
            self.stale_until = self.clock() + BEHIND
        found = super().answer(operation, members, role)
        if trouble == "lost, then stale":
            self.stale_until = self.clock() + BEHIND
        with self.db.reading() as connection:
            identities = [state.id for state in self.store.everything(connection)]
        for identity in identities:
            self.past.setdefault(identity, []).append((self.clock(), copy.deepcopy(super().told(identity))))
        if trouble in AFTER:
            raise AFTER[trouble]
        return found

    def told(self, identity: str) -> dict[str, Any]:
        """As it is; or as it was a while ago."""
        if self.clock() >= self.stale_until or identity not in self.past:
            return super().told(identity)
        latest = self.clock() - BEHIND
        old = [told for at, told in self.past[identity] if at <= latest]
        return old[-1] if old else self.past[identity][0][1]


def wish(host: Host, identity: str, verb: str) -> None:
    """What people want."""
    if verb == "stop":
        with host.db.transaction() as tx:
            host.engine.stop(tx, identity, KIM)
    else:
        host.answer(identity, SignalType(verb))


def seen(state: Execution) -> tuple[str, list[tuple[str, str]]]:
    """What both sides must agree on."""
    return str(state.status), [(step.name, str(step.status)) for step in state.steps]


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    troubles=st.lists(st.sampled_from(TROUBLES), max_size=30),
    verb=st.sampled_from(["Approve", "Reject", "stop"]),
    begins=st.sampled_from(["at the start", "at the answer"]),
)
@example(troubles=["", "lost, then stale"], verb="Approve", begins="at the answer")
@example(troubles=["", "500 before", "stale"], verb="stop", begins="at the answer")
def test_no_gate_opens_unasked_and_both_ends_are_the_same(troubles: list[Trouble], verb: str, begins: str) -> None:
    """Whatever is lost, late, stale, refused or repeated while one of two gates is answered, or the run is stopped."""
    db, clock = Database("sqlite://"), ManualClock()
    all_tables().create_all(db.engine)
    ssm = Adversary(clock, [*troubles] if begins == "at the start" else [])
    host = Host(db, clock, ssm)
    identity = host.start(gate("one"), gate("two"))
    is_asked = False
    for seconds in (*[3] * 50, *[15] * 30):
        host.follow(seconds)
        step = host.state(identity).step
        if not is_asked and step is not None and step.name == "one" and step.signals:
            ssm.troubles += troubles if begins == "at the answer" else []
            wish(host, identity, verb)
            is_asked = True

    with ssm.db.reading() as connection:
        (there,) = ssm.store.everything(connection)
    ends = {
        "Approve": ("Waiting", [("one", "Success"), ("two", "Waiting")]),
        "Reject": ("Failed", [("one", "Failed")]),
        "stop": ("Cancelled", [("one", "Cancelled")]),
    }
    assert seen(there) == seen(host.state(identity)) == ends[verb]
    assert host.state(identity).notice == ""
    db.close()
    ssm.db.close()
