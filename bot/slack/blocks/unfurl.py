"""An execution in short, below a message that links to it: to read, not to answer. Pure."""

from bot.slack.blocks import text as t
from bot.slack.blocks.answers import execution_line
from bot.slack.blocks.text import Block
from playbooks.facts import ExecutionFacts


def unfurled(facts: ExecutionFacts, link: str) -> list[Block]:
    """State, resource, who began it and the way to its card."""
    blocks = [t.section("execution", execution_line(facts, link))]
    if facts.failure_message and facts.is_over:
        blocks.append(t.section("why", f":warning: *Why:* {t.line(facts.failure_message, 500)}"))
    waits = facts.approval is not None and facts.approval.status == "Waiting" and not facts.is_over
    if facts.approval is not None and waits:
        blocks.append(t.section("asks", f":raised_hand: {t.line(facts.approval.message or facts.approval.title, 500)}"))
    where = f"<{link}|Open the card>" if link else "Its card has the rest"
    blocks.append(t.context("by", f"Started by {t.who(facts.started_by)} at {t.when(facts.started_at)}. {where}."))
    return blocks
