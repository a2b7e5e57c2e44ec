"""Steps per second and milliseconds per step on SQLite with audit on, beside a bare loop of the same inserts.

Also: from a signal to the next step running, and what parked executions cost.

    python benchmarks/engine.py [--executions 400] [--parked 10000]
"""

import argparse
import gc
import json
import resource
import statistics
import sys
import tempfile
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from audit.events import Actor
from audit.store import AuditStore, event_table, head_table
from engine.actions import BY_NAME
from engine.dispatch.local import LocalDispatcher
from engine.embedded import EmbeddedEngine, Surroundings
from engine.performing import Performer
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalType
from engine.store import ExecutionStore, execution_table
from engine.unreachable_aws import NoAws
from engine.validation import parse
from infra.clock import utc_now
from infra.db import Database, metadata

FIVE_STEPS = json.dumps(
    {
        "schemaVersion": "0.3",
        "parameters": {"X": {"type": "String", "default": "1"}},
        "mainSteps": [
            {
                "name": "decide",
                "action": "aws:branch",
                "inputs": {
                    "Choices": [{"NextStep": "a", "Variable": "{{ X }}", "StringEquals": "1"}],
                    "Default": "a",
                },
            },
            *({"name": name, "action": "aws:sleep", "inputs": {"Duration": "PT0S"}} for name in "abcd"),
        ],
    }
)
GATE = json.dumps(
    {
        "schemaVersion": "0.3",
        "mainSteps": [
            {"name": "ask", "action": "aws:approve", "inputs": {"Approvers": ["a"]}},
            {"name": "go", "action": "aws:sleep", "inputs": {"Duration": "PT0S"}},
        ],
    }
)
BENCH = Actor("system", "benchmark")


class World:
    """An engine with its dispatcher on a fresh SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.db = Database(f"sqlite:///{folder / 'bench.db'}")
        metadata.create_all(self.db.engine)
        self.audit = AuditStore()
        self.store = ExecutionStore(self.audit)
        performer = Performer(BY_NAME, lambda state: NoAws(state.region, state.account, "aws"), utc_now)
        here = Surroundings(self.db, self.store, DocumentShelf(self.store), BY_NAME, performer, utc_now)
        self.engine = EmbeddedEngine(here)
        self.dispatcher = LocalDispatcher(self.db, self.store, self.engine, utc_now, workers=8)
        self.engine.dispatcher = self.dispatcher

    def start(self, document: Any, count: int = 1) -> list[str]:
        """Start executions in one transaction."""
        with self.db.transaction() as tx:
            order = StartOrder(document, {}, BENCH, "eu-west-1", "123456789012")
            return [self.engine.start(tx, order) for _ in range(count)]

    def close(self) -> None:
        """Stop everything."""
        self.dispatcher.stop()
        self.db.close()


def steps_per_second(executions: int) -> dict[str, float]:
    """Wall time from the first start to the last end."""
    document = parse(FIVE_STEPS, name="Five")
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.dispatcher.start()
        began = time.perf_counter()
        for _ in range(executions):
            world.start(document)
        while True:
            with world.db.reading() as connection:
                done = world.store.counts(connection).get("Success", 0)
            if done == executions:
                break
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        events = world.audit.head(world.db.engine.connect())[0]
        world.close()
    return {"steps_per_s": executions * 5 / seconds, "ms_per_step": seconds * 1000 / executions / 5, "events": events}


def bare_inserts(executions: int, events_each: int) -> dict[str, float]:
    """The same rows written by a plain loop: one insert and one update of an execution, its events, the head."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'bare.db'}")
        metadata.create_all(db.engine)
        now, state = utc_now(), "x" * 3000
        with db.transaction() as tx:
            tx.execute(insert(head_table).values(id=1, seq=0, hash="0" * 64))
        began, seq = time.perf_counter(), 0
        for _ in range(executions):
            identity = str(uuid.uuid4())
            row = {
                "id": identity, "version": 1, "status": "Pending", "document_name": "n", "document_digest": "d",
                "parent_id": "", "created_at": now, "due_at": now, "state": state,
            }  # fmt: skip
            for is_first in (True, False):
                with db.transaction() as tx:
                    if is_first:
                        tx.execute(insert(execution_table).values(**row))
                    else:
                        tx.execute(select(execution_table).where(execution_table.c.id == identity)).first()
                        change = update(execution_table).where(execution_table.c.id == identity)
                        tx.execute(change.values(version=2, status="Success", state=state))
                    count = 1 if is_first else events_each - 1
                    rows = [_event(seq + number + 1, now) for number in range(count)]
                    tx.execute(insert(event_table), rows)
                    seq += count
                    tx.execute(update(head_table).where(head_table.c.id == 1).values(seq=seq))
        seconds = time.perf_counter() - began
        db.close()
    return {"steps_per_s": executions * 5 / seconds, "ms_per_step": seconds * 1000 / executions / 5}


