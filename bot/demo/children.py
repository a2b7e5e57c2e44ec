"""Child processes of the demo: started on a leash, waited for, stopped in order."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")
LEASH = Path(__file__).with_name("leash.py")
CODE = Path(__file__).parents[2]
"""Where `python -m bot` finds the bot, installed or not."""
POLL_SECONDS = 0.02
STOP_SECONDS = 8.0


class ChildFailed(Exception):
    """A part of the demo did not come up; the message says which, and shows its last words."""


class Child:
    """One process. Start it from a thread that lives as long as it: the leash is tied to that thread."""

    def __init__(self, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.name = name
        self.argv = list(argv)
        self.env = dict(env)
        self.log = log
        self.cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id; 0 when it does not run."""
        return self._process.pid if self._process is not None and self.is_running else 0

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it in its own session, so that Ctrl-C reaches only the demo, which stops its children in order."""
        leashed = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *self.argv]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()

    def last_words(self, lines: int = 12) -> str:
        """The end of what it printed."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, what: Callable[[], Found | None], seconds: float) -> Found:
        """Call `what` until it answers something true. Raises ChildFailed when the process ends or time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = what()
            if found:
                return found
            if not self.is_running:
                raise ChildFailed(f"{self.name} ended while starting. Its last words:\n{self.last_words()}")
            time.sleep(POLL_SECONDS)
        raise ChildFailed(f"{self.name} was not ready after {seconds:.0f} s. Its last words:\n{self.last_words()}")


def reserved(port: int = 0) -> socket.socket:
    """A loopback port that nobody else gets while the socket is open, though a child of ours may listen on it.

    It is bound and does not listen: neither another demo nor a connection that goes out is given it, and the kernel
    lets a server bind beside it. Raises ChildFailed when `port` is taken; 0 = any.
    """
    held = socket.socket()
    if port:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError as error:
        held.close()
        raise ChildFailed(f"Port {port} of this machine cannot be had ({error.strerror}): name another one.") from error
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET of `url` answers 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(200 <= answer.status < 300)
    except (urllib.error.URLError, OSError):
        return False
