"""A failed execution is gone on with in a new one: done steps are not done again, questions are asked again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.document import Document
from engine.execution import Execution, Status
from engine.resumption import LATEST, CannotResume, resumption
from engine.signals import SignalType
from engine.state import decode, encode
from tests.engine.worlds import BAD, NOON, OK, World, runbook, step

ASK = {"Approvers": ["lee"]}


def failed_at_c() -> tuple[World, Document]:
    """Steps a and b are done, with a question between them; c failed."""
    document = runbook(step("a"), step("ask", "aws:approve", inputs=ASK), step("b"), step("c"), step("d"))
    world = World(document, {"a": [OK], "b": [OK], "c": [BAD], "d": [OK]})
    world.play()
    world.signal(SignalType.APPROVE)
    world.play()
    assert world.state.status is Status.FAILED
    return world, document


def test_only_what_was_not_done_is_done() -> None:
    """The question is asked once more, then the failed step runs, then what follows it."""
    world, document = failed_at_c()
    taken = resumption(world.state, document, NOON)
    again = World(document, {"c": [OK], "d": [OK]})
    again.state = taken.taken_up(again.state)

    assert again.play().status is Status.WAITING
    again.signal(SignalType.APPROVE)

    assert again.play().status is Status.SUCCESS
    assert again.began == ["ask", "c", "d"]
    assert [each.name for each in again.state.steps[:3]] == ["a", "ask", "b"]
    assert len({each.id for each in again.state.steps}) == len(again.state.steps)


def test_a_question_answered_with_no_ends_the_retry_too() -> None:
    """What the first asked people must not be walked around by failing later."""
    world, document = failed_at_c()
    again = World(document, {"c": [OK], "d": [OK]})
    again.state = resumption(world.state, document, NOON).taken_up(again.state)
    again.play()
    again.signal(SignalType.REJECT)

    assert again.play().status is Status.FAILED
    assert again.began == ["ask"]


def test_the_row_keeps_the_plan() -> None:
    """A restart between the question and the failed step forgets nothing."""
    world, document = failed_at_c()
    state = resumption(world.state, document, NOON).taken_up(World(document, {}).state)

    assert state.first == ("c",)
    assert decode(encode(state), version=state.version) == state


def _refused(state: Execution, document: Document) -> str:
    with pytest.raises(CannotResume) as refused:
        resumption(state, document, NOON)
    return str(refused.value)


def test_it_is_refused_where_it_cannot_be_right() -> None:
    """Each refusal says why."""
    world, document = failed_at_c()
    state = world.state

    assert "still runs" in _refused(replace(state, status=Status.IN_PROGRESS), document)
    assert "no step of it failed" in _refused(replace(state, status=Status.SUCCESS), document)
    assert "AWS" in _refused(replace(state, engine="ssm"), document)
    assert "Another execution" in _refused(replace(state, parent_id="p"), document)
    assert "more than a day" in _refused(replace(state, ended_at=NOON - LATEST - timedelta(seconds=1)), document)


def test_a_rejection_is_no_failure_to_retry() -> None:
    """People said no."""
    document = runbook(step("ask", "aws:approve", inputs=ASK), step("b"))
    world = World(document, {})
    world.play()
    world.signal(SignalType.REJECT)
    world.play()

    assert "asked people" in _refused(world.state, document)


def test_what_a_clean_up_took_back_is_not_taken_for_granted() -> None:
    """After onFailure: step:undo the outputs of earlier steps may name what is gone."""
    document = runbook(step("a"), step("b", on_failure="step:undo"), step("undo", is_end=True))
    world = World(document, {"a": [OK], "b": [BAD], "undo": [OK]})
    world.play()

    assert "taken back" in _refused(world.state, document)


def test_a_critical_step_that_failed_before_still_counts() -> None:
    """The retry cannot end better than the document says."""
    world, document = failed_at_c()
    first = replace(world.state.steps[0], status=Status.FAILED, failure_message="no")
    taken = resumption(replace(world.state, steps=(first, *world.state.steps[1:])), document, NOON)

    assert (taken.bad, taken.message) == (Status.FAILED, "no")
