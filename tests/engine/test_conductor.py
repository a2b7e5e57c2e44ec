"""The conductor's decision tables: what follows a step, how an execution ends, and what stops it."""

from datetime import timedelta
from typing import Any

import pytest

from engine import conductor
from engine.action import Failed, FailureType, Outcome, Succeeded
from engine.actions.sleep import Sleep
from engine.document import OutputSpec
from engine.execution import Status
from engine.signals import Signal, SignalRefused, SignalType
from engine.state import decode, encode
from tests.engine.worlds import BAD, FINAL_BAD, LEE, NOON, OK, World, poll, runbook, step

DURATION = {"Duration": "PT10M"}


@pytest.mark.parametrize(
    ("name", "first", "outcome", "expected"),
    [
        ("success goes to the next in the list", {}, OK, ["a", "b", "c"]),
        ("nextStep wins over the list", {"next_step": "c"}, OK, ["a", "c"]),
        ("isEnd ends after success", {"is_end": True}, OK, ["a"]),
        ("a failure aborts by default", {}, BAD, ["a"]),
        ("Continue goes on in the list", {"on_failure": "Continue"}, BAD, ["a", "b", "c"]),
        ("Continue follows nextStep", {"on_failure": "Continue", "next_step": "c"}, BAD, ["a", "c"]),
        ("Continue with isEnd ends", {"on_failure": "Continue", "is_end": True}, BAD, ["a"]),
        ("step:X jumps", {"on_failure": "step:c"}, BAD, ["a", "c"]),
        ("step:X wins over isEnd", {"on_failure": "step:c", "is_end": True}, BAD, ["a", "c"]),
    ],
)
def test_after_a_step(name: str, first: dict[str, Any], outcome: Outcome, expected: list[str]) -> None:
    """What runs after a step follows SSM's decision table."""
    world = World(runbook(step("a", **first), step("b"), step("c")), {"a": [outcome], "b": [OK], "c": [OK]})

    world.play()

    assert world.began == expected, name


@pytest.mark.parametrize(
    ("name", "first", "final"),
    [
        ("Abort", {}, "Failed"),
        ("Abort although not critical", {"is_critical": False}, "Failed"),
        ("Continue", {"on_failure": "Continue"}, "Success"),
        ("Continue but critical", {"on_failure": "Continue", "is_critical": True}, "Failed"),
        ("step:X", {"on_failure": "step:b"}, "Failed"),
        ("step:X not critical", {"on_failure": "step:b", "is_critical": False}, "Success"),
    ],
)
def test_final_status(name: str, first: dict[str, Any], final: str) -> None:
    """The execution's final status follows onFailure and isCritical."""
    world = World(runbook(step("a", **first), step("b")), {"a": [BAD], "b": [OK]})

    assert str(world.play().status) == final, name


def test_first_bad_status_decides() -> None:
    """Of a time-out and a failure the one that came first names the execution's status and message."""
    document = runbook(
        step("a", on_failure="Continue", is_critical=True, timeout=timedelta(seconds=10)),
        step("b", on_failure="Continue", is_critical=True),
    )
    world = World(document, {"a": [poll(NOON)], "b": [BAD]})
    world.play()

    state = world.later(seconds=11)

    assert state.status is Status.TIMED_OUT
    assert "a" in state.failure_message


def test_retries_until_attempts_are_used() -> None:
    """The number of attempts counts tries; the step fails only when every one has."""
    world = World(runbook(step("a", max_attempts=3)), {"a": [BAD, BAD, OK]})

    state = world.play()

    assert state.status is Status.SUCCESS
    assert state.steps[0].attempt == 3


def test_final_failures_are_not_retried() -> None:
    """Invalid inputs and rejections use up no further attempt."""
    world = World(runbook(step("a", max_attempts=3)), {"a": [FINAL_BAD, OK]})

    assert world.play().status is Status.FAILED


def test_throttling_does_not_use_up_attempts() -> None:
    """A throttled call is repeated within the same attempt."""
    throttled = Failed("Rate exceeded", type=FailureType.THROTTLING)
    world = World(runbook(step("a")), {"a": [throttled, throttled, OK]})

    state = world.play()

    assert state.status is Status.SUCCESS
    assert state.steps[0].attempt == 1


