"""What a script is to be run with, what it printed, how it ended, and the limits of SSM. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from infra.canonical import Json

LONGEST: Final = 600.0
"""Seconds (SSM's quota for aws:executeScript)."""
LARGEST_PAYLOAD: Final = 100 * 1024
PRINT_KEPT: Final = 100 * 1024
"""Bytes of a script's output that are kept."""
PRINT_LIMIT: Final = 10_000_000
"""Bytes after which a script that prints is stopped."""
PYTHON: Final = re.compile(r"python3\.([6-9]|1[0-4])", re.IGNORECASE)
"""Runtimes of AWS, past and present; the bot's own Python runs them all."""


def is_powershell(runtime: str) -> bool:
    """Whether a runtime is one of AWS's PowerShells (`PowerShell Core 6.0`, `PowerShell 7.4`)."""
    return runtime.lower().startswith("powershell")


@dataclass(frozen=True, slots=True)
class Script:
    """One script with what it is given. `source` may be empty where an attachment holds the code."""

    source: str
    handler: str
    events: Json
    context: Mapping[str, Json]
    region: str
    token: str
    """By which it can be cancelled."""
    runtime: str = "python3.11"
    attachment_name: str = ""
    attachment: bytes = b""
    seconds: float = LONGEST


@dataclass(frozen=True, slots=True)
class ScriptEnd:
    """How a script ended; `payload` is JSON text as the script's process wrote it, not yet believed."""

    how: Literal["done", "failed", "timed_out", "cancelled"]
    payload: str = ""
    failure: str = ""
    trace: str = ""
    printed: str = ""
    calls: int = 0
    cpu_seconds: float = 0.0
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ScriptPolicy:
    """What the operator has decided about scripts."""

    allow_unjailed: bool = False
    allowed_calls: tuple[str, ...] = field(default=())
    """Patterns of `service:Operation` (`ec2:Describe*`); empty = all that the execution's role may do."""


@dataclass
class Printed:
    """What a script printed: its beginning and its end."""

    total: int = 0
    _head: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)

    def add(self, piece: bytes) -> None:
        """Keep it, or the end of it."""
        self.total += len(piece)
        room = max(0, PRINT_KEPT // 2 - len(self._head))
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: -PRINT_KEPT // 2]

    @property
    def text(self) -> str:
        """For the log."""
        left_out = self.total - len(self._head) - len(self._tail)
        middle = f"\n… {left_out:,} bytes left out …\n".encode() if left_out else b""
        return (bytes(self._head) + middle + bytes(self._tail)).decode(errors="replace")
