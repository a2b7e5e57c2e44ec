"""aws:assertAwsResourceProperty and aws:waitForAwsResourceProperty: one property, compared as Python spells it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.action import FailureType, Stage
from engine.actions.resource_property import is_desired
from engine.document import MISSING
from infra.aws import AwsSession
from tests.engine.actions.rig import DENIED, SILENT, THROTTLED, Rig, answering, failed, succeeded, waiting

ASSERT = "aws:assertAwsResourceProperty"
WAIT = "aws:waitForAwsResourceProperty"


def rig(name: str, aws: Any, selector: str = "$.State", desired: Any = "available") -> Rig:
    """A step that looks at a property of DescribeVpcs's answer."""
    inputs = {"Service": "ec2", "Api": "DescribeVpcs", "PropertySelector": selector, "DesiredValues": desired}
    return Rig(name, inputs, aws)


@pytest.mark.parametrize("name", [ASSERT, WAIT])
def test_a_desired_value_succeeds(moto: AwsSession, instance: str, name: str) -> None:
    """One look is enough where the property is as desired."""
    inputs = {
        "Service": "ec2", "Api": "DescribeInstances", "InstanceIds": [instance],
        "PropertySelector": "$.Reservations[0].Instances[0].State.Name", "DesiredValues": ["stopped", "running"],
    }  # fmt: skip

    assert succeeded(Rig(name, inputs, moto).look()).outputs == {}


@pytest.mark.parametrize(
    ("found", "desired", "expected"),
    [
        ("available", ["available"], True),
        ("available", ["Available"], False),
        (True, ["True"], True),
        (True, ["true"], False),
        (False, ["False"], True),
        (3, ["3"], True),
        (["a", "a"], ["a"], True),
        (["a", "b"], ["a"], False),
        (["a", "b"], ["a", "b"], True),
        ([], ["a"], False),
        (None, ["None"], True),
        (MISSING, ["None"], False),
        (["a"], ["a"], True),
    ],
)
def test_values_are_compared_as_python_spells_them(found: Any, desired: list[str], expected: object) -> None:
    """Booleans have a capital letter; a list is desired when it is not empty and each of its elements is."""
    assert is_desired(found, desired) is expected


@given(st.recursive(st.text() | st.integers() | st.booleans(), st.lists), st.lists(st.text()))
def test_comparing_never_fails(found: Any, desired: list[str]) -> None:
    """Whatever AWS answers can be compared."""
    assert is_desired(found, desired) in (True, False)


def test_an_assertion_says_found_and_desired() -> None:
    """The message is AWS's own."""
    outcome = failed(rig(ASSERT, answering(ec2__DescribeVpcs={"State": False}), desired=["True"]).look())

    assert outcome.message == (
        "Property value 'False' from the API output is not in the desired values. Desired values: ['True']"
    )
    assert outcome.type is FailureType.VERIFICATION


def test_a_missing_property_is_not_desired() -> None:
    """An assertion fails on it, a wait goes on."""
    assert "Property value 'None'" in failed(rig(ASSERT, answering(ec2__DescribeVpcs={})).look()).message
    assert waiting(rig(WAIT, answering(ec2__DescribeVpcs={})).look()).say == "is None, wanted available"


def test_a_wait_looks_until_it_is_so() -> None:
    """Every five seconds; people read what is there and what is wanted."""
    looks = [{"State": "pending"}, {"State": "pending"}, {"State": "available"}]
    step = rig(WAIT, answering(ec2__DescribeVpcs=looks), desired=["available", "in-use"])

    succeeded(step.finish())

    assert step.said == ["is pending, wanted available or in-use"] * 2
    assert step.elapsed.total_seconds() == 10


def test_a_restart_in_between_is_not_noticed() -> None:
    """Looking is harmless: a crash costs nothing."""
    step = rig(WAIT, answering(ec2__DescribeVpcs=[{"State": "pending"}, {"State": "available"}]))
    waiting(step.look())

    succeeded(step.look(crashed=True))


@pytest.mark.parametrize("trouble", [THROTTLED, SILENT])
def test_trouble_in_passing_delays_a_wait(trouble: Exception) -> None:
    """Once it has begun, throttling or a lost network does not end it."""
    step = rig(WAIT, answering(ec2__DescribeVpcs=[{"State": "pending"}, trouble, {"State": "available"}]))

    succeeded(step.finish())

    assert step.elapsed.total_seconds() == 20


@pytest.mark.parametrize("name", [ASSERT, WAIT])
def test_an_error_of_the_api_fails_the_attempt(name: str) -> None:
    """It is maxAttempts that decides about another."""
    assert failed(rig(name, answering(ec2__DescribeVpcs=DENIED)).look()).type is FailureType.PERMISSION


@pytest.mark.parametrize("name", [ASSERT, WAIT])
def test_a_selector_that_makes_no_sense_is_no_matter_of_waiting(name: str) -> None:
    """It fails at once, and for good."""
    outcome = failed(rig(name, answering(ec2__DescribeVpcs={}), "$.[").look())

    assert (outcome.stage, outcome.is_final) == (Stage.INPUT_VALIDATION, True)


def test_desired_values_may_be_written_as_numbers_or_booleans() -> None:
    """`DesiredValues: [true]` means what its author meant."""
    succeeded(rig(ASSERT, answering(ec2__DescribeVpcs={"State": True}), desired=[True]).look())
    succeeded(rig(ASSERT, answering(ec2__DescribeVpcs={"State": 2}), desired=2).look())
