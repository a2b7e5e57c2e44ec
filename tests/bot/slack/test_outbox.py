"""The outbox against a strict Slack: nothing lost, nothing twice, within the limits, the urgent first."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.slack.client import web_client
from bot.slack.outbox import CHANNEL_PAUSE, EDIT_PAUSE, Outbox
from bot.slack.store import (
    BELOW,
    CARD,
    DEAD,
    DECISIONS,
    DETAILS,
    HOME,
    PROGRESS,
    SENDING,
    TEXT,
    SlackMessage,
    SlackStore,
)
from infra.db import Database, DatabaseUnavailable, Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack

OTHER = "C02OTHER"


@dataclass
class Painter:
    """Paints the revision that is current when it is asked."""

    revision: int = 1
    broken: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    blocks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def paint(self, message: SlackMessage) -> Mapping[str, Any] | None:
        """`KEY rN`."""
        if message.key in self.broken:
            raise ZeroDivisionError
        if message.key in self.gone:
            return None
        text = message.text if message.kind == TEXT else f"{message.key} r{self.revision}"
        if message.kind == HOME:
            return {"view": {"type": "home", "blocks": [_section(text)]}}
        return {"text": text, "blocks": self.blocks.get(message.key, [_section(text)])}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


class Desk:
    """An outbox on a database, before a strict Slack, in a world whose clock the test moves."""

    def __init__(self, db: Database, clock: ManualClock, slack: StrictSlack) -> None:
        self.db, self.clock, self.slack = db, clock, slack
        self.store, self.painter = SlackStore(), Painter()
        self.counted: list[tuple[str, str]] = []
        self.outbox = self.reborn()

    def reborn(self) -> Outbox:
        """The outbox of a new process."""
        client = web_client(self.slack.identity.bot_token, self.slack.api_url, timeout=5)
        self.outbox = Outbox(
            self.db, self.store, client, self.painter, self.clock, fallback=self.channel,
            count=lambda method, outcome: self.counted.append((method, outcome)),
        )  # fmt: skip
        return self.outbox

    @property
    def channel(self) -> str:
        """The channel everybody is in."""
        return self.slack.identity.channel

    def want(self, key: str, *, kind: str = CARD, channel: str = "", lane: int = PROGRESS, **more: Any) -> None:
        """Want a message."""
        with self.db.transaction() as tx:
            wanted = {"subject": key, "channel": channel or self.channel, "now": self.clock(), "lane": lane}
            self.store.want(tx, key, kind=kind, **{**wanted, **more})

    def run(self, seconds: float = 0) -> None:
        """Let the outbox work for so long, as fast as the clock can be moved."""
        end = self.clock() + timedelta(seconds=seconds)
        while True:
            pause = self.outbox.pump()
            if pause == 0:
                continue
            if self.clock() + timedelta(seconds=pause) > end:
                self.clock.now = end
                self.outbox.pump()
                return
            self.clock.advance(max(pause, 0.05))

    def texts(self, channel: str = "") -> list[str]:
        """What stands in a channel."""
        return [message["text"] for message in self.slack.messages(channel)]

    def row(self, key: str) -> SlackMessage:
        """The row of a message."""
        from bot.slack.store import _message, message_table

        with self.db.reading() as connection:
            query = message_table.select().where(message_table.c.key == key)
            return _message(connection.execute(query).mappings().one())


@pytest.fixture
def desk(sqlite_database: Database, clock: ManualClock) -> Iterator[Desk]:
    """A desk on SQLite."""
    with StrictSlack(clock) as slack:
        yield Desk(sqlite_database, clock, slack)


def test_a_card_is_posted_and_then_edited_in_place(desk: Desk) -> None:
    """The first wish posts, the next edits the same message, and the key stands in its first block."""
    desk.want("card:1")
    desk.run()
    desk.painter.revision = 2
    desk.want("card:1")
    desk.run(3)

    assert desk.texts() == ["card:1 r2"]
    assert desk.slack.messages()[0]["blocks"][0]["block_id"] == "card:1"
    assert len(desk.slack.called("chat.postMessage")) == 1


def test_nothing_in_a_message_is_parsed_for_names_or_links(desk: Desk) -> None:
    """Posts and edits tell Slack to leave names and links alone."""
    desk.want("card:1")
    desk.run()
    desk.want("card:1")
    desk.run(3)

    for method in ("chat.postMessage", "chat.update"):
        [call] = desk.slack.called(method)
        assert (call["parse"], call["link_names"]) == ("none", False)
    assert desk.slack.called("chat.postMessage")[0]["unfurl_links"] is False


def test_edits_are_coalesced(desk: Desk) -> None:
    """A hundred wishes within a second are one edit, and it shows the latest state."""
    desk.want("card:1")
    desk.run()
    for revision in range(2, 102):
        desk.painter.revision = revision
        desk.want("card:1")
        desk.outbox.pump()
    desk.run(5)

    assert desk.texts() == ["card:1 r101"]
    assert len(desk.slack.called("chat.update")) == 1


def test_a_decision_does_not_wait_for_the_pause_between_edits(desk: Desk) -> None:
    """Progress waits until a card may be edited again; a decision is shown at once."""
    desk.want("card:1")
    desk.run()
    desk.want("card:1", lane=PROGRESS)
    assert desk.outbox.pump() == pytest.approx(EDIT_PAUSE.total_seconds(), abs=0.1)
    desk.painter.revision = 2
    desk.want("card:1", lane=DECISIONS)
    desk.outbox.pump()

    assert desk.texts() == ["card:1 r2"]


def test_a_wish_made_while_a_message_is_on_its_way_is_kept_with_its_urgency(desk: Desk) -> None:
    """What is wanted between mark and answer is sent next, and a decision of it at once."""
    desk.want("card:1")
    desk.run()
    answer = desk.slack.upstream._methods["chat.update"]

    def meanwhile(arguments: Mapping[str, Any]) -> dict[str, Any]:
        desk.slack.upstream._methods = {**desk.slack.upstream._methods, "chat.update": answer}
        desk.painter.revision = 3
        desk.want("card:1", lane=DECISIONS)
        return answer(arguments)

    desk.slack.upstream._methods = {**desk.slack.upstream._methods, "chat.update": meanwhile}
    desk.clock.advance(5)
    desk.painter.revision = 2
    desk.want("card:1", lane=PROGRESS)
    desk.outbox.pump()

    assert desk.texts() == ["card:1 r3"]


def test_the_urgent_goes_first(desk: Desk) -> None:
    """Within a channel decisions are posted before progress, and details last."""
    for lane, key in ((DETAILS, "d"), (PROGRESS, "p"), (DECISIONS, "a")):
        desk.want(key, lane=lane)
    desk.run()

    assert desk.texts() == ["a r1", "p r1", "d r1"]


def test_a_full_channel_does_not_hold_up_decisions(desk: Desk) -> None:
    """A storm of three hundred cards in one channel delays neither another channel nor the edit of a card."""
    desk.want("card:0")
    desk.run()
    for number in range(1, 300):
        desk.want(f"card:{number}", lane=DECISIONS)
    desk.outbox.pump()
    desk.painter.revision = 2
    desk.want("card:0", lane=DECISIONS)
    desk.want("other", channel=OTHER, lane=DECISIONS)
    desk.run(1)

    assert "card:0 r2" in desk.texts()
    assert desk.texts(OTHER) == ["other r2"]
    assert len(desk.texts()) < 10


def test_the_budgets_keep_slack_content(desk: Desk) -> None:
    """Posts, edits and homes by the dozen never meet Slack's own limits."""
    for number in range(30):
        desk.want(f"card:{number}")
        desk.want(f"home:U{number}", kind=HOME)
    for _ in range(6):
        for number in range(30):
            desk.want(f"card:{number}")
        desk.run(25)

    assert {outcome for _, outcome in desk.counted} == {"ok"}
    assert len(desk.texts()) == 30
    assert len(desk.slack.called("chat.update")) > 50


