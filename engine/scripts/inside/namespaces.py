"""A script's own view of the machine (Linux name spaces): its own users, mounts, network and temporary files."""

import ctypes
import os
from typing import Final

NEW_USERS, NEW_MOUNTS, NEW_HOST_NAME, NEW_IPC, NEW_NETWORK = 0x10000000, 0x00020000, 0x04000000, 0x08000000, 0x40000000
READ_ONLY, NO_SETUID, NO_DEVICES = 1, 2, 4
RECURSIVE, PRIVATE = 0x4000, 1 << 18
MOST_FILES: Final = 20_000


def enter(*, with_network: bool, temporary: str, size: int) -> None:
    """Leave the host's name spaces and put an empty folder of `size` bytes in the place of `temporary`. Raises OSError.

    `with_network` also leaves the network of the process that started this one.
    """
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    kinds = NEW_USERS | NEW_MOUNTS | NEW_HOST_NAME | NEW_IPC | (NEW_NETWORK if with_network else 0)
    _checked(libc.unshare(kinds), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _checked(libc.mount(None, b"/", None, RECURSIVE | PRIVATE, None), "keep mounts to itself")
    options = f"size={size},nr_inodes={MOST_FILES},mode=700".encode()
    _checked(libc.mount(b"tmpfs", temporary.encode(), b"tmpfs", NO_SETUID | NO_DEVICES, options), f"mount {temporary}")


def hide(folder: str) -> None:
    """Put an empty folder in the place of this one. Raises OSError."""
    flags = READ_ONLY | NO_SETUID | NO_DEVICES
    _checked(ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", folder.encode(), b"tmpfs", flags, b"size=0"), "hide")


def _write(path: str, text: str) -> None:
    place = os.open(path, os.O_WRONLY)
    try:
        os.write(place, text.encode())
    finally:
        os.close(place)


def _checked(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")
