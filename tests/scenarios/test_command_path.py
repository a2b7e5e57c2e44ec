"""Slash command, form, execution, live card: the whole path, with a restart anywhere in it."""

import pytest

from tests.bot.slack.rig import Rig
from tests.scenarios.conftest import MakeWorld
from tests.scenarios.paths import Ledger, Reaper, World


def open_form(world: World) -> dict[str, object]:
    """Lee types the command without the instance; the form that opens, as Slack keeps it."""
    world.insists(lambda rig: rig.command("run restart"), lambda: bool(world.rig.opened()))
    return {**world.rig.opened()[-1], "id": "V01"}


def submit(world: World, view: dict[str, object], instance: str) -> None:
    """Lee presses *Run* until the form closes; Slack sends the same view again."""
    world.insists(
        lambda rig: rig.submit(view, {"p:InstanceId": instance}),
        lambda: len(world.rig.service.queries.executions()) == 1,
    )


def agree(world: World) -> None:
    """Sam presses the button on the card until it is decided."""
    world.live(world.is_asking)
    world.insists(
        lambda rig: rig.click("approve", rig.buttons()["approve"], rig.sam),
        lambda: world.facts().approvals[0].status == "Approved",
    )
    world.live(lambda: world.status() == "Success" and world.rig.buttons() == {})


def check(world: World, ledger: Ledger, instance: str) -> None:
    """One execution by Lee on that instance, one card that says how it ended."""
    facts = world.facts()
    assert (facts.status, facts.started_by.name, facts.targets) == ("Success", "Lee Park", (instance,))
    assert ledger.calls == ["StopInstances", "StartInstances"]
    (card,) = world.cards()
    assert "Success" in str(card["blocks"])
    assert "Lee" in str(card["blocks"])
    names = world.names()
    for name in ("execution.started", "approval.asked", "approval.decided", "execution.ended"):
        assert names.count(name) == 1, name


def test_a_command_becomes_a_form_a_card_and_an_end(world_of: MakeWorld, ledger: Ledger) -> None:
    """Nobody dies: what is missing is asked for, the card lives, `status` links to it."""
    world = world_of()
    instance = world.instance()
    submit(world, open_form(world), instance)
    agree(world)

    check(world, ledger, instance)
    told = world.rig.command(f"status {world.facts().id[:8]}").text
    assert "success" in told
    assert world.cards()[0]["ts"].replace(".", "") in told


def test_a_restart_while_the_form_is_open(world_of: MakeWorld, ledger: Ledger) -> None:
    """The form was opened by one process and is answered to another."""
    world = world_of()
    instance = world.instance()
    view = open_form(world)
    world.restart()
    submit(world, view, instance)
    agree(world)

    check(world, ledger, instance)


def test_a_restart_before_the_card_stands(world_of: MakeWorld, ledger: Ledger) -> None:
    """The execution is saved, and the process dies before anything is posted: the next one posts the card, once."""
    world = world_of()
    instance = world.instance()
    view = open_form(world)
    world.rig.submit(view, {"p:InstanceId": instance})
    assert world.cards() == []
    world.restart()
    agree(world)

    check(world, ledger, instance)


def test_the_card_moves_along(world_of: MakeWorld) -> None:
    """One message: waiting for people, then running, then done; each state was there to be read."""
    world = world_of()
    submit(world, open_form(world), world.instance())
    world.live(world.is_asking)
    (card,) = world.cards()
    asked = str(card["blocks"])
    agree(world)
    (after,) = world.cards()

    assert "Waiting for approval" in asked
    assert after["ts"] == card["ts"]
    assert "Waiting for approval" not in str(after["blocks"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_commits(world_of: MakeWorld, ledger: Ledger, reaper: Reaper, when: str) -> None:
    """The process dies at many commits of the path; the form is sent again until it is taken, and starts once."""
    world = world_of()
    reaper.begin(when, seed=3)
    instance = world.instance()
    submit(world, open_form(world), instance)
    agree(world)
    reaper.rest()

    check(world, ledger, instance)
    assert world.restarts >= reaper.kills > 5


def test_a_command_that_is_delivered_twice_starts_once(world_of: MakeWorld) -> None:
    """Slack repeats a command it got no answer to, with the same trigger, also to the process that came after."""
    world = world_of()
    instance = world.instance()
    fields = world.rig.command_fields(f"run restart InstanceId={instance}")

    def post(rig: Rig) -> int:
        return rig.command(fields["text"], trigger_id=fields["trigger_id"]).status

    post(world.rig)
    world.restart()
    post(world.rig)

    assert len(world.rig.service.queries.executions()) == 1
