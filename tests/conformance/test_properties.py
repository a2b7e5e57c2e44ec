"""What holds of every runbook: it ends, loses no step, runs none after the end, and follows the rules."""

import random
from collections.abc import Mapping
from typing import Any, Literal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.document import RunbookRefused
from engine.execution import FINAL, Status
from engine.exporting import exported
from engine.validation import parse
from tests.conformance.oracle_flow import final_status
from tests.conformance.random_runbooks import Fate, document_of, fates, played, trees
from tests.engine.worlds import World


@given(trees(), fates)
@settings(max_examples=max(300, settings.default.max_examples if settings.default else 0), deadline=None)
def test_every_execution_is_what_the_rules_say(tree: dict[str, Any], chosen: Mapping[str, list[Fate]]) -> None:
    """It comes to an end, through the steps and to the status that a second reading of the rules predicts."""
    world = played(tree, chosen)

    variables = {name: each["default"] for name, each in tree["variables"].items()}
    assert final_status(tree, world.record, parameters={}, variables=variables) == world.state.status


@given(trees(), fates, st.one_of(st.none(), st.integers(0, 8)))
def test_no_step_is_lost_and_none_runs_after_the_end(
    tree: dict[str, Any], chosen: Mapping[str, list[Fate]], cancel_after: int | None
) -> None:
    """Every step that began has ended, in the trail too, and the end is the last event."""
    world = played(tree, chosen, cancel_after=cancel_after)

    names = [event.name for event in world.events]
    assert all(step.status in FINAL and step.ended_at for step in world.state.steps)
    assert names.count("step.ended") == len(world.state.steps)
    assert names.count("execution.ended") == 1
    assert names[-1] == "execution.ended"
    assert world.state.due_at is None


@given(trees(), fates, st.integers(0, 8))
def test_a_cancelled_execution_is_cancelled(
    tree: dict[str, Any], chosen: Mapping[str, list[Fate]], cancel_after: int
) -> None:
    """Wherever it stands, a cancelled execution ends as Cancelled, or had ended before."""
    world = played(tree, chosen, cancel_after=cancel_after)

    was_asked = any(event.name == "execution.cancelling" for event in world.events)
    assert (world.state.status is Status.CANCELLED) == was_asked


@given(trees(), fates, st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(
    tree: dict[str, Any], chosen: Mapping[str, list[Fate]], dice: random.Random
) -> None:
    """The same document with its keys in another order runs the same way."""
    assert _story(played(_shuffled(tree, dice), chosen)) == _story(played(tree, chosen))


NASTY = st.text(max_size=40) | st.sampled_from(
    [
        "yes",
        "0.3",
        "012",
        "1e3",
        "null",
        "~",
        "2026-01-31",
        "{{ P }}",
        "a: b",
        "- x",
        "# no",
        " lead",
        "two\n\nlines\n",
        "|",
    ]
)


@given(
    trees(),
    st.dictionaries(st.text("abcXYZ", min_size=1, max_size=6), NASTY, max_size=4),
    st.sampled_from(["json", "yaml"]),
)
def test_documents_survive_export(tree: dict[str, Any], payload: dict[str, str], form: Literal["json", "yaml"]) -> None:
    """What is exported, in either form, is read as the same document."""
    tree["mainSteps"][0]["inputs"] = {**tree["mainSteps"][0]["inputs"], "Payload": payload, "List": [*payload.values()]}
    tree["description"] = next(iter(payload.values()), "")
    try:
        document = document_of(tree)
    except RunbookRefused:
        assume(False)
        return

    again = parse(exported(document, form), name="Random")

    assert again.tree == document.tree
    assert again.steps == document.steps


def _story(world: World) -> list[tuple[str, str]]:
    return [(step.name, str(step.status)) for step in world.state.steps] + [("", str(world.state.status))]


def _shuffled(value: Any, dice: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(item, dice) for item in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    dice.shuffle(keys)
    return {key: _shuffled(value[key], dice) for key in keys}
