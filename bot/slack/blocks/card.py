"""The card of an execution: what fired, what runs, on what, how far, who agreed, how it ended. Pure."""

import re
from collections.abc import Iterable, Sequence

from bot.slack.blocks import text as t
from bot.slack.blocks.controls import controls, paused
from bot.slack.blocks.text import Block
from playbooks.done import READS
from playbooks.facts import AlarmFacts, ApprovalFacts, ExecutionFacts, StepFacts

APPROVE = "approve"
REJECT = "reject"
REVOKE = "revoke"
DELEGATE = "delegate"
BREAK_GLASS = "break_glass"
REVIEW = "review"
TAKE_BACK = "Take back my answer"
GOING_ON = "Answered, going on"
MOST_UNFOLDED = 3
"""So many steps that are done are told one by one; more are told in one line, as a phone shows few."""
MOST_STEPS = 25
MOST_TARGETS = 10
MOST_PEOPLE = 12
MOST_OUTPUTS = 15

TITLES = {
    "Pending": "Starting",
    "InProgress": "Running",
    "Waiting": "Waiting for people",
    "Success": "Success",
    "Failed": "Failed",
    "TimedOut": "Timed out",
    "Cancelling": "Stopping",
    "Cancelled": "Stopped",
}


def card(facts: ExecutionFacts) -> list[Block]:
    """The whole card, as the facts are now."""
    return t.fitted(_parts(facts))


def fallback(facts: ExecutionFacts) -> str:
    """The card in one line: notifications and screen readers."""
    called = _called(facts)
    on = ", ".join(called.get(target, target) for target in facts.targets)
    where = f" on {on}" if on else ""
    return t.line(f"{_state(facts)}: {facts.title}{where}", t.FALLBACK)


def call(approval: ApprovalFacts) -> str:
    """What is said below a card to those who may approve: an edited card notifies nobody."""
    until = f" until {t.clock(approval.expires_at)}" if approval.expires_at is not None else ""
    question = t.line(approval.message or approval.title, 500)
    people = t.people(approval.approvers, MOST_PEOPLE)
    return f":raised_hand: {people}: {question}\nPlease answer on the card above{until}."


def broken(approval: ApprovalFacts) -> str:
    """What the approvers are told when somebody has decided without them."""
    people = f"{t.people(approval.reviewers, MOST_PEOPLE)}: " if approval.reviewers else ""
    command = f"`playbook-bot review {approval.execution_id[:8]} --note TEXT`"
    please = f"\nPlease review it, here or with {command}." if approval.waits_for_review else ""
    return f"{people}{_concluded(approval)}{please}"


def broken_blocks(approval: ApprovalFacts) -> list[Block]:
    """The same, with the button by which it is reviewed."""
    button = t.actions("review", t.button(REVIEW, "Review …", approval.id))
    return [*t.paragraphs(broken(approval)), *([button] if approval.waits_for_review else [])]


def to_review(approval: ApprovalFacts) -> str:
    """What there is to review: the question, who decided it alone, and why."""
    return f"{t.line(approval.message or approval.title, 1000)}\n{_concluded(approval)}"


def _state(facts: ExecutionFacts) -> str:
    """The state in words. Asked, decided and done are told apart."""
    if facts.status == "Success" and any(step.status in ("Failed", "TimedOut") for step in facts.steps):
        return "Finished, but a step failed"
    if facts.status == "Waiting":
        if facts.approval is not None and facts.approval.status == "Waiting":
            return "Waiting for approval"
        if facts.held is not None:
            return "Waiting for the next step" if facts.held else _nothing_left(facts)
        if facts.approval is not None and not paused(facts):
            return GOING_ON
    return TITLES.get(facts.status, facts.status)


def _nothing_left(facts: ExecutionFacts) -> str:
    """What is said before somebody presses *Finish*: done is only what has run."""
    return "All steps are done or skipped" if any(each.is_skipped for each in facts.steps) else "All steps are done"


