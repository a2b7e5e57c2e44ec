"""The runs of benchmarks/engines.py on Restate, in an environment of its own; prints one JSON line.

`… drive SERVER FOLDER RUNS PARKED` brings its server up, and a process that carries (`… carry PORT MARK`) beside it.
"""

import asyncio
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import restate  # type: ignore[import-not-found]  # in an environment of its own

STEPS = 5
ROUNDS = 200
SENDERS = 16

runs, gate, hang = restate.Service("Runs"), restate.Workflow("Gate"), restate.Service("Hang")


@runs.handler()  # type: ignore[untyped-decorator]
async def run(ctx: Any, steps: int) -> None:
    """So many calls that take no time."""
    for number in range(steps):
        await ctx.run_typed(f"s{number}", lambda: None)


@gate.main()  # type: ignore[untyped-decorator]
async def wait(ctx: Any) -> None:
    """Wait for a signal, then one step."""
    await ctx.promise("answer").value()
    await ctx.run_typed("after", lambda: None)


@gate.handler()  # type: ignore[untyped-decorator]
async def answer(ctx: Any) -> None:
    """The signal."""
    await ctx.promise("answer").resolve("yes")


def _hang_once() -> None:
    mark = Path(os.environ["BENCH_HANG"])
    if not mark.exists():
        mark.touch()
        threading.Event().wait(600)


@hang.handler()  # type: ignore[untyped-decorator]
async def call(ctx: Any) -> None:
    """A call in the middle of which its process is killed."""

    await ctx.run_typed("hang", _hang_once)


def carry(port: int) -> None:
    """Serve the steps until killed."""
    from hypercorn.asyncio import serve  # type: ignore[import-not-found] # noqa: PLC0415 - of the carrying process only
    from hypercorn.config import Config  # type: ignore[import-not-found] # noqa: PLC0415

    config = Config()
    config.bind, config.loglevel = [f"127.0.0.1:{port}"], "ERROR"
    asyncio.run(serve(restate.app([runs, gate, hang]), config))


class Stage:
    """The server, a carrier, and ways to speak to both."""

    def __init__(self, server: str, folder: Path) -> None:
        self.ingress, self.admin, fabric, self.port = (_free_port() for _ in range(4))
        self.mark, self._here = folder / "hang", threading.local()
        where = {"RESTATE_INGRESS__BIND_ADDRESS": self.ingress, "RESTATE_ADMIN__BIND_ADDRESS": self.admin,
                 "RESTATE_BIND_ADDRESS": fabric}  # fmt: skip
        settings = {name: f"127.0.0.1:{port}" for name, port in where.items()}
        settings |= {"RESTATE_LISTEN_MODE": "tcp", "RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LOG_FILTER": "error"}
        command = [server, "--no-logo", "--node-name", "bench", "--base-dir", str(folder / "restate")]
        self._log = (folder / "restate.log").open("wb")
        self.server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=self._log, stderr=self._log)
        self.carrier = self.carry()
        _until(lambda: _answers(self.ingress) and _answers(self.admin) and _answers(self.port))
        self.ask(self.admin, "POST", "/deployments", {"uri": f"http://127.0.0.1:{self.port}"}, patience=20)
        _until(lambda: self.tries(lambda: self.run(1)))

    def carry(self) -> subprocess.Popen[bytes]:
        """Another process that carries."""
        environment = {**os.environ, "BENCH_HANG": str(self.mark)}
        return subprocess.Popen([sys.executable, __file__, "carry", str(self.port)], env=environment)

    def ask(self, port: int, method: str, path: str, body: object = None, *, patience: int = 0) -> Any:
        """One request on this thread's connection; raises OSError when it is refused."""
        ways = vars(self._here).setdefault("ways", {})
        way = ways.setdefault(port, http.client.HTTPConnection("127.0.0.1", port, timeout=120))
        content = None if body is None else json.dumps(body)
        headers = {"accept": "application/json"} | ({"content-type": "application/json"} if content else {})
        way.request(method, path, content, headers)
        answered = way.getresponse()
        text = answered.read()
        if answered.status < 300:
            return json.loads(text) if text else None
        if not patience:
            raise OSError(f"{method} {path} answered {answered.status}: {text[:300]!r}")
        time.sleep(0.5)
        return self.ask(port, method, path, body, patience=patience - 1)

    def tries(self, what: Callable[[], object]) -> bool:
        """Whether it can be done."""
        try:
            what()
        except (OSError, http.client.HTTPException):
            return False
        return True

    def run(self, steps: int) -> None:
        """One run from start to end."""
        self.ask(self.ingress, "POST", "/Runs/run", steps)

    def park(self) -> str:
        """Begin a run that waits, and return its key."""
        key = uuid.uuid4().hex
        self.ask(self.ingress, "POST", f"/Gate/{key}/wait/send")
        return key

    def answered_in(self, key: str) -> float:
        """Milliseconds from the signal to the end of the step after it."""
        began = time.perf_counter()
        self.ask(self.ingress, "POST", f"/Gate/{key}/answer")
        self.ask(self.ingress, "GET", f"/restate/workflow/Gate/{key}/attach")
        return (time.perf_counter() - began) * 1000

    def open_runs(self, service: str, status: str = "") -> int:
        """How many are not over, or in one status."""
        wanted = f"status = '{status}'" if status else "status <> 'completed'"
        query = f"select count(*) as n from sys_invocation where target_service_name = '{service}' and {wanted}"
        return int(self.ask(self.admin, "POST", "/query", {"query": query})["rows"][0]["n"])

    def resident(self) -> float:
        """Megabytes of the server and the carrier."""
        return sum(_resident(each.pid) for each in (self.server, self.carrier))

    def used(self) -> float:
        """CPU seconds of the two."""
        return sum(_used(each.pid) for each in (self.server, self.carrier))

    def down(self) -> None:
        """End."""
        for each in (self.carrier, self.server):
            each.kill()
            each.wait(20)
        self._log.close()


