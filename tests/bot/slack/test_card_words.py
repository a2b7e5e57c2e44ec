"""The card's longest texts are short where it matters: what is asked, how far it is, why it failed, why it is red."""

import json

import pytest

from bot.slack.blocks import text as t
from bot.slack.blocks.card import _emphasised, _reason, card
from tests.bot.slack.blocks import facts as f

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


def test_what_aws_says_of_every_alarm_is_left_out() -> None:
    """How many datapoints it takes tells nobody why it is red."""
    told = t.reason(
        "1 datapoint [96.4] was over the threshold (90.0) (minimum 1 datapoint for OK -> ALARM transition).", 99
    )

    assert told == "1 datapoint [96.4] was over the threshold (90.0)."


def test_many_checks_are_one_line_while_people_are_asked() -> None:
    """On a phone the state and the buttons shall not be pushed away by what went well."""
    checks = tuple(f.step(f"check{number}") for number in range(8))
    text = json.dumps(card(f.execution(steps=(*checks, *f.STEPS[1:]))), ensure_ascii=False)

    assert ":white_check_mark: 8 steps done\\n:raised_hand: *What approve does*" in text
    assert "up to 2 more" in text
    assert "check1" not in text


def test_a_consequence_does_not_repeat_the_only_resource() -> None:
    """Its id stands above already; of several each is named."""
    lost = f.approval(consequences=("lost: i-1: its memory",))
    one, two = (json.dumps(card(f.execution(targets=named, approval=lost))) for named in (("i-1",), ("i-1", "i-2")))

    assert "lost: its memory" in one
    assert "lost: i-1: its memory" in two
