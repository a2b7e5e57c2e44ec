"""aws:branch, aws:pause, aws:sleep, aws:updateVariable, aws:loop: no AWS, no thread, no clock of their own."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from audit.events import SYSTEM
from engine.action import Outcome, Stage
from engine.actions import BY_NAME
from engine.actions.sleep import duration
from engine.signals import Signal, SignalRefused, SignalType
from engine.unreachable_aws import NoAws
from tests.engine.actions.rig import NOON, Rig, context_of, failed, succeeded, waiting

NOWHERE = NoAws("eu-west-1", "123456789012", "aws")


def run(name: str, inputs: Any, **fields: Any) -> Outcome:
    """Run a pure action once, with an AWS that refuses everything."""
    action = BY_NAME[name]
    return action.run(action.Inputs.model_validate(inputs), context_of(NOWHERE, **fields))


# -- branch

YES, NO = {"Variable": "a", "StringEquals": "a"}, {"Variable": "a", "StringEquals": "b"}


@pytest.mark.parametrize(
    ("choices", "default", "step"),
    [
        ([{"NextStep": "one", **YES}, {"NextStep": "two", **YES}], None, "one"),
        ([{"NextStep": "one", **NO}, {"NextStep": "two", **YES}], None, "two"),
        ([{"NextStep": "one", **NO}], "other", "other"),
        ([{"NextStep": "one", **NO}], None, None),
        ([{"NextStep": "one", "Not": NO}], None, "one"),
        ([{"NextStep": "one", "Or": [NO, {"And": [YES, {"Not": NO}]}]}], None, "one"),
        ([{"NextStep": "one", "StringEquals": "a"}], None, None),
        ([{"NextStep": "one", "Not": {"StringEquals": "a"}}], None, "one"),
    ],
)
def test_the_first_choice_that_holds_wins(choices: Any, default: str | None, step: str | None) -> None:
    """Without one, Default, or the flow's own order; a variable that is missing makes its comparison false."""
    outcome = succeeded(run("aws:branch", {"Choices": choices, "Default": default}))

    assert outcome.next_step == step
    assert outcome.outputs == ({"NextStep": step} if step else {})


@pytest.mark.parametrize("inputs", [{}, {"Choices": []}, {"Choices": [YES]}, {"Choices": [{"NextStep": "", **YES}]}])
def test_a_branch_must_lead_somewhere(inputs: Any) -> None:
    """Every choice names a step."""
    with pytest.raises(ValidationError):
        run("aws:branch", inputs)


# -- pause


@pytest.mark.parametrize("inputs", [{}, {"Message": "look at the graph, then resume"}])
def test_a_pause_waits_for_resume(inputs: Any) -> None:
    """And for nothing else; a Message is allowed, as in AWS's own runbooks."""
    assert waiting(run("aws:pause", inputs)).signals == {SignalType.RESUME}

    action = BY_NAME["aws:pause"]
    succeeded(action.receive(action.Inputs(), {}, Signal(SignalType.RESUME, SYSTEM), NOON))
    assert action.default_timeout is None


# -- sleep


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT10M", 600), ("PT5S", 5), ("P1DT2H", 93_600), ("PT0S", 0), ("pt1h", 3600), ("PT1.5S", 1.5), ("P1W", 604_800),
     ("P6DT23H59M59S", 604_799)],
)  # fmt: skip
def test_durations_are_iso_8601(text: str, seconds: float) -> None:
    """As SSM takes them."""
    assert duration(text) == timedelta(seconds=seconds)


@given(st.text())
def test_no_duration_is_a_surprise(text: str) -> None:
    """Any text is a duration or a sentence."""
    try:
        assert duration(text) >= timedelta(0)
    except ValueError as error:
        assert str(error).startswith('"')  # noqa: PT017 - either way is right, but nothing third


def test_a_sleep_is_a_timer() -> None:
    """It waits for the moment, and a restart in between does not begin it anew."""
    rig = Rig("aws:sleep", {"Duration": "PT10M"}, NOWHERE)

    assert waiting(rig.look()).until == NOON + timedelta(minutes=10)
    assert rig.said == ["until 2026-11-24 12:10:00 UTC"]
    succeeded(rig.look())


