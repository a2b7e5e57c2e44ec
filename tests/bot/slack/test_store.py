"""The rows of the outbox, on SQLite and on PostgreSQL."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.slack.request_store import is_new_request
from bot.slack.store import (
    BELOW,
    CARD,
    DEAD,
    DECISIONS,
    DETAILS,
    DOUBTFUL,
    FAILURES,
    HELD,
    HOME,
    PROGRESS,
    SENDING,
    SENT,
    TEXT,
    WANTED,
    SlackMessage,
    SlackStore,
    _message,
    message_table,
)
from infra.db import Database
from tests.fakes.clock import NIGHT

KEEP = timedelta(minutes=15)
PAUSE = timedelta(seconds=10)


class Rows:
    """A store, and short words for what is done with it."""

    def __init__(self, db: Database) -> None:
        self.db, self.store = db, SlackStore()

    def want(self, key: str, **fields: Any) -> None:
        """Want a message."""
        usual = {"kind": CARD, "subject": key, "channel": "C1", "now": NIGHT, **fields}
        with self.db.transaction() as tx:
            self.store.want(tx, key, **usual)

    def row(self, key: str) -> SlackMessage:
        """The row as it is."""
        with self.db.reading() as connection:
            query = message_table.select().where(message_table.c.key == key)
            return _message(connection.execute(query).mappings().one())

    def heads(self, now: datetime = NIGHT) -> list[str]:
        """Keys that may be sent now."""
        with self.db.reading() as connection:
            return [message.key for message in self.store.heads(connection, now)]

    def take(self, key: str) -> SlackMessage:
        """Mark a message as on its way; returns it as it was before."""
        message = self.row(key)
        with self.db.transaction() as tx:
            assert self.store.sending(tx, message)
        return message

    def sent(self, message: SlackMessage, *, ts: str = "1.1") -> None:
        """It stands there."""
        with self.db.transaction() as tx:
            self.store.sent(tx, message, channel=message.channel, ts=ts, now=NIGHT, pause=PAUSE)

    def post(self, key: str, **fields: Any) -> None:
        """Want it, and let it stand there."""
        self.want(key, **fields)
        self.sent(self.take(key), ts=f"{key}.ts")


@pytest.fixture
def rows(database: Database) -> Rows:
    """Rows on both databases."""
    return Rows(database)


def test_wanting_again_repaints_and_raises_the_urgency(rows: Rows) -> None:
    """A wish that is repeated is one row, as urgent as its most urgent wish."""
    rows.want("a", lane=PROGRESS)
    rows.want("a", lane=DECISIONS)
    rows.want("a", lane=DETAILS)

    row = rows.row("a")
    assert (row.wanted, row.lane, row.state) == (3, DECISIONS, WANTED)


def test_a_text_is_said_once(rows: Rows) -> None:
    """Repeating a wish for a text changes nothing, whatever became of it."""
    rows.post("a", kind=TEXT, text="one")
    rows.want("a", kind=TEXT, text="two")

    assert (rows.row("a").text, rows.row("a").state) == ("one", SENT)


def test_each_road_has_its_own_head(rows: Rows) -> None:
    """Edits, homes and the posts of each channel wait in lines of their own, the urgent first."""
    rows.post("edited")
    rows.want("edited", lane=FAILURES)
    rows.want("home", kind=HOME, channel="U1")
    rows.want("late", lane=DETAILS)
    rows.want("soon", lane=DECISIONS)
    rows.want("other", channel="C2", lane=PROGRESS)

    assert rows.heads() == ["soon", "edited", "home", "other"]


def test_what_waits_for_its_parent_is_no_head(rows: Rows) -> None:
    """A detail is ready when its card stands; an answer below somebody else's message at once."""
    rows.want("card")
    rows.want("detail", kind=TEXT, thread_key="card", channel="C2")
    rows.want("answer", kind=TEXT, thread_key=f"{BELOW}9.9", channel="C3")
    assert sorted(rows.heads()) == ["answer", "card"]
    rows.sent(rows.take("card"))

    assert sorted(rows.heads()) == ["answer", "detail"]


def test_only_one_process_takes_a_message(rows: Rows) -> None:
    """Whoever comes second, or saw an older wish, takes nothing."""
    rows.want("a")
    seen = rows.row("a")
    rows.want("a")
    with rows.db.transaction() as tx:
        assert not rows.store.sending(tx, seen)
    rows.take("a")
    with rows.db.transaction() as tx:
        assert not rows.store.sending(tx, rows.row("a"))


def test_what_is_wanted_on_the_way_is_sent_again(rows: Rows) -> None:
    """Progress after the pause between edits, a decision at once."""
    for lane, moment in ((PROGRESS, NIGHT + PAUSE), (DECISIONS, NIGHT)):
        key = f"a{lane}"
        rows.want(key, lane=DECISIONS)
        message = rows.take(key)
        rows.want(key, lane=lane)
        assert rows.row(key).state == SENDING
        rows.sent(message)

        row = rows.row(key)
        assert (row.state, row.lane, row.next_at, row.painted) == (WANTED, lane, moment, 1)