def test_timeout_counts_per_attempt() -> None:
    """Each attempt has the whole time-out."""
    document = runbook(step("a", max_attempts=2, timeout=timedelta(seconds=10)))
    world = World(document, {"a": [poll(NOON, 60), OK]})
    world.play()

    state = world.later(seconds=11)

    assert state.status is Status.SUCCESS
    assert state.steps[0].attempt == 2


def test_timeout_of_the_last_attempt() -> None:
    """A step without attempts left is TimedOut, and so is the execution."""
    world = World(runbook(step("a", timeout=timedelta(seconds=10))), {"a": [poll(NOON, 60)]})
    world.play()

    state = world.later(seconds=10)

    assert (state.status, state.steps[0].status) == (Status.TIMED_OUT, Status.TIMED_OUT)


def test_branch_wins_over_is_end() -> None:
    """A matched choice is followed although the branch has isEnd."""
    choices = {"Choices": [{"NextStep": "c", "Variable": "{{ X }}", "StringEquals": "1"}]}
    document = runbook(step("a", "aws:branch", inputs=choices, is_end=True), step("b"), step("c"))
    world = World(document, {"c": [OK]}, parameters={"X": "1"})

    world.play()

    assert world.began == ["a", "c"]


def test_branch_without_match() -> None:
    """Without a match and a Default the flow goes on, or ends with isEnd."""
    choices = {"Choices": [{"NextStep": "c", "Variable": "{{ X }}", "StringEquals": "1"}]}
    onward = World(runbook(step("a", "aws:branch", inputs=choices), step("b"), step("c")), {"b": [OK], "c": [OK]})
    ended = World(runbook(step("a", "aws:branch", inputs=choices, is_end=True), step("c")), {"c": [OK]})

    onward.play()
    ended.play()

    assert onward.began == ["a", "b", "c"]
    assert ended.began == ["a"]
    assert ended.state.status is Status.SUCCESS


def test_cancel_runs_the_on_cancel_chain() -> None:
    """Cancelling runs the running step's onCancel target and its successors, then the execution is Cancelled."""
    document = runbook(step("a", on_cancel="step:clean", is_end=True), step("clean"), step("tidy"))
    world = World(document, {"a": [poll(NOON, 60)], "clean": [OK], "tidy": [OK]})
    world.play()

    state = world.cancel()

    assert world.began == ["a", "clean", "tidy"]
    assert state.status is Status.CANCELLED
    assert world.statuses == {"a": "Cancelled", "clean": "Success", "tidy": "Success"}


def test_on_cancel_chain_is_cut_off_after_two_minutes() -> None:
    """A chain that does not end in two minutes is cut off."""
    document = runbook(step("a", on_cancel="step:clean"), step("clean"))
    world = World(document, {"a": [poll(NOON, 60)], "clean": [poll(NOON, 600)]})
    world.play()
    world.cancel()

    assert world.state.status is Status.CANCELLING
    assert world.later(seconds=120).status is Status.CANCELLED


def test_cancel_of_a_failing_chain_is_still_cancelled() -> None:
    """The result of the chain does not change the final status."""
    document = runbook(step("a", on_cancel="step:clean"), step("clean"))
    world = World(document, {"a": [poll(NOON, 60)], "clean": [BAD]})
    world.play()

    assert world.cancel().status is Status.CANCELLED


def test_cancel_tells_an_action_that_has_something_to_stop() -> None:
    """An action that overrides cancel is called before its step is Cancelled."""
    world = World(runbook(step("a", "aws:stoppable")), {"a": [poll(NOON, 60)]})
    world.play()

    world.keep(conductor.stop(world.state, LEE, world.rules))
    call = conductor.wants(world.state)

    assert call is not None
    assert call.kind == "cancel"
    assert world.play().status is Status.CANCELLED


def test_pending_execution_is_cancelled_at_once() -> None:
    """What has not begun needs no clean-up."""
    world = World(runbook(step("a", on_cancel="step:b"), step("b")))

    world.keep(conductor.stop(world.state, LEE, world.rules))

    assert world.state.status is Status.CANCELLED
    assert world.began == []


def test_an_ended_execution_cannot_be_stopped() -> None:
    """Stopping what is over is refused."""
    world = World(runbook(step("a")), {"a": [OK]})
    world.play()

    with pytest.raises(conductor.InvalidStatus):
        conductor.stop(world.state, LEE, world.rules)


