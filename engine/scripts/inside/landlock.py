"""What a script may read and write (Landlock): the folders that are named; and whom it may signal: nobody.

Numbers: include/uapi/linux/landlock.h. A kernel that knows less is asked for less; what it lacks is in `version`.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION: Final = 1
PATH_BENEATH: Final = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
MAKE_DEVICES_AND_SOCKETS: Final = (1 << 6) | (1 << 9) | (1 << 11)
ALL_FILE_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""By version: 2 adds moving between folders, 3 truncating, 5 ioctl on devices."""
ALL_NETWORK_RIGHTS: Final = 3
SCOPES: Final = 3
"""Abstract sockets and signals of processes outside (version 6)."""
READING: Final = READ_FILE | READ_DIR
FOR_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | (1 << 15)


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Rule(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    known: int = _libc().syscall(CREATE_RULESET, None, 0, VERSION)
    return max(0, known)


def confine(*, read: Iterable[str], write: Iterable[str]) -> None:
    """Leave this process these files and folders, for good. Needs no_new_privs. Raises OSError."""
    known = version()
    if known == 0:
        raise OSError(errno.ENOSYS, "the kernel has no Landlock")
    rights = ALL_FILE_RIGHTS[min(known, 5)]
    ruleset = _Ruleset(rights, ALL_NETWORK_RIGHTS if known >= 4 else 0, SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    rules = _checked(_libc().syscall(CREATE_RULESET, ctypes.byref(ruleset), size, 0), "create")
    try:
        for path in read:
            _allow(rules, path, READING & rights)
        for path in write:
            _allow(rules, path, rights & ~EXECUTE & ~MAKE_DEVICES_AND_SOCKETS)
        _checked(_libc().syscall(RESTRICT_SELF, rules, 0), "restrict")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= FOR_FILES
        rule = _Rule(rights, place)
        _checked(_libc().syscall(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(rule), 0), f"allow {path}")
    finally:
        os.close(place)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, doing: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {doing}: {os.strerror(number)}")
    return result
