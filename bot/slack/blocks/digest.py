"""The morning's digest: what ran, who agreed, what is still to be reviewed, what was held back. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.answers import execution_line
from bot.slack.blocks.text import Block
from playbooks.digest import DigestFacts

MOST: Final = 15


def fallback(facts: DigestFacts) -> str:
    """The digest in one line."""
    return t.line(f"Since yesterday: {facts.headline}", t.FALLBACK)


def digest(facts: DigestFacts, links: Mapping[str, str]) -> list[Block]:
    """The whole digest."""
    return t.fitted(_parts(facts, links))


def _parts(facts: DigestFacts, links: Mapping[str, str]) -> Iterator[Block]:
    yield t.header("title", "The last day")
    yield t.section("headline", f"{t.when(facts.since)} to {t.when(facts.until)}: *{t.line(facts.headline, 300)}*")
    runs = [execution_line(each, links.get(each.id, "")) for each in facts.executions]
    yield from _list("ran", "What ran", runs, len(facts.executions))
    decided = [
        f"• {t.who(each.actor)} {'approved' if each.verdict == 'Approve' else 'rejected'} "
        f"{t.line(each.title, 120)}{f', step {t.code(each.step)}' if each.step else ''} at {t.clock(each.at)}"
        for each in facts.decisions
    ]
    yield from _list("decided", "Who decided", decided, len(facts.decisions))
    broken = [
        f"• :rotating_light: {t.who(each.actor)} on {t.when(each.at)}, run {t.code(each.execution[:8])}: "
        f"“{t.line(each.reason, 200)}”"
        for each in facts.reviews
    ]
    yield from _list("reviews", "Break-glass that nobody has reviewed", broken, len(facts.reviews))
    held = [f"• {t.line(each.what, 120)}: {t.line(each.reason, 200)}" for each in facts.exhausted]
    yield from _list("budgets", "Alarms whose budget ran out", held, len(facts.exhausted))


def _list(block_id: str, title: str, lines: list[str], count: int) -> Iterator[Block]:
    if not lines:
        return
    more = [f"… and {count - MOST} more"] if count > MOST else []
    yield from t.paragraphs("\n".join([f"*{title}*", *lines[:MOST], *more]), block_id)