def test_retry_after_is_honoured(desk: Desk) -> None:
    """After a 429 nothing of that method is tried before the time Slack named, and the message loses no patience."""
    desk.slack.trouble("chat.postMessage", retry_after="7")
    desk.want("card:1")
    desk.run(6)
    assert desk.texts() == []
    assert len(desk.slack.called("chat.postMessage")) == 1

    desk.run(2)

    assert desk.texts() == ["card:1 r1"]
    assert desk.counted[0] == ("chat.postMessage", "ratelimited")


def test_a_retry_after_that_is_no_number_is_a_second(desk: Desk) -> None:
    """Junk in Retry-After breaks nothing."""
    desk.slack.trouble("chat.postMessage", retry_after="soon")
    desk.want("card:1")
    desk.run(2)

    assert desk.texts() == ["card:1 r1"]


@pytest.mark.parametrize("kind", [{"cut": "after"}, {"status": 502}, {"error": "internal_error"}])
def test_a_post_whose_answer_was_lost_is_found(desk: Desk, kind: dict[str, Any]) -> None:
    """Where the post stands there although no sound answer came, it is not posted again."""
    if "cut" not in kind:
        desk.slack.upstream.answer(
            "chat.postMessage",
            desk.slack.identity.bot_token,
            {"channel": desk.channel, "text": "card:1 r1", "blocks": [{**_section("x"), "block_id": "card:1"}]},
        )
    desk.slack.trouble("chat.postMessage", **kind)
    desk.want("card:1")
    desk.run(10)

    assert desk.texts() == ["card:1 r1"]
    assert len(desk.slack.called("chat.postMessage")) == 1
    assert desk.row("card:1").ts == desk.slack.messages()[0]["ts"]


