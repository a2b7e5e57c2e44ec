"""Who follows AWS after a death: the next one begins at once, and one who was only stopped does nothing any more."""

from collections.abc import Callable

import pytest

from engine.execution import Status
from engine.ssm_telling import NotLeading
from infra.db import Database, Transaction
from tests.engine.test_ssm import Host, gate
from tests.fakes.clock import ManualClock
from tests.fakes.ssm import FakeSsm


class Lease:
    """Lost when the test says so; by its own clock later than in the database."""

    def __init__(self) -> None:
        self.is_held = True
        self.holds = True

    def confirm(self, tx: Transaction) -> bool:
        """What the database says."""
        return self.holds


class Frozen:
    """A role that is taken on for so long that others take over meanwhile."""

    def __init__(self, lease: Lease, meanwhile: Callable[[], object]) -> None:
        self.lease, self.meanwhile, self.at = lease, meanwhile, ""

    def wait(self, _seconds: float) -> None:
        """Before each call."""
        if self.at:
            return
        self.at, self.lease.is_held, self.lease.holds = "over", False, False
        self.meanwhile()


@pytest.mark.parametrize("after", range(2), ids=["before it read", "between its look and its signal"])
def test_a_frozen_leader_opens_no_gate(database: Database, after: int) -> None:
    """It had looked, its successor has answered meanwhile, and the next gate waits: it signals nothing."""
    clock = ManualClock()
    ssm = FakeSsm(clock)
    one, other = Host(database, clock, ssm), Host(database, clock, ssm)
    identity = one.start(gate("one"), gate("two"))
    one.follow()
    one.answer(identity)
    lease = Lease()
    one.runner.led_by(lease)
    frozen, calls = Frozen(lease, lambda: other.follow(20, looks=4)), iter(range(10))
    one.telling.pause = lambda seconds: frozen.wait(seconds) if next(calls) == after else None
    with pytest.raises(NotLeading):
        one.runner.pump()
    other.follow(20, looks=4)

    assert ssm.times("SendAutomationSignal") == 1
    assert [step.status for step in other.state(identity).steps] == [Status.SUCCESS, Status.WAITING]


def test_what_a_leader_finds_out_too_late_is_not_written(database: Database) -> None:
    """The database says that another one leads: the answer of AWS is left to that one."""
    clock = ManualClock()
    ssm = FakeSsm(clock)
    host = Host(database, clock, ssm)
    identity = host.start(gate("one"))
    lease = Lease()
    lease.holds = False
    host.runner.led_by(lease)
    with pytest.raises(NotLeading):
        host.runner.pump()

    assert ssm.times("StartAutomationExecution") == 0
    assert host.state(identity).aws_id == ""


def test_a_successor_takes_up_what_a_dead_one_was_doing(database: Database) -> None:
    """Nothing is claimed, so nothing has to run out first."""
    clock = ManualClock()
    ssm = FakeSsm(clock)
    host = Host(database, clock, ssm)
    identity = host.start(gate("one"))
    Host(database, clock, ssm).runner.pump()

    assert host.state(identity).status is Status.WAITING
