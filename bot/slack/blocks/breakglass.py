"""The week's report of break-glass: who decided alone, where, why, what came of it, and its review. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from playbooks.breakglass import BreakGlassLine, BreakGlassReport

MOST: Final = 20


def fallback(facts: BreakGlassReport) -> str:
    """The report in one line."""
    return t.line(facts.headline, t.FALLBACK)


def report(facts: BreakGlassReport, links: Mapping[str, str]) -> list[Block]:
    """The whole report."""
    return t.fitted(_parts(facts, links))


def _parts(facts: BreakGlassReport, links: Mapping[str, str]) -> Iterator[Block]:
    yield t.header("title", f"Break-glass, week {facts.week.name}")
    yield t.section("headline", f"*{t.line(facts.headline, 300)}*")
    yield from _list("lines", "", facts.lines, links)
    yield from _list("earlier", "From earlier weeks, still to be reviewed", facts.earlier, links)


def _list(block_id: str, title: str, lines: tuple[BreakGlassLine, ...], links: Mapping[str, str]) -> Iterator[Block]:
    if not lines:
        return
    told = [_line(each, links.get(each.execution_id, "")) for each in lines[:MOST]]
    more = [f"… and {len(lines) - MOST} more"] if len(lines) > MOST else []
    head = [f"*{title}*"] if title else []
    yield from t.paragraphs("\n".join([*head, *told, *more]), block_id)


def _line(each: BreakGlassLine, link: str) -> str:
    title = t.line(each.title or each.execution_id[:8], 120)
    what = f"<{link}|{title}>" if link else title
    place = f" in {t.line(each.place, 80)}" if each.place else ""
    outcome = f", now {t.line(each.outcome, 40)}" if each.outcome else ""
    mark = ":white_check_mark:" if each.reviewed_by else ":rotating_light:"
    by = t.who(each.reviewed_by) if each.reviewed_by else ""
    review = f"Reviewed by {by}: “{t.line(each.note, 300)}”" if by else "*Not reviewed yet.*"
    return (
        f"{mark} {t.who(each.actor)}, {t.when(each.at)}: {what} on {t.code(t.cut(each.target, 100))}{place}{outcome}. "
        f"“{t.line(each.reason, 300)}” {review}"
    )