def test_a_lost_post_that_does_not_stand_there_is_posted(desk: Desk) -> None:
    """Where the connection broke before Slack had it, the look finds nothing and it is posted once."""
    desk.slack.trouble("chat.postMessage", cut="before")
    desk.want("card:1")
    desk.run(10)

    assert desk.texts() == ["card:1 r1"]
    assert desk.slack.called("conversations.history") != []


def test_it_is_not_posted_while_it_cannot_be_looked_for(desk: Desk) -> None:
    """As long as Slack does not answer the look, the lost post is not repeated."""
    desk.slack.trouble("chat.postMessage", cut="after")
    desk.slack.trouble("conversations.history", cut="before", times=4)
    desk.want("card:1")
    desk.run(60)

    assert desk.texts() == ["card:1 r1"]
    assert len(desk.slack.called("chat.postMessage")) == 1


def test_without_the_scope_to_look_a_lost_post_is_posted_again(desk: Desk) -> None:
    """A card without its buttons would be worse than two cards."""
    desk.slack.scopes.discard("channels:history")
    desk.slack.trouble("chat.postMessage", cut="before")
    desk.want("card:1")
    desk.run(10)

    assert desk.texts() == ["card:1 r1"]


def test_another_message_that_names_the_execution_is_not_taken_for_its_card(desk: Desk) -> None:
    """Only the key in the first block counts, not words that look alike."""
    desk.want("notice", kind=TEXT, text="Started: card:1")
    desk.run()
    desk.slack.trouble("chat.postMessage", cut="before")
    desk.want("card:1")
    desk.run(10)

    assert desk.texts() == ["Started: card:1", "card:1 r1"]


def test_a_detail_whose_answer_was_lost_is_looked_for_in_its_thread(desk: Desk) -> None:
    """What is said below a card is not said twice either."""
    desk.want("card:1")
    desk.run()
    desk.slack.trouble("chat.postMessage", cut="after")
    desk.want("detail:1", kind=TEXT, text="stopped it", thread_key="card:1")
    desk.run(10)

    assert desk.texts() == ["card:1 r1", "stopped it"]
    assert desk.slack.called("conversations.replies")[0]["ts"] == desk.slack.messages()[0]["ts"]


def test_slack_is_down_for_a_minute(desk: Desk) -> None:
    """Nothing is lost, nothing is posted twice, and the cards catch up within seconds."""
    desk.want("card:0")
    desk.run()
    desk.slack.trouble("*", cut="before", times=1000)
    for number in range(1, 4):
        desk.want(f"card:{number}")
    desk.want("detail:1", kind=TEXT, text="a detail", thread_key="card:1", lane=DETAILS)
    desk.painter.revision = 2
    desk.want("card:0", lane=DECISIONS)
    desk.run(60)
    tried = len(desk.slack.calls)
    assert desk.texts() == ["card:0 r1"]

    desk.slack._troubles.clear()
    desk.run(20)

    assert tried < 20
    assert sorted(desk.texts()) == ["a detail", "card:0 r2", "card:1 r2", "card:2 r2", "card:3 r2"]


