"""Group commit on SQLite: who shares a COMMIT shares its fate, who fails fails alone, and nobody is left waiting."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, event, insert, select

from audit.store import AuditStore
from infra.db import Database, DatabaseUnavailable
from infra.group_commit import GROUP_LIMIT

note = Table("note", MetaData(), Column("id", Integer, primary_key=True), Column("text", String(64), unique=True))


@pytest.fixture(autouse=True)
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group is closed by its size alone, unless a test says otherwise: no test depends on the machine's speed."""
    monkeypatch.setattr("infra.group_commit.GROUP_SECONDS", 3600.0)


@pytest.fixture
def db(sqlite_database: Database) -> Database:
    """A SQLite file with a table of our own, and one more whose broken reference only shows at the COMMIT."""
    note.create(sqlite_database.engine)
    with sqlite_database.transaction() as tx:
        tx.connection.exec_driver_sql(
            "CREATE TABLE orphan (parent INTEGER REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED)"
        )
    return sqlite_database


class Members:
    """Transactions on threads of their own that meet in one group: each begins when the one before has got in line."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.errors: dict[str, BaseException] = {}
        self.told: list[str] = []
        self._threads: list[threading.Thread] = []

    def add(self, name: str, body: Callable[[Any], object] = lambda _tx: None, *, gives_way: bool = False) -> None:
        """Put a member in line that writes `name`, then runs `body`."""
        thread = threading.Thread(target=self._run, args=(name, body, gives_way))
        self._threads.append(thread)
        line = len(self.db._group._line)
        thread.start()
        wait_until(lambda: len(self.db._group._line) > line)

    def _run(self, name: str, body: Callable[[Any], object], gives_way: bool) -> None:  # noqa: FBT001 - a thread's
        try:
            with self.db.transaction(gives_way=gives_way) as tx:
                tx.execute(insert(note).values(text=name))
                tx.on_commit(lambda: self.told.append(name))
                body(tx)
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.errors[name] = error

    def join(self) -> None:
        """Wait for all of them; none may hang."""
        for thread in self._threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in self._threads)


def wait_until(condition: Callable[[], bool]) -> None:
    """Give other threads the time to get somewhere."""
    never = threading.Event()
    for _ in range(20_000):
        if condition():
            return
        never.wait(0.0005)
    raise AssertionError("it never happened")


@contextmanager
def commits_counted(db: Database) -> Iterator[list[str]]:
    """The COMMIT statements of the block."""
    commits: list[str] = []

    def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement == "COMMIT":
            commits.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    yield commits
    event.remove(db.engine, "before_cursor_execute", count)


def written(db: Database) -> set[str]:
    """The texts that are there."""
    with db.reading() as connection:
        return set(connection.execute(select(note.c.text)).scalars())


def fail(_tx: object) -> None:
    """A member that raises."""
    raise ZeroDivisionError


def poison(tx: Any) -> None:
    """A member whose rows make the shared COMMIT itself fail."""
    tx.connection.exec_driver_sql("INSERT INTO orphan VALUES (999)")


def test_members_in_line_share_one_commit(db: Database) -> None:
    """Six transactions wait for the disk once."""
    members = Members(db)
    with commits_counted(db) as commits:
        with db.transaction() as tx:
            tx.execute(insert(note).values(text="first"))
            for name in "abcde":
                members.add(name)
        members.join()

    assert len(commits) == 1
    assert written(db) == {"first", *"abcde"}
    assert sorted(members.told) == list("abcde")


def test_a_commit_does_not_wait_for_ever_new_members(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first member's wait is bounded in time, however long the line is."""
    monkeypatch.setattr("infra.group_commit.GROUP_SECONDS", 0.0)
    members = Members(db)
    with commits_counted(db) as commits:
        with db.transaction() as tx:
            tx.execute(insert(note).values(text="first"))
            for name in "abc":
                members.add(name)
        members.join()

    assert len(commits) == 4
    assert written(db) == {"first", *"abc"}


def order(db: Database) -> list[str]:
    """The texts that are there, in the order of their writing."""
    with db.reading() as connection:
        return list(connection.execute(select(note.c.text).order_by(note.c.id)).scalars())


def test_who_gives_way_lets_others_go_first(db: Database) -> None:
    """Clicks come before the telling of events, each kind in its own order; and commit without waiting for it."""
    members = Members(db)
    with commits_counted(db) as commits:
        with db.transaction(gives_way=True) as tx:
            tx.execute(insert(note).values(text="first"))
            assert not tx.is_in_the_way()
            for name in ("tell 1", "tell 2"):
                members.add(name, gives_way=True)
            assert not tx.is_in_the_way()
            for name in ("click 1", "click 2"):
                members.add(name)
            assert tx.is_in_the_way()
        members.join()

    assert order(db) == ["first", "click 1", "click 2", "tell 1", "tell 2"]
    assert len(commits) == 2


