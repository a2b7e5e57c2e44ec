"""Mentions: a line in a thread, answered there; what is refused is said to one person."""

import json
from typing import Any

import pytest

from bot.slack.blocks import form
from bot.slack.mentions import FILL
from tests.bot.slack.blocks.test_limits import texts
from tests.bot.slack.rig import Rig
from tests.fakes.block_limits import message_problems

ROOT = "9000.000001"
"""A message of somebody else's, which the strict Slack takes for one that is there."""


def mention(rig: Rig, text: str, by: str = "", ts: str = "9000.000002", **fields: Any) -> None:
    """Mention the bot in a thread."""
    said = f"<@{rig.slack.identity.bot_user_id}> {text}"
    channel = rig.slack.identity.channel
    rig.event("app_mention", user=by or rig.lee, text=said, channel=channel, ts=ts, thread_ts=ROOT, **fields)
    rig.settle()


def told(rig: Rig) -> list[dict[str, Any]]:
    """What stands in the thread."""
    return [message for message in rig.slack.messages() if message.get("thread_ts") == ROOT]


def test_run_starts_and_says_so_in_the_thread(rig: Rig) -> None:
    """Where slash commands do not work: one execution, its card in the channel, the answer in the thread."""
    mention(rig, "run restart i-0abc Note=“so slow”")

    [answer] = told(rig)
    assert rig.newest().parameters["Note"] == "so slow"
    assert answer["text"].startswith(f"Started *Restart it* `{rig.newest().id[:8]}`.")
    assert rig.card()["blocks"][0]["block_id"] == f"card:{rig.newest().id}"


def test_slacks_repetition_starts_nothing_twice(rig: Rig) -> None:
    """The same event again, also one that came before the first was answered."""
    for _ in range(3):
        mention(rig, "run nap")

    assert rig.count() == 1
    assert len(told(rig)) == 1


def test_what_is_missing_is_asked_for_by_a_button(rig: Rig) -> None:
    """A mention cannot open a form; its button opens one with what was typed, for whoever may run it."""
    mention(rig, "run restart Note=slow region=us-east-1")
    [answer] = told(rig)
    button = next(block for block in answer["blocks"] if block["type"] == "actions")["elements"][0]

    rig.click(FILL, button["value"], rig.max)
    rig.click(FILL, button["value"])

    [view] = rig.opened()
    assert message_problems(answer["blocks"]) == []
    assert "was not started" in answer["text"]
    assert rig.count() == 0
    assert '"slow"' in json.dumps(view)
    assert form.metadata(view)["region"] == "us-east-1"
    assert rig.whispers() == ["You may not run `restart`."]


def test_a_button_with_nonsense_in_it_opens_nothing(rig: Rig) -> None:
    """What a button carries is looked at anew."""
    for value in ("", "[]", "{not json", json.dumps({"playbook": "gone"})):
        rig.click(FILL, value)

    assert rig.opened() == []
    assert all("There is no playbook" in said for said in rig.whispers())


def test_a_refusal_is_for_one_persons_eyes(rig: Rig) -> None:
    """Nobody is refused before everybody; the thread stays as it was."""
    mention(rig, "run restart i-0abc", rig.max)

    [call] = rig.slack.called("chat.postEphemeral")
    assert (call["user"], call["thread_ts"]) == (rig.max, ROOT)
    assert "You may not run `restart`." in call["text"]
    assert told(rig) == []
    assert rig.count() == 0


def test_where_nothing_private_can_be_said_it_comes_as_a_direct_message(rig: Rig) -> None:
    """Whoever is not in the channel any more is told all the same."""
    rig.slack.trouble("chat.postEphemeral", error="user_not_in_channel")
    mention(rig, "stop ffff0000")
    rig.settle()

    [message] = rig.slack.messages(rig.lee)
    assert "There is no execution `ffff0000`." in message["text"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", "From a red alarm to a safe fix"),
        ("help", "From a red alarm to a safe fix"),
        ("list", "A nap"),
        ("status", "Nothing runs"),
        ("run", "Say which one"),
        ("rnu nap", "Did you mean `/playbook run`?"),
        ("approvals", "Nothing waits"),
    ],
)
def test_every_verb_is_answered(rig: Rig, line: str, answer: str) -> None:
    """As after the slash command."""
    mention(rig, line)

    assert answer in json.dumps(told(rig)[0], ensure_ascii=False)


def test_audit_tells_the_story_in_the_thread(rig: Rig) -> None:
    """With its hash."""
    facts = rig.started()
    mention(rig, f"audit {facts.id[:8]}")

    assert "hash" in json.dumps(told(rig)[0]["blocks"])


def test_words_before_the_mention_are_not_the_command(rig: Rig) -> None:
    """`hello @playbook run nap` runs a nap."""
    said = f"hello, can you <@{rig.slack.identity.bot_user_id}> run nap"
    rig.event("app_mention", user=rig.lee, text=said, channel=rig.slack.identity.channel, ts="9000.1")

    assert rig.count() == 1


def test_somebody_of_another_workspace_starts_nothing(rig: Rig) -> None:
    """In a shared channel everybody can mention the bot."""
    mention(rig, "run nap", user_team="T09OTHER")

    assert rig.count() == 0
    assert "another workspace" in rig.slack.called("chat.postEphemeral")[0]["text"]


def test_a_mention_pings_nobody(rig: Rig) -> None:
    """Whatever stands in it, the answer mentions nobody."""
    mention(rig, "run restart Note=&lt;!channel&gt; &lt;!here&gt;")
    mention(rig, "&lt;!channel&gt;", ts="9000.000003")

    shown = [text["text"] for message in told(rig) for text in texts(message["blocks"])]
    assert len(told(rig)) == 2
    assert not any("<!" in text for text in [*shown, *(message["text"] for message in told(rig))])