def _parts(facts: ExecutionFacts) -> Iterable[Block]:
    is_going_on = facts.status == "Waiting" and _state(facts) == GOING_ON
    emoji, _ = t.STATUS.get("InProgress" if is_going_on else facts.status, (":grey_question:", ""))
    yield t.header("title", f"{emoji} {facts.title}")
    yield t.section("what", _what(facts))
    if facts.alarm is not None:
        yield t.section("alarm", _alarm(facts.alarm, facts.alarm_now))
    question = facts.approval
    is_asking = question is not None and question.status == "Waiting" and not facts.is_over
    concluded = [each for each in facts.approvals if not (is_asking and each.status == "Waiting")]
    if concluded:
        yield t.section("decided", "\n".join(_concluded(approval) for approval in concluded))
    if question is not None and is_asking:
        yield from _question(question, facts.targets)
    elif question is not None and question.held and not facts.is_over:
        yield t.actions("answer", t.button(REVOKE, TAKE_BACK, question.id))
    yield t.section("steps", _progress(facts))
    if facts.notice and not facts.is_over:
        yield t.section("notice", f":warning: {t.line(facts.notice, 600)}")
    if facts.failure_message and facts.is_over:
        yield t.section("failure", f":warning: *Why:* {t.line(_reason(facts.failure_message), 1500)}")
    if facts.outputs and facts.is_over:
        lines = [f"• {t.line(name, 100)}: {t.shown(value)}" for name, value in [*facts.outputs.items()][:MOST_OUTPUTS]]
        more = len(facts.outputs) - MOST_OUTPUTS
        yield t.section("outputs", "\n".join([*lines, *([f"… and {more} more"] if more > 0 else [])]))
    yield t.context("foot", _foot(facts))
    buttons = controls(facts)
    if buttons:
        yield t.actions("controls", *buttons)


def _what(facts: ExecutionFacts) -> str:
    called = _called(facts)
    named = [_target(target, called.get(target, "")) for target in facts.targets[:MOST_TARGETS]]
    more = f" and {len(facts.targets) - MOST_TARGETS} more" if len(facts.targets) > MOST_TARGETS else ""
    on = f"{', '.join(named)}{more}" if named else "no single resource"
    state = f"*{_state(facts)}*"
    is_asking = facts.approval is not None and facts.approval.status == "Waiting"
    if facts.status == "Waiting" and is_asking and not _has_acted(facts):
        state += ". Nothing has been changed yet"
    if facts.ended_at is not None:
        state += f" after {t.spent(facts.ended_at - facts.started_at)}"
    return f"{state}\nOn {on} in {t.line(facts.region, 60)}"


def _called(facts: ExecutionFacts) -> dict[str, str]:
    """What people call its targets: as was seen when they were asked last."""
    return {target: name for approval in facts.approvals for target, name in approval.called.items()}


def _target(target: str, name: str) -> str:
    return f"{t.code(t.cut(target, 100))} ({t.line(name, 100)})" if name else t.code(t.cut(target, 100))


def _has_acted(facts: ExecutionFacts) -> bool:
    """Whether a step that may change something has begun."""
    harmless = {"aws:approve", "aws:assertAwsResourceProperty", "aws:branch", "aws:pause", "aws:sleep"}
    harmless |= {"aws:waitForAwsResourceProperty", "aws:loop", "aws:updateVariable"}

    def reads(step: StepFacts) -> bool:
        return step.action == "aws:executeAwsApi" and str(step.inputs.get("Api", "")).lower().startswith(READS)

    return any(step.status != "Pending" and step.action not in harmless and not reads(step) for step in facts.steps)


def _alarm(alarm: AlarmFacts, now: str) -> str:
    emoji = {"ALARM": ":rotating_light:", "OK": ":large_green_circle:"}.get(alarm.state, ":grey_question:")
    text = f"{emoji} *{t.line(alarm.name, 255)}* went to {t.escape(alarm.state)} at {t.clock(alarm.changed_at)}"
    if now:
        text += f"\n:information_source: It is *{t.escape(now)}* by now."
    return text + (f"\n{t.italic(t.reason(alarm.reason, 240))}" if alarm.reason else "")


