"""Scripts that mean harm: each one is stopped, in every kind of jail, and the next script runs as if nothing was."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.scripts import room
from tests.engine.scripts.conftest import Jail

DENIED = ("PermissionError", "FileNotFoundError", "Read-only file system", "Operation not permitted")


@pytest.fixture(autouse=True)
def the_next_script_is_well(jail: Jail) -> Iterator[None]:
    """Whatever a script did, the next one runs, in the same warm process unless the test ended it."""
    yield
    assert jail.body("return 42").payload == "42"


def is_denied(text: str) -> bool:
    """Whether the system refused it."""
    return any(word in text for word in DENIED)


def test_starts_no_process(jail: Jail) -> None:
    """A fork bomb does not fork, and a subprocess does not start."""
    bomb = jail.body("import os", "while True: os.fork()")
    command = jail.body(
        "import subprocess", "return subprocess.run(['/bin/sh', '-c', 'id'], capture_output=True).returncode"
    )
    system = jail.body("import os", "return os.system('id')")

    assert "PermissionError" in bomb.failure
    assert "PermissionError" in command.failure
    assert system.payload != "0"


def test_replaces_itself_by_no_program(jail: Jail) -> None:
    """No program takes the place of the script."""
    end = jail.body("import os, sys", "os.execv(sys.executable, [sys.executable, '-c', ''])")

    assert is_denied(end.failure)


def test_does_not_fill_memory(jail: Jail) -> None:
    """Memory ends at the limit, as an exception that the author can read."""
    end = jail.body("return len(bytearray(400 * 1024 * 1024))")
    slowly = jail.body("found = []", "while True: found.append('x' * 1_000_000)")

    assert end.failure.startswith("MemoryError")
    assert slowly.failure.startswith("MemoryError")
    assert slowly.memory < 400 * 1024 * 1024


def test_finds_no_memory_beside_its_own(jail: Jail) -> None:
    """Shared memory and files in memory are not a way around the limit."""
    file = jail.body("import os", "os.memfd_create('x')")
    shared = jail.body("import mmap", "return len(mmap.mmap(-1, 400 * 1024 * 1024))")

    assert is_denied(file.failure)
    assert "Cannot allocate memory" in shared.failure


def test_does_not_fill_the_disk(jail: Jail) -> None:
    """The scratch folder has an end, in one file or in many."""
    one = jail.body("open('big', 'wb').write(b'x' * 50_000_000)")
    many = jail.body(
        "import time",
        "for i in range(1000):",
        "    with open(f'f{i}', 'wb') as file: file.write(b'x' * 400_000)",
        "    time.sleep(0.01)",
    )

    assert "No space left" in one.failure or "File too large" in one.failure or "file larger" in one.failure
    assert "No space left" in many.failure or "used up its scratch folder" in many.failure


def test_does_not_outstay_its_time(jail: Jail) -> None:
    """A sleeper and a busy loop that ignores signals are ended at the time-out."""
    sleeper = jail.body("import time", "time.sleep(60)", seconds=0.3)
    busy = jail.body(
        "import signal", "for number in (1, 2, 3, 14, 15): signal.signal(number, signal.SIG_IGN)", "while True: pass",
        seconds=0.3,
    )  # fmt: skip

    assert (sleeper.how, busy.how) == ("timed_out", "timed_out")


def test_starts_no_thousand_threads(jail: Jail) -> None:
    """Threads end at a limit far above what scripts need."""
    end = jail.body(
        "import threading, time",
        "threading.stack_size(65536)",
        "for i in range(5000): threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
    )
    few = jail.body(
        "from concurrent.futures import ThreadPoolExecutor",
        "with ThreadPoolExecutor(10) as pool: return sum(pool.map(lambda n: n, range(100)))",
    )

    assert "can't start new thread" in end.failure
    assert few.payload == "4950"


def test_prints_no_gigabyte(jail: Jail) -> None:
    """A script that prints for ever is stopped; the beginning and the end of what it said are kept."""
    end = jail.body("print('begin')", "for _ in range(1024): print('x' * 1024 * 1024)")

    assert end.failure == "The script printed more than 10 MB."
    assert end.printed.startswith("begin\n")
    assert len(end.printed) < 110_000


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[int, str, str]]:
    """Something of the machine that listens: on TCP, at a path and at an abstract name."""
    path, name = str(tmp_path / "socket"), f"playbook-bot-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as at_path,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as at_name,
    ):
        at_path.bind(path)
        at_path.listen()
        at_name.bind(f"\0{name}")
        yield tcp.getsockname()[1], path, name


def test_reaches_no_network(jail: Jail, listener: tuple[int, str, str]) -> None:
    """No socket to anything: TCP, UDP, a path, an abstract name, by C or by Python."""
    port, path, name = listener
    attempts = [
        f"socket.create_connection(('127.0.0.1', {port}), timeout=1)",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
        f"socket.socket(socket.AF_UNIX).connect({path!r})",
        f"socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '\\0{name}')",
        f"socket.socketpair()[0].sendto(b'x', '\\0{name}')",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "__import__('urllib.request').request.urlopen('http://169.254.169.254/latest/meta-data/', timeout=1)",
    ]

    ends = [jail.body("import socket", attempt) for attempt in attempts]

    assert [end.how for end in ends] == ["failed"] * len(attempts)
    assert all(is_denied(end.failure) or "already connected" in end.failure for end in ends), ends


def test_reads_nothing_of_the_machine(jail: Jail, tmp_path: Path) -> None:
    """Neither accounts nor the bot's own files nor other processes can be read."""
    secret = tmp_path / "secret"
    secret.write_text("swordfish")
    secret.chmod(0o644)
    here = Path(room.__file__)
    paths = ["/etc/shadow", "/etc/passwd", str(secret), str(here), f"/proc/{os.getpid()}/environ", "/proc/self/environ"]

    ends = [jail.body(f"return open({path!r}, 'rb').read(10).decode()") for path in paths]

    assert [end.how for end in ends] == ["failed"] * len(paths)
    assert all(is_denied(end.failure) for end in ends)


