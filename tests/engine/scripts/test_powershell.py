"""PowerShell scripts, run by a stand-in for pwsh: a Python program that does what the script's text says."""

import json
import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest

from engine.scripts import room
from engine.scripts.inside.seat import Limits
from engine.scripts.powershell import MISSING, NO_JAIL
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import Script, ScriptEnd
from tests.fakes.aws import QuietAws

STAND_IN = f"""#!{sys.executable}
import sys
assert sys.argv[1:-1] == ["-NoLogo", "-NoProfile", "-NonInteractive", "-File"], sys.argv
code = open(sys.argv[-1]).read().partition("Stop'\\n")[2]
exec(code)
"""


@pytest.fixture
def pwsh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pwsh on the path, and bubblewrap; or a skip that says what is missing."""
    bubblewrap = room.bubblewrap()
    if bubblewrap is None:
        pytest.skip("bubblewrap is not installed")
    program = tmp_path / "pwsh"
    program.write_text(STAND_IN)
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return program


def run(source: str, events: object = None, *, runner: ScriptRunner | None = None, seconds: float = 20) -> ScriptEnd:
    """Run a script."""
    runner = runner or ScriptRunner(limits=Limits(seconds=20, disk=8_000_000))
    script = Script(source, "", events, {}, "eu-west-1", "one", runtime="PowerShell 7.4", seconds=seconds)  # type: ignore[arg-type]
    return runner.run(script, QuietAws())


@pytest.mark.usefixtures("pwsh")
def test_what_it_says_is_the_payload() -> None:
    """JSON on standard output is the Payload; $env:InputPayload has the input."""
    end = run("import os, json; print(json.dumps({'got': json.loads(os.environ['InputPayload'])}))", {"a": [1]})

    assert (end.how, json.loads(end.payload)) == ("done", {"got": {"a": [1]}}), end


@pytest.mark.usefixtures("pwsh")
def test_text_is_text() -> None:
    """What is no JSON is the Payload as text; nothing is null."""
    assert run("print('hello')").payload == '"hello"'
    assert run("pass").payload == "null"


@pytest.mark.usefixtures("pwsh")
def test_fails_with_what_it_complains_of() -> None:
    """A script that ends with a code fails with its standard error."""
    end = run("sys.exit('no such cmdlet')")

    assert (end.how, end.failure) == ("failed", "no such cmdlet")


@pytest.mark.usefixtures("pwsh")
def test_is_stopped() -> None:
    """Time, output and the operator end it."""
    runner = ScriptRunner(limits=Limits(seconds=20, disk=8_000_000))
    ends: list[str] = []
    thread = threading.Thread(target=lambda: ends.append(run("import time; time.sleep(60)", runner=runner).how))
    thread.start()
    while not runner._running:
        threading.Event().wait(0.01)
    runner.cancel("one")
    thread.join(10)

    assert ends == ["cancelled"]
    assert run("import time; time.sleep(60)", seconds=0.3).how == "timed_out"
    assert run("while True: print('x' * 100_000)").failure == "The script printed more than 10 MB."


@pytest.mark.usefixtures("pwsh")
def test_is_jailed() -> None:
    """No network, no file of the machine, nothing of the environment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = run(
            "import os, json, socket\n"
            "found = [os.path.exists('/etc/passwd'), sorted(name for name in os.environ if 'KEY' in name)]\n"
            "try: socket.create_connection(('127.0.0.1', int(os.environ['InputPayload'])), timeout=1)\n"
            "except OSError as error: found.append(type(error).__name__)\n"
            "print(json.dumps(found))",
            listener.getsockname()[1],
        )

    assert json.loads(end.payload) == [False, [], "ConnectionRefusedError"]


def test_says_that_powershell_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pwsh the step fails with that sentence."""
    monkeypatch.setenv("PATH", "/nonexistent")

    assert run("1").failure == MISSING


@pytest.mark.usefixtures("pwsh")
def test_says_that_the_jail_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap it is not run."""
    monkeypatch.setattr("engine.scripts.room.bubblewrap", lambda: None)

    assert run("1").failure == NO_JAIL