def _event(seq: int, now: datetime) -> dict[str, Any]:
    return {
        "seq": seq, "at": now, "name": "step.ended", "subject": "s", "actor_kind": "system", "actor_id": "a",
        "actor_name": "", "data": {"step": "a", "status": "Success"}, "previous": "0" * 64, "hash": "0" * 64,
    }  # fmt: skip


def signal_to_running(rounds: int) -> dict[str, float]:
    """From the call of `signal` until the next step's end is committed."""
    document = parse(GATE, name="Gate")
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.dispatcher.start()
        found = []
        for _ in range(rounds):
            (identity,) = world.start(document)
            _until(world, identity, "Waiting")
            began = time.perf_counter()
            _approve(world, identity)
            _until(world, identity, "Success")
            found.append((time.perf_counter() - began) * 1000)
        world.close()
    return {"p50_ms": statistics.median(found), "p99_ms": statistics.quantiles(found, n=100)[98]}


def _approve(world: World, identity: str) -> None:
    with world.db.transaction() as tx:
        world.engine.signal(tx, identity, Signal(SignalType.APPROVE, BENCH))


def _until(world: World, identity: str, status: str) -> None:
    while True:
        with world.db.reading() as connection:
            state = world.store.get(connection, identity)
        if state is not None and state.status == status:
            return
        time.sleep(0.0005)


def parked(count: int) -> dict[str, float]:
    """Memory and CPU of executions that wait for people, and how fast one of them wakes."""
    document = parse(GATE, name="Gate")
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.dispatcher.start()
        first = world.start(document)[0]
        _until(world, first, "Waiting")
        gc.collect()
        before = _resident()
        for _ in range(count // 500):
            world.start(document, 500)
        while True:
            with world.db.reading() as connection:
                waiting = world.store.counts(connection).get("Waiting", 0)
            if waiting >= count // 500 * 500:
                break
            time.sleep(0.05)
        gc.collect()
        grown = _resident() - before
        cpu_before, wall = time.process_time(), time.perf_counter()
        threading.Event().wait(5)
        cpu = (time.process_time() - cpu_before) / (time.perf_counter() - wall)
        began = time.perf_counter()
        _approve(world, first)
        _until(world, first, "Success")
        wake = (time.perf_counter() - began) * 1000
        world.close()
    return {"grown_mb": grown, "cpu_percent": cpu * 100, "wake_ms": wake}


def _resident() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run all of it and print one JSON object."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--executions", type=int, default=400)
    arguments.add_argument("--parked", type=int, default=10_000)
    given = arguments.parse_args()
    engine = steps_per_second(given.executions)
    bare = bare_inserts(given.executions, int(engine["events"] / given.executions))
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "engine": engine,
        "bare_inserts": bare,
        "ratio": engine["ms_per_step"] / bare["ms_per_step"],
        "signal_to_running": signal_to_running(200),
        "parked": parked(given.parked),
        "lease": str(timedelta(seconds=6)),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
