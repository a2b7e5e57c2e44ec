"""Several workspaces: installed by OAuth, each served with its own token, and none in the way of another one."""

import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.slack.blocks.card import APPROVE
from bot.slack.installation_store import installation_table
from bot.slack.socket import SocketRunner
from infra.clock import utc_now
from infra.db import Database
from infra.settings_model import PersonEntry
from playbooks.alarm_look import AlarmLooks
from tests.bot.slack.rig import library
from tests.bot.slack.test_alarms import alarm
from tests.bot.slack.test_errands import PNG, PicturingAws
from tests.bot.slack.test_unfurl import CONSOLE
from tests.fakes.clock import ManualClock
from tests.fakes.slack_grid import SlackGrid, Team, slack_grid, user
from tests.fakes.socket_front import SocketFront
from tests.scenarios.several import Bot

ONE, TWO = "T0ONE", "T0TWO"
LEE, SAM, KIM, EVE = "U0LEE", "U0SAM", "U0KIM", "U0EVE"
PEOPLE = (
    PersonEntry(id="lee", slack=LEE),
    PersonEntry(id="sam", slack=SAM),
    PersonEntry(id="kim", further_slack=(f"{TWO}/{KIM}",)),
)

OTHER = f"""\
title: For the others
start: suggest
channel: {TWO}/C0OTHER
trigger: {{name: "other-*"}}
parameters: {{InstanceId: "{{{{ alarm.dimensions.InstanceId }}}}"}}
approvers: [kim]
may_run: ['{TWO}/*']
"""


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(utc_now())  # Bolt looks at the real one for the age of a request


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[SlackGrid]:
    """Two workspaces that have nothing to do with each other, but for people with the same ids."""
    with slack_grid(clock) as grid:
        for team, name in ((ONE, "Home"), (TWO, "Other")):
            users = {each: user(team) for each in (LEE, SAM, KIM, EVE)}
            grid.teams[team] = Team(team, name, {"C0HOME" if team == ONE else "C0OTHER"}, users)
        yield grid


@pytest.fixture
def bots(slack: SlackGrid, clock: ManualClock, database: Database, tmp_path: Path) -> Iterator[tuple[Bot, Bot]]:
    """Two processes of one bot."""
    url, folder = database.url.render_as_string(hide_password=False), library(tmp_path)
    (folder / "both").mkdir()
    shutil.copy(folder / "restart" / "runbook.yaml", folder / "both" / "runbook.yaml")
    both = f"title: Restart for both\nmay_run: [lee, '{TWO}/*']\napprovers: [sam, kim]\n"
    (folder / "both" / "playbook.yaml").write_text(both, encoding="utf-8")
    (folder / "other").mkdir()
    shutil.copy(folder / "restart" / "runbook.yaml", folder / "other" / "runbook.yaml")
    (folder / "other" / "playbook.yaml").write_text(OTHER, encoding="utf-8")
    (folder / "eve").mkdir()
    runbook = (folder / "restart" / "runbook.yaml").read_text(encoding="utf-8").replace("[sam, kim]", "[sam, U0EVE]")
    (folder / "eve" / "runbook.yaml").write_text(runbook, encoding="utf-8")
    own = "title: For Eve\nmay_run: [lee]\napprovers: [sam, U0EVE]\n"
    (folder / "eve" / "playbook.yaml").write_text(own, encoding="utf-8")
    made = tuple(Bot(slack, url, folder, clock, (ONE, TWO), {"people": PEOPLE}) for _ in range(2))
    yield made[0], made[1]
    for each in made:
        each.close()


@pytest.fixture
def bot(bots: tuple[Bot, Bot]) -> Bot:
    """One of the two, installed in both workspaces."""
    assert [bots[0].install(team)[0] for team in (ONE, TWO)] == [200, 200]
    return bots[0]


def test_each_workspace_gets_its_own_card(bot: Bot, slack: SlackGrid) -> None:
    """The same playbook, started in two workspaces: each card stands where it was started, written with its token."""
    bot.command(ONE, "run both i-0abc", LEE, "C0HOME")
    bot.command(TWO, "run both i-0abd", EVE, "C0OTHER")
    bot.settle()

    assert [len(bot.cards(team)) for team in (ONE, TWO)] == [1, 1]
    posts = {team: call["channel"] for team, call in slack.called("chat.postMessage") if "thread_ts" not in call}
    assert posts == {ONE: "C0HOME", TWO: "C0OTHER"}


