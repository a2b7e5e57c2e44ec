"""Enterprise Grid: one installation for a whole organisation, and workspaces of it that close themselves to the app."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.slack.blocks.card import APPROVE
from infra.clock import utc_now
from infra.db import Database
from infra.settings_model import PersonEntry
from tests.bot.slack.rig import library
from tests.fakes.clock import ManualClock
from tests.fakes.slack_grid import SlackGrid, Team, slack_grid, user
from tests.scenarios.several import Bot

HOME, ORG, FIRST, SECOND = "T0HOME", "E0ORG", "T0FIRST", "T0SECOND"
LEE, SAM, MO = "U0LEE", "U0SAM", "U0MO"
PEOPLE = (PersonEntry(id="lee", slack=LEE), PersonEntry(id="sam", further_slack=(f"{ORG}/{SAM}",)))


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(utc_now())  # Bolt looks at the real one for the age of a request


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[SlackGrid]:
    """A workspace of its own, and two of one organisation, whose people are the organisation's."""
    with slack_grid(clock) as grid:
        grid.teams[HOME] = Team(HOME, "Home", {"C0HOME"}, {LEE: user(HOME)})
        for team, channel in ((FIRST, "C0FIRST"), (SECOND, "C0SECOND")):
            users = {each: user(team, ORG) for each in (SAM, MO)}
            grid.teams[team] = Team(team, team.lower(), {channel}, users, enterprise_id=ORG)
        yield grid


@pytest.fixture
def bot(slack: SlackGrid, clock: ManualClock, sqlite_database: Database, tmp_path: Path) -> Iterator[Bot]:
    """A bot that is installed at home and for the whole organisation."""
    folder = library(tmp_path)
    (folder / "both").mkdir()
    shutil.copy(folder / "restart" / "runbook.yaml", folder / "both" / "runbook.yaml")
    playbook = f"title: Restart\nmay_run: [lee, sam, '{ORG}/*']\napprovers: [sam]\n"
    (folder / "both" / "playbook.yaml").write_text(playbook, encoding="utf-8")
    made = Bot(slack, str(sqlite_database.url), folder, clock, (HOME, ORG), {"people": PEOPLE})
    assert made.install(HOME)[0] == made.install(FIRST, is_org_wide=True)[0] == 200
    yield made
    made.close()


def enterprise(team: str) -> dict[str, object]:
    """What a payload says of where it is from, within an organisation."""
    return {"team": {"id": team, "enterprise_id": ORG}, "enterprise": {"id": ORG, "name": "Org"}}


def test_one_token_serves_every_workspace(bot: Bot, slack: SlackGrid) -> None:
    """A run started in one of them has its card there, and is approved there by the organisation's own person."""
    answer = bot.command(FIRST, "run both i-0abc", MO, "C0FIRST", enterprise_id=ORG)
    bot.settle()
    value = bot.service.queries.open_approvals()[0].id
    bot.click(FIRST, APPROVE, value, SAM, **enterprise(FIRST))
    bot.settle()

    assert answer.status == 200
    assert (len(bot.cards(FIRST)), len(bot.cards(HOME))) == (1, 0)
    assert bot.newest().status == "Success"
    assert {team for team, _ in slack.called("chat.postMessage")} == {ORG}


def test_a_request_may_name_the_organisation_only(bot: Bot) -> None:
    """Then the workspace of the user counts, as Slack leaves the team out where the app is the organisation's."""
    bot.command(FIRST, "run both i-0abc", MO, "C0FIRST", enterprise_id=ORG)
    bot.settle()
    value = bot.service.queries.open_approvals()[0].id
    bot.click(FIRST, APPROVE, value, SAM, team=None, enterprise={"id": ORG, "name": "Org"}, is_enterprise_install=True)
    bot.settle()

    assert bot.newest().status == "Success"


def test_a_workspace_that_closes_itself_is_foreign(bot: Bot) -> None:
    """Until it opens itself again; the others of the organisation are served meanwhile."""
    bot.event("team_access_revoked", "", enterprise=ORG, team_ids=[SECOND])
    closed = bot.command(SECOND, "status", MO, "C0SECOND", enterprise_id=ORG)
    other = bot.command(FIRST, "status", MO, "C0FIRST", enterprise_id=ORG)
    bot.event("team_access_granted", "", enterprise=ORG, team_ids=[SECOND])
    opened = bot.command(SECOND, "status", MO, "C0SECOND", enterprise_id=ORG)

    assert "does not work for your workspace" in closed.text
    assert other.text == opened.text == "Nothing runs, and nothing has run yet."
    assert [name for name, _ in bot.events("workspace.")][-2:] == ["workspace.closed", "workspace.opened"]


def test_only_the_bots_own_token_matters(bot: Bot) -> None:
    """A person who takes their own tokens back removes no workspace; the bot's token taken back does."""
    bot.event("tokens_revoked", HOME, tokens={"oauth": [LEE], "bot": []})
    kept = bot.command(HOME, "status", LEE, "C0HOME")
    bot.event("tokens_revoked", HOME, tokens={"bot": ["UBOT"]})
    gone = bot.command(HOME, "status", LEE, "C0HOME")

    assert kept.text == "Nothing runs, and nothing has run yet."
    assert "does not work for your workspace" in gone.text


def test_news_of_an_uninstallation_may_come_late(bot: Bot, clock: ManualClock) -> None:
    """Uninstalled and installed again before Slack's event has come: the new installation stays."""
    uninstalled_at = clock().timestamp()
    clock.advance(timedelta(seconds=30))
    bot.install(HOME)
    bot.event("app_uninstalled", HOME, at=uninstalled_at)

    assert bot.several.tokens.get(HOME) is not None
    assert bot.events("workspace.removed") == []


def test_a_token_that_ends_in_the_middle_of_a_call_is_exchanged_once(
    bot: Bot, slack: SlackGrid, clock: ManualClock
) -> None:
    """Slack calls it expired earlier than it said: the call is made again with another one."""
    for token in slack._tokens.values():
        token.until = clock()
    bot.command(HOME, "run both i-0abc", LEE, "C0HOME")
    bot.settle()

    assert len(bot.cards(HOME)) == 1
    exchanged = [how for how, _ in slack.called("oauth.v2.access") if how == "refresh_token"]
    assert len(exchanged) == 1
