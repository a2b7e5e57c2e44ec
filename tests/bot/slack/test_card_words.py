"""The card's two longest texts are short where it matters: what is asked, and why it failed."""

import pytest

from bot.slack.blocks.card import _emphasised, _reason

AROUND = (
    "Step fails when it is {}. {} Please refer to Automation Service Troubleshooting Guide for more diagnosis details."
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Recover i-1 (t3.small): stop it. It is away.", "*Recover i-1 (t3.small):* stop it. It is away."),
        ("Stop it? Its volumes stay.", "*Stop it?* Its volumes stay."),
        ("Release v1.2 of web. Now.", "*Release v1.2 of web.* Now."),
        ("Approve", "*Approve*"),
    ],
)
def test_only_the_beginning_of_a_question_is_bold(text: str, shown: str) -> None:
    """A responder sees at a glance what is asked, and reads the consequences in plain letters."""
    assert _emphasised(text) == shown


@pytest.mark.parametrize("doing", ["Execute/Cancelling action", "waiting for approval"])
def test_a_failure_is_told_without_the_words_around_it(doing: str) -> None:
    """Of AWS's sentence only the reason reaches the card, also when it has a line break in it."""
    assert _reason(AROUND.format(doing, "The instance i-1\ndoes not exist.")) == "The instance i-1\ndoes not exist."


def test_a_failure_in_other_words_is_told_whole() -> None:
    """What is not AWS's frame stays."""
    assert _reason("The playbook's time was up.") == "The playbook's time was up."
