"""What is said where something is held back: golden messages, Slack's limits, foreign text made harmless."""

from collections.abc import Iterator
from typing import Any

from audit.events import Actor
from bot.slack.blocks import guards
from bot.slack.blocks import text as t
from infra.canonical import Json
from playbooks.access import Access, Rule, Wish
from playbooks.access_words import Why
from playbooks.freezes import Pause
from playbooks.people import Identity
from tests.bot.slack.blocks.facts import busy
from tests.bot.slack.blocks.foreign import check_message
from tests.bot.slack.blocks.test_golden import same_as_golden
from tests.playbooks.worlds import NOON

LEE = Actor("person", "slack:T01/U01LEE", "Lee Park")
SAM = Identity("person:sam", "Sam Reyes", frozenset({"sam", "person:sam"}))


def explained() -> Why:
    """Why Sam may not, with rules that are tried out and a pause."""
    rules = (
        Rule("access.yaml:3", ("sam",), ("run",), playbooks=("restart-*",), parameters={"environment": ("dev", "qa")}),
        Rule("access.yaml:4", ("*",), effect="deny", parameters={"environment": ("prod",)}, ask="#dba"),
        Rule("access.yaml:5", ("group:dba",), ("run",)),
    )
    access = Access(rules, "#sre-leads", tried=rules[:1])
    wish = Wish("run", "restart-db", {"environment": "prod", "Note": ""}, "C01", "eu-west-1")
    tried = access.rehearse(wish, SAM)
    return Why(wish, access.decide(wish, SAM), tried, (Pause(LEE, NOON, "DNS is down").sentence,))


def test_the_messages() -> None:
    """Who has it, the switch on and off, what is announced, who is told, and why."""
    paused = Pause(LEE, NOON, "DNS is down")
    data: dict[str, Json] = {"resources": ["i-0abc"], "status": "Success", "tell": ["<@U02SAM>", "Kim"]}
    messages: dict[str, Any] = {
        "busy": guards.busy(busy(), "/playbook"),
        "busy_without_a_wish": guards.busy(busy(has_wish=False), "/playbook"),
        "paused": guards.pause_state(paused, "/playbook"),
        "not_paused": guards.pause_state(None, "/playbook"),
    }
    texts = {
        "busy_text": guards.busy_text(busy(), "/playbook"),
        "announced": guards.announced("bot.paused", {"reason": "DNS is down"}, "<@U01LEE>", "/playbook"),
        "announced_off": guards.announced("bot.resumed", {}, "<@U01LEE>", "/playbook"),
        "freed": guards.freed(data),
        "why": guards.why(explained(), "Sam Reyes"),
    }

    for blocks in messages.values():
        check_message(blocks)
    for text in texts.values():
        check_message(t.paragraphs(text))
    same_as_golden("guards", {**messages, **texts})


def test_foreign_text_pings_nobody() -> None:
    """Titles, reasons and names are foreign: no mention, no link, and nothing longer than Slack takes."""
    evil = "<!everyone> <@U1> <http://x|y> `*_~ & " * 200
    messages = [
        guards.busy(busy(evil), "/playbook"),
        guards.pause_state(Pause(Actor("person", "x", evil), NOON, evil), "/playbook"),
        t.paragraphs(guards.announced("bot.paused", {"reason": evil}, "somebody", "/playbook")),
        t.paragraphs(guards.freed({"resources": [evil[:80]], "tell": [evil[:80]], "status": evil})),
    ]

    for blocks in messages:
        check_message(blocks)
        for text in marked_up(blocks):
            assert "<!everyone>" not in text
            assert "<@U1>" not in text


def marked_up(found: Any) -> Iterator[str]:
    """Every text that Slack would look for mentions in; plain text has none."""
    if isinstance(found, dict):
        if found.get("type") == "mrkdwn":
            yield found["text"]
        found = list(found.values())
    for each in found if isinstance(found, list) else ():
        yield from marked_up(each)
