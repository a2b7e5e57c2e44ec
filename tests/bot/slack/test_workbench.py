"""Work behind an acknowledgement: done by whichever thread is free, dropped rather than piled up, never fatal."""

import threading

import pytest

from bot.slack import workbench
from bot.slack.workbench import Workbench


def test_a_job_that_fails_stops_nobody() -> None:
    """The next one is done all the same."""
    bench, done = Workbench(), list[str]()

    def fail() -> None:
        raise RuntimeError("a defect")

    for job in (fail, lambda: done.append("x")):
        assert bench.later(job)

    assert (bench.pump(), done) == (2, ["x"])
    assert bench.pump() == 0


def test_too_much_work_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of forms costs forms, not memory."""
    monkeypatch.setattr(workbench, "MOST_WAITING", 1)
    bench = Workbench()

    assert bench.later(lambda: None)
    assert not bench.later(lambda: None)


def test_the_loop_works_until_it_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread does what comes, and ends."""
    monkeypatch.setattr(workbench, "LOOK_UP_SECONDS", 0.01)
    bench, stop, there = Workbench(), threading.Event(), threading.Event()
    thread = threading.Thread(target=bench.run, args=(stop,))
    thread.start()
    bench.later(there.set)

    assert there.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
