"""What goes wrong: processes that die or freeze, cables that are pulled, servers that fall, clocks that lie."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy.engine import make_url

from benchmarks.chaos_namespace import Namespace, Place
from benchmarks.chaos_network import Network


@dataclass
class Ground:
    """Where it happens. `restart_…` breaks a server and brings it back, where that is ours to do."""

    folder: Path
    database_url: str
    database_target: str | tuple[str, int]
    broker_url: str
    queue: str
    restart_database: Callable[[], None] | None = None
    restart_broker: Callable[[int], bool] | None = None
    """Ends it by a signal, and returns at once; False when it is away already."""
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    """By the name of the process that lives there."""


class Processes:
    """Bots and workers; whoever is dead is replaced."""

    def __init__(self, ground: Ground, network: Network, cloud: tuple[str, int]) -> None:
        self._ground, self._network, self._cloud = ground, network, cloud
        command = [sys.executable, "-m", "benchmarks.chaos_process"]
        self._zygote = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pids: dict[str, int] = {}

    def keep(self, name: str) -> None:
        """Start a process, or a new one in its place when it is dead."""
        pid = self.pids.get(name)
        if pid is not None and _is_alive(pid):
            return
        assert self._zygote.stdin
        assert self._zygote.stdout
        self._zygote.stdin.write(json.dumps(asdict(self._place(name))) + "\n")
        self._zygote.stdin.flush()
        self.pids[name] = int(self._zygote.stdout.readline())

    def _place(self, name: str) -> Place:
        ground, namespace = self._ground, self._ground.namespaces.get(name)
        broker = make_url(ground.broker_url)
        host, port = self._line(name, "database", ground.database_target)
        database = make_url(ground.database_url).set(host=host, port=port, query={})
        host, port = self._line(name, "broker", (broker.host or "127.0.0.1", broker.port or 5672))
        return Place(
            kind=name.partition("-")[0],
            name=name,
            folder=str(ground.folder),
            database_url=database.render_as_string(hide_password=False),
            broker_url=broker.set(host=host, port=port).render_as_string(hide_password=False),
            cloud=self._line(name, "cloud", self._cloud),
            namespace=namespace.name if namespace else "",
        )

    def _line(self, name: str, word: str, target: str | tuple[str, int]) -> tuple[str, int]:
        """The near end of a process's way to a server, on the right cable."""
        key, namespace = f"{name} {word}", self._ground.namespaces.get(name)
        if key not in self._network.lines:
            cable = "database" if word == "database" else "rest"
            self._network.line(key, target, namespace.addresses[cable] if namespace else "127.0.0.1")
        line = self._network.lines[key]
        return line.host, line.port

    def kill(self, name: str) -> None:
        """SIGKILL."""
        self._signal(name, signal.SIGKILL)

    def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later: a machine that pauses, and a zombie when it wakes."""
        pid = self._signal(name, signal.SIGSTOP)

        def thaw() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

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


KINDS: dict[str, int] = {
    "kill": 20, "freeze": 16, "cut database": 14, "cut broker": 12, "pull database cable": 8, "pull all cables": 4,
    "swallow database": 4, "swallow broker": 4, "slow": 6, "broker away": 3, "wrong time": 8, "restart database": 2,
    "restart broker": 2, "kill broker": 2,
}  # fmt: skip
"""What goes wrong -> how often, beside the others."""


class Faults:
    """Draws by chance: first each kind once, then as often as they weigh."""

    def __init__(self, chance: random.Random, ground: Ground, network: Network, processes: Processes) -> None:
        self._chance, self._ground, self._network, self._processes = chance, ground, network, processes
        self._first = [kind for kind in KINDS if kind not in self.impossible()]
        chance.shuffle(self._first)
        self.done: Counter[str] = Counter()

    def impossible(self) -> set[str]:
        """Kinds for which there is nothing of our own here to break."""
        ground = self._ground
        found = set() if ground.restart_database else {"restart database"}
        found |= set() if ground.restart_broker else {"restart broker", "kill broker"}
        return found | (set() if ground.namespaces else {"pull database cable", "pull all cables"})

    def one(self) -> None:
        """Something goes wrong."""
        possible = {kind: weight for kind, weight in KINDS.items() if kind not in self.impossible()}
        kind = self._first.pop() if self._first else self._chance.choices([*possible], [*possible.values()])[0]
        where = self._ground.namespaces if kind.startswith("pull") else self._processes.pids
        name, seconds = self._chance.choice(sorted(where)), self._chance.uniform(1, 12)
        self.done[kind if self._do(kind, name, seconds) is not False else "broker away already"] += 1

    def _do(self, kind: str, name: str, seconds: float) -> object:
        """False when it was so already."""
        network, ground = self._network, self._ground
        match kind:
            case "kill":
                self._processes.kill(name)
            case "freeze":
                self._processes.freeze(name, seconds)
            case "cut database" | "cut broker":
                network.cut(f"{name} {kind.rpartition(' ')[2]}")
            case "swallow database" | "swallow broker":
                network.swallow(f"{name} {kind.rpartition(' ')[2]}", seconds)
            case "pull database cable" | "pull all cables":
                for cable in ("database", "rest") if kind == "pull all cables" else ("database",):
                    ground.namespaces[name].pull(cable, seconds)
            case "slow":
                network.slow(f"{name} database", 0.03, seconds)
            case "broker away":
                for line in [line for line in network.lines if line.endswith("broker")]:
                    network.refuse(line, seconds / 2)
            case "wrong time":
                (ground.folder / f"clock-{name}").write_text(str(self._chance.uniform(-3600, 3600)))
            case "restart database":
                assert ground.restart_database
                ground.restart_database()
            case _:
                assert ground.restart_broker
                return ground.restart_broker(signal.SIGKILL if kind == "kill broker" else signal.SIGTERM)
        return None
