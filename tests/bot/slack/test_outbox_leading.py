"""Outboxes of several processes: one sends, and who led before can neither post nor write any more."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.slack.outbox import _NotLeading
from bot.slack.store import SENDING, SENT, SlackMessage
from infra.db import Database, DatabaseUnavailable
from infra.leadership import Leadership
from tests.bot.slack.test_outbox import Desk, Painter
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack


class Pair:
    """Two processes on one database, before one Slack; `one` leads."""

    def __init__(self, db: Database, clock: ManualClock, slack: StrictSlack) -> None:
        self.one, self.other = Desk(db, clock, slack), Desk(db, clock, slack)
        self.clock = clock
        self.leads = [Leadership(db, "outbox", clock, holder=name) for name in ("one", "other")]
        self.one.outbox.led_by(self.leads[0])
        self.other.outbox.led_by(self.leads[1])
        assert self.leads[0].acquire()

    def taken_over(self) -> None:
        """The first one was stopped for longer than its lease; it has not noticed."""
        self.clock.advance(60)
        assert self.leads[1].acquire()
        self.other.outbox.recover()
        self.other.run(10)


@pytest.fixture
def pair(database: Database, clock: ManualClock) -> Iterator[Pair]:
    """Two outboxes."""
    with StrictSlack(clock) as slack:
        yield Pair(database, clock, slack)


def test_one_that_wakes_after_its_lease_sends_nothing(pair: Pair) -> None:
    """It has read what is to be sent before it was stopped; its successor sends it, once."""
    pair.one.want("card:1")

    class Slow(Painter):
        """Stopped while it paints."""

        def paint(self, message: SlackMessage) -> Mapping[str, Any] | None:
            """The other takes over meanwhile."""
            pair.taken_over()
            return super().paint(message)

    pair.one.outbox._painter = Slow()

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    assert pair.one.texts() == ["card:1 r1"]
    assert len(pair.one.slack.called("chat.postMessage")) == 1
    assert pair.one.row("card:1").state == SENT


def test_one_that_wakes_between_mark_and_call_does_not_call(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message was marked, so its successor has looked for it and posted it; the mark alone is no right to post."""
    pair.one.want("card:1")
    real = pair.one.outbox._attempt

    def stopped(*arguments: Any) -> None:
        assert pair.one.row("card:1").state == SENDING
        pair.taken_over()
        pair.leads[0]._valid_until = 0.0  # its own clock has gone on while it stood still
        real(*arguments)

    monkeypatch.setattr(pair.one.outbox, "_attempt", stopped)

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    assert len(pair.one.slack.called("chat.postMessage")) == 1


def test_an_answer_that_comes_after_the_lease_changes_no_row(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The post stands there; the successor has found it by its key, and what it knows stays."""
    pair.one.want("card:1")
    real = pair.one.outbox._call

    def stopped(*arguments: Any) -> Any:
        answer = real(*arguments)
        pair.taken_over()
        return answer

    monkeypatch.setattr(pair.one.outbox, "_call", stopped)

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    before = pair.other.row("card:1")
    pair.other.want("card:1")
    pair.other.run(10)
    assert before.state == SENT
    assert pair.one.texts() == ["card:1 r1"]
    assert len(pair.one.slack.called("chat.postMessage")) == 1
    assert pair.other.row("card:1").ts == before.ts


def test_a_successor_waits_for_a_call_that_is_on_its_way(pair: Pair) -> None:
    """What the one before had marked is looked for after a moment, not at once: its last call may still arrive."""
    pair.one.want("card:1")
    with pair.one.db.transaction() as tx:
        assert pair.one.store.sending(tx, pair.one.row("card:1"))
    pair.clock.advance(60)
    pair.leads[1].acquire()
    pair.other.outbox.recover()
    pair.other.outbox.pump()
    assert pair.other.texts() == []
    pair.other.run(3)

    assert pair.other.texts() == ["card:1 r1"]


def _stopped_on_the_way(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process stands still after its last look at the lease, before its call leaves the machine."""
    real = pair.one.outbox._call

    def stopped(*arguments: Any) -> Any:
        pair.taken_over()
        return real(*arguments)

    monkeypatch.setattr(pair.one.outbox, "_call", stopped)


def test_a_post_that_leaves_too_late_is_taken_away_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing at Slack fences a call: the second card stands there for a moment, and the first one counts."""
    pair.one.want("card:1")
    _stopped_on_the_way(pair, monkeypatch)

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    assert pair.one.texts() == ["card:1 r1", "card:1 r1"]
    counts = pair.other.row("card:1").ts
    pair.other.run(10)

    assert [message["ts"] for message in pair.other.slack.messages()] == [counts]
    assert pair.other.row("card:1").ts == counts


def test_an_edit_that_leaves_too_late_is_painted_over(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The successor has shown the end of it already; buttons of before do not stay on the card."""
    pair.one.want("card:1")
    pair.one.run(3)
    pair.other.painter.revision = 2
    pair.one.want("card:1")
    _stopped_on_the_way(pair, monkeypatch)

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    assert pair.one.texts() == ["card:1 r1"]
    pair.other.run(10)

    assert pair.other.texts() == ["card:1 r2"]


def test_a_late_post_that_is_found_first_is_the_one_that_counts(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """It left late, but before its successor had looked: it stays, and nothing else is posted."""
    pair.one.want("card:1")
    real = pair.one.outbox._call

    def stopped(*arguments: Any) -> Any:
        pair.clock.advance(60)
        assert pair.leads[1].acquire()
        pair.other.outbox.recover()
        return real(*arguments)

    monkeypatch.setattr(pair.one.outbox, "_call", stopped)

    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    pair.other.run(10)

    assert [message["ts"] for message in pair.other.slack.messages()] == [pair.other.row("card:1").ts]
    assert len(pair.other.slack.called("chat.postMessage")) == 1
    assert not pair.other.slack.called("chat.delete")


@pytest.mark.parametrize("code", ["message_not_found", "channel_not_found"])
def test_a_late_post_that_is_gone_already_is_left_at_that(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Somebody was quicker, or the channel is closed: nothing is posted anew for it, here or elsewhere."""
    pair.one.want("card:1")
    _stopped_on_the_way(pair, monkeypatch)
    with pytest.raises(_NotLeading):
        pair.one.outbox.pump()
    pair.other.slack.trouble("chat.delete", error=code)
    pair.other.run(60)

    assert len(pair.other.slack.called("chat.delete")) == 1
    assert len(pair.other.slack.called("chat.postMessage")) == 2


def test_a_late_answer_is_written_down_when_the_database_is_back(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wakes finds its connections closed, too: what it has done is not forgotten with its loop."""
    pair.one.want("card:1")
    _stopped_on_the_way(pair, monkeypatch)
    stop, real = threading.Event(), pair.one.outbox._save_results

    def away() -> None:
        if pair.one.texts() and not stop.is_set():
            stop.set()
            raise DatabaseUnavailable("away")
        real()

    monkeypatch.setattr(pair.one.outbox, "_save_results", away)
    pair.one.outbox.run(stop)
    pair.other.run(10)

    assert [message["ts"] for message in pair.other.slack.messages()] == [pair.other.row("card:1").ts]
