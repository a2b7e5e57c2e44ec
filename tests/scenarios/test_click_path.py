"""Click, decision, signal, card: the whole path, with a restart anywhere in it."""

import threading

import pytest

from tests.scenarios.conftest import MakeWorld
from tests.scenarios.paths import Ledger, Reaper, World


def asked(world: World) -> tuple[str, str]:
    """Lee has started it and the card asks; (instance, the value of its buttons)."""
    instance = world.instance()
    assert world.rig.command(f"run restart InstanceId={instance}").status == 200
    world.live(world.is_asking)
    return instance, world.rig.buttons()["approve"]


def rest(world: World) -> None:
    """Let it come to its end, and the card with it."""
    world.live(lambda: world.facts().is_over and world.rig.buttons() == {})


def test_a_click_becomes_a_decision_a_signal_and_a_card(world_of: MakeWorld, ledger: Ledger) -> None:
    """Decided is one transaction; the engine hears of it by the relay; the card by the facts."""
    world = world_of()
    _, value = asked(world)

    world.rig.click("approve", value, world.rig.sam)
    assert world.facts().approvals[0].status == "Approved"
    assert world.names().count("signal.received") == 0
    rest(world)

    assert world.names().count("signal.received") == 1
    assert ledger.calls == ["StopInstances", "StartInstances"]
    assert "Sam" in str(world.cards()[0]["blocks"])


def test_who_may_not_is_told_privately(world_of: MakeWorld, ledger: Ledger) -> None:
    """An outsider, the starter and a late click: each hears why, alone; each is in the trail; nothing moves."""
    world = world_of()
    _, value = asked(world)
    before = len(world.slack.messages())

    world.rig.click("approve", value, world.rig.max)
    world.rig.click("approve", value, world.rig.lee)

    told = world.rig.whispers()
    assert ["not among the people" in text for text in told] == [True, True]
    assert world.names().count("approval.refused") == 2
    assert len(world.slack.messages()) == before
    assert world.facts().status == "Waiting"
    assert ledger.calls == []


@pytest.mark.parametrize("is_waiting_for_engine", [False, True])
def test_a_restart_around_the_decision(world_of: MakeWorld, ledger: Ledger, *, is_waiting_for_engine: bool) -> None:
    """The process dies before the click, or after it and before the engine hears: the answer counts once."""
    world = world_of()
    _, value = asked(world)
    if not is_waiting_for_engine:
        world.restart()
    world.rig.click("approve", value, world.rig.sam)
    if is_waiting_for_engine:
        world.restart()
    rest(world)

    assert world.facts().status == "Success"
    names = world.names()
    assert names.count("approval.decided") == names.count("signal.received") == 1
    assert ledger.calls == ["StopInstances", "StartInstances"]


def test_an_answer_of_before_is_late_after_the_restart(world_of: MakeWorld, ledger: Ledger) -> None:
    """Somebody's screen still shows the button: pressed in the next process, it says who has decided."""
    world = world_of()
    _, value = asked(world)
    world.rig.click("approve", value, world.rig.sam)
    world.restart()
    rest(world)

    world.rig.click("approve", value, world.rig.sam)

    assert "decided already" in world.rig.whispers()[-1]
    assert world.names().count("approval.decided") == 1


def test_a_rejection_travels_with_its_reason_over_a_restart(world_of: MakeWorld, ledger: Ledger) -> None:
    """The form for the reason opens in one process and is answered to another; AWS is asked for nothing."""
    world = world_of()
    _, value = asked(world)
    world.rig.click("reject", value, world.rig.sam)
    view = world.rig.opened()[-1]
    world.restart()
    world.rig.submit(view, {"reason": "not tonight"}, world.rig.sam)
    world.restart()
    rest(world)

    assert world.facts().status == "Failed"
    assert "not tonight" in str(world.cards()[0]["blocks"])
    assert ledger.calls == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_commits(world_of: MakeWorld, ledger: Ledger, reaper: Reaper, when: str) -> None:
    """The process dies at many commits between the click and the end: one decision, one signal, one restart."""
    world = world_of()
    _, value = asked(world)
    reaper.begin(when, seed=5)
    world.insists(
        lambda rig: rig.click("approve", value, rig.sam), lambda: world.facts().approvals[0].status == "Approved"
    )
    rest(world)
    reaper.rest()

    names = world.names()
    assert world.facts().status == "Success"
    assert names.count("approval.decided") == names.count("approval.concluded") == names.count("signal.received") == 1
    assert ledger.calls == ["StopInstances", "StartInstances"]
    assert len(world.cards()) == 1
    assert reaper.kills > 5


def test_many_clicks_at_once_decide_once(world_of: MakeWorld, ledger: Ledger) -> None:
    """Sam's phone sends the click ten times from ten connections: one decision."""
    world = world_of()
    _, value = asked(world)
    ready = threading.Barrier(10)

    def click() -> None:
        ready.wait()
        world.rig.click("approve", value, world.rig.sam)

    threads = [threading.Thread(target=click) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rest(world)

    assert world.names().count("approval.decided") == 1
    assert ledger.calls == ["StopInstances", "StartInstances"]