def _reason(message: str) -> str:
    """What went wrong without AWS's words around it, which tell a reader nothing; the trail has them all."""
    inside = re.fullmatch(r"Step fails when it is [^.]{1,60}\. (.+?) Please refer to [^.]{1,80}\.", message, re.DOTALL)
    return inside[1] if inside else message


def _emphasised(text: str) -> str:
    """The beginning in bold, up to the first stop: a long question in bold is read by nobody."""
    beginning = re.match(r".{1,200}?[:.?!](?=\s)", text)
    head = beginning[0] if beginning else text
    return f"*{head}*{text[len(head) :]}"


def _question(approval: ApprovalFacts, targets: Sequence[str]) -> Iterable[Block]:
    yield t.section("question", "\n".join(_question_lines(approval, targets)))
    if approval.decisions or approval.delegations:
        told = [f"{t.who(each.actor)} {_SAID[each.verdict]} at {t.clock(each.at)}" for each in approval.decisions]
        told += [f"{t.who(by)} handed their answer over to {t.who(to)}" for by, to in approval.delegations]
        yield t.context("agreed", "\n".join(told[-MOST_PEOPLE:]))
    if approval.barred:
        kept_out = ", ".join(dict.fromkeys(t.person(who) for who, _ in approval.barred))
        yield t.context("barred", f"May not approve this: {kept_out}")
    buttons = list(_buttons(approval))
    if buttons:
        yield t.actions("answer", *buttons)
    if not approval.problem:
        yield t.context("rule", "\n".join(_rule(approval)))


def _buttons(approval: ApprovalFacts) -> Iterable[Block]:
    """What may be answered; where nobody could approve it, somebody may still reject it, or break the glass."""
    value = f"{approval.id}.{approval.painted}" if approval.painted else approval.id
    if not approval.problem:
        yield t.button(APPROVE, "Approve", value, style="primary")
    if approval.approvers or approval.objectors or not approval.problem:
        yield t.button(REJECT, "Reject", value, style="danger")
    if approval.decisions:
        yield t.button(REVOKE, TAKE_BACK, approval.id)
    if approval.may_be_delegated and not approval.problem:
        yield t.button(DELEGATE, "Hand over …", approval.id)
    if approval.may_be_broken:
        yield t.button(BREAK_GLASS, "Break glass …", approval.id)


_SAID = {"Approve": "agreed", "Reject": "objected"}


def _question_lines(approval: ApprovalFacts, targets: Sequence[str]) -> Iterable[str]:
    if approval.revision > 1:
        yield ":arrows_counterclockwise: *The plan has changed since you were asked first; earlier answers are void.*"
    yield f":point_right: {_emphasised(t.line(approval.message or approval.title, 1500))}"
    yield from (f":mag: {t.line(each, 200)}" for each in approval.situation[:5])
    yield from t.consequences(approval.consequences, targets, 5)
    if approval.silence_approves and approval.expires_at is not None:
        yield f":alarm_clock: *Unless somebody objects until {t.clock(approval.expires_at)}, it is approved.*"
    if approval.problem:
        yield f":warning: {t.line(approval.problem, 500)}"


def _rule(approval: ApprovalFacts) -> Iterable[str]:
    """Who may answer, how many must, until when: below the buttons, which a phone shall show without scrolling."""
    if approval.groups and approval.groups[0].title:
        for group in approval.groups:
            state = f"{group.missing} still needed" if group.missing else "enough have agreed"
            yield f"*{t.line(group.title, 60)}* ({state}): {t.people(group.approvers, MOST_PEOPLE)}"
    else:
        yield f"May decide: {t.people(approval.approvers, MOST_PEOPLE)}"
    if approval.starter:
        yield f"{t.person(approval.starter)} started it and may only reject."
    if approval.minimum > 1:
        agreed = sum(decision.verdict == "Approve" for decision in approval.decisions)
        yield f"{agreed} of {approval.minimum} approvals so far"
    if approval.expires_at is not None and not approval.silence_approves:
        yield f"Expires at {t.clock(approval.expires_at)}; without an answer it is not approved."


