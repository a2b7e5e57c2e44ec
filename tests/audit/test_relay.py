"""The relay: every event once and in order, whatever fails on the way."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from audit.events import Event
from audit.relay import TRIES, Relay
from audit.store import AuditStore
from audit.trail import Entry
from infra.db import Database, DatabaseUnavailable, Transaction
from tests.fakes.clock import ManualClock

done = Table("done", MetaData(), Column("id", Integer, primary_key=True), Column("subject", String(64)))


class World:
    """A database with events, and a reader that notes in a table what it was given."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db = db
        self.clock = clock
        self.store = AuditStore()
        self.poison: dict[str, int] = {}
        """Subject -> how often the reader still fails on it."""
        self.given: list[str] = []

    def happen(self, *subjects: str, name: str = "execution.started") -> None:
        """One transaction with an event for each subject."""
        with self.db.transaction() as tx:
            self.store.append(tx, [Event(name, subject) for subject in subjects], self.clock())

    def relay(self, *names: str) -> Relay:
        """A reader as a process has it after its start."""
        return Relay(self.db, self.store, name="reader", handle=self.handle, clock=self.clock, names=names)

    def handle(self, tx: Transaction, entry: Entry) -> None:
        """The reader itself."""
        subject = entry.event.subject
        self.given.append(subject)
        tx.execute(insert(done).values(subject=subject))
        if self.poison.get(subject, 0):
            self.poison[subject] -= 1
            raise ValueError(f"cannot bear {subject}")

    @property
    def done(self) -> list[str]:
        """What the reader did and saved."""
        with self.db.reading() as connection:
            return list(connection.execute(select(done.c.subject).order_by(done.c.id)).scalars())


@pytest.fixture
def world(database: Database, clock: ManualClock) -> World:
    """A world of its own for the test."""
    done.create(database.engine)
    return World(database, clock)


def test_events_are_handed_over_once_and_in_order(world: World) -> None:
    """What is new at each pump, and nothing twice."""
    relay = world.relay()
    world.happen("a", "b")
    world.happen("c")

    assert relay.pump() == 3
    assert relay.pump() == 0
    world.happen("d")
    assert relay.pump() == 1
    assert world.done == ["a", "b", "c", "d"]
    assert relay.lag() == 0


def test_a_long_backlog_is_worked_off(world: World) -> None:
    """In several transactions, in one pump."""
    world.happen(*map(str, range(250)))

    assert world.relay().pump() == 250
    assert world.done == [str(number) for number in range(250)]


def test_only_the_events_that_are_read_are_handed_over(world: World) -> None:
    """The others move no cursor and cost no transaction."""
    relay = world.relay("step.ended")
    world.happen("a")
    world.happen("b", name="step.ended")
    world.happen("c")

    assert relay.lag() == 1
    assert relay.pump() == 1
    assert world.done == ["b"]
    commits: list[int] = []
    world.happen("d")
    world.db.listen(lambda: commits.append(1))
    assert relay.pump() == 0
    assert commits == []


def test_a_restart_goes_on_where_the_last_process_was(world: World) -> None:
    """The place is in the database, saved with what the reader did."""
    world.happen("a", "b")
    world.relay().pump()
    world.happen("c")
    world.relay().pump()

    assert world.done == ["a", "b", "c"]


def test_a_crash_between_two_events_repeats_nothing_that_was_saved(world: World) -> None:
    """A process that dies in the middle of a batch has saved none of it."""
    world.happen("a", "b", "c")
    relay = world.relay()

    def dies(tx: Transaction, entry: Entry) -> None:
        world.handle(tx, entry)
        if entry.event.subject == "b":
            raise SystemExit

    relay._handle = dies
    with pytest.raises(SystemExit):
        relay.pump()

    assert world.done == []
    world.relay().pump()
    assert world.done == ["a", "b", "c"]


def test_a_failing_event_holds_up_what_comes_after_it_and_not_what_came_before(world: World) -> None:
    """Order is kept: the next events wait until it is done."""
    world.happen("a", "bad", "c")
    world.poison["bad"] = 2
    relay = world.relay()

    assert relay.pump() == 1
    assert world.done == ["a"]
    assert relay.lag() == 2
    relay.pump()
    assert world.done == ["a"]
    world.clock.advance(1)
    assert relay.pump() == 2
    assert world.done == ["a", "bad", "c"]
    assert relay.skipped == 0


