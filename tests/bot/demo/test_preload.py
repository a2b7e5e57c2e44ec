"""The demo's page shows every sign that the bot uses."""

import re
from pathlib import Path

import bot.slack
from bot.demo.preload import EMOJI

SIGN = re.compile(r":([a-z_]+):(?=[ `\"*\n])")


def test_every_sign_of_the_bot_can_be_shown() -> None:
    """A new sign in a message of the bot needs a line in the table, or the page would show its name."""
    sources = [file.read_text() for file in Path(bot.slack.__path__[0]).rglob("*.py")]

    used = {name for source in sources for name in SIGN.findall(source)}

    assert "raised_hand" in used
    assert used - set(EMOJI) == set()
