"""What a look at one part of the surroundings found, and how several are looked at side by side."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from infra.clock import Clock

T = TypeVar("T")
DEFECT: Final = "this is a defect of playbook-bot: please report it"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `fix` says what to do where it is not ok."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """What somebody else's clock said, and ours at the same time."""

    source: str
    theirs: datetime
    ours: datetime

    @property
    def seconds_ahead(self) -> float:
        """By how much our clock is ahead of theirs; they only tell whole seconds."""
        return (self.ours - self.theirs).total_seconds()


@dataclass(frozen=True, slots=True)
class Found:
    """Findings, and the clocks that were seen on the way."""

    checks: tuple[Check, ...]
    moments: tuple[Moment, ...] = ()


def moment_in(headers: Mapping[str, Any], source: str, clock: Clock) -> tuple[Moment, ...]:
    """The moment that an answer's Date header tells; none where it tells none that can be read."""
    value = next((value for name, value in headers.items() if name.lower() == "date"), None)
    try:
        theirs = parsedate_to_datetime(str(value[0] if isinstance(value, list) else value))
    except (ValueError, IndexError):
        return ()
    return (Moment(source, theirs, clock()),) if theirs.tzinfo is not None else ()


def side_by_side(looks: Mapping[str, Callable[[], T]], *, seconds: float) -> tuple[dict[str, T], list[Check]]:
    """What each look found, and a failed check for each one that did not end in time or broke.

    A look that hangs is left behind on its thread: the program is about to end.
    """
    results: dict[str, T] = {}
    broken: dict[str, Check] = {}

    def look(name: str, what: Callable[[], T]) -> None:
        try:
            results[name] = what()
        except Exception as error:  # noqa: BLE001 - a check that breaks is a finding, too, and must not hide the others
            broken[name] = Check(name, ok=False, detail=f"the check broke: {type(error).__name__}: {error}", fix=DEFECT)

    threads = {name: threading.Thread(target=look, args=(name, what), daemon=True) for name, what in looks.items()}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    done = dict(results)
    late = [name for name in looks if name not in done and name not in broken]
    fix = "see whether this machine may reach it: network, proxy, firewall, name service"
    silent = {name: Check(name, ok=False, detail=f"no answer within {seconds:g} s", fix=fix) for name in late}
    return done, [check for name in looks if (check := broken.get(name) or silent.get(name))]