@pytest.mark.parametrize("spelling", ["Timestamp", "TimeStamp"])
def test_a_sleep_may_end_at_a_moment(spelling: str) -> None:
    """Both spellings are found in the wild; a zone counts."""
    outcome = waiting(run("aws:sleep", {spelling: "2026-11-24T13:30:00+01:00"}))

    assert outcome.until == NOON + timedelta(minutes=30)


@pytest.mark.parametrize("inputs", [{"Duration": "PT0S"}, {"Timestamp": "2020-01-01T00:00:00Z"}])
def test_a_moment_that_has_passed_is_passed(inputs: Any) -> None:
    """At once."""
    succeeded(run("aws:sleep", inputs))


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"Duration": "10 minutes"}, '"10 minutes" is not an ISO 8601 duration such as PT10M'),
        ({"Duration": "-PT5S"}, "is not an ISO 8601 duration"),
        ({"Duration": "P7D"}, "a sleep lasts at most 604799 seconds"),
        ({"Duration": "P" + "9" * 400 + "D"}, "is too long"),
        ({"Timestamp": "tomorrow"}, '"tomorrow" is not an ISO 8601 moment'),
        ({"Timestamp": "2027-01-01T00:00:00Z"}, "at most 604799 seconds"),
    ],
)
def test_a_sleep_that_makes_no_sense_fails(inputs: Any, sentence: str) -> None:
    """For good."""
    outcome = failed(run("aws:sleep", inputs))

    assert sentence in outcome.message
    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)


@pytest.mark.parametrize("inputs", [{}, {"Duration": "PT1S", "Timestamp": "2026-01-01T00:00:00Z"}])
def test_a_sleep_is_exactly_one_of_two(inputs: Any) -> None:
    """A duration or a moment."""
    with pytest.raises(ValidationError, match="exactly one of Duration and Timestamp"):
        run("aws:sleep", inputs)


# -- updateVariable

TYPES = {"Count": "Integer", "Names": "StringList", "Word": "String", "Flag": "Boolean"}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("variable:Count", "5", 5),
        ("Count", 5, 5),
        ("{{ variable:Count }}", 5, 5),
        ("variable:Names", "a", ["a"]),
        ("variable:Word", True, "true"),
        ("variable:Flag", "True", True),
        ("variable:Word", None, None),
    ],
)
def test_a_variable_gets_its_type(name: str, value: Any, kept: Any) -> None:
    """Text becomes what the variable was declared as."""
    outcome = succeeded(run("aws:updateVariable", {"Name": name, "Value": value}, variable_types=TYPES))

    assert list(outcome.variables.values()) == [kept]


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            {"Name": "variable:Cuont", "Value": 1},
            'The variable "Cuont" is not declared; declared are: Count, Flag, Names',
        ),
        ({"Name": "variable:Count", "Value": "many"}, 'The variable "Count": "many" is not an Integer'),
    ],
)
def test_a_value_that_does_not_fit_fails(inputs: Any, sentence: str) -> None:
    """For good, with what would be right."""
    outcome = failed(run("aws:updateVariable", inputs, variable_types=TYPES))

    assert outcome.message.startswith(sentence)
    assert outcome.is_final


def test_a_value_that_is_missing_is_not_null() -> None:
    """A reference to an output that is not there must not empty a variable."""
    with pytest.raises(ValidationError, match="Value"):
        run("aws:updateVariable", {"Name": "variable:Count"}, variable_types=TYPES)


# -- what all share


@pytest.mark.parametrize("name", ["aws:branch", "aws:sleep", "aws:updateVariable", "aws:executeAwsApi"])
def test_a_signal_that_nobody_waits_for_is_refused(name: str) -> None:
    """By name."""
    action = BY_NAME[name]

    with pytest.raises(SignalRefused, match=f"{name} takes no Approve signal"):
        action.receive(action.Inputs.model_construct(), {}, Signal(SignalType.APPROVE, SYSTEM), NOON)