def test_nobody_gives_way_for_ever(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has waited for long enough is overtaken no more, however many clicks come."""
    monkeypatch.setattr("infra.group_commit.GIVING_WAY_SECONDS", 0.0)
    members = Members(db)
    with db.transaction():
        members.add("tell", gives_way=True)
        members.add("click")
    members.join()

    assert order(db) == ["tell", "click"]


def test_a_member_alone_commits_at_once(db: Database) -> None:
    """Nobody in line: nothing to wait for."""
    with commits_counted(db) as commits:
        for name in "abc":
            with db.transaction() as tx:
                tx.execute(insert(note).values(text=name))

    assert len(commits) == 3


def test_a_group_is_bounded(db: Database) -> None:
    """The first of a long line does not wait for all the others."""
    members = Members(db)
    with commits_counted(db) as commits:
        with db.transaction():
            for number in range(GROUP_LIMIT + 5):
                members.add(str(number))
        members.join()

    assert len(commits) == 2
    assert len(written(db)) == GROUP_LIMIT + 5


def test_a_failing_member_fails_alone(db: Database) -> None:
    """First, in the middle or last: only its own rows are undone."""
    members = Members(db)
    with pytest.raises(ZeroDivisionError), db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        members.add("a")
        members.add("b", fail)
        members.add("c")
        members.add("d", fail)
        raise ZeroDivisionError
    members.join()

    assert written(db) == {"a", "c"}
    assert sorted(members.told) == ["a", "c"]
    assert set(members.errors) == {"b", "d"}


@pytest.mark.parametrize("culprit", ["first", "a", "b"])
def test_a_commit_that_fails_reaches_everybody(db: Database, culprit: str) -> None:
    """Nobody is told that rows are safe which are not; the next transaction works."""
    members = Members(db)
    with pytest.raises(DatabaseUnavailable, match="shared commit failed"), db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        if culprit == "first":
            poison(tx)
        members.add("a", poison if culprit == "a" else lambda _tx: None)
        members.add("b", poison if culprit == "b" else lambda _tx: None)
    members.join()
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="next"))

    assert written(db) == {"next"}
    assert members.told == []
    assert {type(error) for error in members.errors.values()} == {DatabaseUnavailable}
    assert set(members.errors) == {"a", "b"}


def test_a_member_that_is_interrupted_in_line_does_not_strand_the_others(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before counted on it for the commit; it still happens."""
    members = Members(db)

    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            super().wait(timeout)
            raise KeyboardInterrupt

    with db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        monkeypatch.setattr("infra.group_commit.threading", SimpleNamespace(Event=Interrupted))
        members.add("interrupted")
        monkeypatch.undo()
    members.join()

    assert written(db) == {"first"}
    assert isinstance(members.errors["interrupted"], KeyboardInterrupt)


def test_whoever_comes_first_has_the_next_turn(db: Database) -> None:
    """A loop that comes back at once stands behind those who wait: it cannot keep them out."""
    members = Members(db)
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        for name in ("a", "b", "c"):
            members.add(name)
    with db.transaction() as tx:
        seen = [row.text for row in tx.execute(select(note.c.text))]
    members.join()

    assert set(seen) == {"first", "a", "b", "c"}


def test_a_line_that_does_not_move_is_left(sqlite_database: Database) -> None:
    """Who waited for its patience in vain has begun nothing, and those who are in do not miss it."""
    db = Database(str(sqlite_database.url), patience=0.2)
    note.create(db.engine)
    members = Members(db)
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        members.add("late")
        members.join()

    assert written(db) == {"first"}
    assert isinstance(members.errors["late"], DatabaseUnavailable)
    db.close()


def test_a_transaction_that_sqlite_has_rolled_back_is_not_continued(db: Database) -> None:
    """When SQLite gives up the whole transaction by itself, the others in the group hear of it."""
    members = Members(db)
    with pytest.raises(DatabaseUnavailable), db.transaction() as tx:
        tx.execute(insert(note).values(text="first"))
        members.add("a", lambda tx: tx.connection.exec_driver_sql("ROLLBACK"))
    members.join()
    with db.transaction() as tx:
        tx.execute(insert(note).values(text="next"))

    assert written(db) == {"next"}
    assert members.told == []


CHILD = """
import sys, threading
from datetime import UTC, datetime
from audit.events import Event
from audit.store import AuditStore
from infra.db import Database

db, store, said = Database(sys.argv[1]), AuditStore(), threading.Lock()

def work(thread):
    for number in range(100_000):
        with db.transaction() as tx:
            store.append(tx, [Event("bot.started", f"{thread}/{number}")], datetime.now(UTC))
        with said:
            print(f"{thread}/{number}", flush=True)

for thread in range(4):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
threading.Event().wait()
"""


@pytest.mark.parametrize("acknowledged", [1, 37, 150])
def test_a_kill_loses_nothing_that_was_acknowledged(sqlite_database: Database, acknowledged: int) -> None:
    """Killed with -9 while four threads commit: every acknowledged row is there, and the chain has no gap."""
    root = Path(__file__).parents[2]
    arguments = [sys.executable, "-c", CHILD, str(sqlite_database.url)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip() for _ in range(acknowledged)]
        os.kill(child.pid, signal.SIGKILL)
        said += [line for line in child.stdout.read().split("\n") if re.fullmatch(r"\d/\d+", line)]
    store = AuditStore()
    with sqlite_database.reading() as connection:
        kept = [entry.event.subject for entry in store.entries(connection)]
        verdict = store.verify(connection)

    assert len(said) >= acknowledged
    # The last line may be cut short by the kill; a number cut short is the name of an earlier row of that thread.
    assert set(said) <= set(kept)
    assert verdict.is_valid