def test_where_no_connection_is_made_nothing_needs_to_be_looked_for(desk: Desk) -> None:
    """A refused connection cannot have posted anything: the post is simply tried again."""
    desk.outbox._clients.client("").base_url = "http://127.0.0.1:1/api/"
    desk.want("card:1")
    desk.run(3)
    desk.outbox._clients.client("").base_url = desk.slack.api_url
    desk.run(10)

    assert desk.texts() == ["card:1 r1"]
    assert desk.slack.called("conversations.history") == []


@pytest.mark.parametrize("stands", [True, False])
def test_a_crash_between_mark_and_answer(desk: Desk, *, stands: bool) -> None:
    """The next process finds out whether the post stands there before it posts, and paints what is true now."""
    desk.want("card:1")
    with desk.db.transaction() as tx:
        assert desk.store.sending(tx, desk.row("card:1"))
    if stands:
        block = {**_section("card:1 r1"), "block_id": "card:1"}
        arguments = {"channel": desk.channel, "text": "card:1 r1", "blocks": [block]}
        desk.slack.upstream.answer("chat.postMessage", desk.slack.identity.bot_token, arguments)
    desk.painter.revision = 2

    desk.reborn().recover()
    desk.run(10)

    assert desk.texts() == ["card:1 r2"]
    assert len(desk.slack.called("chat.postMessage")) == (0 if stands else 1)


def test_the_answer_is_written_down_when_the_database_comes_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that goes away between post and answer costs neither the place of the card nor a second post."""
    transaction = desk.db.transaction
    is_away = False

    @contextmanager
    def flaky() -> Iterator[Transaction]:
        if is_away:
            raise DatabaseUnavailable("gone")
        with transaction() as tx:
            yield tx

    post = desk.slack.upstream._methods["chat.postMessage"]

    def posting(arguments: Mapping[str, Any]) -> dict[str, Any]:
        nonlocal is_away
        is_away = True
        return post(arguments)

    desk.slack.upstream._methods = {**desk.slack.upstream._methods, "chat.postMessage": posting}
    desk.want("card:1")
    monkeypatch.setattr(desk.db, "transaction", flaky)
    with pytest.raises(DatabaseUnavailable):
        desk.outbox.pump()
    with pytest.raises(DatabaseUnavailable):
        desk.outbox.pump()
    is_away = False
    desk.run(5)

    assert desk.texts() == ["card:1 r1"]
    assert desk.row("card:1").ts
    assert desk.row("card:1").state != SENDING


def test_a_deleted_card_is_posted_anew_and_details_follow_it(desk: Desk) -> None:
    """Somebody deletes the card: the next edit posts it again, and its thread goes on below the new one."""
    desk.want("card:1")
    desk.run()
    old = desk.slack.messages()[0]["ts"]
    desk.slack.delete(old)
    desk.want("card:1")
    desk.run(5)
    desk.want("detail:1", kind=TEXT, text="a detail", thread_key="card:1")
    desk.run(5)

    card, detail = desk.slack.messages()
    assert card["ts"] != old
    assert detail["thread_ts"] == card["ts"]


def test_a_detail_of_a_deleted_thread_brings_the_card_back(desk: Desk) -> None:
    """What cannot be said below a deleted card is said below its successor."""
    desk.want("card:1")
    desk.run()
    desk.slack.delete(desk.slack.messages()[0]["ts"])
    desk.want("detail:1", kind=TEXT, text="a detail", thread_key="card:1")
    desk.run(10)

    assert desk.texts() == ["card:1 r1", "a detail"]


@pytest.mark.parametrize("why", ["archived", "not_in"])
def test_a_channel_that_cannot_be_written_to_has_a_fallback(desk: Desk, why: str) -> None:
    """A card for an archived channel, or one the bot is not in, stands in the bot's own channel, its thread too."""
    getattr(desk.slack, why).add(OTHER)
    desk.want("card:1", channel=OTHER)
    desk.want("detail:1", kind=TEXT, text="a detail", channel=OTHER, thread_key="card:1", lane=DETAILS)
    desk.run(5)

    assert desk.texts() == ["card:1 r1", "a detail"]


def test_a_card_whose_channel_is_archived_later_moves(desk: Desk) -> None:
    """An edit that meets an archived channel posts the card where people can see it."""
    desk.want("card:1", channel=OTHER)
    desk.run()
    desk.slack.archived.add(OTHER)
    desk.want("card:1", channel=OTHER)
    desk.run(5)

    assert desk.texts() == ["card:1 r1"]


