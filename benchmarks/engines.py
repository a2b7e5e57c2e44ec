"""The same small runs on every way to carry them, beside DBOS and Restate, in one go on one machine.

Ways: embedded on SQLite and on PostgreSQL, Celery with one and with two workers on RabbitMQ and PostgreSQL; audit on.
A run is five steps: `pure` ones need nothing outside, `effects` are calls, each with its intent committed before.

    python -m benchmarks.engines [--runs 500] [--parked 10000] [--only NAME …] [--dbos] [--restate] [--json FILE]

The two others are installed for the occasion, and left out, with the reason, where they cannot be had.
"""

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.engines_guests import Figures, NotHere, dbos, restate
from benchmarks.engines_host import BENCH, GATE, HANG, Host, effects, pure
from benchmarks.engines_table import table
from engine.dispatch.celery import celery_app
from engine.document import Document
from engine.protocol import StartOrder
from engine.signals import Signal, SignalType
from infra.db import metadata
from tests.fakes import postgres

BROKER = os.environ.get("PLAYBOOK_BOT_TEST_BROKER", "amqp://guest:guest@127.0.0.1:5672//")
STEPS = 5
ROUNDS = 200
ROUNDS_OF_DEATH = 2
LOOK = 0.0005
WAYS: dict[str, int | None] = {"embedded+sqlite": None, "embedded+postgresql": None, "celery+1": 1, "celery+2": 2}
PARKING_SECONDS = 60
"""After so long those count that are parked by then."""
PARKED_BY_DBOS = 1000
"""It keeps a thread for each: 10,000 would take it three minutes."""


