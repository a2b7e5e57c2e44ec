"""Several bots on one database: what one leaves undone another one does, and nobody sees that there are two."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from engine.dispatch import timers
from engine.leases import LEASE as CARRIER_LEASE
from infra import db, leadership
from tests.engine.hosts import BROKER, no_broker
from tests.fakes.postgres import PostgresServer
from tests.needs import missing
from tests.scenarios.test_crash import check


@pytest.mark.slow
def test_two_bots_show_one_face(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """One is killed while it sends, the next is stopped and wakes: every card, answer and effect is there once."""
    reason = no_broker()
    if reason:
        missing("broker", reason)
    with postgres_server.database() as url:
        command = [sys.executable, "-m", "tests.scenarios.many_bots", str(tmp_path), url, BROKER]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    sys.stdout.write(f"taken over after {found['took_over_seconds']} seconds\n")

    check(found)
    assert found["starts"] == 1, "the bot as a whole was never away"
    assert not [message for message in found["messages"] if "am back" in message["text"]]


def test_whoever_is_dead_is_followed_within_ten_seconds() -> None:
    """By the leases and the pauses between two looks: leaders, carriers, and what was lost on its way to a worker."""
    limit = timedelta(seconds=10)

    assert limit > leadership.LEASE + leadership.RENEW
    assert limit > CARRIER_LEASE + timers.SWEEP
    assert limit > timers.OVERDUE + timers.SWEEP


def test_a_process_that_stops_in_a_transaction_is_ended_before_its_lease() -> None:
    """Its locks would keep every other process from taking over: PostgreSQL ends it sooner."""
    assert timedelta(seconds=db.IDLE_TIMEOUT_SECONDS) < min(CARRIER_LEASE, leadership.LEASE)
