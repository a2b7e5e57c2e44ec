"""The system calls that a script may make (seccomp), as a list of what is allowed: everything else is refused.

No process is started, no socket opened, nobody signalled or traced, nothing mounted. Threads are allowed. The numbers
are the kernel's, fixed for each architecture (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h).
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final, NamedTuple

ONLY_X86: Final = {
    "open": 2, "stat": 4, "lstat": 6, "poll": 7, "access": 21, "pipe": 22, "select": 23, "dup2": 33, "pause": 34,
    "alarm": 37, "getdents": 78, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85, "link": 86, "unlink": 87,
    "symlink": 88, "readlink": 89, "getpgrp": 111, "time": 201, "epoll_create": 213, "epoll_wait": 232, "eventfd": 284,
}  # fmt: skip
BOTH: Final = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "sched_yield": (24, 124), "mremap": (25, 216),
    "msync": (26, 227), "mincore": (27, 232), "madvise": (28, 233), "dup": (32, 23), "nanosleep": (35, 101),
    "getitimer": (36, 102), "setitimer": (38, 103), "getpid": (39, 172), "sendfile": (40, 71), "sendto": (44, 206),
    "recvfrom": (45, 207), "sendmsg": (46, 211), "recvmsg": (47, 212), "shutdown": (48, 210),
    "getsockname": (51, 204), "getpeername": (52, 205), "setsockopt": (54, 208), "getsockopt": (55, 209),
    "exit": (60, 93), "wait4": (61, 260), "uname": (63, 160), "flock": (73, 32), "fsync": (74, 82),
    "fdatasync": (75, 83), "ftruncate": (77, 46), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "umask": (95, 166), "gettimeofday": (96, 169), "getrlimit": (97, 163), "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getppid": (110, 173), "getgroups": (115, 158), "getresuid": (118, 148), "getresgid": (120, 150),
    "getpgid": (121, 155), "getsid": (124, 156), "capget": (125, 90), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132), "statfs": (137, 43),
    "fstatfs": (138, 44), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "sched_get_priority_max": (146, 125), "sched_get_priority_min": (147, 126), "gettid": (186, 178),
    "readahead": (187, 213), "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10),
    "listxattr": (194, 11), "llistxattr": (195, 12), "flistxattr": (196, 13), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "getdents64": (217, 61), "set_tid_address": (218, 96), "fadvise64": (221, 223),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "exit_group": (231, 94),
    "epoll_ctl": (233, 21), "openat": (257, 56), "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35),
    "renameat": (264, 38), "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78), "faccessat": (269, 48),
    "pselect6": (270, 72), "ppoll": (271, 73), "set_robust_list": (273, 99), "get_robust_list": (274, 100),
    "epoll_pwait": (281, 22), "fallocate": (285, 47), "eventfd2": (290, 19), "epoll_create1": (291, 20),
    "dup3": (292, 24), "pipe2": (293, 59), "preadv": (295, 69), "pwritev": (296, 70), "getcpu": (309, 168),
    "renameat2": (316, 276), "getrandom": (318, 278), "membarrier": (324, 283), "copy_file_range": (326, 285),
    "preadv2": (327, 286), "pwritev2": (328, 287), "statx": (332, 291), "rseq": (334, 293), "close_range": (436, 436),
    "faccessat2": (439, 439), "epoll_pwait2": (441, 441),
}  # fmt: skip
WITHOUT_EFFECT: Final = {
    "chmod": (90, None), "fchmod": (91, 52), "chown": (92, None), "fchown": (93, 55), "lchown": (94, None),
    "utime": (132, None), "utimes": (235, None), "fchownat": (260, 54), "futimesat": (261, None),
    "fchmodat": (268, 53), "utimensat": (280, 88), "fchmodat2": (452, 452),
}  # fmt: skip
"""Answered with success and not done: Landlock does not guard modes and times, and shutil.copy() insists on them."""
CLONE, CLONE3, KILL, TGKILL, PRCTL, PRLIMIT, SOCKETPAIR, FCNTL, IOCTL = (
    (56, 220), (435, 435), (62, 129), (234, 131), (157, 167), (302, 261), (53, 199), (72, 25), (16, 29),
)  # fmt: skip
CLONE_THREAD: Final = 0x00010000
CLONE_FOREIGN: Final = 0x7E020000 | 0x00000080
"""CLONE_NEW…: a thread in a new name space would have powers there."""
HARMLESS_PRCTL: Final = (15, 16, 0x53564D41)
"""PR_SET_NAME, PR_GET_NAME, PR_SET_VMA: what threads and malloc ask for."""
HARMLESS_FCNTL: Final = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
"""Duplicates, flags, locks and sizes; never F_SETOWN and F_SETSIG: files that signal any process."""
HARMLESS_IOCTL: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
AF_UNIX, SOCK_STREAM, SOCK_TYPE_MASK = 1, 1, 0xF

LOAD, EQUAL, GREATER, ANY_BIT, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
NUMBER, ARCHITECTURE, FIRST, SECOND = 0, 4, 16, 24
"""Where struct seccomp_data keeps them (the lower halves: both architectures are little-endian)."""
ALLOW, KILL_PROCESS, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
X32: Final = 0x40000000


class Machine(NamedTuple):
    """An architecture: its name to seccomp, the column of its numbers, and the number of seccomp(2) itself."""

    audit: int
    column: int
    seccomp: int


MACHINES: Final = {"x86_64": Machine(0xC000003E, 0, 317), "aarch64": Machine(0xC00000B7, 1, 277)}


def machine() -> Machine | None:
    """This computer, where the lists above are known to hold."""
    return MACHINES.get(platform.machine()) if struct.calcsize("P") == 8 else None


def program(here: Machine, pid: int, *, may_change_modes: bool) -> bytes:
    """The filter, as the kernel reads it: for the process `pid`, which may signal nobody else."""
    lines = [
        _line(LOAD, ARCHITECTURE), _line(EQUAL, here.audit, 1, 0), _line(RETURN, KILL_PROCESS), _line(LOAD, NUMBER),
        _line(GREATER, X32, 0, 1), _line(RETURN, KILL_PROCESS),
    ]  # fmt: skip
    for number in _plain(here):
        lines += [_line(EQUAL, number, 0, 1), _line(RETURN, ALLOW)]
    for faked in (numbers[here.column] for numbers in WITHOUT_EFFECT.values()):
        if faked is not None:
            lines += [_line(EQUAL, faked, 0, 1), _line(RETURN, ALLOW if may_change_modes else ERROR)]
    lines += _when(CLONE3[here.column], [_line(RETURN, ERROR | errno.ENOSYS)])
    lines += _when(CLONE[here.column], _clone())
    for call in (KILL, TGKILL):
        lines += _when(call[here.column], _is_one_of(FIRST, pid))
    lines += _when(PRLIMIT[here.column], _is_one_of(FIRST, 0, pid))
    lines += _when(PRCTL[here.column], _is_one_of(FIRST, *HARMLESS_PRCTL))
    lines += _when(FCNTL[here.column], _is_one_of(SECOND, *HARMLESS_FCNTL))
    lines += _when(IOCTL[here.column], _is_one_of(SECOND, *HARMLESS_IOCTL))
    lines += _when(SOCKETPAIR[here.column], _socketpair())
    return b"".join([*lines, _line(RETURN, ERROR | errno.EPERM)])


def _plain(here: Machine) -> list[int]:
    numbers = [numbers[here.column] for numbers in BOTH.values()]
    return numbers + list(ONLY_X86.values()) if here.column == 0 else numbers


def _line(code: int, value: int, when: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, when, otherwise, value & 0xFFFFFFFF)


def _when(number: int, block: list[bytes]) -> list[bytes]:
    return [_line(EQUAL, number, 0, len(block)), *block]


def _refused() -> bytes:
    return _line(RETURN, ERROR | errno.EPERM)


def _is_one_of(argument: int, *allowed: int) -> list[bytes]:
    block = [_line(LOAD, argument)]
    for value in allowed:
        block += [_line(EQUAL, value, 0, 1), _line(RETURN, ALLOW)]
    return [*block, _refused()]


def _clone() -> list[bytes]:
    """Threads only, and in no new name space."""
    return [
        _line(LOAD, FIRST), _line(ANY_BIT, CLONE_FOREIGN, 2, 0), _line(ANY_BIT, CLONE_THREAD, 0, 1),
        _line(RETURN, ALLOW), _refused(),
    ]  # fmt: skip


def _socketpair() -> list[bytes]:
    """A pair of streams (asyncio needs one); datagrams could be sent to sockets of others."""
    return [
        _line(LOAD, FIRST), _line(EQUAL, AF_UNIX, 0, 4), _line(LOAD, SECOND), _line(AND, SOCK_TYPE_MASK),
        _line(EQUAL, SOCK_STREAM, 0, 1), _line(RETURN, ALLOW), _refused(),
    ]  # fmt: skip


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("lines", ctypes.c_char_p))


def install(*, may_change_modes: bool) -> None:
    """Put this process under the filter, for good. Needs no_new_privs. Raises OSError."""
    here = machine()
    if here is None:
        raise OSError(errno.ENOSYS, f"system calls of {platform.machine()} are not known")
    code = program(here, os.getpid(), may_change_modes=may_change_modes)
    libc = ctypes.CDLL(None, use_errno=True)
    argument = _Program(len(code) // 8, code)
    if libc.syscall(here.seccomp, 1, 0, ctypes.byref(argument)) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no seccomp filter")


def is_available() -> bool:
    """Whether this kernel filters system calls and their numbers are known here."""
    here = machine()
    if here is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    action = ctypes.c_uint32(ERROR)
    return bool(libc.syscall(here.seccomp, 2, 0, ctypes.byref(action)) == 0)
