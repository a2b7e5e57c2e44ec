"""What the doctor says of each installation: when all is well, and for each thing that may be wrong with one."""

from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from bot.slack.installation_store import installation_table
from bot.slack.installations_checkup import InstallationsCheckup
from infra.check import Check
from infra.clock import utc_now
from infra.db import Database
from tests.bot.slack.rig import library
from tests.fakes.clock import ManualClock
from tests.fakes.slack_grid import SlackGrid, Team, slack_grid, user
from tests.scenarios.several import Bot

ONE, TWO, ORG, INSIDE = "T0ONE", "T0TWO", "E0ORG", "T0INSIDE"
LEE = "U0LEE"
PAGE = "https://bot.example.com/slack/install"
OTHER_KEY = "b3RoZXIga2V5IG90aGVyIGtleSBvdGhlciBrZXkgISE="


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock(utc_now())


@pytest.fixture
def slack(clock: ManualClock) -> Iterator[SlackGrid]:
    """Two workspaces, and one of an organisation."""
    with slack_grid(clock) as grid:
        grid.teams[ONE] = Team(ONE, "Home", {"C0HOME"}, {LEE: user(ONE)})
        grid.teams[TWO] = Team(TWO, "Other", {"C0OTHER"}, {LEE: user(TWO)}, {"S0OPS": [LEE]})
        grid.teams[INSIDE] = Team(INSIDE, "Inside", {"C0INSIDE"}, {LEE: user(INSIDE, ORG)}, enterprise_id=ORG)
        yield grid


@pytest.fixture
def bot(slack: SlackGrid, clock: ManualClock, database: Database, tmp_path: Path) -> Iterator[Bot]:
    """Installed in both workspaces, and nowhere in the organisation."""
    url = database.url.render_as_string(hide_password=False)
    made = Bot(slack, url, library(tmp_path), clock, (ONE, TWO))
    assert [made.install(team)[0] for team in (ONE, TWO)] == [200, 200]
    yield made
    made.close()


def found(
    bot: Bot, *, channels: Collection[str] = ("C0HOME",), listed: Collection[str] = (), **changes: Any
) -> dict[str, Check]:
    """What is found, with these settings changed."""
    settings = bot.service.settings.model_copy(update=changes)
    checkup = InstallationsCheckup(settings, bot.clock, channels, listed, bot.service.audit)
    return {check.name: check for check in checkup.look(bot.service.db).checks}


def wrong(check: Check) -> str:
    """The finding and its remedy in one line, once it is sure that it is one."""
    assert not check.ok
    assert check.fix
    return f"{check.detail} → {check.fix}"


def test_all_is_well(bot: Bot) -> None:
    """Each installation with its own token, scopes and channels; and how requests come, once."""
    told = found(bot, channels=("C0HOME", f"{TWO}/C0OTHER"))

    assert [check for check in told.values() if not check.ok] == []
    assert list(told) == [
        f"Slack workspace {ONE}", f"Slack scopes of {ONE}", "Slack channel C0HOME",
        f"Slack workspace {TWO}", f"Slack scopes of {TWO}", f"Slack channel {TWO}/C0OTHER", "Slack signing secret",
    ]  # fmt: skip
    assert "is exchanged before it ends" in told[f"Slack workspace {ONE}"].detail


def test_looking_spends_nothing(bot: Bot, slack: SlackGrid, clock: ManualClock) -> None:
    """A refresh token counts once: the doctor leaves it to the bot, however late it is."""
    before = len(slack.called("oauth.v2.access"))
    clock.advance(timedelta(hours=13))
    found(bot)

    assert len(slack.called("oauth.v2.access")) == before


def test_what_may_be_installed_and_is_not(bot: Bot) -> None:
    """With the address where that is done."""
    told = found(bot, slack_workspaces=(ONE, TWO, ORG, f"{ORG}/T0MORE"))
    assert f"the app is not installed there → open {PAGE} and choose it" in wrong(told[f"Slack organisation {ORG}"])
    assert not told[f"Slack workspace {ORG}/T0MORE"].ok


@pytest.mark.parametrize(("is_org_wide", "title"), [(False, f"workspace {INSIDE}"), (True, f"organisation {ORG}")])
def test_an_organisation_and_a_workspace_of_it(bot: Bot, slack: SlackGrid, *, is_org_wide: bool, title: str) -> None:
    """Either is what an entry for the organisation lets in; groups of a whole one are not asked for, and stay open."""
    more = Bot(slack, bot.database_url, bot.folder, bot.clock, (ONE, ORG))
    assert more.install(INSIDE, is_org_wide=is_org_wide)[0] == 200
    place = ORG if is_org_wide else INSIDE
    told = found(more, channels=(f"{place}/C0INSIDE",), listed=(f"{ORG}/S0OPS", f"{ORG}/{LEE}"))
    more.close()

    assert told[f"Slack {title}"].ok
    assert told[f"Slack channel {place}/C0INSIDE"].ok
    assert len(slack.called("usergroups.users.list")) == (0 if is_org_wide else 1)
    assert [name for name, check in told.items() if not check.ok] == [f"Slack workspace {TWO}"]


