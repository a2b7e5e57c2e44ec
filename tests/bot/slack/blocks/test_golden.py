"""Every message and form as Slack gets it: compared with the file of its name, and held against Slack's limits.

`UPDATE_GOLDEN=1 pytest tests/bot/slack/blocks` writes the files anew; read the difference before you commit it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.slack.blocks import alarm, answers, breakglass, card, controls, digest, form, guards, home, preview
from bot.slack.blocks import story as story_blocks
from bot.slack.blocks import text as t
from bot.slack.blocks.picking import picker
from bot.slack.blocks.unfurl import unfurled
from playbooks.desk import Desk
from playbooks.digest import DigestFacts
from playbooks.facts import ExecutionFacts
from playbooks.locks import was_busy
from tests.bot.slack.blocks import facts as f
from tests.bot.slack.blocks.facts import busy
from tests.bot.slack.blocks.foreign import check_message, check_view
from tests.fakes.clock import NIGHT

GOLDEN = Path(__file__).parent.parent / "golden"

STOPPING = f.step("stop", "InProgress", say="i-0b7d1c44e9f2a6d35 is stopping")
PENDING = f.step("start", "Pending")
SKIPPED = f.step("start", "Pending", is_skipped=True)
STOPPED = f.step("stop", inputs={"InstanceIds": ["i-0b7d1c44e9f2a6d35"], "DesiredState": "stopped"})
PAUSED = f.execution(
    approval=None, approvals=(), steps=(f.step("look", "Waiting", action="aws:pause", id="s1"),), started_by=f.SAM
)
GLASS = replace(
    f.decided(comment="nobody <answered>"), is_broken=True, waits_for_review=True, reviewers=("<@U04KIM>", "lee")
)
CARDS: Mapping[str, ExecutionFacts] = {
    "asking": f.execution(),
    "asking_by_name": f.execution(approvals=(f.approval(called={"i-0b7d1c44e9f2a6d35": "web-1, of payments"}),)),
    "asking_in_full": f.execution(approval=f.asked_in_full(), approvals=(f.asked_in_full(),)),
    "asking_who_started_it": f.execution(approval=f.approval(starter="<@U01LEE>", objectors=("<@U01LEE>",))),
    "silence_approves": f.execution(approval=f.approval(silence_approves=True)),
    "glass_broken": f.answered("InProgress", STOPPING, PENDING, question=GLASS),
    "unobserved": f.answered("InProgress", STOPPING, PENDING, notice="AWS does not answer; I look again every minute."),
    "stopping": f.answered("Cancelling", STOPPING, PENDING, cancelled_by=f.KIM),
    "answered": f.answered("Waiting", f.step("stop", "Pending"), PENDING),
    "running": f.answered("InProgress", STOPPING, PENDING),
    "recovered": f.answered("InProgress", STOPPING, PENDING, recovered=True, alarm_now="OK"),
    "success": f.answered("Success", f.step("stop"), f.step("start"), outputs={"after.PublicIp": "203.0.113.7"}),
    "finished_with_failures": f.answered("Success", f.step("stop"), f.step("start", "Failed")),
    "failed": f.answered(
        "Failed", f.step("stop", "Failed", attempt=2, max_attempts=3), failure_message="UnauthorizedOperation: no."
    ),
    "rejected": f.answered(
        "Failed", question=f.decided("Reject", f.KIM, "too risky"), failure_message="Rejected by Kim Bell"
    ),
    "stopped": f.answered("Cancelled", f.step("stop", "Cancelled"), cancelled_by=f.KIM),
    "timed_out": f.answered("TimedOut", question=f.approval(status="TimedOut")),
    "paused": PAUSED,
    "held": f.answered("Waiting", STOPPED, PENDING, held="start", skip_to="look"),
    "held_at_a_question": f.answered("Waiting", STOPPED, PENDING, held="approve"),
    "all_steps_done": f.answered("Waiting", STOPPED, held=""),
    "steps_skipped": f.answered("Waiting", STOPPED, SKIPPED, f.step("mend", "Pending"), held=""),
    "success_with_skipped": f.answered("Success", STOPPED, SKIPPED),
    "retryable": f.answered("Failed", STOPPED, f.step("start", "Failed"), retry_step="start"),
    "retried": f.answered("Failed", f.step("start", "Failed"), retry_step="start", retried_as="c0ffee00-1"),
    "folded": f.answered(
        "Success", *(f.step(f"step{number}") for number in range(6)), retry_of="c0ffee00-1", retry_step="step5"
    ),
    "nobody_can_answer": f.execution(approval=f.approval(approvers=(), problem="Nobody is on the list of approvers.")),
    "one_of_two": f.execution(
        approval=f.approval(minimum=2, decisions=f.decided().decisions), approvals=(f.decided("Approve", f.KIM),)
    ),
}


def same_as_golden(name: str, found: Any) -> None:
    """Compare with the file, or write it."""
    path = GOLDEN / f"{name}.json"
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(text)


@pytest.mark.parametrize("name", CARDS)
def test_the_card(name: str) -> None:
    """One card for each state of an execution."""
    blocks = card.card(CARDS[name])

    check_message(blocks)
    same_as_golden(f"card_{name}", {"text": card.fallback(CARDS[name]), "blocks": blocks})


SUGGESTIONS = {
    "red": f.suggestion(),
    "green_again": f.suggestion(alarm_now="OK"),
    "could_not_start": f.suggestion(why="recover-instance could not start by itself: no InstanceId"),
    "started": f.suggestion(runs=f.started("Waiting"), earlier=(*f.started("Waiting")[::-1], *f.earlier())),
    "run_ended": f.suggestion(runs=f.started("Cancelled"), earlier=f.started("Cancelled")[::-1]),
    "in_use": f.suggestion(why=was_busy(f.holder(), NIGHT), holder=f.holder()),
    "free_again": f.suggestion(why=was_busy(f.holder(), NIGHT)),
    "flapping": f.suggestion(
        times_red=3, first_red_at=NIGHT, red_since=NIGHT + timedelta(minutes=40), seen=f.seen(), earlier=f.earlier()
    ),
    "cared_for": f.suggestion(
        acknowledged_by=f.SAM,
        acknowledged_at=NIGHT,
        muted_by=f.KIM,
        muted_until=NIGHT + timedelta(minutes=30),
        resources=("i-0b7d1c44e9f2a6d35",),
    ),
    "recovered": f.suggestion(
        alarm_now="OK", first_red_at=NIGHT, recovered_at=NIGHT + timedelta(minutes=12), earlier=f.earlier()
    ),
    "nothing_fits": f.suggestion(playbooks=(), alarm=f.alarm(state="INSUFFICIENT_DATA")),
}


@pytest.mark.parametrize("name", SUGGESTIONS)
def test_the_suggestion(name: str) -> None:
    """An alarm that people answer, in each state."""
    blocks = alarm.suggestion(SUGGESTIONS[name])

    check_message(blocks)
    same_as_golden(f"suggestion_{name}", {"text": alarm.fallback(SUGGESTIONS[name]), "blocks": blocks})


UNFURLS = {
    "asking": f.execution(),
    "failed": f.answered("Failed", failure_message="UnauthorizedOperation: no."),
}


@pytest.mark.parametrize("name", UNFURLS)
def test_the_link(name: str) -> None:
    """An execution below a message that links to it."""
    blocks = unfurled(UNFURLS[name], "https://example.slack.com/archives/C1/p1")

    check_message(blocks)
    same_as_golden(f"unfurl_{name}", blocks)


@pytest.mark.parametrize("name", ["storm", "storm_over"])
def test_the_storm(name: str) -> None:
    """Many alarms on one card, red and over."""
    facts = f.storm(40) if name == "storm" else f.storm(3, "OK")
    blocks = alarm.storm(facts)

    check_message(blocks)
    same_as_golden(name, {"text": alarm.storm_fallback(facts), "blocks": blocks})


FORMS = {
    "run": form.run_form(f.playbook(), {}, {}, carried={"channel": "C1"}),
    "run_with_errors": form.run_form(
        f.playbook(),
        {"Note": "too long", "Size": "huge"},
        {"Note": "Note is too long."},
        carried={"region": "us-east-1"},
    ),
    "run_with_choices": form.run_form(
        f.playbook(),
        {"InstanceId": "i-0b7d1c44e9f2a6d35", "Count": "7", "Force": "true", "Really": "false"},
        {},
        carried={"region": "us-east-1"},
        offer=form.Offer(f.PICKERS, ("AWS does not list roles: no.",), ("eu-west-1", "us-east-1"), has_preview=True),
    ),
    "run_step_by_step": form.run_form(f.playbook(parameters=()), {}, {}, carried={"mode": form.INTERACTIVE}),
    "run_on_aws": form.run_form(f.playbook(parameters=(), goes_step_by_step=False), {}, {}, carried={}),
    "busy": form.offer(guards.IN_USE, guards.busy(busy(), "/playbook")),
    "reject_with_reason": form.reject_form("r1", "Stop i-1 and start it?", needs_reason=True),
    "delegate": form.delegate_form("r1", "Stop i-1 and start it?"),
    "break_glass": form.break_glass_form("r1", "Stop i-1 and start it?", ("i-0b7d1c44e9f2a6d35", "web <1>")),
    "review": form.review_form("r1", card.to_review(GLASS)),
    "confirm": form.confirm_form("r1", "m2", ("the alarm recovered 40 s ago", "Lee Park rebooted it 3 minutes ago")),
    "loading": form.loading(f.playbook()),
    "picking": picker(
        [f.playbook(), f.playbook(name="nap", title="A nap", parameters=())],
        ["i-0b7d1c44e9f2a6d35", "i-0b7d1c44e9f2a6d36"],
        carried={"channel": "C1"},
    ),
    "picking_nothing": picker([f.playbook()], [], carried={"channel": "C1"}),
    "preview": preview.view("Recover an instance", f.previewed()),
    "preview_looking": preview.looking("Recover an instance"),
    "preview_problem": preview.problem("Recover an instance", "AWS does not answer."),
    "reject": form.reject_form("r1", "Stop i-1 and start it?"),
    "notice": form.notice("Not started", "You may not run `nap`."),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form(name: str) -> None:
    """The forms."""
    check_view(FORMS[name])
    same_as_golden(f"form_{name}", FORMS[name])


def test_the_home() -> None:
    """What waits, what ran, what one may start; and when there is nothing."""
    links = {f.EXECUTION: "https://example.slack.com/archives/C1/p1"}
    full = home.home(f.desk(), links)
    empty = home.home(Desk(), {})

    for view in (full, empty):
        check_view(view)
    same_as_golden("home", {"full": full, "empty": empty})


def test_the_answers() -> None:
    """What the slash command answers."""
    links = {f.EXECUTION: "https://example.slack.com/archives/C1/p1"}
    texts = {
        "help": answers.help_text("/playbook"),
        "list": answers.playbook_list([f.playbook()], "/playbook"),
        "status": answers.execution_list([f.execution(), f.answered("Success")], links),
        "approvals": answers.approval_list([f.approval(), f.approval(approvers=(), problem="Nobody can.")], links),
        "call": card.call(f.approval()),
        "recovered": alarm.recovered("web-1", "OK"),
        "reminder": alarm.reminder(f.suggestion(red_since=NIGHT)),
        "red_again": alarm.red_again(f.suggestion(times_red=22)),
        "storm_reminder": alarm.storm_reminder(f.storm(7)),
    }
    story = answers.timeline([f.line(1), f.line(2, "stop: Success")])

    check_message(story)
    for text in texts.values():
        check_message(t.paragraphs(text))
    same_as_golden("answers", {**texts, "audit": story})


THREAD: Mapping[str, str] = {
    "asked": card.call(f.approval()),
    "glass_broken": card.broken(GLASS),
    "glass_reviewed": card.broken(replace(GLASS, waits_for_review=False, reviewers=())),
    "stopped": controls.stopped(f.answered("Cancelled", STOPPED, f.step("start", "Cancelled"), cancelled_by=f.KIM)),
    "stopped_before_anything": controls.stopped(f.execution(status="Cancelled", steps=())),
}


def test_the_thread() -> None:
    """What is said below a card."""
    for text in THREAD.values():
        check_message(t.paragraphs(text))
    same_as_golden("thread", dict(THREAD))


def test_a_broken_glass_is_reviewed_below_its_card() -> None:
    """The button stands there for as long as nobody has reviewed it."""
    asking = card.broken_blocks(GLASS)

    check_message(asking)
    assert [each["action_id"] for each in asking[-1]["elements"]] == [card.REVIEW]
    assert "actions" not in [each["type"] for each in card.broken_blocks(replace(GLASS, waits_for_review=False))]


def test_the_story() -> None:
    """The hand-over: who did what, in order, and the button that exports it."""
    began, looked = f.line(1), replace(f.line(4), name="aws.called", data={"operation": "DescribeInstances"})
    agreed, ended = replace(f.line(2, "approved it"), name="approval.decided"), replace(f.line(3), name="step.ended")
    signal = replace(f.line(5, "signal Approve"), name="signal.received", data={"signal": "Approve"})
    resumed = replace(f.line(6, "resumed step halt"), name="signal.received", data={"signal": "Resume", "step": "halt"})
    skipped = replace(f.line(7, "skipped step start"), name="step.skipped", data={"step": "start"})
    story = [began, agreed, ended, looked, signal, resumed, skipped]
    told = story_blocks.story(f.answered("Success"), story)

    check_message(told["blocks"])
    same_as_golden("story", told)


@pytest.mark.parametrize("name", ["digest", "digest_of_a_quiet_day"])
def test_the_digest(name: str) -> None:
    """The morning's message."""
    facts = f.day() if name == "digest" else DigestFacts(NIGHT - timedelta(days=1), NIGHT)
    blocks = digest.digest(facts, {f.EXECUTION: "https://example.slack.com/archives/C1/p1"})

    check_message(blocks)
    same_as_golden(name, {"text": digest.fallback(facts), "blocks": blocks})