def test_a_decision_does_not_wait_for_the_pause_but_for_slack(rows: Rows) -> None:
    """After an edit it goes at once; after a refusal it waits as long as that says."""
    rows.post("a")
    rows.want("a", lane=PROGRESS)
    assert rows.row("a").next_at == NIGHT + PAUSE
    rows.want("a", lane=DECISIONS)
    assert rows.row("a").next_at == NIGHT
    message = rows.take("a")
    with rows.db.transaction() as tx:
        rows.store.postpone(tx, message, NIGHT + PAUSE)
    rows.want("a", lane=DECISIONS)

    row = rows.row("a")
    assert (row.next_at, row.attempts, row.lane) == (NIGHT + PAUSE, 1, DECISIONS)


def test_a_crash_leaves_posts_in_doubt_and_edits_wanted(rows: Rows) -> None:
    """A post may stand there already; an edit is simply repeated. Doubt survives being wanted again."""
    rows.post("edit")
    rows.want("edit", lane=DECISIONS)
    rows.want("post")
    rows.take("edit")
    rows.take("post")
    with rows.db.transaction() as tx:
        assert rows.store.take_up(tx) == 2
    rows.want("post")

    assert (rows.row("edit").state, rows.row("post").state) == (WANTED, DOUBTFUL)
    assert rows.heads() == ["edit", "post"]


def test_a_dead_card_lives_again_when_something_happens(rows: Rows) -> None:
    """What was given up is tried anew with the next event, its patience restored."""
    rows.want("a")
    with rows.db.transaction() as tx:
        rows.store.postpone(tx, rows.row("a"), NIGHT + PAUSE)
        rows.store.give_up(tx, rows.row("a"), "not_in_channel")
    assert rows.row("a").state == DEAD
    rows.want("a")

    assert (rows.row("a").state, rows.row("a").attempts, rows.row("a").next_at) == (WANTED, 0, NIGHT)


def test_what_waits_below_a_card_dies_with_it(rows: Rows) -> None:
    """Unless the card stands: then what is below it does, too."""
    rows.want("a")
    rows.want("a-detail", kind=TEXT, thread_key="a")
    rows.post("b")
    rows.want("b-detail", kind=TEXT, thread_key="b")
    with rows.db.transaction() as tx:
        rows.store.give_up(tx, rows.row("a"), "gone")
        rows.store.give_up(tx, rows.row("b"), "gone")

    assert (rows.row("a-detail").state, rows.row("b-detail").state) == (DEAD, WANTED)


def test_a_held_card_is_silent_until_it_is_released(rows: Rows) -> None:
    """Whatever happens to a child execution is counted and not shown."""
    with rows.db.transaction() as tx:
        rows.store.hold(tx, "a", subject="a", channel="C1", now=NIGHT)
    rows.want("a", lane=DECISIONS)
    assert (rows.heads(), rows.row("a").state) == ([], HELD)
    with rows.db.transaction() as tx:
        assert rows.store.known(tx, ["a"]) == []
        rows.store.release(tx, "a")
        assert rows.store.known(tx, ["a"]) == ["a"]

    assert rows.heads() == ["a"]


def test_a_card_can_move(rows: Rows) -> None:
    """To another channel, or to a new place in its own."""
    rows.post("a")
    with rows.db.transaction() as tx:
        rows.store.move(tx, rows.row("a"), "C2", NIGHT)
    assert (rows.row("a").channel, rows.row("a").ts, rows.row("a").state) == ("C2", "", WANTED)
    rows.post("b")
    with rows.db.transaction() as tx:
        rows.store.repost(tx, "b", NIGHT)

    assert (rows.row("b").channel, rows.row("b").ts, rows.row("b").state) == ("C1", "", WANTED)


def test_places_are_told(rows: Rows) -> None:
    """Where messages stand, for links and threads."""
    rows.post("a")
    rows.want("b")
    with rows.db.reading() as connection:
        assert rows.store.place(connection, "a") == ("C1", "a.ts")
        assert rows.store.place(connection, "b") is None
        assert rows.store.places(connection, ["a", "b", "c"]) == {"a": ("C1", "a.ts")}
        assert rows.store.depths(connection) == {CARD: 1}
    with rows.db.transaction() as tx:
        assert (rows.store.channel_of(tx, "b"), rows.store.channel_of(tx, "c")) == ("C1", "")
        assert (rows.store.state(tx, "b"), rows.store.state(tx, "c")) == (WANTED, "")
        assert rows.store.known(tx, []) == []


def test_the_next_moment_is_the_next_that_can_be(rows: Rows) -> None:
    """What waits for its card does not wake anybody."""
    rows.want("a", now=NIGHT + PAUSE)
    rows.want("a-detail", kind=TEXT, thread_key="a", now=NIGHT + timedelta(seconds=1))
    with rows.db.reading() as connection:
        assert rows.store.next_moment(connection, NIGHT) == NIGHT + PAUSE
        assert rows.store.next_moment(connection, NIGHT + PAUSE) is None


def test_a_request_is_new_once(rows: Rows) -> None:
    """The second time it is known; after a while it is forgotten."""
    with rows.db.transaction() as tx:
        assert is_new_request(tx, "f1", NIGHT, KEEP)
        assert not is_new_request(tx, "f1", NIGHT, KEEP)
        assert is_new_request(tx, "f2", NIGHT, KEEP)
    with rows.db.transaction() as tx:
        assert is_new_request(tx, "01", NIGHT + 2 * KEEP, KEEP)
        assert is_new_request(tx, "f1", NIGHT + 2 * KEEP, KEEP)
