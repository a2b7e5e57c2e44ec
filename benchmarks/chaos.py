"""Bots and workers on many machines that are killed, frozen, cut off and told the wrong time, and what is left of it.

Real processes on a real RabbitMQ and a real PostgreSQL, both this program's own (benchmarks/chaos_servers.py), so that
both can be killed and started again. Every worker lives in a network namespace with cables that are pulled
(benchmarks/chaos_namespace.py), and every process reaches the servers through lines of its own, so that each can be
cut off alone (benchmarks/chaos_network.py). AWS is an imitation that counts side effects (benchmarks/chaos_aws.py).
What cannot be broken here is printed with the reason. The seed is printed, too: it gives the same faults again, as far
as threads and clocks allow.

    python -m benchmarks.chaos [--executions 200] [--workers 3] [--bots 2] [--faults 200] [--seed N]
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kombu.exceptions import OperationalError

from approvals.store import ApprovalStore
from benchmarks.chaos_aws import Cloud, Endpoint
from benchmarks.chaos_faults import Faults, Ground, Processes
from benchmarks.chaos_judge import Verdict, judge
from benchmarks.chaos_namespace import Namespace, NoNamespaces
from benchmarks.chaos_network import Network
from benchmarks.chaos_servers import Postgres, Rabbit, rabbit_script, target_of
from bot.service import Service
from engine.dispatch.celery import TASK, celery_app
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
USUAL_BROKER = "amqp://guest:guest@127.0.0.1:5672//"
PACE = 0.45
"""Seconds between two faults, on average."""
PATIENCE = 90.0
"""Seconds after the last fault until everything must be over."""


@dataclass
class Report:
    """What was done and what was found."""

    seed: int
    executions: int
    not_done: list[str]
    faults: dict[str, int]
    seconds: float
    verdict: Verdict


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
            try:
                identity = self.service.operations.start(Order("chaos", request_key=f"chaos-{number}"), self._people[0])
            except DatabaseUnavailable:
                return
            self._started.append(identity)
            if number % 2:
                with contextlib.suppress(OperationalError, OSError):  # nobody is told of this one, either
                    self._app.send_task(TASK, (identity,), retry=False)

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
    ground: Ground, *, executions: int, workers: int, bots: int, faults: int, seed: int, say: Callable[[str], None],
    not_done: Sequence[str] = (),
) -> Report:  # fmt: skip
    """All of it."""
    chance, network = random.Random(seed), Network(seed)
    world = World(ground, executions)
    processes = Processes(ground, network, ("127.0.0.1", world.endpoint.server_address[1]))
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
        return Report(
            seed, executions, [*not_done], dict(trouble.done), round(time.monotonic() - began, 1), world.verdict()
        )
    finally:
        processes.close()
        network.close()
        world.close()


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


def laid_out(given: argparse.Namespace, folder: Path, stack: contextlib.ExitStack) -> tuple[Ground, list[str]]:
    """The servers and networks, which end with the stack; and what cannot be broken, with the reason."""
    not_done = []
    queue = f"playbook-bot.chaos.{uuid.uuid4().hex[:12]}"
    database, broker = given.database, given.broker
    restart_database: Callable[[], None] | None = None
    restart_broker: Callable[[int], bool] | None = None
    if database:
        not_done.append("PostgreSQL restart: not done, the server was given and may be others', too")
    else:
        postgres = Postgres()
        database, restart_database = postgres.url, postgres.restart
    script = rabbit_script()
    if broker:
        not_done.append("RabbitMQ restart: not done, the server was given and may be others', too")
    elif script:
        rabbit = Rabbit(script)
        stack.callback(rabbit.close)
        broker, restart_broker = rabbit.url, rabbit.restart
    else:
        broker = USUAL_BROKER
        not_done.append("RabbitMQ restart: not done, no rabbitmq-server here; its connections are cut")
    if not restart_broker:
        stack.callback(_forget_queue, broker, queue)
    namespaces, reason = _namespaces(given.workers, stack)
    if reason:
        not_done.append(f"network namespace: not done, {reason}; connections are cut and swallowed")
    ground = Ground(
        folder, database, target_of(database), broker, queue, restart_database, restart_broker, namespaces
    )  # fmt: skip
    return ground, not_done


def _namespaces(workers: int, stack: contextlib.ExitStack) -> tuple[dict[str, Namespace], str]:
    """One for each worker; none, and why, where they cannot be made."""
    found = {}
    try:
        for number in range(workers):
            found[f"worker-{number}"] = namespace = Namespace(number)
            stack.callback(namespace.close)
    except NoNamespaces as why:
        return {}, str(why)
    return found, ""


def _forget_queue(broker: str, queue: str) -> None:
    app = celery_app(broker, queue=queue)
    with app.connection() as connection:
        connection.default_channel.queue_delete(queue)
    app.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 0 when nothing was lost, repeated or illegal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, usual in (("executions", 200), ("workers", 3), ("bots", 2), ("faults", 200)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--broker", default="", help="a RabbitMQ that is there already; without it one of our own")
    parser.add_argument("--database", default="", help="an empty PostgreSQL database; without it a server of our own")
    parser.add_argument("--folder", type=Path, default=None, help="where the processes' logs stay")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="playbook-bot-chaos-"))
    with contextlib.ExitStack() as stack:
        ground, not_done = laid_out(given, folder, stack)
        for sentence in not_done:
            print(sentence, flush=True)
        prepare(ground)
        report = run(
            ground, executions=given.executions, workers=given.workers, bots=given.bots, faults=given.faults,
            seed=given.seed, say=lambda text: print(text, flush=True), not_done=not_done,
        )  # fmt: skip
    print(json.dumps(asdict(report), indent=2))
    if given.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