def test_the_weeks_report() -> None:
    """Who decided alone, and who has reviewed it."""
    facts = f.week_of_glass()
    blocks = breakglass.report(facts, {f.EXECUTION: "https://example.slack.com/archives/C1/p1"})

    check_message(blocks)
    same_as_golden("week_of_glass", {"text": breakglass.fallback(facts), "blocks": blocks})


def test_every_golden_file_has_its_test() -> None:
    """A file that nothing is compared with proves nothing."""
    known = {f"card_{name}" for name in CARDS} | {f"suggestion_{name}" for name in SUGGESTIONS}
    known |= {f"unfurl_{name}" for name in UNFURLS}
    known |= {f"form_{name}" for name in FORMS} | {"home", "answers", "guards", "storm", "storm_over"}
    known |= {"thread", "story", "digest", "digest_of_a_quiet_day", "week_of_glass"}

    assert {path.stem for path in GOLDEN.glob("*.json")} == known


def test_states_are_truthful() -> None:
    """Asked is not decided, decided is not done, and done with a failure is not simply done."""

    def state(name: str) -> str:
        return str(card.card(CARDS[name])[1]["text"]["text"]).splitlines()[0]

    assert state("asking") == "*Waiting for approval*. Nothing has been changed yet"
    assert state("answered") == "*Answered, going on*"
    assert state("running") == "*Running*"
    assert state("success") == "*Success* after 5 min 18 s"
    assert state("finished_with_failures") == "*Finished, but a step failed* after 5 min 18 s"
    acted = replace(f.execution(), steps=(f.step("stop"), f.STEPS[1]))
    assert "Nothing has been changed" not in json.dumps(card.card(acted))


def test_buttons_stand_only_where_they_apply() -> None:
    """Approve and Reject while it is asked, Stop while it runs, nothing once it is over."""

    def buttons(name: str) -> list[str]:
        blocks = [block for block in card.card(CARDS[name]) if block["type"] == "actions"]
        return [element["action_id"] for block in blocks for element in block["elements"]]

    assert buttons("asking") == [card.APPROVE, card.REJECT, controls.STOP]
    assert buttons("paused") == [controls.RESUME, controls.STOP]
    assert buttons("nobody_can_answer") == [controls.STOP]
    assert buttons("running") == [controls.STOP]
    assert buttons("held") == [controls.RUN_STEP, controls.SKIP_STEP, controls.RUN_ON, controls.STOP]
    assert buttons("held_at_a_question") == [controls.RUN_STEP, controls.RUN_ON, controls.STOP]
    assert buttons("all_steps_done") == [controls.FINISH, controls.STOP]
    assert buttons("retryable") == [controls.RETRY]
    assert buttons("retried") == []
    for name in ("success", "failed", "rejected", "stopped", "timed_out"):
        assert buttons(name) == []