def test_an_event_that_never_works_is_skipped_in_the_end(world: World) -> None:
    """After some tries with growing pauses it is given up, loudly, and the rest goes on."""
    world.happen("a", "bad", "c")
    world.poison["bad"] = 1000
    relay = world.relay()
    pauses = 0
    while relay.lag():
        relay.pump()
        world.clock.advance(timedelta(seconds=1))
        pauses += 1

    assert world.done == ["a", "c"]
    assert relay.skipped == 1
    assert world.given.count("bad") == TRIES + 1
    assert pauses == 16
    assert world.relay().pump() == 0


def test_two_failing_events_have_their_own_tries(world: World) -> None:
    """One after the other, each gets as many."""
    world.happen("bad", "worse", "c")
    world.poison.update(bad=2, worse=1000)
    relay = world.relay()
    while relay.lag():
        relay.pump()
        world.clock.advance(timedelta(seconds=30))

    assert world.done == ["bad", "c"]
    assert relay.skipped == 1


def test_what_a_reader_reports_is_read_later(world: World) -> None:
    """A reader that appends events itself gets them after the ones it already had."""
    relay = world.relay()

    def answers(tx: Transaction, entry: Entry) -> None:
        world.handle(tx, entry)
        if entry.event.subject == "ask":
            world.store.append(tx, [Event("execution.ended", "answer")], world.clock())

    relay._handle = answers
    world.happen("ask", "b")

    assert relay.pump() == 3
    assert world.done == ["ask", "b", "answer"]


def test_two_processes_share_the_events(world: World) -> None:
    """Both read under one name: each event is handled by one of them."""
    other = Database(world.db.url.render_as_string(hide_password=False))
    second = World(other, world.clock)
    relays = [world.relay(), second.relay()]
    ready = threading.Barrier(2)

    def work(relay: Relay) -> None:
        ready.wait()
        relay.pump()

    world.happen(*map(str, range(300)))
    threads = [threading.Thread(target=work, args=(relay,)) for relay in relays]
    run_all(threads)

    assert world.done == [str(number) for number in range(300)]
    assert relays[0].pump() == relays[1].pump() == 0
    other.close()


def run_all(threads: list[threading.Thread]) -> None:
    """Start and join; a thread that hangs fails the test."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def running(relay: Relay) -> tuple[threading.Event, threading.Thread]:
    """The relay on a thread of its own, and how to stop it."""
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    return stop, thread


def wait_until(condition: Callable[[], bool]) -> None:
    """Give the relay's thread the time to get there; far less than its sweep."""
    never = threading.Event()
    for _ in range(2000):
        if condition():
            return
        never.wait(0.001)
    raise AssertionError("it never happened")


def test_a_commit_wakes_the_relay(world: World) -> None:
    """Without any polling delay; and so does the end of the process."""
    stop, thread = running(world.relay())
    world.happen("a")
    wait_until(lambda: world.done == ["a"])
    world.happen("b")
    wait_until(lambda: world.done == ["a", "b"])
    stop.set()
    world.db.wake()
    thread.join(2)

    assert not thread.is_alive()


def test_one_that_gathers_reads_what_follows_along_with_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks up once for a handful of commits."""
    relay, pump = world.relay(), Relay.pump
    relay._gathers = timedelta(seconds=1)
    pumped, gathering, go_on = threading.Event(), threading.Event(), threading.Event()

    def pump_once(self: Relay) -> int:
        count = pump(self)
        pumped.set()
        return count

    monkeypatch.setattr(Relay, "pump", pump_once)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout == 1
            gathering.set()
            return go_on.wait(10)

    stop = Stop()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    assert pumped.wait(10)
    world.happen("a")
    assert gathering.wait(10)
    world.happen("b")
    assert world.done == []

    go_on.set()
    wait_until(lambda: world.done == ["a", "b"])
    stop.set()
    world.db.wake()
    thread.join(2)
    assert not thread.is_alive()


def test_the_relay_outlives_trouble(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is gone, or a defect of our own, ends neither the thread nor the order."""
    errors: list[Exception] = [DatabaseUnavailable("gone"), ZeroDivisionError("ours")]
    batch = world.store.batch

    def trouble(*arguments: object, **more: object) -> list[Entry]:
        if errors:
            raise errors.pop(0)
        return list(batch(*arguments, **more))  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(world.store, "batch", trouble)
    world.happen("a")
    stop, thread = running(world.relay())
    wait_until(lambda: len(errors) < 2)
    world.db.wake()
    wait_until(lambda: not errors)
    world.db.wake()
    wait_until(lambda: world.done == ["a"])
    stop.set()
    world.db.wake()
    thread.join(2)

    assert not thread.is_alive()