class Way:
    """One way to carry: this process starts and signals; `workers` other ones carry, or none and it carries itself."""

    def __init__(self, url: str, folder: Path, *, workers: int | None) -> None:
        self.url, self.folder, self.workers = url, folder, workers
        self.queue = f"playbook-bot.bench.{random.SystemRandom().randrange(10**9)}" if workers is not None else ""
        self.carriers: list[subprocess.Popen[bytes]] = []
        self.host = Host(url, BROKER, self.queue)
        metadata.create_all(self.host.db.engine)

    def up(self) -> None:
        """Begin to carry."""
        for _ in range(self.workers or 0):
            self.carriers.append(self.carrier())
        self.host.start()
        self.until_ended(self.begin(pure(1)))  # everybody has come up and connected

    def carrier(self) -> subprocess.Popen[bytes]:
        """Another process that carries."""
        environment = {**os.environ, "BENCH_HANG": str(self.folder / "hang")}
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.engines_host", self.url, BROKER, self.queue]
        return subprocess.Popen(command, env=environment)

    def down(self) -> None:
        """End."""
        for each in self.carriers:
            each.kill()
            each.wait(20)
        self.host.stop()
        if self.queue:
            app = celery_app(BROKER, queue=self.queue)
            with app.connection() as connection:
                connection.default_channel.queue_delete(self.queue)
            app.close()

    def begin(self, document: Document, count: int = 1) -> list[str]:
        """Start runs in one transaction."""
        with self.host.db.transaction() as tx:
            order = StartOrder(document, {}, BENCH, "eu-west-1", "123456789012")
            return [self.host.engine.start(tx, order) for _ in range(count)]

    def approve(self, identity: str) -> None:
        """Answer its question."""
        with self.host.db.transaction() as tx:
            self.host.engine.signal(tx, identity, Signal(SignalType.APPROVE, BENCH))

    def counted(self, status: str) -> int:
        """How many runs there are in a status."""
        with self.host.db.reading() as connection:
            return self.host.store.counts(connection).get(status, 0)

    def until(self, holds: Callable[[], bool], pause: float = 0.005, seconds: float = 300) -> None:
        """Wait."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise SystemExit("it never came to be")
            time.sleep(pause)

    def until_ended(self, identities: Sequence[str], status: str = "Success") -> None:
        """Wait for the last of a few runs."""

        def are_over() -> bool:
            with self.host.db.reading() as connection:
                found = [self.host.store.get(connection, each) for each in identities]
            return all(state is not None and state.status == status for state in found)

        self.until(are_over, LOOK)


def steps_per_second(way: Way, document: Document, runs: int) -> dict[str, float]:
    """From the first start to the last end; and one run alone, from start to end."""
    before = way.counted("Success")
    began = time.perf_counter()
    for _ in range(runs):
        way.begin(document)
    way.until(lambda: way.counted("Success") >= before + runs)
    seconds = time.perf_counter() - began
    alone = []
    for _ in range(50):
        began = time.perf_counter()
        way.until_ended(way.begin(document))
        alone.append((time.perf_counter() - began) * 1000 / STEPS)
    return {
        "steps_per_s": round(runs * STEPS / seconds), "ms_per_step": round(seconds * 1000 / runs / STEPS, 2),
        "ms_per_step_alone_p50": round(statistics.median(alone), 2),
    }  # fmt: skip


def signal_to_running(way: Way) -> dict[str, float]:
    """From the call of `signal` until the end of the step after it is committed."""
    found = []
    for _ in range(ROUNDS):
        (identity,) = way.begin(GATE)
        way.until_ended([identity], "Waiting")
        began = time.perf_counter()
        way.approve(identity)
        way.until_ended([identity])
        found.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": round(statistics.median(found), 1), "p99_ms": round(statistics.quantiles(found, n=100)[98], 1)}


def parking(way: Way, count: int) -> dict[str, float]:
    """What runs that wait for people cost all processes together, and how fast one of them wakes."""
    first = way.begin(GATE)[0]
    way.until_ended([first], "Waiting")
    before, began, parked = _resident(way), time.perf_counter(), 0
    while parked < count and time.perf_counter() - began < PARKING_SECONDS:
        parked += len(way.begin(GATE, min(500, count - parked)))
        way.until(partial(_are_waiting, way, parked + 1), 0.05)
    seconds = time.perf_counter() - began
    time.sleep(1)
    grown, used = _resident(way) - before, _used(way)
    time.sleep(5)
    idle = (_used(way) - used) / 5 * 100
    woken = []
    for _ in range(20):
        with way.host.db.reading() as connection:
            identity = way.host.store.latest(connection, limit=1, is_open=True)[0].id
        began = time.perf_counter()
        way.approve(identity)
        way.until_ended([identity])
        woken.append((time.perf_counter() - began) * 1000)
    return {
        "runs": parked, "grown_mb": round(grown, 1), "idle_cpu_percent": round(idle, 1),
        "park_all_s": round(seconds, 1), "wake_p50_ms": round(statistics.median(woken), 1),
    }  # fmt: skip


def _are_waiting(way: Way, count: int) -> bool:
    return way.counted("Waiting") >= count


def take_over(way: Way, rounds: int = ROUNDS_OF_DEATH) -> dict[str, float]:
    """From kill -9 of the process that is in the middle of a call until another one has ended the step.

    Without other workers a new process is started at once: its imports count.
    """
    found = []
    for _ in range(rounds):
        mark = way.folder / "hang"
        mark.unlink(missing_ok=True)
        (identity,) = way.begin(HANG)
        way.until(mark.exists)
        victim = next(each for each in way.carriers if each.pid == int(mark.read_text()))
        began = time.perf_counter()
        victim.send_signal(signal.SIGKILL)
        victim.wait(20)
        way.carriers.remove(victim)
        if not way.carriers:
            way.carriers.append(way.carrier())
            way.until_ended([identity])
            found.append(time.perf_counter() - began)
        else:
            way.until_ended([identity])
            found.append(time.perf_counter() - began)
            way.carriers.append(way.carrier())
            way.until_ended(way.begin(pure(1)))
    return {"seconds_p50": round(statistics.median(found), 1), "seconds_max": round(max(found), 1)}


def _resident(way: Way) -> float:
    """Megabytes of all processes."""
    return sum(_field(pid, "VmRSS") for pid in _pids(way)) / 1024


def _used(way: Way) -> float:
    """CPU seconds of all processes."""
    ticks = 0
    for pid in _pids(way):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _pids(way: Way) -> list[int]:
    return [os.getpid(), *(each.pid for each in way.carriers)]


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def _server() -> Iterator[postgres.PostgresServer]:
    server = postgres.start(is_durable=True)
    yield server
    server.close()


def measure(url: str, workers: int | None, given: argparse.Namespace) -> Figures:
    """All figures of one way."""
    with tempfile.TemporaryDirectory() as folder:
        way = Way(url or f"sqlite:///{folder}/bench.db", Path(folder), workers=workers)
        way.up()
        try:
            found: Figures = {
                "pure": steps_per_second(way, pure(STEPS), given.runs),
                "effects": steps_per_second(way, effects(STEPS), given.runs),
                "signal_to_running": signal_to_running(way),
            }
            if given.parked:
                found["parked"] = parking(way, given.parked)
        finally:
            way.down()
        found["take_over"] = _taken_over(way, workers)
    return found


def _taken_over(way: Way, workers: int | None) -> dict[str, float]:
    """On a fresh stage: embedded, too, in a process that can be killed while this one only starts and looks."""
    stage = Way(way.url, way.folder, workers=workers)
    with stage.host.db.transaction() as tx:
        for each in reversed(metadata.sorted_tables):
            tx.execute(each.delete())
    stage.carriers = [stage.carrier() for _ in range(workers or 1)]
    if workers is not None:
        stage.host.start()
    try:
        stage.until_ended(stage.begin(pure(1)))
        return take_over(stage)
    finally:
        stage.down()


def guests(
    given: argparse.Namespace, server: postgres.PostgresServer, home: Path
) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """Other engines that are asked for: a name, and how to measure it; installed in `home`."""
    sizes = {"runs": given.runs, "rounds": ROUNDS_OF_DEATH}
    few = min(given.parked, PARKED_BY_DBOS)
    if given.dbos:
        yield "dbos+sqlite", lambda: dbos(home, "", parked=few, **sizes)
        with server.database() as url:
            yield "dbos+postgresql", lambda: dbos(home, url, parked=few, **sizes)
    if given.restate:
        yield "restate", lambda: restate(home / "restate", parked=given.parked, **sizes)


def say(text: str) -> None:
    """Something about the measuring, beside its result."""
    print(f"{text} (load {os.getloadavg()[0]:.1f})", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--parked", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=WAYS)
    parser.add_argument("--dbos", action="store_true")
    parser.add_argument("--restate", action="store_true")
    parser.add_argument("--json", type=Path, help="where all figures go, too")
    given = parser.parse_args(arguments)
    found: dict[str, Figures] = {}
    with _server() as server, tempfile.TemporaryDirectory() as home:
        for name in given.only:
            say(name)
            with server.database() as url:
                found[name] = measure("" if name == "embedded+sqlite" else url, WAYS[name], given)
        for name, measured in guests(given, server, Path(home)):
            say(name)
            try:
                found[name] = measured()
            except NotHere as why:
                print(f"{name}: left out, {why}", flush=True)
    if given.json:
        given.json.write_text(
            json.dumps({"cores": os.cpu_count(), "python": sys.version.split()[0], **found}, indent=2)
        )
    print(f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}, {given.runs} runs of {STEPS} steps\n")
    print(table(found))


if __name__ == "__main__":
    main()
