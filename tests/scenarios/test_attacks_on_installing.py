"""Attempts to come in by another workspace, or by installing; docs/attacks.md lists them with their results."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.slack.blocks.card import APPROVE
from bot.slack.manifest import SCOPES
from infra.clock import utc_now
from infra.db import Database
from infra.settings_model import PersonEntry
from tests.bot.slack.rig import library
from tests.fakes.clock import ManualClock
from tests.fakes.slack_grid import SlackGrid, Team, slack_grid, user
from tests.scenarios.several import Bot

HOME, OTHER, EVIL = "T0HOME", "T0OTHER", "T0EVIL"
LEE, SAM, EVE, MAL = "U0LEE", "U0SAM", "U0EVE", "U0MAL"
PEOPLE = (
    PersonEntry(id="lee", slack=LEE),
    PersonEntry(id="sam", slack=SAM, further_slack=(f"{OTHER}/{EVE}",)),
    PersonEntry(id="kim", slack="U0KIM"),
)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(utc_now())


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[SlackGrid]:
    """Two workspaces that the settings name, and one that they do not; all have users with the same ids."""
    with slack_grid(clock) as grid:
        for team in (HOME, OTHER, EVIL):
            grid.teams[team] = Team(team, team.title(), {"C0HOME"}, {each: user(team) for each in (LEE, SAM, EVE, MAL)})
        yield grid


@pytest.fixture
def bots(slack: SlackGrid, clock: ManualClock, database: Database, tmp_path: Path) -> Iterator[tuple[Bot, Bot]]:
    """Two processes of one bot that is installed nowhere yet."""
    url, folder = database.url.render_as_string(hide_password=False), library(tmp_path)
    shutil.copytree(folder / "restart", folder / "both")
    (folder / "both" / "playbook.yaml").write_text("title: For both\nmay_run: [sam]\napprovers: [sam, kim]\n")
    made = tuple(Bot(slack, url, folder, clock, (HOME, OTHER), {"people": PEOPLE}) for _ in range(2))
    yield made[0], made[1]
    for each in made:
        each.close()


def nothing_happened(bot: Bot, slack: SlackGrid) -> None:
    """Nothing is installed, and no code was spent."""
    bot.several.tokens.forget()
    assert bot.several.tokens.live() == []
    assert slack.called("oauth.v2.access") == []


def given_back(bot: Bot, slack: SlackGrid, team: str) -> str:
    """Nothing is installed, the token that Slack gave was given back; the reason in the trail."""
    bot.several.tokens.forget()
    assert bot.several.tokens.live() == []
    assert [of for of, _ in slack.called("auth.revoke")] == [team]
    ((name, data),) = bot.events("workspace.")
    assert (name, data["outcome"]) == ("workspace.refused", "its token was given back")
    return str(data["reason"])


def asked(bot: Bot) -> str:
    """The bot is installed in two workspaces, and a question is open at home; the value of its button."""
    assert [bot.install(team)[0] for team in (HOME, OTHER)] == [200, 200]
    bot.command(HOME, "run restart i-0abc", LEE, "C0HOME")
    bot.settle()
    return str(bot.service.queries.open_approvals()[-1].id)


def still_asks(bot: Bot) -> None:
    """Nothing was decided."""
    bot.settle()
    assert bot.newest().status == "Waiting"
    assert bot.events("approval.decided") == []


# -- by installing


def test_state_forged(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """Somebody is sent back from Slack with a state that nobody gave: nothing is installed."""
    address, cookies = bots[0].browse()
    status, page = bots[1].come_back({**slack.consent(address, HOME), "state": "x" * 43}, cookies)

    assert (status, "not begun here" in page) == (400, True)
    nothing_happened(bots[0], slack)


def test_state_replayed(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """A state that has installed something comes back to another process with another code: it counts once."""
    address, cookies = bots[0].browse()
    first = bots[0].come_back(slack.consent(address, HOME), cookies)
    again = bots[1].come_back(slack.consent(address, OTHER), cookies)

    assert (first[0], again[0], "used before" in again[1]) == (200, 400, True)
    assert [data["workspace"] for _, data in bots[0].events("workspace.")] == [HOME]


def test_state_expired(bots: tuple[Bot, Bot], slack: SlackGrid, clock: ManualClock) -> None:
    """A link that was left lying about: after ten minutes it installs nothing."""
    address, cookies = bots[0].browse()
    clock.advance(timedelta(minutes=10, seconds=1))
    status, page = bots[0].come_back(slack.consent(address, HOME), cookies)

    assert (status, "more than ten minutes ago" in page) == (400, True)
    nothing_happened(bots[0], slack)


def test_another_browser(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """Eve begins, and has somebody else's browser finish: refused, and her link is used up."""
    address, eves = bots[0].browse()
    back = slack.consent(address, HOME)
    _, somebodys = bots[0].browse()
    answers = [bots[1].come_back(back, cookies) for cookies in (somebodys, {}, eves)]

    assert [status for status, _ in answers] == [400, 400, 400]
    assert "another browser" in answers[0][1]
    nothing_happened(bots[0], slack)


