"""The App Home: published through the outbox, from the facts of the moment."""

import json
from datetime import timedelta

from sqlalchemy import update

from bot.slack.blocks.card import APPROVE, REJECT
from bot.slack.blocks.home import RUN, SEARCH, SEARCH_BLOCK
from bot.slack.home import LOOKED_AT
from bot.slack.store import message_table
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


def home(rig: Rig, user: str) -> str:
    """Open the home; what it says."""
    rig.event("app_home_opened", user=user, tab="home")
    rig.settle()
    view = rig.slack.called("views.publish")[-1]["view"]
    assert view_problems(view) == []
    return json.dumps(view, ensure_ascii=False)


def test_what_waits_for_me_has_its_buttons(rig: Rig) -> None:
    """The approver decides from the home; for everybody else the question is somebody's else."""
    facts = rig.started()
    request = facts.approvals[0]

    for_sam, for_max = home(rig, rig.sam), home(rig, rig.max)
    rig.click(APPROVE, request.id, rig.sam, view={"type": "home", "id": "V1"}, response_url=None, channel=None)
    rig.settle()

    assert f'"action_id": "{APPROVE}"' in for_sam
    assert f'"value": "{request.id}"' in for_sam
    assert f'"action_id": "{REJECT}"' not in for_max
    assert "Waiting for others" in for_max
    assert rig.newest().status == "Success"


def test_a_refused_click_in_the_home_is_told_in_a_direct_message(rig: Rig) -> None:
    """There is nothing in a home to whisper into."""
    request = rig.started().approvals[0]
    rig.click(APPROVE, request.id, rig.max, view={"type": "home", "id": "V1"}, response_url=None, channel=None)
    rig.settle()

    [message] = rig.slack.messages(rig.max)
    assert "may decide" in message["text"]
    assert rig.newest().status == "Waiting"


def test_the_home_follows_what_it_shows(rig: Rig) -> None:
    """A question that was answered elsewhere is gone from the home without anybody opening it anew."""
    facts = rig.started()
    home(rig, rig.sam)
    rig.click(APPROVE, facts.approvals[0].id, rig.sam)
    rig.settle()
    rig.clock_on()
    rig.settle()

    last = json.dumps(rig.slack.called("views.publish")[-1])
    assert "Nothing waits for you" in last
    assert f'"action_id": "{APPROVE}"' not in last


def test_a_home_that_nobody_looks_at_is_left_alone(rig: Rig) -> None:
    """Its repaints do not make it looked at: only opening it does."""
    home(rig, rig.sam)
    with rig.service.db.transaction() as tx:
        long_ago = rig.clock() - LOOKED_AT - timedelta(minutes=1)
        tx.execute(update(message_table).where(message_table.c.kind == "home").values(created_at=long_ago))
    before = len(rig.slack.called("views.publish"))
    rig.started()
    rig.clock_on()
    rig.settle()
    left_alone = len(rig.slack.called("views.publish"))
    home(rig, rig.sam)
    rig.started("run nap")
    rig.clock_on()
    rig.settle()

    assert left_alone == before
    assert len(rig.slack.called("views.publish")) >= before + 2


def test_homes_show_whose_runs_they_are(rig: Rig) -> None:
    """Mine are mine; what runs now is there for everybody."""
    facts = rig.started()
    mine, others = home(rig, rig.lee), home(rig, rig.max)

    assert mine.count(facts.id[:8]) == 2
    assert others.count(facts.id[:8]) == 1
    assert "You have not started anything lately" in others


def test_a_search_filters_the_playbooks(rig: Rig) -> None:
    """Words of the name, the title or the alarm; the text stays in the field, also when the home is repainted."""

    def search(text: str) -> str:
        state = {"values": {SEARCH_BLOCK: {SEARCH: {"type": "plain_text_input", "value": text}}}}
        view = {"type": "home", "id": "V1", "state": state}
        rig.click(SEARCH, "", view=view, response_url=None, channel=None)
        rig.settle()
        return json.dumps(rig.slack.called("views.publish")[-1]["view"], ensure_ascii=False)

    assert f"{RUN}:nap" in home(rig, rig.lee)
    found = search("WEB- restart")
    assert (f"{RUN}:restart" in found, f"{RUN}:nap" in found) == (True, False)
    assert '"initial_value": "WEB- restart"' in found
    rig.started("run nap")
    rig.clock_on()
    rig.settle()
    assert '"initial_value": "WEB- restart"' in json.dumps(rig.slack.called("views.publish")[-1]["view"])
    rig.clock_on()
    assert "None fits" in search("xyzzy")
    rig.clock_on()
    assert f"{RUN}:nap" in home(rig, rig.lee)


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
    assert "access.refused" in rig.events()
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
