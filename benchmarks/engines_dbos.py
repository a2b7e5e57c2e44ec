"""The runs of benchmarks/engines.py on DBOS, in an environment of its own; prints one JSON line.

`… drive URL FOLDER RUNS PARKED ROUNDS`; `… carry URL FOLDER` is a process that can be killed in the middle of a call.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbos import DBOS, SetWorkflowID  # type: ignore[import-not-found]  # in an environment of its own

STEPS = 5
ROUNDS = 200
SIGNALS_SECONDS = 30.0
"""On SQLite a signal takes half a second: fewer of them then."""


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


@DBOS.step()  # type: ignore[untyped-decorator]
def call(folder: str) -> None:
    """A call in the middle of which its process is killed."""
    mark = Path(folder) / "hang"
    if not mark.exists():
        mark.touch()
        threading.Event().wait(600)


@DBOS.workflow()  # type: ignore[untyped-decorator]
def hang(folder: str) -> None:
    """That call, and a sign that it is over."""
    call(folder)
    (Path(folder) / "done").touch()


def steps_per_second(runs: int) -> dict[str, float]:
    """All at once, and one alone."""
    began = time.perf_counter()
    for handle in [DBOS.start_workflow(run, STEPS) for _ in range(runs)]:
        handle.get_result()
    seconds = time.perf_counter() - began
    alone = []
    for _ in range(50):
        began = time.perf_counter()
        run(STEPS)
        alone.append((time.perf_counter() - began) * 1000 / STEPS)
    return {
        "steps_per_s": round(runs * STEPS / seconds), "ms_per_step": round(seconds * 1000 / runs / STEPS, 2),
        "ms_per_step_alone_p50": round(statistics.median(alone), 2),
    }  # fmt: skip


def answered_in(handle: Any) -> float:
    """Milliseconds from `send` to the end."""
    began = time.perf_counter()
    DBOS.send(handle.workflow_id, "yes", "answer")
    handle.get_result(polling_interval_sec=0.001)
    return (time.perf_counter() - began) * 1000


def signal_to_running() -> dict[str, float]:
    """From `send` to the end."""
    found: list[float] = []
    over = time.monotonic() + SIGNALS_SECONDS
    while len(found) < ROUNDS and time.monotonic() < over:
        handle = DBOS.start_workflow(gate)
        time.sleep(0.05)
        found.append(answered_in(handle))
    return {"p50_ms": round(statistics.median(found), 1), "p99_ms": round(statistics.quantiles(found, n=100)[98], 1)}


def parked(count: int) -> dict[str, float]:
    """What runs that wait for people cost, and how fast one of them wakes."""
    before = _resident()
    began = time.perf_counter()
    waiting = [DBOS.start_workflow(gate) for _ in range(count)]
    seconds = time.perf_counter() - began
    time.sleep(3)
    used = time.process_time()
    time.sleep(5)
    idle, grown = (time.process_time() - used) / 5 * 100, _resident() - before
    woken = [answered_in(handle) for handle in waiting[-5:]]
    return {
        "runs": count, "grown_mb": round(grown, 1), "idle_cpu_percent": round(idle, 1), "park_all_s": round(seconds, 1),
        "wake_p50_ms": round(statistics.median(woken), 1),
    }  # fmt: skip


def take_over(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """From kill -9 of a process in the middle of a call until a new one has ended the step."""
    found = []
    mark, done = folder / "hang", folder / "done"
    for _ in range(rounds):
        for each in (mark, done):
            each.unlink(missing_ok=True)
        victim = _carrier(url, folder)
        _until(mark.exists)
        began = time.perf_counter()
        victim.kill()
        victim.wait(20)
        follower = _carrier(url, folder)
        _until(done.exists)
        found.append(time.perf_counter() - began)
        follower.kill()
        follower.wait(20)
    return {"seconds_p50": round(statistics.median(found), 1), "seconds_max": round(max(found), 1)}


def _carrier(url: str, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, __file__, "carry", url, str(folder)])


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("it never came to be")
        time.sleep(0.005)


def _resident() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def launch(url: str) -> None:
    """Bring DBOS up; what another process has left is taken up."""
    DBOS(config={"name": "bench", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})
    DBOS.launch()


def carry(url: str, folder: Path) -> None:
    """Begin the call that hangs, or take it up, until killed."""
    launch(url)
    if not (folder / "hang").exists():
        with SetWorkflowID(f"hang-{os.getpid()}"):
            DBOS.start_workflow(hang, str(folder))
    threading.Event().wait(600)


def drive(url: str, folder: Path, runs: int, count: int, rounds: int) -> None:
    """Measure, print, and leave without waiting for what is parked."""
    found: dict[str, Any] = {"take_over": take_over(url, folder, rounds)}
    launch(url)
    found |= {"effects": steps_per_second(runs), "signal_to_running": signal_to_running()}
    if count:
        found["parked"] = parked(count)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "carry":
        carry(sys.argv[2], Path(sys.argv[3]))
    else:
        drive(sys.argv[2], Path(sys.argv[3]), *(int(word) for word in sys.argv[4:7]))
