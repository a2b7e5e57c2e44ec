"""What slash commands answer: short, private, linked to the card. Pure."""

from collections.abc import Mapping, Sequence

from bot.slack.blocks import text as t
from bot.slack.blocks.card import TITLES
from bot.slack.blocks.text import Block
from playbooks.facts import ApprovalFacts, ExecutionFacts, PlaybookFacts, TimelineEntry
from playbooks.people import Identity

MOST_LINES = 40
MOST_OF_TEXT = 200
STORY_BLOCKS = 3
"""Paragraphs of a story: a message takes some 13,000 characters altogether."""

HELP = (
    ("list", "what there is to run"),
    ("run NAME [parameter=value …]", "start a playbook; a form opens for what is missing; `--step`: step by step"),
    ("status [ID]", "what runs now, or one execution"),
    ("approvals", "what waits for an answer"),
    ("stop ID", "stop an execution"),
    ("audit ID", "who did what, in order"),
    ("timeline ID", "the same as a post in its thread, to be exported"),
    ("why [@user] NAME [parameter=value …]", "who may start it with these values, rule by rule"),
    ("pause [REASON]", "the big red switch: nothing starts until `pause off`"),
    ("away [until DAY] [for @user]", "you are not asked for a while; `back` ends it"),
    ("whoami", "what I know of you"),
)


def help_text(command: str) -> str:
    """The verbs."""
    lines = [f"• `{command} {verb}` – {what}" for verb, what in HELP]
    return "\n".join(["*From a red alarm to a safe fix.*", *lines])


def playbook_list(playbooks: Sequence[PlaybookFacts], command: str) -> str:
    """The playbooks a person may run."""
    if not playbooks:
        return "There is no playbook that you may run. Ask the people who set me up."
    lines = []
    for each in playbooks[:MOST_LINES]:
        starts = f" ({each.start}: {t.line(each.trigger, 100)})" if each.trigger else ""
        lines.append(f"• *{t.line(each.name, 80)}* – {t.line(each.title, MOST_OF_TEXT)}{starts}")
    return "\n".join([*lines, f"Start one with `{command} run NAME`."])


def execution_list(executions: Sequence[ExecutionFacts], links: Mapping[str, str]) -> str:
    """What runs, or ran last."""
    if not executions:
        return "Nothing runs, and nothing has run yet."
    return "\n".join(execution_line(each, links.get(each.id, "")) for each in executions[:MOST_LINES])


def execution_line(facts: ExecutionFacts, link: str) -> str:
    """One execution in one line, linked to its card."""
    emoji, _ = t.STATUS.get(facts.status, (":grey_question:", ""))
    on = f" on {', '.join(t.code(target) for target in facts.targets[:3])}" if facts.targets else ""
    name = _linked(facts.title, link)
    state = TITLES.get(facts.status, facts.status).lower()
    return f"{emoji} {name}{on}: {state} · {t.clock(facts.started_at)} · {t.code(facts.id[:8])}"


def approval_list(approvals: Sequence[ApprovalFacts], links: Mapping[str, str]) -> str:
    """What waits for an answer."""
    if not approvals:
        return "Nothing waits for an answer."
    lines = []
    for each in approvals[:MOST_LINES]:
        name = _linked(each.title, links.get(each.execution_id, ""))
        until = f" · expires {t.clock(each.expires_at)}" if each.expires_at else ""
        people = t.people(each.approvers, 5) or t.line(each.problem, MOST_OF_TEXT)
        lines.append(f":raised_hand: {name}: {t.line(each.message, MOST_OF_TEXT)}\n      {people}{until}")
    return "\n".join(lines)


def _linked(title: str, link: str) -> str:
    name = t.line(title, MOST_OF_TEXT)
    return f"<{link}|{name.replace('|', '¦')}>" if link else name


def timeline(entries: Sequence[TimelineEntry]) -> list[Block]:
    """The story of an execution, newest last; of a long one the latest part, and how to read the rest."""
    paragraphs: list[str] = [""]
    told = 0
    for entry in reversed(entries):
        text = f"{t.clock(entry.at)} {t.who(entry.actor)} {t.line(entry.text, 300)}"
        if len(paragraphs[0]) + len(text) + 1 > t.SECTION:
            if len(paragraphs) == STORY_BLOCKS:
                break
            paragraphs.insert(0, "")
        paragraphs[0] = f"{text}\n{paragraphs[0]}" if paragraphs[0] else text
        told += 1
    blocks = [t.section(f"story-{number}", text) for number, text in enumerate(paragraphs) if text]
    if told < len(entries):
        more = f"… {len(entries) - told} earlier; the terminal shows all: `playbook-bot audit show`"
        blocks.insert(0, t.context("more", more))
    if entries:
        blocks.append(t.context("hash", f"up to event {entries[-1].seq}, hash {t.code(entries[-1].hash[:16])}"))
    return blocks


def whoami(by: Identity) -> str:
    """What the bot knows of a person, and how lists may name them."""
    names = ", ".join(t.code(name) for name in sorted(by.spellings))
    member = "a guest" if by.is_guest else "a full member"
    account = f" Your account is {t.code(by.account)}." if by.account and by.account != by.id else ""
    why = f"I know it because {t.escape(by.because)}." if by.because else "No person of `people` is joined to you."
    return f"You are {t.code(by.id)}, {member} of this workspace.{account} {why} Lists may name you as {names}."
