"""aws:executeAutomation: orders a child and judges its end."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import ChildResult
from engine.actions import BY_NAME
from tests.engine.actions.rig import Rig, answering, failed, succeeded, waiting

NAME = "aws:executeAutomation"
WISH = {"DocumentName": "AWS-StopEC2Instance", "RuntimeParameters": {"InstanceId": ["i-1"], "Level": 2, "Gone": None}}


def step(**inputs: Any) -> Rig:
    """A step that runs a child."""
    return Rig(NAME, {**WISH, **inputs}, answering())


def test_a_child_is_ordered() -> None:
    """With its parameters as they are; what has no value keeps the child's default."""
    outcome = waiting(step(DocumentVersion=3, Targets=[{"Key": "tag:a", "Values": ["b"]}], MaxErrors=1).look())

    assert outcome.child is not None
    assert (outcome.child.document_name, outcome.child.document_version) == ("AWS-StopEC2Instance", "3")
    assert outcome.child.parameters == {"InstanceId": ["i-1"], "Level": 2}
    assert outcome.child.targets == {"Targets": [{"Key": "tag:a", "Values": ["b"]}], "MaxErrors": "1"}
    assert outcome.say == "runs AWS-StopEC2Instance"


def test_a_child_that_succeeds_gives_its_outputs() -> None:
    """The values of its declared outputs, flattened, in order."""
    rig = step()
    rig.look()

    outcome = succeeded(rig.look(child=ChildResult("c-1", "Success", ("stopped", "5"))))

    assert outcome.outputs == {"ExecutionId": "c-1", "Status": "Success", "Output": ["stopped", "5"]}


@pytest.mark.parametrize("status", ["Failed", "TimedOut", "Cancelled"])
def test_every_other_end_of_the_child_is_a_failure(status: str) -> None:
    """In AWS's own words, with the child's."""
    rig = step()
    rig.look()

    outcome = failed(rig.look(child=ChildResult("c-1", status, ("a", "b"), "Step stop broke.")))

    assert outcome.message == (
        f"Failed to run automation with executionId: c-1 Failed : {{Status=[{status}], Output=[a, b], "
        "ExecutionId=[c-1]} Step stop broke."
    )
    assert outcome.outputs["Status"] == status


def test_a_crash_while_the_child_runs_orders_no_other() -> None:
    """The order is repeated; the engine finds the child there by its id, which follows from the attempt."""
    rig = step()
    first = waiting(rig.look())

    again = waiting(rig.look(crashed=True, child=ChildResult("c-1", None)))

    assert again.child == first.child


def test_parameters_may_be_json() -> None:
    """A parameter of the parent may hold all of the child's."""
    outcome = waiting(step(RuntimeParameters='{"InstanceId": "i-1"}').look())

    assert outcome.child is not None
    assert outcome.child.parameters == {"InstanceId": "i-1"}


@pytest.mark.parametrize(
    "inputs",
    [{"DocumentName": None}, {"Tags": [{"Key": "a"}] * 6}, {"TargetLocations": []}, {"RuntimeParameters": [1]}],
)
def test_inputs_beyond_the_limits_are_refused(inputs: dict[str, Any]) -> None:
    """Five tags, at least one location, a map."""
    with pytest.raises(ValidationError):
        BY_NAME[NAME].Inputs.model_validate({**WISH, **inputs})
