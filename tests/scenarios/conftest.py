"""What the path scenarios share: an AWS made of moto, a strict Slack, and somebody who kills the process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from infra.db import Database
from tests.bot.slack.rig import KIM
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack
from tests.scenarios.paths import Ledger, Reaper, World, library, watch_aws

MakeWorld = Callable[..., World]


@pytest.fixture
def reaper(monkeypatch: pytest.MonkeyPatch) -> Reaper:
    """Every transaction goes by it."""
    made, original = Reaper(), Database.transaction
    monkeypatch.setattr(Database, "transaction", lambda db, **way: made.transaction(original, db, **way))
    return made


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """moto, and what it was asked to change."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield watch_aws(monkeypatch)


@pytest.fixture
def strict_slack(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictSlack]:
    """A Slack whose clock is the test's, as Bolt's is here."""
    monkeypatch.setattr("slack_sdk.signature.Clock.now", lambda _: clock().timestamp())
    with StrictSlack(clock) as strict:
        strict.people.update({KIM: {}})
        yield strict


@pytest.fixture
def world_of(
    strict_slack: StrictSlack, database: Database, clock: ManualClock, tmp_path: Path, reaper: Reaper, ledger: Ledger
) -> Iterator[MakeWorld]:
    """Makes the world of a test, with this way to start; the bot in it is ended with the test."""
    made: list[World] = []

    def make(start: str = "suggest") -> World:
        url = database.url.render_as_string(hide_password=False)
        made.append(World(url, strict_slack, clock, library(tmp_path, start=start), reaper))
        return made[-1]

    yield make
    for world in made:
        world.rig.close()
