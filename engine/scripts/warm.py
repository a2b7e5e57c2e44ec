"""The warm process as the bot sees it: started once, asked for a script's process, started again when it has died."""

import itertools
import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from engine.scripts import room
from engine.scripts.isolation import KINDS, Isolation, Kind, judged

log = structlog.get_logger()

LARGEST_MESSAGE: Final = 64 * 1024
PATIENCE: Final = 60.0
"""Seconds until the warm process must have loaded boto3, also on a slow day."""
JOIN: Final = 5.0
ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "1", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}


class NoWarmProcess(Exception):
    """The process that runs scripts cannot be started on this machine."""


@dataclass
class Ending:
    """A script's process: how it ended, once `is_over` is set. `why` is the bot's own reason to stop it."""

    id: int
    is_over: threading.Event = field(default_factory=threading.Event)
    status: int = 0
    why: str = ""
    cpu: float = 0.0
    memory: int = 0

    def conclude(self, message: Mapping[str, Any]) -> None:
        """Keep how it ended."""
        self.status, self.why = int(message["status"]), str(message["why"])
        self.cpu, self.memory = float(message["cpu"]), int(message["memory"]) * 1024
        self.is_over.set()


GONE: Final[Mapping[str, Any]] = {"status": 0, "why": "gone", "cpu": 0, "memory": 0}


@dataclass
class _Running:
    """One warm process and the scripts that came of it."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket
    isolation: Isolation
    scripts: dict[int, Ending] = field(default_factory=dict)
    is_gone: bool = False
    ear: threading.Thread | None = None


class WarmProcess:
    """Starts when it is first needed. `strongest` lets tests have less than this machine offers."""

    def __init__(self, *, strongest: Kind = "bubblewrap") -> None:
        self._strongest = strongest
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._running: _Running | None = None

    @property
    def isolation(self) -> Isolation:
        """What keeps scripts apart here. Starts the process to find out. Raises NoWarmProcess."""
        return self._living().isolation

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        with self._lock:
            return self._running.process.pid if self._running and not self._running.is_gone else 0

    def start(self, seat: Mapping[str, Any], channel: int, printed: int) -> Ending:
        """A new process for a script, with these two descriptors. Raises NoWarmProcess."""
        for _ in range(2):
            with self._lock:
                running = self._living()
                ending = Ending(next(self._ids))
                running.scripts[ending.id] = ending
                order = json.dumps({"do": "start", "id": ending.id, "seat": seat}).encode()
                try:
                    socket.send_fds(running.control, [order], [channel, printed])
                except OSError:
                    self._bury(running)
                    continue
                return ending
        raise NoWarmProcess("the process that runs scripts ended twice in a row")

    def kill(self, ending: Ending, why: str) -> None:
        """End a script's process, for this reason. Harmless when it has ended."""
        with self._lock:
            running = self._running
            if running is None or ending.is_over.is_set():
                return
            try:
                running.control.send(json.dumps({"do": "kill", "id": ending.id, "why": why}).encode())
            except OSError:
                return

    def close(self) -> None:
        """End it, and with it every script that still runs."""
        with self._lock:
            running, self._running = self._running, None
            if running is not None:
                self._bury(running)
        if running is not None and running.ear is not None:
            running.ear.join(JOIN)

    # -- coming up

    def _living(self) -> _Running:
        with self._lock:
            if self._running is None or self._running.is_gone:
                self._running = self._opened()
                ear = threading.Thread(target=self._listen, args=(self._running,), name="scripts", daemon=True)
                self._running.ear = ear
                ear.start()
            return self._running

    def _opened(self) -> _Running:
        bubblewrap = room.bubblewrap() if self._strongest == KINDS[0] else None
        if bubblewrap is not None:
            try:
                return self._spawned(bubblewrap)
            except NoWarmProcess as error:
                log.warning("bubblewrap cannot be used for scripts", reason=str(error))
        return self._spawned(None)

    def _spawned(self, bubblewrap: str | None) -> _Running:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryFile() as complaints:
            line = room.command(theirs.fileno(), bubblewrap=bubblewrap)
            process = subprocess.Popen(  # noqa: S603 - our own program, no shell
                line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints, cwd="/",
                env=ENVIRONMENT, pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
            theirs.close()
            try:
                ours.settimeout(PATIENCE)
                hello = ours.recv(LARGEST_MESSAGE)
                ours.settimeout(None)
            except OSError:
                hello = b""
            if not hello:
                process.kill()
                process.wait()
                ours.close()
                complaints.seek(0)
                said = complaints.read(20_000).decode(errors="replace").strip().splitlines()
                raise NoWarmProcess(said[-1] if said else "the process that runs scripts ended before it said anything")
        isolation = judged(json.loads(hello)["hello"], strongest=self._strongest)
        log.info("scripts can run", isolation=isolation.kind, detail=isolation.detail)
        return _Running(process, ours, isolation)

    # -- while it lives

    def _listen(self, running: _Running) -> None:
        """The thread that hears how scripts ended, until the process is gone."""
        while True:
            try:
                text = running.control.recv(LARGEST_MESSAGE)
            except OSError:
                text = b""
            if not text:
                break
            message = json.loads(text)
            with self._lock:
                ending = running.scripts.pop(message["ended"], None)
            if ending is not None:
                ending.conclude(message)
        with self._lock:
            self._bury(running)
            running.control.close()

    def _bury(self, running: _Running) -> None:
        if running.is_gone:
            return
        running.is_gone = True
        try:
            running.control.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("the process that runs scripts was gone already")
        running.process.kill()
        running.process.wait()
        for ending in running.scripts.values():
            ending.conclude(GONE)
        running.scripts.clear()