def steps_per_second(stage: Stage, count: int) -> dict[str, float]:
    """All at once, and one alone."""
    began = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(lambda _: stage.ask(stage.ingress, "POST", "/Runs/run/send", STEPS), range(count)))
    _until(lambda: not stage.open_runs("Runs"), 0.02)
    seconds = time.perf_counter() - began
    alone = []
    for _ in range(50):
        began = time.perf_counter()
        stage.run(STEPS)
        alone.append((time.perf_counter() - began) * 1000 / STEPS)
    return {
        "steps_per_s": round(count * STEPS / seconds), "ms_per_step": round(seconds * 1000 / count / STEPS, 2),
        "ms_per_step_alone_p50": round(statistics.median(alone), 2),
    }  # fmt: skip


def signal_to_running(stage: Stage) -> dict[str, float]:
    """From the call of the signal to the end of the step after it."""
    found = []
    for _ in range(ROUNDS):
        key = stage.park()
        time.sleep(0.02)
        found.append(stage.answered_in(key))
    return {"p50_ms": round(statistics.median(found), 1), "p99_ms": round(statistics.quantiles(found, n=100)[98], 1)}


def parked(stage: Stage, count: int) -> dict[str, float]:
    """What runs that wait for people cost server and carrier together, and how fast one of them wakes."""
    before, began = stage.resident(), time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as senders:
        keys = list(senders.map(lambda _: stage.park(), range(count)))
    _until(lambda: stage.open_runs("Gate", "running") + stage.open_runs("Gate", "suspended") >= count, 0.5)
    seconds = time.perf_counter() - began
    time.sleep(1)
    grown, used = stage.resident() - before, stage.used()
    time.sleep(5)
    idle = (stage.used() - used) / 5 * 100
    woken = [stage.answered_in(key) for key in keys[-20:]]
    return {
        "runs": count, "grown_mb": round(grown, 1), "idle_cpu_percent": round(idle, 1), "park_all_s": round(seconds, 1),
        "wake_p50_ms": round(statistics.median(woken), 1),
    }  # fmt: skip


def take_over(stage: Stage, rounds: int) -> dict[str, float]:
    """From kill -9 of the carrier in the middle of a call until a new one has ended the step."""
    found = []
    for _ in range(rounds):
        stage.mark.unlink(missing_ok=True)
        stage.ask(stage.ingress, "POST", "/Hang/call/send")
        _until(stage.mark.exists)
        began = time.perf_counter()
        stage.carrier.send_signal(signal.SIGKILL)
        stage.carrier.wait(20)
        stage.carrier = stage.carry()
        _until(lambda: not stage.open_runs("Hang"), 0.02)
        found.append(time.perf_counter() - began)
    return {"seconds_p50": round(statistics.median(found), 1), "seconds_max": round(max(found), 1)}


def _until(holds: Callable[[], bool], pause: float = 0.1, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit("it never came to be")
        time.sleep(pause)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drive(server: str, folder: Path, count: int, waiting: int, rounds: int) -> None:
    """Measure and print."""
    stage = Stage(server, folder)
    try:
        found: dict[str, Any] = {
            "effects": steps_per_second(stage, count),
            "signal_to_running": signal_to_running(stage),
        }
        if waiting:
            found["parked"] = parked(stage, waiting)
        found["take_over"] = take_over(stage, rounds)
    finally:
        stage.down()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "carry":
        carry(int(sys.argv[2]))
    else:
        drive(sys.argv[2], Path(sys.argv[3]), *(int(word) for word in sys.argv[4:7]))
