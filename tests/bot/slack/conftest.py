"""The rig as a fixture, on SQLite or on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clock import utc_now
from infra.db import Database
from tests.bot.slack.rig import KIM, SPARE, Rig, library
from tests.fakes.strict_slack import StrictSlack


@pytest.fixture
def slack() -> Iterator[StrictSlack]:
    """A strict Slack with a few more people than its channel has."""
    with StrictSlack(utc_now) as strict:
        strict.people.update({user: {} for user in (KIM, *SPARE)})
        yield strict


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path) -> Iterator[Rig]:
    """A bot on SQLite."""
    made = Rig(slack, str(sqlite_database.url), library(tmp_path))
    yield made
    made.close()


@pytest.fixture
def rig_anywhere(slack: StrictSlack, database: Database, tmp_path: Path) -> Iterator[Rig]:
    """A bot on SQLite, and once more on PostgreSQL."""
    url = database.url.render_as_string(hide_password=False)
    made = Rig(slack, url, library(tmp_path))
    yield made
    made.close()
