"""Clocks: what happens at a time of day, by APScheduler, in this process's memory only.

Its job store is never shared: two schedulers on one store fire twice and lose timers. What must happen once among
several processes has a row whose key is the day.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, time, tzinfo
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

log = structlog.get_logger(__name__)

LATE_SECONDS = 3 * 3600
"""So long after its moment a job still runs, once: a machine may have slept."""


class Schedule:
    """Calls jobs at their times, in threads of its own, until it is stopped."""

    def __init__(self) -> None:
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": LATE_SECONDS}
        self._scheduler: Any = BackgroundScheduler(timezone=UTC, job_defaults=defaults)
        self._first: list[tuple[str, Callable[[], None]]] = []

    def daily(self, name: str, at: time, zone: tzinfo, job: Callable[[], object]) -> None:
        """Call `job` every day when a clock in that zone shows `at`, and once at the start for a time just passed."""
        self._add(name, CronTrigger(hour=at.hour, minute=at.minute, timezone=zone), job)

    def weekly(self, name: str, day: str, at: time, zone: tzinfo, job: Callable[[], object]) -> None:
        """The same on one day of the week, such as `monday`."""
        self._add(name, CronTrigger(day_of_week=day[:3], hour=at.hour, minute=at.minute, timezone=zone), job)

    def _add(self, name: str, trigger: CronTrigger, job: Callable[[], object]) -> None:
        def run() -> None:
            try:
                job()
            except Exception:  # one day's trouble must not end the job
                log.exception("scheduled job failed", job=name)

        self._scheduler.add_job(run, trigger, id=name, name=name, replace_existing=True)
        self._first.append((name, run))
        if self._scheduler.running:
            self._begin()

    def _begin(self) -> None:
        """A one-shot job of APScheduler's would be lost, with its thread, to a stop at the wrong moment."""
        while self._first:
            name, run = self._first.pop(0)
            threading.Thread(target=run, name=f"{name} at the start", daemon=True).start()

    def next_times(self) -> dict[str, datetime]:
        """When each job runs next."""
        jobs = self._scheduler.get_jobs()
        return {job.id: job.next_run_time for job in jobs if getattr(job, "next_run_time", None) is not None}

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()
        self._begin()

    def stop(self) -> None:
        """End; a job that runs is not waited for."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