def test_installed_and_no_longer_permitted(bot: Bot) -> None:
    """Whoever takes a workspace out of the settings hears that the app is still there, and not served."""
    told = wrong(found(bot, slack_workspaces=(ONE,))[f"Slack workspace {TWO}"])

    assert (
        "Other: the app is installed there and not served, as slack_workspaces does not name it → remove the app there"
        in told
    )


def test_a_workspace_that_took_the_app_away(bot: Bot, slack: SlackGrid) -> None:
    """When and why; and how many messages wait for it to be back."""
    slack.uninstall(TWO)
    with bot.service.db.transaction() as tx:
        bot.parts.store.want(
            tx, "k", kind="text", subject="", channel=f"{TWO}/C0OTHER", now=bot.clock(), lane=1, text="x"
        )
    bot.event("app_uninstalled", TWO)
    told = found(bot)

    assert f"removed on {bot.clock():%F}: the app was uninstalled → open {PAGE}" in wrong(
        told[f"Slack workspace {TWO}"]
    )
    assert f"1 for {TWO} → install the app there anew: {PAGE}; they are sent then" in wrong(told["Slack messages"])


def test_a_key_that_opens_nothing(bot: Bot) -> None:
    """Tokens sealed with a key that is not in the settings any more: each says so, and Slack is not asked."""
    told = wrong(
        found(bot, slack_token_key=type(bot.service.settings.slack_token_key)(OTHER_KEY))[f"Slack workspace {ONE}"]
    )

    assert "sealed with a key that slack_token_key does not have → add the key it was sealed with" in told


def test_a_refresh_token_that_was_lost(bot: Bot, slack: SlackGrid, clock: ManualClock) -> None:
    """Until when the bot still works there is said; the rest is looked at as long as it does."""
    slack._refresh.clear()
    clock.advance(timedelta(hours=11))
    bot.several.tokens.pump()
    told = found(bot)

    assert "does not take its refresh token any more" in wrong(told[f"Slack workspace {ONE}"])
    assert "its token works until " in told[f"Slack workspace {ONE}"].detail
    assert told["Slack channel C0HOME"].ok


@pytest.mark.parametrize(
    ("hours", "sentence"), [(11, "and should have been exchanged by now"), (13, "its token ended at ")]
)
def test_a_token_that_nobody_exchanges(bot: Bot, clock: ManualClock, hours: int, sentence: str) -> None:
    """No process of the bot looks after it: while there is time, and when there is none left."""
    clock.advance(timedelta(hours=hours))
    told = wrong(found(bot)[f"Slack workspace {ONE}"])

    assert f"{sentence}" in told
    assert "→ start the bot, which exchanges it" in told


def test_a_token_that_slack_does_not_take(bot: Bot, slack: SlackGrid) -> None:
    """The code, and where to install anew; the other workspace is looked at all the same."""
    slack.uninstall(TWO)
    told = found(bot)

    assert f"Other: Slack says token_revoked → install the app there anew: {PAGE}" in wrong(
        told[f"Slack workspace {TWO}"]
    )
    assert told[f"Slack workspace {ONE}"].ok


def test_a_token_that_is_of_another_workspace(bot: Bot) -> None:
    """Somebody exchanged rows of the database: cards of one workspace would be written in the other one."""
    with bot.service.db.transaction() as tx:
        token = {row.id: row.token for row in tx.execute(installation_table.select())}
        tx.execute(update(installation_table).where(installation_table.c.id == ONE).values(token=token[TWO]))

    assert f"the token kept for it is of {TWO}" in wrong(found(bot)[f"Slack workspace {ONE}"])


def test_channels_are_asked_for_where_they_are(bot: Bot) -> None:
    """One that its own workspace does not know; one of a workspace without the app; none at all."""
    told = found(bot, channels=(f"{TWO}/C0HOME", "T0MORE/C0X"))
    assert "Slack says channel_not_found" in wrong(told[f"Slack channel {TWO}/C0HOME"])
    assert "the app is not installed in T0MORE → install it there" in wrong(told["Slack channel T0MORE/C0X"])

    assert "set channel to the id" in wrong(found(bot, channels=())["Slack channel"])


def test_people_are_asked_for_where_they_are(bot: Bot) -> None:
    """A user and a group of another workspace are asked of that one, and told as lists write them."""
    checkup = InstallationsCheckup(
        bot.service.settings, bot.clock, ("C0HOME",), (LEE, "U0GONE", f"{TWO}/S0OPS"), bot.service.audit
    )
    seen = checkup.look(bot.service.db)

    assert seen.members == {f"{TWO}/S0OPS": frozenset({f"{TWO}/{LEE}"})}
    assert list(seen.gone) == ["U0GONE"]


def test_nothing_shows_a_token(bot: Bot) -> None:
    """Neither findings nor remedies."""
    assert "xox" not in str(found(bot))
