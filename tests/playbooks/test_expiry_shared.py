"""Questions that another process has asked expire, too, when that process is dead."""

from datetime import timedelta
from typing import Any

from infra.db import Database
from playbooks.expiry import IDLE, SHARED, Expiry
from tests.fakes.clock import ManualClock


class Rows:
    """The open questions, as the database has them."""

    def __init__(self) -> None:
        self.found: list[tuple[Any, str]] = []

    def due(self, _: object) -> list[tuple[Any, str]]:
        """All that have a moment."""
        return list(self.found)

    def get(self, *_: object) -> None:
        """Closed by then."""


def test_a_dead_ones_question_is_known_within_seconds(sqlite_database: Database, clock: ManualClock) -> None:
    """Where there are several processes the rows are looked at every few seconds, not every few minutes."""
    closed: list[str] = []
    rows = Rows()
    shared = Expiry(sqlite_database, rows, closed.append, clock)  # type: ignore[arg-type]
    shared.refill_every = SHARED
    assert shared.pump() == SHARED
    rows.found = [(clock() + timedelta(seconds=1), "asked elsewhere")]
    clock.advance(SHARED.total_seconds() + 0.1)
    shared.pump()

    assert closed == ["asked elsewhere"]
    assert SHARED < timedelta(seconds=10) < IDLE
