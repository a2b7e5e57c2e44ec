"""The App Home: what waits for me, what runs, what I may start. Pure."""

from collections.abc import Mapping, Sequence

from bot.slack.blocks import text as t
from bot.slack.blocks.answers import approval_list, execution_list
from bot.slack.blocks.text import Block
from playbooks.facts import ApprovalFacts, ExecutionFacts, PlaybookFacts

RUN = "home_run"


def home(
    approvals: Sequence[ApprovalFacts],
    executions: Sequence[ExecutionFacts],
    playbooks: Sequence[PlaybookFacts],
    links: Mapping[str, str],
) -> Block:
    """The whole view."""
    blocks = [
        t.header("asked", "Waiting for an answer"),
        *t.paragraphs(approval_list(approvals, links), "approvals"),
        t.divider("line-1"),
        t.header("runs", "Latest runs"),
        *t.paragraphs(execution_list(executions, links), "executions"),
        t.divider("line-2"),
        t.header("mine", "Playbooks you may run"),
    ]
    for each in playbooks[:40]:
        text = f"*{t.line(each.name, 80)}* – {t.line(each.title, 200)}"
        blocks.append(t.section(f"pb-{each.name}"[:255], text, t.button(f"{RUN}:{each.name}"[:255], "Run", each.name)))
    if not playbooks:
        blocks.append(t.section("none", "None yet. Ask the people who set me up."))
    return {"type": "home", "blocks": blocks[:100]}
