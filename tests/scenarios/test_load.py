"""The bot under load, as a process before a Slack with Slack's limits: the short form of benchmarks/load.py."""

import os
import subprocess
import sys

import pytest

from benchmarks.load import ask
from benchmarks.load_judge import wrong_cards
from benchmarks.load_world import world

SEED = os.environ.get("PLAYBOOK_BOT_LOAD_SEED", "20261125")
"""The same chances every time; another one looks elsewhere."""


def _load(part: str, *amounts: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.load", "--part", part, "--seed", SEED, *amounts]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "amounts"),
    [
        ("clicks", ("--open", "8", "--seconds", "2", "--rate", "20")),
        ("storm", ("--alarms", "40")),
        ("away", ("--away", "3")),
    ],
)
def test_all_is_right_after_the_load(part: str, amounts: tuple[str, ...]) -> None:
    """Clicks that race, repeat and are refused; many alarms; Slack away: rows, trail and cards agree at the end."""
    ran = _load(part, *amounts)

    assert ran.returncode == 0, f"seed {SEED}\n{ran.stderr[-4000:]}"
    assert "everything is right" in ran.stderr


@pytest.mark.slow
def test_a_card_that_shows_something_else_is_found() -> None:
    """The judge of it all sees a card that lies, and one that is gone."""
    with world() as bot:
        ask(bot, 2)
        bot.settle(30)
        lying, gone = [ts for ts, each in bot.slack.standing().items() if not each.get("thread_ts")]
        assert wrong_cards(bot) == []

        bot.slack.upstream._messages[lying]["text"] = "All is well"
        bot.slack.delete(gone)

        assert ["something else" in each for each in sorted(wrong_cards(bot))] in ([True, False], [False, True])
