"""What slash commands answer: short, private, linked to the card. Pure."""

from collections.abc import Mapping, Sequence

from bot.slack.blocks import text as t
from bot.slack.blocks.card import TITLES
from bot.slack.blocks.text import Block
from playbooks.facts import ApprovalFacts, ExecutionFacts, PlaybookFacts, TimelineEntry
from playbooks.people import Identity

MOST_LINES = 40

HELP = (
    ("list", "what there is to run"),
    ("run NAME [parameter=value …]", "start a playbook; a form opens for what is missing"),
    ("status [ID]", "what runs now, or one execution"),
    ("approvals", "what waits for an answer"),
    ("stop ID", "stop an execution"),
    ("audit ID", "who did what, in order"),
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
        starts = f" _({each.start}: {t.escape(each.trigger)})_" if each.trigger else ""
        lines.append(f"• *{t.escape(each.name)}* – {t.escape(each.title)}{starts}")
    return "\n".join([*lines, f"Start one with `{command} run NAME`."])


def execution_list(executions: Sequence[ExecutionFacts], links: Mapping[str, str]) -> str:
    """What runs, or ran last."""
    if not executions:
        return "Nothing runs, and nothing has run yet."
    return "\n".join(execution_line(each, links.get(each.id, "")) for each in executions[:MOST_LINES])


def execution_line(facts: ExecutionFacts, link: str) -> str:
    """One execution in one line, linked to its card."""
    emoji, _ = t.STATUS.get(facts.status, (":grey_question:", ""))
    on = f" on {', '.join(t.code(target) for target in facts.targets)}" if facts.targets else ""
    name = f"<{link}|{t.escape(facts.title)}>" if link else t.escape(facts.title)
    state = TITLES.get(facts.status, facts.status).lower()
    return f"{emoji} {name}{on}: {state} · {t.clock(facts.started_at)} · {t.code(facts.id[:8])}"


def approval_list(approvals: Sequence[ApprovalFacts], links: Mapping[str, str]) -> str:
    """What waits for an answer."""
    if not approvals:
        return "Nothing waits for an answer."
    lines = []
    for each in approvals[:MOST_LINES]:
        link = links.get(each.execution_id, "")
        name = f"<{link}|{t.escape(each.title)}>" if link else t.escape(each.title)
        until = f" · expires {t.clock(each.expires_at)}" if each.expires_at else ""
        people = ", ".join(each.approvers[:5]) or t.escape(each.problem)
        lines.append(f":raised_hand: {name}: {t.escape(t.cut(each.message, 200))}\n      {people}{until}")
    return "\n".join(lines)


def timeline(entries: Sequence[TimelineEntry]) -> list[Block]:
    """The story of an execution, newest last, in as many paragraphs as Slack takes."""
    lines = [f"{t.clock(entry.at)} {t.who(entry.actor)} {t.escape(t.cut(entry.text, 300))}" for entry in entries]
    blocks: list[Block] = []
    paragraph, left_out = "", 0
    for line in lines:
        if len(paragraph) + len(line) + 1 > t.SECTION:
            blocks.append(t.section(f"story-{len(blocks)}", paragraph))
            paragraph = ""
        if len(blocks) >= 8:
            left_out += 1
            continue
        paragraph = f"{paragraph}\n{line}" if paragraph else line
    if paragraph:
        blocks.append(t.section(f"story-{len(blocks)}", paragraph))
    if left_out:
        blocks.append(t.context("more", f"… {left_out} more; the terminal shows all: `playbook-bot audit show`"))
    if entries:
        blocks.append(t.context("hash", f"up to event {entries[-1].seq}, hash {t.code(entries[-1].hash[:16])}"))
    return blocks


def whoami(by: Identity) -> str:
    """What the bot knows of a person, and how lists may name them."""
    names = ", ".join(t.code(name) for name in sorted(by.spellings))
    member = "a full member" if by.is_full_member else "a guest"
    return f"You are {t.code(by.id)}, {member} of this workspace. Lists may name you as {names}."
