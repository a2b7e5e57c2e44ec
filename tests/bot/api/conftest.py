"""A door for each test, on SQLite; and on both databases where rows matter."""

import pytest

from infra.db import Database
from tests.bot.api.worlds import ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock

WHO = {"Who": {"type": "String", "default": "you"}}


@pytest.fixture
def world(sqlite_database: Database, clock: ManualClock) -> ApiWorld:
    """A door with one document, Ask-First: lee is asked, then it naps for a second."""
    return furnished(sqlite_database, clock)


@pytest.fixture
def both(database: Database, clock: ManualClock) -> ApiWorld:
    """The same, once on SQLite and once on PostgreSQL."""
    return furnished(database, clock)


def furnished(database: Database, clock: ManualClock) -> ApiWorld:
    """A world with its document."""
    world = ApiWorld(database, clock)
    text = runbook(ask(), nap(), parameters=WHO, description="Asks, then naps.")
    world.client().create_document(Name="Ask-First", Content=text, DocumentType="Automation")
    return world