def test_stale_reports_change_nothing() -> None:
    """An answer to a call that is no longer wanted is dropped."""
    world = World(runbook(step("a"), step("b")), {"a": [OK]})
    world.keep(conductor.advance(world.state, world.rules))
    call = conductor.wants(world.state)
    assert call is not None
    world.play()

    again = conductor.report(world.state, call.id, BAD, world.rules)

    assert again.state is world.state
    assert again.events == ()


def test_outputs_are_selected_and_published() -> None:
    """Declared outputs come from the action's answer, and the document publishes those it names."""
    spec = OutputSpec("Id", "$.Things[0].Id", "String")
    document = runbook(step("a", outputs=(spec,)), step("b", inputs={"X": "{{ a.Id }}"}), outputs=("a.Id", "b.No"))
    world = World(document, {"a": [Succeeded(root={"Things": [{"Id": 7}]})], "b": [OK]})

    state = world.play()

    assert state.steps[1].inputs == {"X": "7"}
    assert state.outputs == {"a.Id": "7"}


def test_a_script_sees_the_reference_that_has_no_value() -> None:
    """An absent output stays as it is written in a script's payload, and is left out of other inputs."""
    absent = {"InputPayload": {"Group": "{{ later.Name }}"}, "Runtime": "python3.11"}
    world = World(
        runbook(
            step("script", "aws:executeScript", inputs=absent, on_failure="Continue"),
            step("call", inputs={"Name": "{{ later.Name }}", "Other": "x"}),
            step("later"),
        ),
        {"script": [OK], "call": [OK], "later": [OK]},
    )

    world.play()

    script, call, _ = world.state.steps
    assert script.inputs["InputPayload"] == {"Group": "{{ later.Name }}"}
    assert call.inputs == {"Other": "x"}


def test_pause_waits_for_resume() -> None:
    """A pause holds the execution until Resume names its step."""
    world = World(runbook(step("a", "aws:pause"), step("b")), {"b": [OK]})

    assert world.play().status is Status.WAITING
    assert world.state.due_at is None
    assert world.signal(SignalType.RESUME, StepName="a").status is Status.SUCCESS


def test_signals_that_do_not_fit_are_refused() -> None:
    """A signal for another gate, or for none, changes nothing."""
    world = World(runbook(step("a", "aws:pause"), step("b")), {"b": [OK]})
    world.play()

    for signal in (
        Signal(SignalType.APPROVE, LEE),
        Signal(SignalType.RESUME, LEE, "another-step-execution"),
        Signal(SignalType.RESUME, LEE, "", {"StepName": "b"}),
    ):
        with pytest.raises(SignalRefused):
            conductor.receive(world.state, signal, world.rules)


WAITING_AT: dict[str, dict[str, Any]] = {
    "approve": {"action": "aws:approve", "inputs": {"Approvers": ["a"]}},
    "pause": {"action": "aws:pause"},
    "poll": {"action": "aws:scripted"},
}


@pytest.mark.parametrize(
    ("at", "signal", "payload", "status"),
    [
        ("approve", SignalType.APPROVE, {}, "Success"),
        ("approve", SignalType.REJECT, {}, "Failed"),
        ("approve", SignalType.RESUME, {}, None),
        ("approve", SignalType.START_STEP, {}, None),
        ("approve", SignalType.REVOKE, {}, None),
        ("pause", SignalType.RESUME, {"StepName": "a"}, "Success"),
        ("pause", SignalType.RESUME, {}, "Success"),
        ("pause", SignalType.RESUME, {"StepName": "b"}, None),
        ("pause", SignalType.APPROVE, {}, None),
        ("pause", SignalType.REJECT, {}, None),
        ("pause", SignalType.REVOKE, {}, None),
        ("pause", SignalType.STOP_STEP, {}, "Cancelled"),
        ("poll", SignalType.STOP_STEP, {}, "Cancelled"),
        ("poll", SignalType.STOP_STEP, {"StepExecutionId": "another"}, None),
        ("poll", SignalType.APPROVE, {}, None),
        ("poll", SignalType.RESUME, {}, None),
        ("poll", SignalType.START_STEP, {"StepName": "a"}, None),
    ],
)
def test_signals(at: str, signal: SignalType, payload: dict[str, str], status: str | None) -> None:
    """Each signal is legal in its own state only ; elsewhere it is refused and changes nothing."""
    given = dict(WAITING_AT[at])
    world = World(runbook(step("a", given.pop("action"), **given), step("b")), {"a": [poll(NOON)], "b": [OK]})
    before = world.play()

    if status is not None:
        world.signal(signal, **payload)
        assert world.statuses["a"] == status
        return
    with pytest.raises(SignalRefused):
        world.signal(signal, **payload)
    assert world.state == before


