"""Two bots on one database, each with a socket of its own: what comes to both counts once and is told once."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from bot.slack.blocks.card import APPROVE
from bot.slack.blocks.controls import RUN_STEP
from infra.db import Database
from tests.bot.slack.rig import Rig, library
from tests.fakes.strict_slack import StrictSlack


@pytest.fixture
def both(slack: StrictSlack, database: Database, tmp_path: Path) -> Iterator[tuple[Rig, Rig]]:
    """Two processes' parts, on SQLite and on PostgreSQL."""
    url, folder = database.url.render_as_string(hide_password=False), library(tmp_path)
    one, other = Rig(slack, url, folder), Rig(slack, url, folder)
    yield one, other
    one.close()
    other.close()


def test_one_command_on_two_sockets_starts_one_run(both: tuple[Rig, Rig]) -> None:
    """Slack sends what nobody acknowledged in time to another socket."""
    one, other = both
    body = urlencode(one.command_fields("run restart i-0abc")).encode()
    first, second = one.post(body), other.post(body)
    one.settle()

    assert "Started" in first.text
    assert second.text == "This request was seen before; nothing was done again."
    assert one.count() == other.count() == 1


def test_one_click_on_two_sockets_is_one_decision(both: tuple[Rig, Rig]) -> None:
    """The second process answers that it was seen; card and thread tell it once."""
    one, other = both
    one.started()
    one.clock_on()
    payload = one.click_payload(APPROVE, one.buttons()[APPROVE], one.sam)
    one.interact(payload)
    other.interact(payload)
    for rig in both:
        rig.settle()
        rig.clock_on()
        rig.settle()

    assert one.newest().status == "Success"
    assert one.events().count("approval.decided") == 1
    cards = [each for each in one.slack.messages() if not each.get("thread_ts")]
    assert len(cards) == 1
    told = [each for each in one.slack.messages() if "approved" in str(each.get("text"))]
    assert len(told) <= 1


def test_one_step_is_started_once(both: tuple[Rig, Rig]) -> None:
    """Two people press *Run* in the same moment, and each bot hears one of them."""
    one, other = both
    one.started("run pausing --step")
    value = one.buttons()[RUN_STEP]
    one.click(RUN_STEP, value)
    other.click(RUN_STEP, value, one.sam)
    one.settle()

    assert one.events().count("step.started") == 1
    assert "nothing was done" in other.whispers()[-1]


def test_who_comes_too_late_is_not_told_off_in_the_thread(both: tuple[Rig, Rig]) -> None:
    """The late click is answered in private and noted; the thread is for those who were not allowed to."""
    one, other = both
    one.started()
    one.clock_on()
    value = one.buttons()[APPROVE]
    one.click(APPROVE, value, one.max)
    one.click(APPROVE, value, one.sam)
    one.settle()
    other.click(APPROVE, value, one.max)
    for _ in range(3):
        one.clock_on()
        one.slack._buckets.clear()
        one.outbox._budgets.clear()
        one.settle()

    told = json.dumps([each["text"] for each in one.slack.messages() if each.get("thread_ts")])
    assert one.events().count("approval.refused") == 2
    assert told.count("may not approve") == 1
