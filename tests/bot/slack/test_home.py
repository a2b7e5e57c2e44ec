"""The App Home: published through the outbox, from the facts of the moment."""

import json

from bot.slack.blocks.home import RUN
from tests.bot.slack.rig import Rig
from tests.fakes.block_limits import view_problems


def test_opening_the_home_publishes_it(rig: Rig) -> None:
    """What waits, what ran and what this person may start, with addresses of the cards."""
    rig.started()
    answer = rig.event("app_home_opened", user=rig.sam, tab="home")
    rig.settle()

    [call] = rig.slack.called("views.publish")
    told = json.dumps(call["view"])
    assert (answer.status, call["user_id"]) == (200, rig.sam)
    assert "Restart i-0abc" in told
    assert f"archives/{rig.slack.identity.channel}/p" in told
    assert f"{RUN}:restart" in told
    assert view_problems(call["view"]) == []


def test_the_messages_tab_publishes_nothing(rig: Rig) -> None:
    """Only the home tab is a home."""
    rig.event("app_home_opened", user=rig.sam, tab="messages")
    rig.settle()

    assert rig.slack.called("views.publish") == []


def test_a_stranger_gets_no_home(rig: Rig) -> None:
    """Whoever may do nothing sees nothing."""
    rig.slack.people[rig.max] = {"deleted": True}
    rig.event("app_home_opened", user=rig.max, tab="home")
    rig.settle()

    assert rig.slack.called("views.publish") == []


def test_run_in_the_home_opens_the_form(rig: Rig) -> None:
    """The form of the playbook, for those who may start it."""
    rig.click(f"{RUN}:restart", "restart", response_url=None, channel=None)

    [view] = rig.opened()
    assert view["callback_id"] == "run_form"


def test_a_refusal_in_the_home_is_a_notice(rig: Rig) -> None:
    """There is no channel to whisper in, so a modal says why."""
    rig.click(f"{RUN}:restart", "restart", rig.max, response_url=None, channel=None)
    rig.click(f"{RUN}:gone", "gone", response_url=None, channel=None)

    assert [view["title"]["text"] for view in rig.opened()] == ["Not started", "Not started"]
    assert "You may not run" in json.dumps(rig.opened()[0])
    assert "There is no playbook" in json.dumps(rig.opened()[1])


def test_somebody_who_changes_is_asked_for_anew(rig: Rig) -> None:
    """A person who is deactivated may do nothing from that moment, not a minute later."""
    assert "A nap" in rig.command("list", rig.max).text
    rig.slack.people[rig.max] = {"deleted": True}
    rig.event("user_change", user={"id": rig.max, "deleted": True})

    assert "deactivated" in rig.command("list", rig.max).text


def test_messages_are_not_commands(rig: Rig) -> None:
    """What people say in the channel is acknowledged and forgotten."""
    answer = rig.event("message", user=rig.lee, text="run nap", channel=rig.slack.identity.channel)

    assert (answer.status, rig.count()) == (200, 0)