def test_lists_nothing_of_the_machine(jail: Jail) -> None:
    """Folders of others have no content."""
    code = ("import os", "found = []", "for path in events:", "    try: found += os.listdir(path)",
            "    except OSError: pass", "return found")  # fmt: skip
    end = jail.body(*code, events=["/etc", "/home", "/var", "/proc", "/sys", "/run", str(Path.home()), str(Path.cwd())])

    assert not set(json.loads(end.payload)) & {"passwd", "shadow", "self", "1", "lib", "run", "class", "pyproject.toml"}


def test_writes_only_to_its_scratch_folder(jail: Jail, tmp_path: Path) -> None:
    """Not to Python, not to the bot's files, not to other people's; also by link, mode and rename."""
    mine = tmp_path / "mine"
    mine.write_text("mine")
    mine.chmod(0o666)
    package = Path(pytest.__file__)
    attempts = [
        f"open({str(package)!r}, 'a')",
        f"open({str(Path(sys.prefix) / 'x')!r}, 'w')",
        f"open({str(tmp_path / 'x')!r}, 'w')",
        f"open({str(mine)!r}, 'a')",
        f"os.rename({str(mine)!r}, 'mine')",
        f"os.link({str(mine)!r}, 'mine')",
        f"os.truncate({str(mine)!r}, 0)",
        f"os.unlink({str(mine)!r})",
        f"os.symlink({str(mine)!r}, 'x'); open('x', 'a')",
        "os.mknod('x', 0o60000 | 0o666, 0x0801); open('x')",
    ]

    ends = [jail.body("import os", attempt) for attempt in attempts]
    changed = jail.body("import os", f"try: os.chmod({str(mine)!r}, 0)", "except OSError: pass")

    assert [end.how for end in ends] == ["failed"] * len(attempts)
    assert all(is_denied(end.failure) or "Invalid cross-device" in end.failure for end in ends), ends
    assert changed.how == "done"
    assert (mine.read_text(), mine.stat().st_mode & 0o777) == ("mine", 0o666)


def test_signals_nobody(jail: Jail) -> None:
    """Neither the bot nor the warm process nor everybody: not by kill, nor by a file that signals its owner."""
    warm = jail.runner._warm.pid
    code = (
        "import os, fcntl, signal, socket",
        "refused = 0",
        "for pid in [*events, os.getppid(), 1, 2, 3, 0, -1]:",
        "    for attempt in (lambda: os.kill(pid, signal.SIGKILL), lambda: os.killpg(pid, signal.SIGKILL),",
        "                    lambda: fcntl.fcntl(3, fcntl.F_SETOWN, pid), lambda: os.pidfd_open(pid)):",
        "        try: attempt()",
        "        except OSError: refused += 1",
        "return refused",
    )

    end = jail.body(*code, events=[os.getpid(), warm])

    assert end.payload == str(4 * 8)
    assert jail.runner._warm.pid == warm


def test_looks_into_nobody(jail: Jail) -> None:
    """System calls that trace, mount, make name spaces or load code into the kernel are refused, by C, too."""
    numbers = {"ptrace": 101, "process_vm_readv": 310, "unshare": 272, "mount": 165, "setns": 308, "bpf": 321,
               "perf_event_open": 298, "io_uring_setup": 425, "open_by_handle_at": 304, "keyctl": 250,
               "userfaultfd": 323, "shmget": 29, "personality": 135, "init_module": 175}  # fmt: skip
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    code = (
        "import ctypes", "libc = ctypes.CDLL(None, use_errno=True)",
        "return {n: (libc.syscall(v, 16, 1, 0, 0, 0), ctypes.get_errno()) for n, v in events.items()}",
    )  # fmt: skip

    end = jail.body(*code, events=numbers)

    assert set(map(tuple, json.loads(end.payload).values())) == {(-1, 1)}


