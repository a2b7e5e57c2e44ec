"""The buttons by which an execution is steered, and what a stop will and will not undo. Pure."""

from typing import Final

from bot.slack.blocks import text as t
from bot.slack.blocks.text import Block
from playbooks.done import what_is_under_way, what_stays, what_was_left_half_done
from playbooks.facts import ExecutionFacts, StepFacts

STOP: Final = "stop"
RESUME: Final = "resume"
RUN_STEP: Final = "step_run"
SKIP_STEP: Final = "step_skip"
RUN_ON: Final = "step_rest"
FINISH: Final = "step_finish"
RETRY: Final = "retry"
MOST_NAMED: Final = 40
MOST_OF_CONFIRMATION: Final = 300
MOST_TOLD: Final = 25


def paused(facts: ExecutionFacts) -> StepFacts | None:
    """The pause that somebody has to end."""
    return next((step for step in facts.steps if step.action == "aws:pause" and step.status == "Waiting"), None)


def controls(facts: ExecutionFacts) -> list[Block]:
    """The buttons that fit the state."""
    if facts.is_over:
        return _again(facts)
    if facts.status == "Cancelling":
        return []
    found = _stepwise(facts)
    pause = paused(facts)
    if pause is not None:
        found.append(t.button(RESUME, "Resume", f"{facts.id}|{pause.id}", style="primary"))
    ask = t.confirmation("Stop this run?", will_undo(facts), "Stop it")
    found.append(t.button(STOP, "Stop", facts.id, confirm=ask))
    return found


def _stepwise(facts: ExecutionFacts) -> list[Block]:
    if facts.held is None:
        return []
    if not facts.held:
        return [t.button(FINISH, "Finish", facts.id, style="primary")]
    value, name = f"{facts.id}|{facts.held}", t.cut(facts.held, MOST_NAMED)
    found = [t.button(RUN_STEP, f"Run {name}", value, style="primary")]
    if facts.skip_to is not None:
        then = f"{facts.skip_to} starts at once" if facts.skip_to else "nothing is left to do, and it ends"
        text = f"{facts.held} is left out, and {then}. What later steps need of it will be missing."
        ask = t.confirmation("Skip this step?", text, "Skip it")
        found.append(t.button(SKIP_STEP, f"Skip {name}", value, confirm=ask))
    text = "The steps that are left run one after another; only questions and pauses still wait."
    ask = t.confirmation("Run all that is left?", text, "Run them")
    found.append(t.button(RUN_ON, "Run the rest", facts.id, confirm=ask))
    return found


def _again(facts: ExecutionFacts) -> list[Block]:
    if facts.status not in ("Failed", "TimedOut") or not facts.retry_step or facts.retried_as:
        return []
    if facts.retry_of and not _failed(facts, facts.retry_step):
        return []
    text = (
        f"A new run begins at {facts.retry_step} with what the steps before it have found. "
        "Whoever had to agree is asked again."
    )
    ask = t.confirmation("Go on from where it failed?", text, "Retry")
    return [t.button(RETRY, f"Retry from {t.cut(facts.retry_step, MOST_NAMED)}", facts.id, confirm=ask)]


def _failed(facts: ExecutionFacts, name: str) -> bool:
    return any(step.name == name and step.status in ("Failed", "TimedOut") for step in facts.steps)


def will_undo(facts: ExecutionFacts) -> str:
    """What a stop takes back, and what it leaves, before it is pressed. Plain text."""
    stays, begun = what_stays(facts.steps), what_is_under_way(facts.steps)
    parts = [f"Not undone: {'; '.join(stays)}."] if stays else []
    parts += [f"{each[:1].upper()}{each[1:]}." for each in begun]
    if facts.on_stop:
        parts.append(f"{facts.on_stop} still runs, as the runbook says.")
    if not parts:
        parts.append("Nothing has been changed yet, so nothing is left behind.")
    return t.cut(" ".join(parts), MOST_OF_CONFIRMATION)


def stopped(facts: ExecutionFacts) -> str:
    """What a stop has left behind, once it is over, for the thread."""
    by = f" by {t.who(facts.cancelled_by)}" if facts.cancelled_by is not None else ""
    lines = [f":octagonal_sign: *Stopped{by}.* Nothing was taken back by itself."]
    lines += [f"• {t.line(each, 300)}" for each in what_stays(facts.steps)[:MOST_TOLD]]
    lines += [f"• :warning: {t.line(each, 300)}" for each in what_was_left_half_done(facts.steps)[:MOST_TOLD]]
    ahead = [step.name for step in facts.steps if step.status == "Pending" and not step.is_skipped]
    if ahead:
        lines.append(f"Not begun: {', '.join(t.code(t.cut(name, 60)) for name in ahead[:MOST_TOLD])}.")
    if len(lines) == 1 + bool(ahead):
        lines.insert(1, "• Nothing had been changed.")
    return "\n".join(lines)