def test_without_any_channel_a_card_waits_until_the_bot_is_invited(desk: Desk) -> None:
    """Nowhere to go is no reason to forget a card: it is tried again every few minutes."""
    desk.slack.not_in.add(desk.channel)
    desk.want("card:1")
    desk.run(60)
    assert len(desk.slack.called("chat.postMessage")) == 1
    desk.slack.not_in.clear()

    desk.run(CHANNEL_PAUSE.total_seconds())

    assert desk.texts() == ["card:1 r1"]


def test_blocks_that_slack_does_not_take_leave_the_text(desk: Desk) -> None:
    """A message too rich for Slack is shown as its one line rather than not at all."""
    desk.painter.blocks["card:1"] = [{"type": "hologram"}]
    desk.want("card:1")
    desk.run(5)

    [message] = desk.slack.messages()
    assert message["text"] == "card:1 r1"
    assert not message.get("blocks")


def test_a_message_that_cannot_be_rendered_silences_no_other(desk: Desk) -> None:
    """The defect of one message delays it alone; it is tried again and given up in the end."""
    desk.painter.broken.add("card:1")
    desk.want("card:1", lane=DECISIONS)
    desk.want("card:2")
    desk.run(30)
    assert desk.texts() == ["card:2 r1"]

    desk.run(600)
    assert desk.row("card:1").state == DEAD
    desk.painter.broken.clear()
    desk.want("card:1")
    desk.run(5)

    assert desk.texts() == ["card:2 r1", "card:1 r1"]


def test_a_token_that_is_not_accepted_loses_nothing(desk: Desk) -> None:
    """With a revoked token everything waits, quietly, until it is mended."""
    desk.slack.trouble("*", error="token_revoked", times=3)
    desk.want("card:1")
    desk.want("card:2")
    desk.run(29)
    assert len(desk.slack.calls) == 1

    desk.run(90)

    assert desk.texts() == ["card:1 r1", "card:2 r1"]


def test_what_has_nothing_to_show_is_dropped_with_its_details(desk: Desk) -> None:
    """A card whose subject is gone is not posted, and what waited below it does not wait for ever."""
    desk.painter.gone.add("card:1")
    desk.want("card:1")
    desk.want("detail:1", kind=TEXT, text="a detail", thread_key="card:1", lane=DETAILS)
    desk.run(5)

    assert desk.texts() == []
    assert (desk.row("card:1").state, desk.row("detail:1").state) == (DEAD, DEAD)


def test_details_that_wait_for_their_card_cost_nothing(desk: Desk) -> None:
    """While a card cannot be posted, the details below it are not looked at again and again."""
    desk.slack.not_in.add(desk.channel)
    desk.want("card:1")
    for number in range(50):
        desk.want(f"detail:{number}", kind=TEXT, text="x", thread_key="card:1", lane=DETAILS)
    desk.run(5)

    assert len(desk.slack.calls) == 1
    assert desk.outbox.pump() == 30.0


def test_an_answer_to_a_mention_stands_in_its_thread(desk: Desk) -> None:
    """A text may answer somebody else's message."""
    desk.want("mention:1", kind=TEXT, text="help", thread_key=f"{BELOW}9000.1")
    desk.run()

    assert desk.slack.messages()[0]["thread_ts"] == "9000.1"


def test_a_home_is_published(desk: Desk) -> None:
    """A home goes to its person by views.publish, as often as it is wanted."""
    desk.want("home:U1", kind=HOME, subject="U1", channel="U1")
    desk.run()
    desk.want("home:U1", kind=HOME, subject="U1", channel="U1")
    desk.run(3)

    assert [call["user_id"] for call in desk.slack.called("views.publish")] == ["U1", "U1"]


def test_a_home_that_slack_refuses_is_not_tried_for_ever(desk: Desk) -> None:
    """Whoever opens the home again gets it anew."""
    desk.slack.trouble("views.publish", error="not_enabled")
    desk.want("home:U1", kind=HOME, subject="U1", channel="U1")
    desk.run(30)
    assert len(desk.slack.called("views.publish")) == 1
    desk.want("home:U1", kind=HOME, subject="U1", channel="U1")
    desk.run()

    assert len(desk.slack.called("views.publish")) == 2