def test_becomes_nobody_else(jail: Jail) -> None:
    """It has no privileges and cannot get any."""
    code = (
        "import os", "refused = 0",
        "for attempt in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.chroot('.'), lambda: os.setsid(),",
        "                lambda: os.sethostname('x') if hasattr(os, 'sethostname') else os.nice(-5)):",
        "    try: attempt()",
        "    except OSError: refused += 1",
        "return refused",
    )  # fmt: skip

    assert jail.body(*code).payload == "5"


def test_knows_nothing_of_the_bot(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is its own, its descriptors are four, the bot's modules cannot be imported."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "swordfish")
    code = (
        "import os, importlib.util", "descriptors = []",
        "for number in range(300):",
        "    try: os.fstat(number); descriptors.append(number)",
        "    except OSError: pass",
        "found = [n for n in ('engine', 'infra', 'bot', 'inside') if importlib.util.find_spec(n)]",
        "return sorted(os.environ), descriptors, found",
    )  # fmt: skip

    names, descriptors, found = json.loads(jail.body(*code).payload)

    assert names == [
        "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED", "AWS_REGION", "HOME", "LANG", "PATH", "TMPDIR", "TZ",
    ]  # fmt: skip
    assert descriptors == [0, 1, 2, 3]
    assert found == []


@pytest.mark.parametrize(
    "garbage",
    [
        "b'hello, world' * 10",
        "b'\\xff' * 8",
        "struct.pack('!II', 2_000_000, 64_000_001)",
        "framed(b'[' * 100_000 + b']' * 100_000)",
        "framed(b'{}')",
        "framed(b'{\"body\": 1, \"blobs\": []}')",
        "framed(b'{\"body\": {\"$\": \"bytes\", \"n\": 7}, \"blobs\": []}')",
        "framed(b'{\"body\": {\"$\": \"code\", \"v\": \"x\"}, \"blobs\": []}')",
        "framed(b'{\"body\": {\"$\": \"time\", \"v\": 5}, \"blobs\": []}')",
        "framed(b'{\"body\": 1, \"blobs\": [-1]}')",
        "framed(b'{\"body\": 1, \"blobs\": [1e99]}')",
        "framed(b'{\"body\": ' + b'9' * 10_000 + b', \"blobs\": []}')",
        "call(service='../../etc')",
        "call(region='evil.com/#')",
        "call(params=[])",
        "call(keys=5)",
    ],
)  # fmt: skip
def test_speaks_no_other_language_to_the_bot(jail: Jail, garbage: str) -> None:
    """Whatever is written into the channel that is no call ends the script, and only the script."""
    code = f"""
import json, os, struct, time
def framed(header): return struct.pack('!II', len(header), 0) + header
def call(**parts):
    plain = {{"service": "ec2", "operation": "X", "params": {{}}, "region": "", "keys": None}}
    return framed(json.dumps({{"body": {{**plain, **parts}}, "blobs": []}}).encode())
def handler(events, context):
    rest = memoryview({garbage})
    while rest: rest = rest[os.write(3, rest):]
    time.sleep(10)
"""
    end = jail.run(code, seconds=5)

    assert end.failure == "The script wrote something into the bot's channel that is not a call to AWS.", end


def test_forges_no_more_than_its_own_result(jail: Jail) -> None:
    """A result written past the runner is a result like any other: checked, and the end of the script."""
    code = """
import os, struct
def handler(events, context):
    header = b'{"body": {"payload": "[1]"}, "blobs": []}'
    os.write(3, struct.pack('!II', len(header), 0) + header)
    while True: pass
"""
    assert jail.run(code).payload == "[1]"


def test_leaves_nothing_to_the_next(jail: Jail) -> None:
    """Files, modules, patches and environment of a script end with it."""
    jail.body(
        "import os, json, sys, builtins",
        "open('/tmp/left' if os.access('/tmp', os.W_OK) else 'left', 'w').write('x')",
        "json.dumps = None; builtins.left = 1; os.environ['LEFT'] = '1'; sys.modules['left'] = sys",
    )
    end = jail.body(
        "import os, json, sys, builtins",
        "return [os.listdir('.'), json.dumps is None, hasattr(builtins, 'left'), 'LEFT' in os.environ,"
        " os.path.exists('/tmp/left')]",
    )

    assert json.loads(end.payload) == [["customer_script.py"], False, False, False, False]


def test_leaves_nothing_behind(jail: Jail) -> None:
    """After a script no process and no folder of it is left."""
    jail.body("import threading, time", "threading.Thread(target=time.sleep, args=(60,)).start()", "return 1")

    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(jail.runner._warm.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    assert jail.kind == "bubblewrap" or children == []


def test_crashes_alone(jail: Jail) -> None:
    """A crash and an exit in the middle are failures with a reason."""
    crash = jail.body("import ctypes", "ctypes.string_at(0)")
    left = jail.body("import os", "os._exit(3)")

    assert crash.failure == "The script crashed (segmentation fault)."
    assert left.failure == "The script ended without a result (exit code 3)."
