"""How a fresh process becomes a script's: it gives up everything it will not need, step by step, for good.

Every step that the plan names must succeed, or the script is not run.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import landlock, namespaces, seccomp

NO_NEW_PRIVILEGES, DIE_WITH_PARENT, DUMPABLE = 38, 1, 4
CHANNEL: Final = 3
"""The descriptor of the stream to the bot."""
OPEN_FILES, THREADS, MANY_THREADS = 256, 128, 4096
DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
CAPABILITY_HEADER: Final = (0x20080522, 0)
"""_LINUX_CAPABILITY_VERSION_3, this thread."""


class SeatRefused(Exception):
    """This process could not be jailed; what was tried and why it failed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What this machine offers, as found out once: each part is then required for every script."""

    has_room: bool = False
    """The warm process itself sees none of the host's files, network and processes (bubblewrap)."""
    has_namespaces: bool = False
    has_landlock: bool = False
    has_seccomp: bool = False
    user: int | None = None
    """The unprivileged user to become; None = stay who we are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one script may use; sizes in bytes."""

    seconds: float = 600
    memory: int = 512 * 1024 * 1024
    disk: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Seat:
    """One script's place: its scratch folder, and the folders of Python that it may read.

    The folder above the scratch folder is the script's own, too, where there are name spaces.
    """

    plan: Plan
    limits: Limits
    scratch: str
    readable: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, order: Mapping[str, Any]) -> "Seat":
        """The seat that an order of the bot describes."""
        return cls(
            Plan(**order["plan"]),
            Limits(**order["limits"]),
            order["scratch"],
            tuple(order["readable"]),
            order["environment"],
        )


def take(seat: Seat) -> None:
    """Become the script's process. Raises SeatRefused."""
    doing = "own session"
    parent = os.getppid()
    try:
        os.setsid()
        if sys.platform == "linux":
            doing = "the out-of-memory killer's choice"
            _prefer_this_when_memory_ends()
            doing = "another user"
            _become(seat.plan.user)
            doing = "name spaces"
            if seat.plan.has_namespaces:
                namespaces.enter(
                    with_network=not seat.plan.has_room, temporary=str(Path(seat.scratch).parent), size=seat.limits.disk
                )
        doing = "the scratch folder"
        Path(seat.scratch).mkdir(mode=0o700, exist_ok=True)
        os.chdir(seat.scratch)
        doing = "limits"
        _limit(seat)
        if sys.platform == "linux":
            doing = "locking up"
            _lock(seat, parent)
    except OSError as error:
        raise SeatRefused(f"{doing}: {error}") from error
    os.environ.clear()
    os.environ.update(seat.environment)


def keep_only(channel: int, printed: int) -> None:
    """Close all descriptors but the two: `channel` becomes CHANNEL, what is printed goes to `printed`."""
    nothing = os.open("/dev/null", os.O_RDONLY)
    spare = [os.dup(number) for number in (nothing, printed, printed, channel)]
    for target, number in enumerate(spare):
        os.dup2(number, target, inheritable=False)
    os.closerange(CHANNEL + 1, 4096)


def _prefer_this_when_memory_ends() -> None:
    place = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    os.write(place, b"1000")
    os.close(place)
    os.nice(5)


def _become(user: int | None) -> None:
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    prctl(DUMPABLE, 1)


def _limit(seat: Seat) -> None:
    wanted = {
        resource.RLIMIT_CPU: int(seat.limits.seconds) + 5,
        resource.RLIMIT_FSIZE: seat.limits.disk,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    if sys.platform == "linux":
        wanted[resource.RLIMIT_AS] = _address_space() + seat.limits.memory
        wanted[resource.RLIMIT_MSGQUEUE] = wanted[resource.RLIMIT_MEMLOCK] = 0
        wanted[resource.RLIMIT_NPROC] = THREADS + _tasks_of_this_user() if _are_threads_counted_here() else MANY_THREADS
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (least, least))


def _are_threads_counted_here() -> bool:
    """Before Linux 5.14 a user's threads are counted over all name spaces, where they cannot be seen from here."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(minor)) >= (5, 14)


def _address_space() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _tasks_of_this_user() -> int:
    """Threads of all processes of this user: the kernel counts them together."""
    me, tasks = os.geteuid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            tasks += (process / "task").stat().st_nlink - 2 if process.stat().st_uid == me else 0
        except OSError:
            continue
    return tasks


def _lock(seat: Seat, parent: int) -> None:
    prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    prctl(NO_NEW_PRIVILEGES, 1)
    prctl(DUMPABLE, 0)
    if seat.plan.has_namespaces:
        namespaces.hide("/proc")
    if seat.plan.has_landlock:
        own = str(Path(seat.scratch).parent) if seat.plan.has_namespaces else seat.scratch
        landlock.confine(read=seat.readable, write=[own, *DEVICES])
    _drop_capabilities()
    if seat.plan.has_seccomp:
        seccomp.install(may_change_modes=seat.plan.has_room and seat.plan.has_namespaces)


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(*CAPABILITY_HEADER)
    none = (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be dropped")


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
