"""The clock of many machines: the database's, whatever a machine's own wall clock says."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.db import Database
from infra.shared_clock import SharedClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Server:
    """A database that is asked for the time only; answering takes `takes` seconds."""

    def __init__(self) -> None:
        self.time, self.monotonic, self.takes = NOON, 1000.0, 0.0

    def server_time(self) -> datetime:
        """The moment in the middle of the answer."""
        self.pass_by(self.takes / 2)
        now = self.time
        self.pass_by(self.takes / 2)
        return now

    def pass_by(self, seconds: float) -> None:
        """Time passes for the server and this machine alike."""
        self.monotonic += seconds
        self.time += timedelta(seconds=seconds)

    def clock(self) -> SharedClock:
        """The clock of one machine."""
        return SharedClock(self, monotonic=lambda: self.monotonic)  # type: ignore[arg-type]


def test_it_goes_on_by_itself() -> None:
    """Between two questions the machine's monotonic clock carries it on, so a wall clock that jumps does not matter."""
    server = Server()
    clock = server.clock()
    first = clock()
    server.pass_by(20)

    assert (first, clock()) == (NOON, NOON + timedelta(seconds=20))


def test_how_long_the_answer_took_is_taken_into_account() -> None:
    """Half of the way is added."""
    server = Server()
    server.takes = 0.4
    clock = server.clock()
    clock()

    assert clock() == server.time


def test_a_server_whose_clock_was_set_is_followed() -> None:
    """At the next question."""
    server = Server()
    clock = server.clock()
    clock()
    server.time += timedelta(minutes=5)
    clock.ask()

    assert clock() == NOON + timedelta(minutes=5)


def test_a_slow_answer_is_not_believed() -> None:
    """It says too little about when it was true."""
    server = Server()
    clock = server.clock()
    clock()
    server.takes, before = 30.0, server.time
    server.time += timedelta(minutes=5)
    clock.ask()

    assert clock() == before + timedelta(seconds=30)


def test_the_database_says_what_time_it_is(database: Database) -> None:
    """An aware moment, near this machine's own here, where both are one."""
    found = database.server_time()

    assert abs(found - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(("patient", "timeout"), [(False, "5s"), (True, "0")])
def test_who_stops_in_a_transaction_does_not_stop_the_others(
    postgres_database: Database, *, patient: bool, timeout: str
) -> None:
    """PostgreSQL ends what a stopped process has begun before its lease ends; an export into a slow pipe may pause."""
    with postgres_database.reading(patient=patient) as connection:
        assert connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar() == timeout
