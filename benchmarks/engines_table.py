"""The figures of all engines as one Markdown table. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Figures = Mapping[str, Any]

NAMES: Final = {
    "embedded+sqlite": "embedded, SQLite", "embedded+postgresql": "embedded, PostgreSQL",
    "celery+1": "Celery, 1 worker", "celery+2": "Celery, 2 workers",
    "dbos+sqlite": "DBOS, SQLite", "dbos+postgresql": "DBOS, PostgreSQL", "restate": "Restate",
}  # fmt: skip


def _parked(figures: Figures) -> str:
    found = figures["parked"]
    return f"{found['grown_mb']:.0f} MB, {found['idle_cpu_percent']:.1f} % ({found['runs']:,})"


COLUMNS: Final[tuple[tuple[str, Callable[[Figures], str]], ...]] = (
    ("pure steps/s", lambda found: f"{found['pure']['steps_per_s']:,}"),
    ("calls/s", lambda found: f"{found['effects']['steps_per_s']:,}"),
    ("ms a call", lambda found: f"{found['effects']['ms_per_step']}"),
    ("ms a call, alone", lambda found: f"{found['effects']['ms_per_step_alone_p50']}"),
    ("signal to running, p50 / p99 ms",
     lambda found: f"{found['signal_to_running']['p50_ms']} / {found['signal_to_running']['p99_ms']}"),
    ("parked: memory, idle CPU", _parked),
    ("one of them wakes, p50 ms", lambda found: f"{found['parked']['wake_p50_ms']}"),
    ("after kill -9, s", lambda found: f"{found['take_over']['seconds_p50']}"),
)  # fmt: skip
"""Heading -> how a way's figures are told."""


def table(found: Mapping[str, Any]) -> str:
    """A row for each way there are figures of, in the order of `NAMES`; a dash for what was not measured."""
    lines = ["| | " + " | ".join(heading for heading, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for key, name in NAMES.items():
        if key in found:
            lines.append(f"| {name} | " + " | ".join(_cell(tell, found[key]) for _, tell in COLUMNS) + " |")
    return "\n".join(lines)


def _cell(tell: Callable[[Figures], str], figures: Figures) -> str:
    try:
        return tell(figures)
    except KeyError:
        return "–"
