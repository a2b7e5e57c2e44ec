"""The warm process: Python with boto3 loaded, which becomes a script's process by forking. Runs no code of others.

It takes orders from the bot on one socket (start, kill), says when a script has ended, and ends with the bot.
"""

import gc
import json
import os
import select
import shutil
import signal
import socket
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import boto3

from . import aws, customer, landlock, namespaces, packages, seat, seccomp

LARGEST_ORDER: Final = 64 * 1024
LOOK_AT_DISKS: Final = 1.0
"""Seconds between two looks at scratch folders that have no size of their own."""
BLOCK: Final = 512
OWN_MODULES: Final = __name__.partition(".")[0]


@dataclass
class Child:
    """A script's process and, where it has no /tmp of its own, the scratch folder to watch and to remove."""

    id: int
    scratch: str
    disk: int
    why: str = ""


class Zygote:
    """One loop over orders, ended children and folders that grow."""

    def __init__(self, control: socket.socket, *, has_room: bool) -> None:
        self._control, self._has_room = control, has_room
        self._children: dict[int, Child] = {}
        self._woken, waker = os.pipe()
        os.set_blocking(waker, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Until the bot is gone."""
        looked = time.monotonic()
        while True:
            patience = LOOK_AT_DISKS if any(child.scratch for child in self._children.values()) else None
            control = self._control.fileno()
            ready, _, _ = select.select([control, self._woken], [], [], patience)
            if self._woken in ready:
                os.read(self._woken, 4096)
            self._bury()
            if time.monotonic() - looked >= LOOK_AT_DISKS:
                looked = time.monotonic()
                self._look_at_disks()
            if control in ready and not self._obey():
                return

    def say(self, message: dict[str, Any]) -> None:
        """Tell the bot."""
        self._control.send(json.dumps(message).encode())

    def _obey(self) -> bool:
        text, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_ORDER, 2)
        if not text:
            return False
        order = json.loads(text)
        if order["do"] == "kill":
            self._kill(order["id"], order["why"])
        else:
            self._start(order, *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _start(self, order: dict[str, Any], channel: int, printed: int) -> None:
        place = seat.Seat.of(order["seat"])
        scratch = "" if place.plan.has_namespaces else place.scratch
        try:
            if scratch:
                _make(scratch, place.plan.user)
            process = os.fork()
        except OSError as error:
            self.say({"ended": order["id"], "status": 256, "why": f"no process: {error}", "cpu": 0, "memory": 0})
            return
        if process == 0:
            become(place, channel, printed)
        self._children[process] = Child(order["id"], scratch, place.limits.disk)

    def _kill(self, number: int, why: str) -> None:
        for process, child in self._children.items():
            if child.id == number:
                child.why = child.why or why
                _kill_group(process)

    def _bury(self) -> None:
        while self._children:
            process, status, used = os.wait4(-1, os.WNOHANG)
            if process == 0:
                return
            child = self._children.pop(process, None)
            if child is None:
                continue
            _kill_group(process)
            if child.scratch:
                shutil.rmtree(child.scratch, ignore_errors=True)
            spent = used.ru_utime + used.ru_stime
            self.say({"ended": child.id, "status": status, "why": child.why, "cpu": spent, "memory": used.ru_maxrss})

    def _look_at_disks(self) -> None:
        for process, child in self._children.items():
            if child.scratch and is_over(child.scratch, child.disk):
                child.why = "disk"
                _kill_group(process)


def _kill_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        _kill_one(process)
    except PermissionError:
        pass


def _kill_one(process: int) -> None:
    """Before it has a group of its own."""
    try:
        os.kill(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _make(scratch: str, user: int | None) -> None:
    Path(scratch).mkdir(0o700)
    if user is not None:
        os.chown(scratch, user, user)


def is_over(folder: str, most: int) -> bool:
    """Whether a folder holds more bytes, or more files, than a script may."""
    found, files, left = 0, 0, [folder]
    while left:
        try:
            entries = list(os.scandir(left.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            found, files = found + info.st_blocks * BLOCK, files + 1
            if stat.S_ISDIR(info.st_mode):
                left.append(entry.path)
        if found > most or files > namespaces.MOST_FILES:
            return True
    return False


def become(place: seat.Seat, channel: int, printed: int) -> NoReturn:
    """What a forked process does: sit down, lock up, run the script, go."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        seat.keep_only(channel, printed)
        seat.take(place)
        code = perform()
    except seat.SeatRefused as error:
        aws.Channel(seat.CHANNEL).send({"unjailed": str(error)})
    finally:
        os._exit(code)


def perform() -> int:
    """The script's process, jailed: receive the order, run, answer."""
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stdin = os.fdopen(0, closefd=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == OWN_MODULES]:
        del sys.modules[name]
    channel = aws.Channel(seat.CHANNEL)
    order = channel.receive()
    aws.connect(channel)
    packages.keep_boto3()
    packages.answer_pip()
    answer = customer.answer(order)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    channel.send(answer)
    return 0


def abilities(*, has_room: bool) -> dict[str, Any]:
    """What a script's process can be denied here, tried by one."""
    is_linux = sys.platform == "linux"
    can_change_user = os.geteuid() == 0 and _succeeds(_read_python_as_nobody)
    return {
        "has_room": has_room,
        "landlock": landlock.version() if is_linux else 0,
        "seccomp": is_linux and seccomp.is_available(),
        "namespaces": is_linux and _succeeds(lambda: _try_namespaces(can_change_user, has_room)),
        "can_change_user": can_change_user,
        "python": ".".join(map(str, sys.version_info[:3])),
        "boto3": boto3.__version__,
    }


def _become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _read_python_as_nobody() -> None:
    _become_nobody()
    for path in (boto3.__file__, os.__file__):
        Path(path).read_bytes()


def _try_namespaces(change_user: bool, has_room: bool) -> None:  # noqa: FBT001 - called in one place
    if change_user:
        _become_nobody()
    seat.prctl(seat.DUMPABLE, 1)
    namespaces.enter(with_network=not has_room, temporary=sys.argv[3], size=1 << 20)


NOBODY: Final = 65534


def _succeeds(attempt: Any) -> bool:
    process = os.fork()
    if process == 0:
        code = 1
        try:
            attempt()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1] == 0


def _is_of_an_editable_install(finder: Any) -> bool:
    """Whether it leads to a working copy of some package, as `pip install --editable` leaves it: to the bot's own."""
    return str(getattr(finder, "__module__", "")).startswith("__editable__")


def main() -> None:
    """Started by the bot with the control socket's number, whether this is a room, and where temporary files go."""
    sys.path.pop(0)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not _is_of_an_editable_install(finder)]
    control = socket.socket(fileno=int(sys.argv[1]))
    has_room = sys.argv[2] == "room"
    os.environ.pop("MALLOC_ARENA_MAX", None)
    aws.prepare()
    zygote = Zygote(control, has_room=has_room)
    zygote.say({"hello": abilities(has_room=has_room)})
    gc.collect()
    gc.freeze()
    zygote.serve()
