"""The demo's child processes come up, go down in order, and never outlive the demo."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.demo.children import CODE, Child, ChildFailed, answers, free_port, reserved

SLEEPER = [sys.executable, "-I", "-S", "-c", "import sys, time; print('up', flush=True); time.sleep(600)"]
PATIENCE = 15


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., Child]:
    """Makes children that write into this test's folder."""

    def make(argv: list[str] = SLEEPER) -> Child:
        return Child("The sleeper", argv, env=dict(os.environ), log=tmp_path / "log", cwd=tmp_path)

    return make


def _said(child: Child, word: str) -> bool:
    return word in child.last_words()


def test_a_child_starts_and_stops(child: Callable[..., Child]) -> None:
    """It runs until it is stopped."""
    one = child()
    one.start()
    one.wait_until(lambda: _said(one, "up"), PATIENCE)
    ran = one.is_running

    one.stop()

    assert (ran, one.is_running, one.pid) == (True, False, 0)


def test_a_child_that_never_ran_can_be_stopped(child: Callable[..., Child]) -> None:
    """Taking down what did not come up is harmless."""
    one = child()

    one.stop()
    one.kill()

    assert not one.is_running


def test_a_stubborn_child_is_killed(child: Callable[..., Child], monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not hear SIGTERM is ended all the same."""
    monkeypatch.setattr("bot.demo.children.STOP_SECONDS", 0.1)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    one = child([sys.executable, "-I", "-S", "-c", deaf])
    one.start()
    one.wait_until(lambda: _said(one, "up"), PATIENCE)

    one.stop()

    assert not one.is_running


def test_an_early_end_is_told_with_the_last_words(child: Callable[..., Child]) -> None:
    """Waiting for a child that ends says so at once, and shows what it printed."""
    one = child([sys.executable, "-I", "-S", "-c", "print('no database here')"])
    one.start()

    with pytest.raises(ChildFailed, match=r"The sleeper ended while starting(.|\n)*no database here"):
        one.wait_until(lambda: False, PATIENCE)


def test_waiting_has_an_end(child: Callable[..., Child]) -> None:
    """A child that runs but is never ready is given up."""
    one = child()
    one.start()

    with pytest.raises(ChildFailed, match="was not ready after 0 s"):
        one.wait_until(lambda: False, 0.05)

    one.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    """A kill -9 of the demo ends its children, too."""
    parent = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from bot.demo.children import Child\n"
        f"child = Child('c', {SLEEPER!r}, env=dict(os.environ), log=Path('log'), cwd=Path('.'))\n"
        "child.start()\n"
        "child.wait_until(lambda: 'up' in child.last_words(), 15)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(CODE)}
    with subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path, env=env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())

        process.send_signal(signal.SIGKILL)

    gone = os.pidfd_open(pid) if _exists(pid) else None
    if gone is not None:
        _wait_for_end(gone)
    assert not _is_alive(pid)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _wait_for_end(pidfd: int) -> None:
    select.select([pidfd], [], [], PATIENCE)
    os.close(pidfd)


def _is_alive(pid: int) -> bool:
    """Whether it runs; a process that nobody has buried yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def test_a_free_port_is_free() -> None:
    """Nobody listens there."""
    port = free_port()

    assert not answers(f"http://127.0.0.1:{port}/")


def test_answers_hears_only_success() -> None:
    """A 503 is not an answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/readyz"

        def serve(status: bytes) -> None:
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.close()

        found = []
        for status in (b"503 no", b"200 ok"):
            thread = threading.Thread(target=serve, args=(status,))
            thread.start()
            found.append(answers(url))
            thread.join()

    assert found == [False, True]


def test_a_reserved_port_is_for_our_own_server_only() -> None:
    """While it is reserved nobody is given it by chance, but a server that asks for it by number gets it."""
    with reserved() as held:
        port = held.getsockname()[1]
        with pytest.raises(OSError, match="Address already in use"), socket.socket() as stranger:
            stranger.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            assert server.getsockname()[1] == port


def test_a_port_that_somebody_serves_is_not_reserved() -> None:
    """The refusal names the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ChildFailed, match=f"Port {port} of this machine cannot be had"):
            reserved(port)
