"""What a person's request costs: how often the database is read and written before the acknowledgement."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.bot.slack.rig import Rig

MOST_READ = 4
"""The question, its run, the big pause; and who has said since that they are away."""
MOST_WRITTEN = 6
"""The run and the question, locked; the question, changed; the chain's head, the event, the head again."""


@dataclass
class Cost:
    """Statements of each kind of block, in order, and how many blocks there were."""

    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)


@contextmanager
def counted(bot: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cost]:
    """What the block costs on its thread."""
    cost, db = Cost(), bot.service.db
    inside: list[str] = []

    def noted(name: str, original: Any) -> Any:
        @contextmanager
        def block(**way: bool) -> Iterator[Any]:
            cost.blocks.append(name)
            inside.append(name)
            with original(**way) as found:
                yield found
            inside.pop()

        return block

    def count(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.split(maxsplit=1)[0] in ("SELECT", "INSERT", "UPDATE", "DELETE") and inside:
            (cost.writes if inside[-1] == "transaction" else cost.reads).append(statement)

    with monkeypatch.context() as patch:
        patch.setattr(db, "transaction", noted("transaction", db.transaction))
        patch.setattr(db, "reading", noted("reading", db.reading))
        event.listen(Engine, "before_cursor_execute", count)
        yield cost
        event.remove(Engine, "before_cursor_execute", count)


def test_an_approving_click_looks_and_writes_once(rig_anywhere: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever clicks waits for every statement: there are few, and one commit."""
    bot = rig_anywhere
    bot.started()
    value = bot.buttons()["approve"]
    with counted(bot, monkeypatch) as cost:
        bot.click("approve", value, bot.sam)

    assert cost.blocks == ["reading", "reading", "transaction"]
    assert len(cost.reads) <= MOST_READ, cost.reads
    assert len(cost.writes) <= MOST_WRITTEN, cost.writes
    assert bot.newest().approvals[0].status == "Approved"


def test_a_refused_click_is_as_cheap(rig_anywhere: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noted, in one transaction, too."""
    bot = rig_anywhere
    bot.started()
    value = bot.buttons()["approve"]
    with counted(bot, monkeypatch) as cost:
        bot.click("approve", value, bot.lee)

    assert cost.blocks == ["reading", "reading", "transaction"]
    assert len(cost.reads) <= MOST_READ, cost.reads
    assert len(cost.writes) <= MOST_WRITTEN, cost.writes


def test_a_command_that_only_tells_writes_nothing(rig_anywhere: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """And reads what runs and where its cards stand, once each."""
    bot = rig_anywhere
    bot.started()
    with counted(bot, monkeypatch) as cost:
        bot.command("status")

    assert cost.writes == []
    assert len(cost.reads) <= 2, cost.reads
