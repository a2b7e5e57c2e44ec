"""What a start would do, for reading before it is started: steps, calls, and what would be lost. Pure."""

from collections.abc import Iterator
from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from engine.consequence import told
from engine.graph import detail_of
from engine.preview_result import Failing, Preview, PreviewStep, Reach
from playbooks.facts import PreviewFacts

TITLE: Final = 24
MOST_STEPS: Final = 40
MOST_LOST: Final = 25
MOST_CALLS: Final = 4
REACH: Final = {
    Reach.SURE: (":arrow_right:", "runs"),
    Reach.MAYBE: (":grey_question:", "may run"),
    Reach.ON_FAILURE: (":leftwards_arrow_with_hook:", "only on failure"),
}


def looking(title: str) -> Block:
    """What is opened at once, while AWS is asked."""
    return _view(title, [t.section("wait", ":hourglass_flowing_sand: Looking at what it would do. One moment…")])


def problem(title: str, text: str) -> Block:
    """Why there is no preview; `text` is marked up."""
    return _view(title, t.paragraphs(text, "problem"))


def view(title: str, facts: PreviewFacts) -> Block:
    """The whole preview."""
    found = facts.preview
    lost = told(found.consequences)
    blocks: list[Block] = [t.section("ends", _ends(facts))]
    if lost:
        touched = list(dict.fromkeys(each.resource for each in found.consequences))
        lines = t.consequences(lost, touched, MOST_LOST)
        more = len(lost) - MOST_LOST
        lines += [f"… and {more} more"] if more > 0 else []
        on = f" on {t.code(t.cut(touched[0], 100))}" if len(touched) == 1 and touched[0] else ""
        blocks += t.paragraphs("\n".join([f"*What it takes away or changes*{on}", *lines]), "lost")
    else:
        blocks.append(t.section("lost", "*What it takes away or changes*\nNothing that I can see."))
    blocks += t.paragraphs("\n".join(["*Steps*", *_steps(found)]), "steps")
    asked = f"Nothing was changed. AWS was asked {facts.questions} question{'s' if facts.questions != 1 else ''}."
    blocks.append(t.context("foot", f"{asked} What is here is true now; it is looked at again when it runs."))
    return _view(title, blocks)


def _view(title: str, blocks: list[Block]) -> Block:
    named = [t.section("playbook", f"*{t.line(title, 200)}*"), *blocks]
    return {"type": "modal", "title": t.plain("Preview", TITLE), "close": t.plain("Back", TITLE), "blocks": named}


def _ends(facts: PreviewFacts) -> str:
    found = facts.preview
    text = f"Started now in {t.code(facts.region)}, it would end: *{t.line(found.outcome, 100)}*."
    failing = [step for status, reach, step in found.ends if status == "Failed" and reach is Reach.SURE]
    if failing:
        text += f"\n:x: It fails at {', '.join(t.code(step) for step in failing[:5])}."
    if found.role:
        text += f"\nIt runs as {t.code(found.role)}."
    return text


def _steps(found: Preview, indent: str = "") -> Iterator[str]:
    for step in found.steps[:MOST_STEPS]:
        yield from _step(step, found, indent)
    more = len(found.steps) - MOST_STEPS
    if more > 0:
        yield f"{indent}… and {more} more"
    if found.not_reached:
        names = ", ".join(t.code(name) for name in found.not_reached[:10])
        yield f"{indent}:heavy_minus_sign: not reached: {names}"


def _step(step: PreviewStep, found: Preview, indent: str) -> Iterator[str]:
    emoji, reach = REACH[step.reach]
    spec = found.document.step(step.name)
    what = t.line((spec.description if spec and spec.description else detail_of(spec)) if spec else step.action, 160)
    place = f" #{step.iteration}" if step.iteration else ""
    why = f", {t.line(step.why, 160)}" if step.why else ""
    fails = ". *It fails*" if step.fails is Failing.SURELY else ""
    how = f" _({reach}{why})_" if step.reach is not Reach.SURE or why else ""
    yield f"{indent}{emoji} {t.code(f'{step.name}{place}')} {what}{how}{fails}"
    for call in step.calls[:MOST_CALLS]:
        yield f"{indent}        calls {t.code(call.name)}"
    if step.child is not None:
        yield from _steps(step.child, f"{indent}        ")