def test_a_person_of_two_workspaces_is_one_by_the_table(bot: Bot) -> None:
    """Kim is in the table with her user of the other workspace: she may answer from there, whoever asked where."""
    bot.command(ONE, "run both i-0abc", LEE, "C0HOME")
    bot.settle()
    (asked,) = bot.service.queries.open_approvals()
    bot.click(TWO, APPROVE, asked.id, KIM)
    bot.settle()
    bot.settle()

    assert bot.newest().status == "Success"


def test_everybody_means_at_home(bot: Bot) -> None:
    """`*` names the full members of the home workspace; those of another one are `T0TWO/*`."""
    mine = bot.command(ONE, "run nap", EVE, "C0HOME")
    theirs = bot.command(TWO, "run nap", EVE, "C0OTHER")

    assert "Started" in mine.text
    assert "may not" in theirs.text


def test_a_workspace_that_is_not_installed_is_foreign(bots: tuple[Bot, Bot]) -> None:
    """Listed, but not installed: nothing is done for it."""
    bots[0].install(ONE)
    answer = bots[0].command(TWO, "run nap", EVE, "C0OTHER")

    assert answer.text == "This app does not work for your workspace."
    assert "another workspace: T0TWO" in str(bots[0].events("request.refused")[-1][1]["reason"])


# -- everything else that is shown or said


def test_each_home_is_its_workspaces_own(bot: Bot, slack: SlackGrid) -> None:
    """The same user id in two workspaces is two people: each sees what they may run, published with their own token."""
    for team in (ONE, TWO):
        bot.event("app_home_opened", team, user=EVE, tab="home", channel="D1")
    bot.settle_again()

    homes = [json.dumps(slack.teams[team].homes[EVE]) for team in (ONE, TWO)]
    assert {team for team, call in slack.called("views.publish") if call["user_id"] == EVE} == {ONE, TWO}
    assert ["A nap" in home for home in homes] == [True, False]
    assert ["Restart for both" in home for home in homes] == [False, True]


def test_a_link_is_shown_where_it_was_written(bot: Bot, slack: SlackGrid) -> None:
    """With the token of that workspace; not for somebody whom its Slack calls deactivated."""
    bot.command(TWO, "run both i-0abd", EVE, "C0OTHER")
    bot.settle()
    url = f"{CONSOLE}{bot.newest().id}"
    slack.teams[ONE].users[EVE]["deleted"] = True
    for team, by in ((TWO, EVE), (ONE, EVE), (ONE, SAM)):
        links = [{"url": url, "domain": "x"}]
        bot.event("link_shared", team, user=by, channel=f"C0{by}", message_ts="9000.1", links=links)
    bot.settle()

    shown = [(team, call["channel"]) for team, call in slack.called("chat.unfurl")]
    assert shown == [(TWO, f"C0{EVE}"), (ONE, f"C0{SAM}")]


def test_a_refused_click_is_told_to_whoever_clicked(bot: Bot, slack: SlackGrid) -> None:
    """By the address that Slack gave with the click, so in their workspace; the people to ask are named as ever."""
    bot.command(TWO, "run both i-0abd", EVE, "C0OTHER")
    bot.settle()
    (asked,) = bot.service.queries.open_approvals()
    bot.click(TWO, APPROVE, asked.id, EVE)
    bot.settle()

    (whisper,) = slack.whispered
    assert whisper["response_type"] == "ephemeral"
    assert bot.newest().status == "Waiting"


def test_an_alarms_card_and_its_picture_stand_in_the_playbooks_workspace(bot: Bot, slack: SlackGrid) -> None:
    """A playbook's channel may be one of another workspace: card, picture and edits are written with its token."""
    aws = PicturingAws(defaultdict(dict))
    errands = bot.parts.errands
    assert errands is not None
    errands.looks = AlarmLooks(bot.service.db, bot.service.alarms, lambda _: aws, bot.clock)
    bot.service.operations.receive(alarm(name="other-1"))
    bot.settle()
    errands.pump()
    bot.settle_again()

    assert [len(bot.cards(team)) for team in (ONE, TWO)] == [0, 1]
    (picture,) = [(team, call) for team, call in slack.called("files.completeUploadExternal")]
    assert picture[0] == TWO
    assert (picture[1]["channel_id"], picture[1]["thread_ts"]) == ("C0OTHER", next(iter(slack.teams[TWO].messages)))
    assert slack.uploads == {"F0001": PNG}