def test_approval_counts_distinct_people() -> None:
    """Two approvals need two people."""
    inputs = {"Approvers": ["a", "b"], "MinRequiredApprovals": 2}
    world = World(runbook(step("ask", "aws:approve", inputs=inputs)))
    world.play()

    world.signal(SignalType.APPROVE)

    assert world.state.status is Status.WAITING


def test_rejection_fails_the_step_at_once() -> None:
    """One rejection ends the question, and attempts do not bring it back."""
    inputs = {"Approvers": ["a", "b"], "MinRequiredApprovals": 2}
    world = World(runbook(step("ask", "aws:approve", inputs=inputs, max_attempts=3), step("b")))
    world.play()

    state = world.signal(SignalType.REJECT)

    assert state.status is Status.FAILED
    assert world.began == ["ask"]


def test_approval_times_out() -> None:
    """An unanswered question times out with its step."""
    inputs = {"Approvers": ["a"]}
    world = World(runbook(step("ask", "aws:approve", inputs=inputs, timeout=timedelta(hours=1))))
    world.play()

    assert world.later(hours=1).status is Status.TIMED_OUT


def test_sleep_is_a_timer() -> None:
    """A sleep holds nothing but a moment."""
    world = World(runbook(step("a", "aws:sleep", inputs=DURATION), step("b")), {"b": [OK]})
    world.play()

    assert world.state.due_at == NOON + timedelta(minutes=10)
    assert world.later(minutes=10).status is Status.SUCCESS


def test_unknown_action_fails_its_step() -> None:
    """An action that is not available fails at its step with a clear sentence."""
    world = World(runbook(step("a", "aws:putServerUpgradeMetrics")))

    state = world.play()

    assert state.status is Status.FAILED
    assert "aws:putServerUpgradeMetrics" in state.failure_message


def test_interactive_mode_holds_before_each_step() -> None:
    """In Interactive mode each step waits for StartStep, and Complete ends the run."""
    world = World(runbook(step("a"), step("b")), {"a": [OK], "b": [OK]}, mode="Interactive")
    world.play()
    assert (world.state.status, world.began) == (Status.WAITING, [])

    world.signal(SignalType.START_STEP, StepName="a")
    assert (world.state.status, world.began) == (Status.WAITING, ["a"])

    world.signal(SignalType.START_STEP)
    world.keep(conductor.stop(world.state, LEE, world.rules, kind="Complete"))

    assert world.state.status is Status.SUCCESS


def test_what_a_person_passes_over_is_told() -> None:
    """By going on at a later step, as SSM's StartStep lets them, and by calling it done; the trail has who it was."""
    names = ("a", "b", "c", "d", "e")
    world = World(runbook(*map(step, names)), {name: [OK] for name in names}, mode="Interactive")
    world.play()
    world.signal(SignalType.START_STEP, StepName="c")
    world.signal(SignalType.START_STEP, StepName="d")
    world.keep(conductor.stop(world.state, LEE, world.rules, kind="Complete"))

    told = [each for each in world.events if each.name in ("step.skipped", "signal.received")]
    assert [str(each.data["step"]) for each in told] == ["a", "b", "c", "d", "e"]
    assert [each.name.partition(".")[0] for each in told] == ["step", "step", "signal", "signal", "step"]
    assert {each.actor for each in told} == {LEE}
    assert world.state.skipped == ("a", "b", "e")
    assert decode(encode(world.state), version=0).skipped == world.state.skipped