def test_foreign_workspace(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """A workspace that the settings do not name installs the app: its token is given back, its people stay outside."""
    status, _ = bots[0].install(EVIL)
    answer = bots[0].command(EVIL, "run restart i-0abc", LEE, "C0HOME")

    assert status == 403
    assert given_back(bots[0], slack, EVIL) == "slack_workspaces does not name it"
    assert answer.text == "This app does not work for your workspace."


def test_foreign_app(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """A code of another app, with the same secret, leads to that app's token: given back."""
    status, _ = bots[0].install(HOME, app_id="A0OTHER")

    assert status == 400
    assert given_back(bots[0], slack, HOME) == "it is of app A0OTHER"


def test_too_few_scopes(bots: tuple[Bot, Bot], slack: SlackGrid) -> None:
    """Somebody takes users:read out of the consent's address, so that nobody could be looked up: given back."""
    status, _ = bots[0].install(HOME, scopes=tuple(each for each in SCOPES if each != "users:read"))

    assert status == 400
    assert given_back(bots[0], slack, HOME) == "scopes not granted: users:read"


# -- by another workspace


def test_no_longer_permitted(bots: tuple[Bot, Bot], slack: SlackGrid, clock: ManualClock) -> None:
    """A workspace that was taken out of the settings still has the app: it is not served until it is named."""
    asked(bots[0])
    first, url = bots[0], bots[0].database_url
    without = Bot(slack, url, first.folder, clock, (HOME,), {"people": PEOPLE})
    answers = [bot.command(OTHER, "help", EVE, "C0HOME").text for bot in (without, first)]
    without.close()

    assert answers[0] == "This app does not work for your workspace."
    assert answers[1] != answers[0]
    assert without.several.workspaces.reachable() == {"", HOME}


def test_click_of_another_installation(bots: tuple[Bot, Bot]) -> None:
    """A workspace that may install the app presses the button of our question: nobody there is on its list."""
    value = asked(bots[0])
    bots[1].click(OTHER, APPROVE, value, MAL)

    still_asks(bots[0])
    assert "not among the people" in str(bots[0].events("approval.refused")[-1][1]["reason"])


def test_namesake(bots: tuple[Bot, Bot]) -> None:
    """Another workspace's user has our approver's id: lists mean the one at home."""
    value = asked(bots[0])
    bots[1].click(OTHER, APPROVE, value, SAM)

    still_asks(bots[0])
    assert "not among the people" in str(bots[0].events("approval.refused")[-1][1]["reason"])


def test_namesake_in_a_shared_channel(bots: tuple[Bot, Bot]) -> None:
    """The same one clicks in a channel that both share, so that the request is of our workspace: refused."""
    value = asked(bots[0])
    bots[1].click(HOME, APPROVE, value, SAM, user={"id": SAM, "team_id": OTHER, "name": "x"})

    still_asks(bots[0])
    assert "another workspace" in str(bots[0].events("request.refused")[-1][1]["reason"])


def test_second_account_elsewhere(bots: tuple[Bot, Bot]) -> None:
    """Sam starts it with her account in another workspace and approves it with the one at home: she is one person."""
    asked(bots[0])
    bots[0].command(OTHER, "run both i-0abd", EVE, "C0HOME")
    bots[0].settle()
    value = str(bots[0].service.queries.open_approvals()[-1].id)
    bots[1].click(HOME, APPROVE, value, SAM)

    still_asks(bots[0])
    assert "You started this" in str(bots[0].events("approval.refused")[-1][1]["reason"])
