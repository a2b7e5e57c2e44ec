"""The runs of benchmarks/engines.py on DBOS, in its own environment: `… URL RUNS PARKED`; prints one JSON line."""

import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from dbos import DBOS  # type: ignore[import-not-found]  # in an environment of its own

ROUNDS = 100


@DBOS.step()  # type: ignore[untyped-decorator]
def step(number: int) -> int:
    """A call that takes no time."""
    return number


@DBOS.workflow()  # type: ignore[untyped-decorator]
def run(steps: int) -> None:
    """So many of them."""
    for number in range(steps):
        step(number)


@DBOS.workflow()  # type: ignore[untyped-decorator]
def gate() -> None:
    """Wait for a signal, then one step."""
    DBOS.recv("answer", timeout_seconds=86400)
    step(0)


def steps_per_second(runs: int, steps: int) -> dict[str, float]:
    """All at once, and one alone."""
    began = time.perf_counter()
    for handle in [DBOS.start_workflow(run, steps) for _ in range(runs)]:
        handle.get_result()
    seconds = time.perf_counter() - began
    alone = []
    for _ in range(50):
        began = time.perf_counter()
        run(steps)
        alone.append((time.perf_counter() - began) * 1000 / steps)
    return {
        "steps_per_s": round(runs * steps / seconds), "ms_per_step": round(seconds * 1000 / runs / steps, 2),
        "ms_per_step_alone_p50": round(statistics.median(alone), 2),
    }  # fmt: skip


def signal_to_running() -> dict[str, float]:
    """From `send` to the end."""
    found = []
    for _ in range(ROUNDS):
        handle = DBOS.start_workflow(gate)
        time.sleep(0.05)
        began = time.perf_counter()
        DBOS.send(handle.workflow_id, "yes", "answer")
        handle.get_result(polling_interval_sec=0.001)
        found.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": round(statistics.median(found), 1), "p99_ms": round(statistics.quantiles(found, n=100)[98], 1)}


def parked(count: int) -> dict[str, float]:
    """Memory of runs that wait."""
    before = _resident()
    began = time.perf_counter()
    for _ in range(count):
        DBOS.start_workflow(gate)
    seconds = time.perf_counter() - began
    time.sleep(3)
    used = time.process_time()
    time.sleep(5)
    idle = (time.process_time() - used) / 5 * 100
    return {
        "runs": count, "grown_mb": round(_resident() - before, 1), "idle_cpu_percent": round(idle, 1),
        "park_all_s": round(seconds, 1),
    }  # fmt: skip


def _resident() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main(url: str, runs: int, count: int) -> None:
    """Measure, print, and leave without waiting for what is parked."""
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})
    DBOS.launch()
    found: dict[str, Any] = {"effects": steps_per_second(runs, 5), "signal_to_running": signal_to_running()}
    if count:
        found["parked"] = parked(count)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
