"""Alarm, runbook, approval, action, audit: the whole path, with a restart anywhere in it."""

import pytest

from tests.scenarios.conftest import MakeWorld
from tests.scenarios.paths import Ledger, Reaper, World


def approve(world: World) -> None:
    """Sam presses the button on the card until it is decided."""
    world.insists(
        lambda rig: rig.click("approve", rig.buttons()["approve"], rig.sam),
        lambda: world.facts().approvals[0].status == "Approved",
    )


def story(world: World) -> str:
    """The alarm comes, the card asks, Sam agrees, the instance is restarted; returns its id."""
    instance = world.instance()
    message = world.alarm(instance)
    world.delivered(message)
    world.live(world.is_asking)
    approve(world)
    world.live(lambda: world.status() == "Success" and "approve" not in world.rig.buttons())
    world.live(lambda: world.rig.outbox.pump() > 1)
    assert world.deliver(message) == 200
    return instance


def check(world: World, ledger: Ledger, instance: str) -> None:
    """What must be so at the end, however often the process died on the way."""
    facts = world.facts()
    assert (facts.status, facts.targets) == ("Success", (instance,))
    assert ledger.calls == ["StopInstances", "StartInstances"]
    (card,) = world.cards()
    assert "Success" in str(card["blocks"])
    assert "Sam" in str(card["blocks"])
    assert world.rig.buttons() == {}
    thread = world.thread()
    assert len(thread) == len(set(thread)), thread
    names = world.names()
    for name in ("alarm.received", "execution.started", "approval.asked", "approval.decided", "approval.concluded"):
        assert names.count(name) == 1, name
    assert names.count("signal.received") == names.count("execution.ended") == 1


def test_an_alarm_becomes_a_restarted_instance(world_of: MakeWorld, ledger: Ledger) -> None:
    """Red, asked, approved, stopped, started, told, audited; nobody died."""
    world = world_of("auto")
    instance = story(world)

    check(world, ledger, instance)
    assert world.notices() == []


def test_a_restart_while_people_are_asked(world_of: MakeWorld, ledger: Ledger) -> None:
    """The old card's button works in the new process, and the first message says what was taken up."""
    world = world_of("auto")
    instance = world.instance()
    world.delivered(world.alarm(instance))
    world.live(world.is_asking)
    world.clock.advance(600)
    world.restart()
    world.live(lambda: bool(world.notices()))
    approve(world)
    world.live(lambda: world.status() == "Success")
    world.live(lambda: world.rig.buttons() == {})

    check(world, ledger, instance)
    (notice,) = world.notices()
    assert "am back" in notice
    assert "1 run taken up again" in notice


def test_a_restart_between_the_answer_and_the_engine(world_of: MakeWorld, ledger: Ledger) -> None:
    """The decision is saved and the process dies: the next one tells the engine, and nobody clicks again."""
    world = world_of("auto")
    instance = world.instance()
    world.delivered(world.alarm(instance))
    world.live(world.is_asking)
    world.rig.click("approve", world.rig.buttons()["approve"], world.rig.sam)
    assert {step.name: step.status for step in world.facts().steps}["approve"] == "Waiting"
    world.restart()
    world.live(lambda: world.status() == "Success")
    world.live(lambda: world.rig.buttons() == {})

    check(world, ledger, instance)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_commits(world_of: MakeWorld, ledger: Ledger, reaper: Reaper, when: str, seed: int) -> None:
    """The process dies just before, or after, many commits of the path: nothing is lost, repeated or left lying."""
    world = world_of("auto")
    reaper.begin(when, seed)
    instance = story(world)
    reaper.rest()

    check(world, ledger, instance)
    assert world.restarts >= reaper.kills > 10
