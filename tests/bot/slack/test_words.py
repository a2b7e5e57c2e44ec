"""The words of the Slack door stand in one place: below `blocks`, and in none of the listeners."""

import ast
import re
from pathlib import Path

import pytest

from bot.slack import app

HOME = Path(app.__file__).parent
LISTENERS = (
    "alarms", "alarm_board", "app", "approvals", "commandline", "door", "executions", "forms", "guards", "home",
    "identity", "leave", "mentions", "notifier", "painter", "playbooks", "shortcuts", "telling", "timeline", "unfurl",
)  # fmt: skip
WORDS = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+")
"""Three words in a row are a sentence, or a part of one."""
TO_MACHINES = ("the request is not one of Slack's\n",)
"""Answers that nobody reads."""


def sentences(source: str) -> list[str]:
    """Every text of three words that is neither a docstring nor for the log."""
    tree = ast.parse(source)
    apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
            apart |= {id(each) for each in node.args}
    texts = [each for each in ast.walk(tree) if isinstance(each, ast.Constant) and id(each) not in apart]
    found = [each.value for each in texts if isinstance(each.value, str) and WORDS.search(each.value)]
    return [text for text in found if text not in TO_MACHINES]


@pytest.mark.parametrize("name", LISTENERS)
def test_no_listener_has_words_of_its_own(name: str) -> None:
    """Whoever wants the bot in another language finds all that it says below `blocks`."""
    assert sentences((HOME / f"{name}.py").read_text(encoding="utf-8")) == []


def test_a_sentence_would_be_found() -> None:
    """Also as a part of a text with values in it; a docstring and a line of the log are none."""
    source = (
        'def say(n):\n    """It says how many."""\n    log.info("many things were said")\n    return f"{n} runs go on"'
    )

    assert sentences(source) == [" runs go on"]
