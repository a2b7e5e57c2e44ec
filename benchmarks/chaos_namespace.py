"""Machines of their own as far as the network goes: a worker in a Linux network namespace, whose cables can be pulled.

Each namespace has two cables (veth pairs): one to the database, one to everything else. A pulled cable is a real cut:
packets vanish, nobody is told, and connections that were open are half open afterwards.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of setns(2)."""


class NoNamespaces(Exception):
    """Namespaces cannot be made here, and why."""


@dataclass(frozen=True)
class Place:
    """Where a process lives, and how it reaches everything from there; `namespace` "" = this machine's network."""

    kind: str
    name: str
    folder: str
    database_url: str
    broker_url: str
    cloud: tuple[str, int]
    namespace: str


class Namespace:
    """One machine. `database` and `rest` are the addresses of this side of its cables."""

    def __init__(self, number: int) -> None:
        """Raises NoNamespaces."""
        self.name = f"chaos-{os.getpid()}-{number}"
        net = f"10.{200 + os.getpid() % 50}"
        self._timers: list[threading.Timer] = []
        self.addresses: dict[str, str] = {}
        _ip("netns", "add", self.name)
        try:
            _ip("-n", self.name, "link", "set", "lo", "up")
            for cable, word in enumerate(("database", "rest")):
                self.addresses[word] = self._lay(f"{net}.{number * 2 + cable}", word)
        except NoNamespaces:
            self.close()
            raise

    def _lay(self, net: str, word: str) -> str:
        here, there = self._cable(word), f"{word[:1]}{os.getpid()}"
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
        _ip("address", "add", f"{net}.1/30", "dev", here)
        _ip("-n", self.name, "address", "add", f"{net}.2/30", "dev", there)
        _ip("link", "set", here, "up")
        _ip("-n", self.name, "link", "set", there, "up")
        return f"{net}.1"

    def _cable(self, word: str) -> str:
        return f"c{os.getpid()}{word[:1]}{self.name.rpartition('-')[2]}"

    def pull(self, word: str, seconds: float) -> None:
        """Pull a cable, and put it back later."""
        cable = self._cable(word)
        _ip("link", "set", cable, "down")
        timer = threading.Timer(seconds, _put_back, (cable,))
        self._timers.append(timer)
        timer.start()

    def close(self) -> None:
        """Take the machine's network away; its cables go with it."""
        for timer in self._timers:
            timer.cancel()
        with contextlib.suppress(NoNamespaces):
            _ip("netns", "delete", self.name)


def _put_back(cable: str) -> None:
    with contextlib.suppress(NoNamespaces):
        _ip("link", "set", cable, "up")


def enter(name: str) -> None:
    """Move this thread, and all that it starts, into a namespace. Raises OSError."""
    descriptor = os.open(Path("/run/netns") / name, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, NEW_NETWORK):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
    finally:
        os.close(descriptor)


def _ip(*words: str) -> None:
    program = shutil.which("ip")
    if program is None:
        raise NoNamespaces("no `ip` here (iproute2)")
    ran = subprocess.run([program, *words], capture_output=True, text=True, timeout=20, check=False)
    if ran.returncode:
        raise NoNamespaces(f"`ip {' '.join(words)}` says: {ran.stderr.strip() or ran.returncode}")
