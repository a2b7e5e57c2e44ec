"""The figures of engines side by side: the table that is printed, and others that cannot be had here."""

from pathlib import Path

import pytest

from benchmarks import engines_guests
from benchmarks.engines_guests import NotHere, restate
from benchmarks.engines_table import COLUMNS, NAMES, table

WHOLE = {
    "pure": {"steps_per_s": 1211, "ms_per_step": 0.8, "ms_per_step_alone_p50": 1.0},
    "effects": {"steps_per_s": 573, "ms_per_step": 1.75, "ms_per_step_alone_p50": 2.5},
    "signal_to_running": {"p50_ms": 2.6, "p99_ms": 20.1},
    "parked": {"runs": 10_000, "grown_mb": 23.4, "idle_cpu_percent": 0.4, "park_all_s": 9.1, "wake_p50_ms": 3.3},
    "take_over": {"seconds_p50": 2.8, "seconds_max": 3.0},
}


def test_the_table_has_every_figure_and_keeps_its_order() -> None:
    """A row for each engine, in one order, whatever was measured first; nothing is left out of a row."""
    lines = table({"restate": WHOLE, "embedded+sqlite": WHOLE}).splitlines()

    assert [line.split(" | ")[0] for line in lines[2:]] == ["| embedded, SQLite", "| Restate"]
    assert lines[2] == (
        "| embedded, SQLite | 1,211 | 573 | 1.75 | 2.5 | 2.6 / 20.1 | 23 MB, 0.4 % (10,000) | 3.3 | 2.8 |"
    )
    assert {line.count("|") for line in lines} == {len(COLUMNS) + 2}
    assert set(NAMES) >= {"celery+1", "celery+2", "dbos+sqlite", "dbos+postgresql"}


def test_what_was_not_measured_is_a_dash() -> None:
    """An engine without pure steps has a row all the same."""
    without = {key: value for key, value in WHOLE.items() if key not in ("pure", "parked")}

    assert "| DBOS, SQLite | – | 573 | 1.75 | 2.5 | 2.6 / 20.1 | – | – | 2.8 |" in table({"dbos+sqlite": without})


def test_an_engine_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No npm, no server of Restate: the others are measured without it."""
    monkeypatch.setattr("shutil.which", lambda _name: None)

    with pytest.raises(NotHere, match="no npm here"):
        restate(tmp_path, runs=1, parked=0, rounds=1)


def test_a_guest_that_fails_or_hangs_is_left_out_with_its_last_words(tmp_path: Path) -> None:
    """A defect of a guest is a reason, never the end of the measuring."""
    with pytest.raises(NotHere, match="sh failed: no such engine"):
        engines_guests._ran(["sh", "-c", "echo first >&2; echo no such engine >&2; exit 3"], 10)
    with pytest.raises(NotHere, match="did not end within 0 s"):
        engines_guests._ran(["sh", "-c", "sleep 60 & wait"], 0.2)
