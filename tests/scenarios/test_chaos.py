"""Bots and workers that are killed, frozen, cut off and told the wrong time: the short form of benchmarks/chaos.py."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from audit.events import Event
from audit.trail import GENESIS, link
from benchmarks.chaos_judge import EFFECTS, illegal, judge
from benchmarks.chaos_servers import rabbit_script
from infra.clock import utc_now
from tests.engine.hosts import no_broker
from tests.fakes.postgres import PostgresServer
from tests.needs import missing

SEED = int(os.environ.get("PLAYBOOK_BOT_CHAOS_SEED", "20261125"))
"""The same chances every time; another one looks elsewhere."""


@pytest.mark.slow
def test_faults_lose_nothing_and_repeat_nothing(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """40 faults on bots, workers and servers: every run ends well, every effect is there once, every story can be."""
    assert postgres_server, "the chaos starts one of its own, which it may break"
    if not rabbit_script() and (reason := no_broker()):
        missing("broker", reason)
    command = [
        sys.executable, "-W", "ignore", "-m", "benchmarks.chaos", "--executions", "40", "--workers", "2", "--faults",
        "40", "--seed", str(SEED), "--folder", str(tmp_path),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    sys.stdout.write(ran.stdout)

    assert ran.returncode == 0, f"seed {SEED}\n{ran.stdout[-4000:]}\n{ran.stderr[-4000:]}"


STORY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("execution.started", {}),
    ("step.started", {"step": "ask"}),
    ("step.recovered", {"step": "ask"}),
    ("approval.asked", {}),
    ("approval.decided", {}),
    ("approval.concluded", {}),
    ("step.ended", {"step": "ask"}),
    ("execution.ended", {}),
)


def _faulty(*, without: int = -1, twice: int = -1) -> list[str]:
    """What the judge says of the story with one event left out, or told twice."""
    told = [event for number, event in enumerate(STORY) for _ in range(1 + (number == twice)) if number != without]
    events = [Event(name, "x", data=data) for name, data in told]
    return illegal(list(link(events, at=utc_now(), seq=0, head=GENESIS)))


def test_the_judge_takes_a_story_that_can_be() -> None:
    """A step that was recovered is one."""
    assert _faulty() == []


@pytest.mark.parametrize("twice", [0, 1, 3, 4, 5, 6, 7])
def test_the_judge_sees_what_happened_twice(twice: int) -> None:
    """Each event but a recovery happens once."""
    assert _faulty(twice=twice)


@pytest.mark.parametrize("without", [0, 1, 3, 4])
def test_the_judge_sees_what_is_missing(without: int) -> None:
    """Nothing begins, ends or is decided that was not there before."""
    assert _faulty(without=without)


def test_the_judge_sees_lost_runs_and_repeated_effects() -> None:
    """Rows and ledger are compared."""
    from collections import Counter

    effects = Counter({("x", step): 1 for step in EFFECTS})
    effects["x", "stop"] += 1
    del effects["x", "tell"]
    story = list(link([Event("execution.started", "x")], at=utc_now(), seq=0, head=GENESIS))
    verdict = judge({"x": "InProgress"}, effects, story, "")

    assert (verdict.lost, verdict.repeated, verdict.missing) == (["x is InProgress"], ["x stop 2 times"], ["x tell"])
    assert not verdict.is_good