def test_loop_over_items() -> None:
    """A for-each loop runs its body once an item, with the item in reach."""
    body = (step("inner", inputs={"Item": "{{ each.CurrentIteratorValue }}", "N": "{{ each.CurrentIteration }}"}),)
    loop = step("each", "aws:loop", inputs={"Iterators": "{{ Items }}"}, steps=body)
    world = World(runbook(loop, step("after")), {"inner": [OK, OK], "after": [OK]}, parameters={"Items": ["x", "y"]})

    state = world.play()

    assert state.status is Status.SUCCESS
    assert [step.inputs for step in state.steps if step.name == "inner"] == [
        {"Item": "x", "N": 1},
        {"Item": "y", "N": 2},
    ]
    assert world.began == ["each", "inner", "inner", "after"]


def test_loop_while_a_condition_holds() -> None:
    """A do-while loop runs its body first and goes on while the condition is true."""
    spec = OutputSpec("More", "$.More", "Boolean")
    condition = {"Variable": "{{ inner.More }}", "BooleanEquals": True}
    loop = step("w", "aws:loop", inputs={"LoopCondition": condition}, steps=(step("inner", outputs=(spec,)),))
    more = Succeeded(root={"More": True})
    world = World(runbook(loop), {"inner": [more, more, Succeeded(root={"More": False})]})

    state = world.play()

    assert state.status is Status.SUCCESS
    assert world.began.count("inner") == 3


def test_loop_stops_at_its_bound() -> None:
    """MaxIterations ends a loop whose condition stays true, with success."""
    condition = {"Variable": "{{ X }}", "StringEquals": "1"}
    loop = step("w", "aws:loop", inputs={"LoopCondition": condition, "MaxIterations": 2}, steps=(step("inner"),))
    world = World(runbook(loop), {"inner": [OK, OK, OK]}, parameters={"X": "1"})

    assert world.play().status is Status.SUCCESS
    assert world.began.count("inner") == 2


def test_jump_out_of_a_loop() -> None:
    """An inner step that names an outer one leaves the loop, which is then Exited."""
    body = (step("inner", next_step="out"), step("never"))
    loop = step("each", "aws:loop", inputs={"Iterators": ["x", "y"]}, steps=body)
    world = World(runbook(loop, step("skipped"), step("out")), {"inner": [OK], "out": [OK]})

    world.play()

    assert world.statuses == {"each": "Exited", "inner": "Success", "out": "Success"}


def test_inner_is_end_ends_the_iteration() -> None:
    """An isEnd inside a loop ends the iteration, not the run."""
    body = (step("inner", is_end=True), step("never"))
    loop = step("each", "aws:loop", inputs={"Iterators": ["x", "y"]}, steps=body)
    world = World(runbook(loop, step("after")), {"inner": [OK, OK], "after": [OK]})

    world.play()

    assert world.began == ["each", "inner", "inner", "after"]


def test_many_pure_steps_do_not_hold_a_transaction_for_ever() -> None:
    """A long chain of pure steps is taken in bounded bites."""
    names = [f"s{number}" for number in range(conductor.STEPS_AT_ONCE * 2)]
    world = World(runbook(*(step(name, "aws:sleep", inputs={"Duration": "PT0S"}) for name in names)))

    first = conductor.advance(world.state, world.rules)

    assert not first.state.is_over
    assert first.state.due_at is not None
    assert world.play().status is Status.SUCCESS


def test_a_hold_lets_what_runs_end_and_begins_nothing() -> None:
    """The running call ends as it does, the next step waits without being due, and begins when the hold is over."""
    world = World(runbook(step("one"), step("two")), {"one": [OK]})
    world.keep(conductor.advance(world.state, world.rules))
    world.hold = "Everything is paused."

    world.play()
    assert world.statuses == {"one": "Success"}
    assert (world.state.due_at, world.state.notice) == (None, "Everything is paused.")
    world.later(days=3)
    assert [event.name for event in world.events].count("execution.paused") == 1

    world.hold = ""
    world.outcomes["two"] = [OK]
    assert world.play().status is Status.SUCCESS
    assert world.state.notice == ""


def test_a_hold_begins_no_further_attempt_and_no_further_iteration() -> None:
    """What would be tried again, or walked once more, waits, too."""
    flaky = World(runbook(step("one", max_attempts=3)), {"one": [BAD, OK]})
    body = (step("inner"),)
    loop = World(runbook(step("each", "aws:loop", inputs={"Iterators": ["x", "y"]}, steps=body)), {"inner": [OK, OK]})
    for world in (flaky, loop):
        world.keep(conductor.advance(world.state, world.rules))
        world.hold = "Everything is paused."
        world.play()
        begun = len(world.began)
        world.later(hours=1)
        assert len(world.began) == begun
        assert not world.state.is_over

        world.hold = ""
        assert world.play().status is Status.SUCCESS


