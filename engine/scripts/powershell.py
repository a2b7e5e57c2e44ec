"""PowerShell scripts: run by `pwsh` in a room of bubblewrap, where both are installed; AWS cannot be called there."""

import base64
import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from engine.scripts import room
from engine.scripts.inside.seat import Limits
from engine.scripts.script import LARGEST_PAYLOAD, PRINT_LIMIT, Printed, Script, ScriptEnd
from engine.scripts.stop import Stop

MISSING: Final = "PowerShell is not installed here: this step needs the program pwsh on the bot's machine"
NO_JAIL: Final = (
    "PowerShell scripts run only in a jail made by bubblewrap (bwrap), which cannot be used on this machine"
)
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes: AWS gives PowerShell twice as much as Python."""
LARGEST_VARIABLE: Final = 128 * 1024 - 64
"""Bytes that Linux allows in one environment variable."""
SCRIPT: Final = "/tmp/customer_script.ps1"  # noqa: S108 - in the room
PIECE: Final = 1 << 16
LIMIT: Final = """
import os, resource, sys
for name, value in zip(sys.argv[1:9:2], sys.argv[2:9:2]):
    resource.setrlimit(getattr(resource, name), (int(value), int(value)))
os.execv(sys.argv[9], sys.argv[9:])
"""
"""Runs in the room, as its first program: gives itself limits and becomes pwsh."""


def run(script: Script, limits: Limits, stop: Stop) -> ScriptEnd:
    """Run a script to its end."""
    pwsh, bubblewrap = shutil.which("pwsh"), room.bubblewrap()
    payload = json.dumps({} if script.events is None else script.events)
    if pwsh is None:
        return ScriptEnd("failed", failure=MISSING)
    if bubblewrap is None:
        return ScriptEnd("failed", failure=NO_JAIL)
    if len(payload.encode()) > LARGEST_VARIABLE:
        return ScriptEnd("failed", failure=f"InputPayload is larger than {LARGEST_VARIABLE:,} bytes")
    with tempfile.TemporaryFile() as source:
        source.write(_source(script))
        source.seek(0)
        line = _command(bubblewrap, Path(pwsh), limits, source.fileno(), payload, script.region)
        with subprocess.Popen(  # noqa: S603 - no shell; the script is data to it
            line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            pass_fds=[source.fileno()], env={"PATH": "/usr/bin:/bin"}, start_new_session=True,
        ) as process:  # fmt: skip
            stop.by(lambda: _kill(process))
            return _followed(process, min(script.seconds, limits.seconds))


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End bubblewrap and what it has started; its own tie to them is not made yet in its first moments."""
    if process.poll() is not None:
        return
    pid = process.pid
    try:
        os.kill(pid, signal.SIGSTOP)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    for child in (*map(int, children), pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _source(script: Script) -> bytes:
    """The script; an attachment is put beside it by PowerShell itself."""
    lines = "$ErrorActionPreference = 'Stop'\n"
    if script.attachment_name:
        content = base64.b64encode(script.attachment).decode()
        name = Path(script.attachment_name).name.replace("'", "''")
        lines += f"[IO.File]::WriteAllBytes((Join-Path $env:HOME '{name}'), [Convert]::FromBase64String('{content}'))\n"
    return (lines + (script.source or f". (Join-Path $env:HOME '{script.attachment_name}')")).encode()


def _command(bubblewrap: str, pwsh: Path, limits: Limits, source: int, payload: str, region: str) -> list[str]:
    environment = {
        "InputPayload": payload, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "HOME": "/tmp",  # noqa: S108
        "LANG": "C.UTF-8", "TZ": "UTC", "PATH": str(pwsh.parent), "POWERSHELL_TELEMETRY_OPTOUT": "1",
        "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_GCHeapHardLimit": hex(MEMORY),
    }  # fmt: skip
    line = [bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    for name, value in environment.items():
        line += ["--setenv", name, value]
    line += ["--proc", "/proc", "--dev", "/dev", "--size", str(limits.disk), "--tmpfs", "/tmp"]  # noqa: S108
    for path in (*room.readable(), str(pwsh.parent), str(pwsh.resolve().parent)):
        line += (
            ["--symlink", str(Path(path).readlink()), path] if Path(path).is_symlink() else ["--ro-bind", path, path]
        )
    line += ["--ro-bind-data", str(source), SCRIPT, "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    bounds = {
        "RLIMIT_DATA": MEMORY,
        "RLIMIT_CPU": int(limits.seconds) + 5,
        "RLIMIT_FSIZE": limits.disk,
        "RLIMIT_CORE": 0,
    }
    line += [sys.executable, "-I", "-c", LIMIT]
    for name, bound in bounds.items():
        line += [name, str(bound)]
    return [*line, str(pwsh), "-NoLogo", "-NoProfile", "-NonInteractive", "-File", SCRIPT]


def _followed(process: "subprocess.Popen[bytes]", seconds: float) -> ScriptEnd:
    said, complaints, deadline = bytearray(), Printed(), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(process.stdout), selectors.EVENT_READ, said.extend)
        selector.register(_pipe(process.stderr), selectors.EVENT_READ, complaints.add)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                _kill(process)
                return ScriptEnd("timed_out", printed=complaints.text)
            for key, _ in selector.select(left):
                piece = os.read(key.fd, PIECE)
                key.data(piece)
                if not piece:
                    selector.unregister(key.fileobj)
            if len(said) + complaints.total > PRINT_LIMIT:
                _kill(process)
                return ScriptEnd("failed", failure=f"The script printed more than {PRINT_LIMIT // 1_000_000} MB.")
    code = process.wait()
    text = said.decode(errors="replace").strip()
    if code < 0:
        return ScriptEnd("failed", failure=f"The script was ended by signal {-code}.", printed=complaints.text)
    if code:
        return ScriptEnd(
            "failed", failure=complaints.text.strip() or f"PowerShell ended with code {code}", printed=text
        )
    return _result(text, complaints.text)


def _pipe(stream: Any) -> Any:
    assert stream is not None
    return stream


def _result(text: str, printed: str) -> ScriptEnd:
    """What the script has output: JSON as it is, anything else as text."""
    try:
        payload = json.dumps(json.loads(text)) if text else "null"
    except (ValueError, RecursionError):
        payload = json.dumps(text)
    if len(payload.encode()) > LARGEST_PAYLOAD:
        return ScriptEnd("failed", failure=f"the script returned more than {LARGEST_PAYLOAD:,} bytes", printed=printed)
    return ScriptEnd("done", payload=payload, printed=printed)