def _concluded(approval: ApprovalFacts) -> str:
    if approval.status == "Waiting":
        return ":hourglass: An answer was still awaited when it ended."
    if approval.is_broken and approval.decisions:
        last = approval.decisions[-1]
        said = f": “{t.line(last.comment, 300)}”" if last.comment else ""
        return f":rotating_light: *Glass broken* by {t.who(last.actor)} at {t.clock(last.at)}{said}"
    if not approval.decisions:
        words = {
            "Approved": ":white_check_mark: Nobody objected in time, as the playbook allows",
            "TimedOut": ":alarm_clock: Nobody answered in time",
            "Cancelled": ":octagonal_sign: Question withdrawn",
        }
        return words.get(approval.status, t.line(approval.status, 60))
    lines = []
    for decision in approval.decisions:
        mark, verb = (":white_check_mark:", "Approved") if decision.verdict == "Approve" else (":no_entry:", "Rejected")
        comment = f": “{t.line(decision.comment, 300)}”" if decision.comment else ""
        lines.append(f"{mark} {verb} by {t.who(decision.actor)} at {t.clock(decision.at)}{comment}")
    return "\n".join(lines)


def _progress(facts: ExecutionFacts) -> str:
    began = [step for step in facts.steps if step.status != "Pending" or step.is_skipped]
    done = sum(step.status == "Success" for step in began)
    ahead = len(facts.steps) - len(began)
    told = [step for step in began if step.status != "Success"] if done > MOST_UNFOLDED else began
    lines = [f":white_check_mark: {done} steps done"] if done > MOST_UNFOLDED else []
    lines += [f"… {len(told) - MOST_STEPS} earlier steps"] if len(told) > MOST_STEPS else []
    lines += [_step(step) for step in told[-MOST_STEPS:]]
    held = next((step for step in facts.steps if step.name == facts.held), None) if facts.held else None
    if held is not None:
        lines.append(
            f":point_right: Next: *{t.line(held.description or held.name, 200)}* {t.code(t.cut(held.name, 60))}"
        )
    if ahead and not facts.is_over and facts.held != "":
        lines.append(f":white_circle: up to {ahead} more")
    return "\n".join(lines) or ":white_circle: not begun"


def _step(step: StepFacts) -> str:
    emoji, word = t.STATUS.get(step.status, (":grey_question:", step.status))
    name = t.line(step.description or step.name, 200)
    if step.is_skipped:
        return f":fast_forward: *{name}*: skipped"
    if step.status == "Success":
        return f"{emoji} {name}"
    say = f" ({t.line(step.say, 120)})" if step.say and step.status in ("InProgress", "Cancelling") else ""
    attempt = f", try {step.attempt} of {step.max_attempts}" if step.attempt > 1 else ""
    return f"{emoji} *{name}*: {word}{attempt}{say}"


def _foot(facts: ExecutionFacts) -> str:
    parts = [f"Started by {t.who(facts.started_by)} at {t.clock(facts.started_at)}"]
    if facts.cancelled_by is not None:
        parts.append(f"stopped by {t.who(facts.cancelled_by)}")
    if facts.budget:
        parts.append(t.line(facts.budget, 100))
    if facts.recovered:
        parts.append("the bot was restarted meanwhile and took it up again")
    if facts.retry_of:
        parts.append(f"goes on with {t.code(facts.retry_of[:8])} from {t.code(t.cut(facts.retry_step, 100))}")
    if facts.retried_as:
        parts.append(f"{t.code(facts.retried_as[:8])} goes on with it")
    parts.append(t.code(facts.id[:8]))
    return " · ".join(parts)
