"""The room that scripts live in: what of the machine can be seen there, and the command line that makes it."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

INSIDE: Final = Path(__file__).resolve().parent / "inside"
START: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from inside import zygote; zygote.main()"
LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache")
"""What Python's own binary is linked to, and the time zones."""
SHARED_TMP: Final = 1 << 30
TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - each script has its own
FOR_CHANGING_USER: Final = ("CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN", "CAP_DAC_OVERRIDE")


def python_folders() -> tuple[str, ...]:
    """The installation of this Python and its packages: what a script may read."""
    paths = sysconfig.get_paths()
    wanted = [
        sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, str(Path(sys.executable).resolve()),
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    ]  # fmt: skip
    return _outermost(wanted)


def readable() -> tuple[str, ...]:
    """All that a script may read."""
    return _outermost([*python_folders(), *LIBRARIES, str(INSIDE)])


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Paths that exist, without those below another; never the root or all of /usr's siblings by accident."""
    found = sorted({os.path.normpath(path) for path in paths if Path(path).exists() and os.path.normpath(path) != "/"})
    return tuple(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def command(control: int, *, bubblewrap: str | None) -> list[str]:
    """How the warm process is started; `control` is the descriptor it inherits."""
    python = [sys.executable, "-I", "-c", START, str(INSIDE.parent), str(control)]
    if bubblewrap:
        return [*_bubblewrap(bubblewrap), *python, "room", temporary()]
    return [*python, "open", temporary()]


def temporary() -> str:
    """The folder of a script's temporary files; /tmp, as in AWS, unless this Python itself lies there."""
    shown = readable()
    places = (place for place in TEMPORARY if not any(path.startswith(f"{place}/") for path in shown))
    return next(places, TEMPORARY[0])


def bubblewrap() -> str | None:
    """Where bubblewrap is, if it is."""
    return shutil.which("bwrap")


def _bubblewrap(bwrap: str) -> list[str]:
    """As root without a user name space, so that scripts can become nobody; else with one, and no capability."""
    is_root = os.geteuid() == 0
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"]
    line = [bwrap, *spaces, *([] if is_root else ["--unshare-user"]), "--new-session", "--cap-drop", "ALL"]
    for capability in FOR_CHANGING_USER if is_root else ():
        line += ["--cap-add", capability]
    line += ["--clearenv", "--setenv", "MALLOC_ARENA_MAX", "1", "--setenv", "LANG", "C.UTF-8"]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(SHARED_TMP), "--tmpfs", temporary()]
    shown = readable()
    for folder in _parents(shown):
        line += ["--dir", folder]
    for path in shown:
        line += (
            ["--symlink", str(Path(path).readlink()), path] if Path(path).is_symlink() else ["--ro-bind", path, path]
        )
    return [*line, "--remount-ro", "/", "--chdir", "/"]


def _parents(paths: Iterable[str]) -> list[str]:
    """The folders above, outermost first; made here, because bubblewrap would make them for its own user only."""
    above = {str(parent) for path in paths for parent in Path(path).parents if str(parent) != "/"}
    return sorted(above - set(paths), key=lambda path: (path.count("/"), path))
