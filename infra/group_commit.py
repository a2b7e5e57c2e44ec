"""Group commit for SQLite: concurrent transactions share one COMMIT, each inside a savepoint of its own.

SQLite has one writer and a COMMIT waits for the disk. So members take turns on one connection, and the last one in
line commits for all. Leaving the line and deciding who commits happen under one lock: whoever gives up its turn
has either committed or left that to somebody who is certain to come.

Members that nobody waits for give way: others go before them in line, and commit without waiting for them. So a click
waits for one such member at most, however many events are told and steps carried meanwhile.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

GROUP_LIMIT = 64
"""Members of one commit, at most."""
GROUP_SECONDS = 0.01
"""So long a commit waits for further members, about as long as the disk takes: the first of them waits for the last."""

GIVING_WAY_SECONDS = 0.5
"""So long a member lets others go first; then it is one of them."""


class TurnNotReached(Exception):
    """The writers before this one took too long; nothing was begun."""


class CommitFailed(Exception):
    """The shared COMMIT failed, so nobody's rows were saved."""


@dataclass(eq=False, slots=True)
class _Place:
    """Somebody who waits for the turn since a moment, and whether they let others go first."""

    gives_way: bool
    since: float
    turn: threading.Event

    def lets_pass(self, now: float) -> bool:
        """Whether somebody who gives no way may still go first."""
        return self.gives_way and now - self.since < GIVING_WAY_SECONDS


class _Group:
    """Transactions that share one commit; changed only by whoever has the turn."""

    def __init__(self) -> None:
        self.size = 0
        self.is_awaited = False
        """Whether somebody in it gives no way."""
        self.closes_at = 0.0
        self.done = threading.Event()
        self.error: BaseException | None = None


class GroupCommit:
    """Hands the one writing connection from member to member.

    `patience` (seconds) bounds the way in: the line before us and the lock of another process together.
    """

    def __init__(self, connect: Callable[[], Connection], *, patience: float) -> None:
        self._connect = connect
        self._patience = patience
        self._busy_timeout = 0
        self._gate = threading.Lock()
        self._is_taken = False
        self._line: deque[_Place] = deque()
        """Who waits for the turn, in the order of coming but for those who give way."""
        self._group = _Group()
        self._writer: Connection | None = None

    def is_in_the_way(self) -> bool:
        """Whether somebody waits for the turn who gives no way."""
        with self._gate:
            return bool(self._line) and not self._line[0].gives_way

    @contextmanager
    def member(self, patience: float | None = None, *, gives_way: bool = False) -> Iterator[Connection]:
        """Run the block as one member, let in within `patience` seconds; leave it once the rows are durable.

        Raises TurnNotReached, CommitFailed, or DBAPIError when the database is locked or gone.
        """
        patience = self._patience if patience is None else patience
        deadline = time.monotonic() + patience
        self._take_turn(patience, gives_way=gives_way)
        try:
            connection, group = self._join(deadline)
            group.is_awaited |= not gives_way
        except BaseException as error:
            self._group.error = error
            self._finish()
            raise
        try:
            yield connection
            connection.exec_driver_sql("RELEASE member")
        except BaseException:
            self._withdraw(connection, group)
            raise
        self._finish()
        group.done.wait()
        if group.error is not None:
            raise CommitFailed(f"the shared commit failed: {group.error}") from group.error

    def close(self) -> None:
        """Close the writing connection."""
        self._discard_writer()

    def _take_turn(self, patience: float, *, gives_way: bool) -> None:
        with self._gate:
            if not self._is_taken:
                self._is_taken = True
                return
            place = _Place(gives_way, time.monotonic(), threading.Event())
            self._line.insert(self._behind(place), place)
        try:
            place.turn.wait(patience)
        except BaseException:
            # Interrupted in line (Ctrl-C): the one before may count on us for the commit.
            if not self._has_left_line(place):
                self._finish()
            raise
        if self._has_left_line(place):
            raise TurnNotReached(f"other writers took longer than {patience:g} s")

    def _behind(self, place: _Place) -> int:
        """How many in line go before a new one."""
        at = len(self._line)
        while not place.gives_way and at and self._line[at - 1].lets_pass(place.since):
            at -= 1
        return at

    def _has_left_line(self, place: _Place) -> bool:
        """Leave the line; False where the turn was given to us already."""
        with self._gate:
            if place.turn.is_set():
                return False
            self._line.remove(place)
            return True

    def _join(self, deadline: float) -> tuple[Connection, _Group]:
        connection = self._writing()
        if self._group.size == 0:
            self._wait_for_lock_at_most(connection, deadline - time.monotonic())
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            self._group.closes_at = time.monotonic() + GROUP_SECONDS
        connection.exec_driver_sql("SAVEPOINT member")
        self._group.size += 1
        return connection, self._group

    def _wait_for_lock_at_most(self, connection: Connection, seconds: float) -> None:
        milliseconds = 1000 * max(1, math.ceil(seconds))
        if milliseconds != self._busy_timeout:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {milliseconds}")
            self._busy_timeout = milliseconds

    def _withdraw(self, connection: Connection, group: _Group) -> None:
        """Undo this member alone. SQLite may have rolled back everything already (disk full): then all must hear."""
        group.error = CommitFailed("a member could not be undone")
        try:
            connection.exec_driver_sql("ROLLBACK TO member")
            connection.exec_driver_sql("RELEASE member")
            group.error = None
        except DBAPIError as error:
            group.error = error
        finally:
            self._finish()

    def _finish(self) -> None:
        """Give up the turn: to the next in line while the group may grow, else after its commit."""
        group = self._group
        with self._gate:
            if group.error is None and self._line and self._may_grow(group):
                self._give_up_turn()
                return
        self._group = _Group()
        try:
            self._settle(group)
        except BaseException as error:
            group.error = error
            self._discard_writer()
            if not isinstance(error, DBAPIError):
                raise
        finally:
            group.done.set()
            with self._gate:
                self._give_up_turn()

    def _settle(self, group: _Group) -> None:
        if group.error is not None:
            self._discard_writer()
        elif group.size:
            self._writing().exec_driver_sql("COMMIT")

    def _may_grow(self, group: _Group) -> bool:
        """Whether the first in line may join it."""
        keeps_waiting = group.is_awaited and self._line[0].gives_way
        return not keeps_waiting and group.size < GROUP_LIMIT and time.monotonic() < group.closes_at

    def _give_up_turn(self) -> None:
        """Give the turn to the first in line, while the gate is held."""
        if self._line:
            self._line.popleft().turn.set()
        else:
            self._is_taken = False

    def _writing(self) -> Connection:
        if self._writer is None:
            self._writer = self._connect()
            self._busy_timeout = 0
        return self._writer

    def _discard_writer(self) -> None:
        """Close the connection, which rolls back whatever it holds: after an error nothing else about it is certain."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()
            writer.close()
