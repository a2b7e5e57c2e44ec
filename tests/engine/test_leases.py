"""A carrier that was stopped, or cut off, for longer than its lease finds out before it calls AWS."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine import leases
from engine.action import ActionContext, Outcome, Succeeded
from engine.execution import Status
from engine.performing import Performer
from infra.db import Database, DatabaseUnavailable
from tests.engine.test_embedded import Counting, Host, scripted
from tests.engine.worlds import ACTIONS
from tests.fakes.aws import QuietAws
from tests.fakes.clock import ManualClock


def host(db: Database, clock: ManualClock, run: Callable[[ActionContext], Outcome], aws: QuietAws) -> Host:
    """A process whose scripted action does this, with this AWS."""
    made = Host(db, clock, Counting(run))
    actions: dict[str, Any] = {**ACTIONS, "aws:scripted": made.action}
    made.engine._here.performer = Performer(actions, lambda _: aws, clock)
    return made


def reboot(context: ActionContext) -> Outcome:
    """One call with a side effect."""
    context.aws.call("ec2", "RebootInstances", {"InstanceIds": ["i-1"]})
    return Succeeded()


@pytest.fixture
def aws() -> QuietAws:
    """It reboots."""
    return QuietAws(answers={"ec2:RebootInstances": {}})


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets this machine's own clock go on."""
    passed = [0.0]
    real = time.monotonic

    def pass_by(seconds: float) -> None:
        passed[0] += seconds

    monkeypatch.setattr("engine.leases.time.monotonic", lambda: real() + passed[0])
    monkeypatch.setattr("engine.leases.DOUBT_SECONDS", 0.001)
    return pass_by


def test_a_zombie_calls_nothing(
    database: Database, clock: ManualClock, aws: QuietAws, wait: Callable[[float], None]
) -> None:
    """Stopped right before its call while another process took the step over and did it: it happens once."""
    other = host(database, clock, reboot, aws)

    def stopped(context: ActionContext) -> Outcome:
        wait(60)
        clock.advance(60)
        other.engine.carry(context.execution_id)
        return reboot(context)

    zombie = host(database, clock, stopped, aws)
    execution_id = zombie.start(scripted())
    zombie.work()

    assert [name for name, _ in aws.asked] == ["ec2:RebootInstances"]
    assert zombie.state(execution_id).status is Status.SUCCESS
    assert zombie.events(execution_id).count("step.ended") == 1
    assert zombie.events(execution_id).count("step.recovered") == 1


def test_a_slow_carrier_whose_step_nobody_has_taken_goes_on(
    database: Database, clock: ManualClock, aws: QuietAws, wait: Callable[[float], None]
) -> None:
    """Its own clock only makes it ask; the row says that the step is still its own."""

    def slow(context: ActionContext) -> Outcome:
        wait(60)
        return reboot(context)

    carrier = host(database, clock, slow, aws)
    execution_id = carrier.start(scripted())
    carrier.work()

    assert len(aws.asked) == 1
    assert carrier.events(execution_id).count("step.recovered") == 0
    assert carrier.state(execution_id).status is Status.SUCCESS


def test_a_carrier_that_is_cut_off_waits_for_the_database(
    database: Database,
    clock: ManualClock,
    aws: QuietAws,
    wait: Callable[[float], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It calls nothing while it cannot know, and goes on when the database is back and nobody has taken the step."""
    carrier, tries = host(database, clock, reboot, aws), []
    real = database.transaction

    @contextmanager
    def away_at_first() -> Iterator[Any]:
        tries.append(len(aws.asked))
        if len(tries) < 4:
            raise DatabaseUnavailable("cut off")
        with real() as tx:
            yield tx

    def cut_off(context: ActionContext) -> Outcome:
        wait(60)
        with monkeypatch.context() as cut:
            cut.setattr(database, "transaction", away_at_first)
            return reboot(context)

    carrier.action.answer = cut_off  # type: ignore[attr-defined]
    execution_id = carrier.start(scripted())
    carrier.work()

    assert tries == [0, 0, 0, 0]
    assert carrier.state(execution_id).status is Status.SUCCESS


def test_a_lease_is_kept_by_renewing_it(database: Database, clock: ManualClock, aws: QuietAws) -> None:
    """Whoever renews in time is not followed, however long its call takes."""
    other = host(database, clock, reboot, aws)

    def long(context: ActionContext) -> Outcome:
        for _ in range(5):
            clock.advance(leases.LEASE.total_seconds() - 1)
            carrier.engine.renew_leases()
            other.engine.carry(context.execution_id)
        return reboot(context)

    carrier = host(database, clock, long, aws)
    execution_id = carrier.start(scripted())
    carrier.work()

    assert len(aws.asked) == 1
    assert carrier.events(execution_id).count("step.recovered") == 0


def test_only_the_dead_ones_steps_count_as_interrupted(database: Database, clock: ManualClock, aws: QuietAws) -> None:
    """A bot that comes up beside living workers does not say that their steps were interrupted."""
    found: list[tuple[int, int, int]] = []

    def counted(context: ActionContext) -> Outcome:
        with database.reading() as connection:
            count = carrier.store.interrupted
            alive = count(connection, now=clock())
            dead = count(connection, now=clock() + leases.LEASE * 2)
            found.append((count(connection), alive, dead))
        return reboot(context)

    carrier = host(database, clock, counted, aws)
    carrier.start(scripted())
    carrier.work()

    assert found == [(1, 0, 1)]