@pytest.mark.slow
def test_one_socket_carries_every_workspace(bot: Bot, slack: SlackGrid) -> None:
    """The connection is the app's: each envelope finds its workspace, and a foreign one is refused as over HTTP."""
    stop = threading.Event()
    with SocketFront() as front:
        socket = SocketRunner(bot.parts.app, "xapp-1", front.api_url)
        thread = threading.Thread(target=socket.run, args=(stop,), name="socket")
        thread.start()
        try:
            front.wait_for(1)
            asked = [(ONE, LEE, "C0HOME"), (TWO, EVE, "C0OTHER"), ("T0NONE", EVE, "C0NONE")]
            answers = [
                front.deliver("slash_commands", bot.command_fields(team, "run both i-0abc", by, channel))
                for team, by, channel in asked
            ]
        finally:
            stop.set()
            thread.join()
    bot.settle()

    texts = [answer["payload"]["text"] for answer in answers if answer is not None]
    assert ["Started" in text for text in texts] == [True, True, False]
    assert texts[2] == "This app does not work for your workspace."
    assert [len(bot.cards(team)) for team in (ONE, TWO)] == [1, 1]


def test_a_namesake_elsewhere_takes_nobodys_leave(bot: Bot) -> None:
    """Eve of the other workspace is away, and names who stands in there: Eve at home answers as ever."""
    bot.command(ONE, "run eve i-0abc", LEE, "C0HOME")
    bot.settle()
    until = f"{bot.clock() + timedelta(days=5):%Y-%m-%d}"
    bot.command(TWO, f"away until {until} for <@{SAM}>", EVE, "C0OTHER")
    (asked,) = bot.service.queries.open_approvals()
    bot.click(ONE, APPROVE, asked.id, EVE)
    bot.settle()
    bot.settle()

    (away,) = bot.service.operations.absences.known()
    assert (away.who, away.instead) == (f"{TWO}/{EVE}", f"{TWO}/{SAM}")
    assert f"<@{EVE}>" in asked.approvers
    assert bot.newest().status == "Success"


# -- tokens


def test_tokens_are_sealed_at_rest(bot: Bot) -> None:
    """Neither rows nor trail nor repr hold a token."""
    with bot.service.db.reading() as connection:
        rows = str(connection.execute(select(installation_table)).all())

    assert "xox" not in rows + str(bot.events()) + str(bot.several.tokens.live())


def test_two_processes_spend_a_refresh_token_once(
    bot: Bot, bots: tuple[Bot, Bot], slack: SlackGrid, clock: ManualClock
) -> None:
    """Both see that it is due; one exchanges it, and the other takes what that one wrote."""
    old = [each.several.tokens.get(ONE) for each in bots]
    clock.advance(timedelta(hours=13))
    for each, found in zip(bots, old, strict=True):
        assert found is not None
        each.several.tokens.exchange(found)

    asked = [team for team, _ in slack.called("oauth.v2.access") if team == "refresh_token"]
    assert len(asked) == 1
    assert len({each.several.tokens.token(ONE) for each in bots}) == 1


def test_what_waits_for_a_workspace_waits_until_it_is_back(bot: Bot, slack: SlackGrid) -> None:
    """Uninstalled: its messages are set aside, the other workspace is served; installed again, they are sent."""
    bot.command(TWO, "run both i-0abd", EVE, "C0OTHER")
    slack.uninstall(TWO)
    bot.event("app_uninstalled", TWO)
    bot.event("app_uninstalled", TWO)
    bot.command(ONE, "run both i-0abc", LEE, "C0HOME")
    bot.settle()
    gone = [len(bot.cards(team)) for team in (ONE, TWO)]
    bot.install(TWO)
    bot.settle_again()

    assert gone == [1, 0]
    assert [len(bot.cards(team)) for team in (ONE, TWO)] == [1, 1]
    assert [name for name, _ in bot.events("workspace.removed")] == ["workspace.removed"]
