"""The processes that work on a corpus, each with an executor of its own."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.conformance.checking import Report, check
from tests.conformance.corpus import Entry, Library
from tests.conformance.running import Executor, settle_process


class _Worker:
    """What each process has."""

    executor: Executor | None = None


def _begin(found: list[Entry], seconds: float, is_executing: bool) -> None:  # noqa: FBT001 - called by position
    settle_process()
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for good: moto talks
    _Worker.executor = Executor(Library(found), seconds=seconds) if is_executing else None


def _work(entry: Entry) -> Report:
    try:
        return check(entry, _Worker.executor)
    except Exception as error:  # noqa: BLE001 - the other documents are judged, too
        wrong = f"the check itself failed: {error!r}"
        return Report(entry.name, entry.key, entry.group, entry.is_bad, parsed=False, valid=False, wrong=wrong)


def reports_of(
    found: list[Entry], chosen: list[Entry], *, jobs: int, seconds: float, is_executing: bool
) -> Iterator[Report]:
    """A report for every chosen document, in order, by at most two processes."""
    context = multiprocessing.get_context("spawn")
    starting = (found, seconds, is_executing)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=starting) as pool:
        yield from pool.map(_work, chosen)