def test_a_held_execution_is_stopped_and_cleans_up() -> None:
    """Stopping works as always under a hold: between two steps at once, in a step with its onCancel chain."""
    between = World(runbook(step("one"), step("two")), {"one": [OK]}, hold="")
    between.keep(conductor.advance(between.state, between.rules))
    between.hold = "Everything is paused."
    between.play()
    assert between.cancel().status is Status.CANCELLED

    running = World(runbook(step("one", on_cancel="step:tidy", is_end=True), step("tidy")), {"tidy": [OK]})
    running.play()
    running.hold = "Everything is paused."
    assert running.cancel().status is Status.CANCELLED
    assert running.began == ["one", "tidy"]


def test_a_cancelled_loop_cleans_up_and_goes_nowhere() -> None:
    """The chain of onCancel ends with the body: neither another item nor what comes after the loop is begun."""
    body = (step("inner", on_cancel="step:undo", is_end=True), step("undo"))
    loop = step("each", "aws:loop", inputs={"Iterators": ["x", "y", "z"]}, steps=body)
    world = World(runbook(loop, step("after")), {"inner": [poll(NOON, 60)], "undo": [OK], "after": [OK]})
    world.play()

    state = world.cancel()

    assert world.began == ["each", "inner", "undo"]
    assert state.status is Status.CANCELLED
    assert world.statuses == {"each": "Cancelled", "inner": "Cancelled", "undo": "Success"}


def test_a_loop_ends_as_its_execution_does() -> None:
    """Timed out, where an inner step's time-out has aborted the execution."""
    body = (step("inner", timeout=timedelta(seconds=10)),)
    world = World(
        runbook(step("each", "aws:loop", inputs={"Iterators": ["x"]}, steps=body)), {"inner": [poll(NOON, 60)]}
    )
    world.play()

    state = world.later(seconds=11)

    assert (state.status, world.statuses["each"]) == (Status.TIMED_OUT, "TimedOut")


@pytest.mark.parametrize("is_in_loop", [False, True])
def test_a_step_that_is_stopped_step_by_step_ends_alone(*, is_in_loop: bool) -> None:
    """The operator goes on from there, whatever onFailure says; a loop is left."""
    inner = step("a")
    first = step("each", "aws:loop", inputs={"Iterators": ["x", "y"]}, steps=(inner,)) if is_in_loop else inner
    world = World(runbook(first, step("b")), {"a": [poll(NOON, 60)], "b": [OK]}, mode="Interactive")
    world.play()
    world.signal(SignalType.START_STEP)
    running = world.state.step
    assert running is not None
    world.signal(SignalType.STOP_STEP, StepExecutionId=running.id)

    assert (world.state.status, world.state.phase, world.state.upcoming) == (Status.WAITING, "held", "b")
    assert set(world.statuses.values()) == {"Cancelled"}


@pytest.mark.parametrize(
    ("name", "inputs", "status"),
    [
        ("aws:sleep", {"Duration": "P9999999D"}, "Failed"),
        ("aws:sleep", {"Timestamp": "9999-12-31T23:59:59Z"}, "Failed"),
        ("aws:branch", {"Choices": [{"NextStep": "b", "Variable": 10**400, "NumericGreater": 5}]}, "Success"),
    ],
)
def test_what_no_clock_or_number_holds_is_an_answer(name: str, inputs: dict[str, Any], status: str) -> None:
    """A sleep that is too long fails, a number that is too large is no number; the execution ends."""
    world = World(runbook(step("a", name, inputs=inputs, is_end=True), step("b")), {"b": [OK]})

    assert str(world.play().status) == status


def test_a_defect_of_a_pure_action_is_its_steps_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with every other action: else the execution could neither go on nor be stopped."""

    def broken(*_: Any) -> Outcome:
        raise ZeroDivisionError

    monkeypatch.setattr(Sleep, "run", broken)
    world = World(runbook(step("a", "aws:sleep", inputs=DURATION)), {})
    state = world.play()

    assert state.status is Status.FAILED
    assert "Internal Server Error (ZeroDivisionError)" in state.failure_message
