"""One process of the chaos: `zygote` forks bots and workers on demand, so that a death costs no second of imports.

A bot and a worker are what `playbook-bot serve` and `playbook-bot worker` run, but for two things: their AWS is the
chaos's, and the wall clock of each, for all that Python in it knows, can be set by writing seconds into a file. Their
clock must not care. A worker may live in a network namespace of its own.
"""

import json
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import infra.clock

_clock_file = Path(os.devnull)


_right_time = time.time


def _wrong_by() -> float:
    try:
        return float(_clock_file.read_text() or 0)
    except (OSError, ValueError):
        return 0.0


def wall_clock() -> datetime:
    """What this machine takes for the time."""
    return datetime.now(UTC) + timedelta(seconds=_wrong_by())


# Before anything else takes it: our own clock, and that of Celery, kombu, botocore and whoever else asks.
infra.clock.utc_now = wall_clock
time.time = lambda: _right_time() + _wrong_by()

from benchmarks.chaos_aws import CloudSession  # noqa: E402 - see above
from benchmarks.chaos_namespace import Place, enter  # noqa: E402
from bot.service import Service  # noqa: E402
from bot.serving import build  # noqa: E402
from bot.terminal.worker import work  # noqa: E402
from engine.execution import Execution  # noqa: E402
from infra.log import configure  # noqa: E402
from infra.settings import load  # noqa: E402

THREADS = 4


class ChaosService(Service):
    """The bot's parts, in the chaos's AWS."""

    cloud = ("127.0.0.1", 0)

    def _aws_for(self, state: Execution) -> Any:
        return CloudSession(state, self.cloud)


def main(place: Place) -> None:
    """Live as a bot or a worker."""
    folder, name = Path(place.folder), place.name
    global _clock_file  # noqa: PLW0603 - the one thing the wall clock depends on
    _clock_file = folder / f"clock-{name}"
    _log_to(folder / f"{name}.log")
    configure("warning", style="json")
    if place.namespace:
        enter(place.namespace)
    servers = {"PLAYBOOK_BOT_DATABASE_URL": place.database_url, "PLAYBOOK_BOT_BROKER_URL": place.broker_url}
    settings = load({**os.environ, **servers})
    ChaosService.cloud = place.cloud
    service = ChaosService(settings)
    if place.kind == "bot":
        build(service).run_until_signalled()
    else:
        work(service, THREADS)


def _log_to(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def zygote() -> None:
    """Fork what is asked for, one line each: a place as JSON; the answer is a process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    for line in sys.stdin:
        told = json.loads(line)
        place = Place(**{**told, "cloud": tuple(told["cloud"])})
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            status = 1
            try:
                main(place)
                status = 0
            except BaseException as error:  # noqa: BLE001 - a child says what ended it, and never returns
                sys.stderr.write(f"{place.name} ended: {error!r} in {threading.current_thread().name}\n")
            finally:
                os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    zygote()
