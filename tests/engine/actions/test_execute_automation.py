"""aws:executeAutomation: orders a child and judges its end."""

from typing import Any

import pytest
from pydantic import ValidationError

from engine.action import ChildResult, Outcome, Waiting
from engine.actions import BY_NAME
from tests.engine.actions.rig import Rig, answering, failed, succeeded, waiting

NAME = "aws:executeAutomation"
WISH = {"DocumentName": "AWS-StopEC2Instance", "RuntimeParameters": {"InstanceId": ["i-1"], "Level": 2, "Gone": None}}


def step(**inputs: Any) -> Rig:
    """A step that runs a child."""
    return Rig(NAME, {**WISH, **inputs}, answering())


def test_a_child_is_ordered() -> None:
    """With its parameters as they are; what has no value keeps the child's default."""
    outcome = waiting(step(DocumentVersion=3).look())

    assert outcome.child is not None
    assert (outcome.child.document_name, outcome.child.document_version) == ("AWS-StopEC2Instance", "3")
    assert outcome.child.parameters == {"InstanceId": ["i-1"], "Level": 2}
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


FLEET = {"Targets": [{"Key": "ParameterValues", "Values": ["i-1", "i-2", "i-3"]}], "TargetParameterName": "InstanceId"}


def children_of(outcome: Waiting) -> list[tuple[str, object]]:
    """What each ordered child is for."""
    return [(order.label, order.parameters["InstanceId"]) for order in outcome.children or ()]


def test_targets_are_begun_one_then_two_then_more() -> None:
    """The ramp of rate control: one child, and as each ends more, each with its own value of the parameter."""
    rig = step(**FLEET)

    first = waiting(rig.look())
    ids = [order.execution_id for order in first.children or ()]
    second = waiting(rig.look(children=[ChildResult(ids[0], "Success", ("a",))]))

    assert children_of(first) == [("i-1", ["i-1"])]
    assert children_of(second) == [("i-2", ["i-2"]), ("i-3", ["i-3"])]
    ids += [order.execution_id for order in second.children or ()]
    waiting(
        rig.look(children=[ChildResult(ids[0], "Success"), ChildResult(ids[1], "Success"), ChildResult(ids[2], None)])
    )
    done = succeeded(rig.look(children=[ChildResult(each, "Success", (each[:1],)) for each in ids]))
    assert done.outputs == {"ExecutionId": ids, "Status": "Success", "Output": [each[:1] for each in ids]}


def test_an_error_too_many_begins_no_more() -> None:
    """The step fails, names the target, and says how many were not begun."""
    rig = step(**FLEET)
    (order,) = waiting(rig.look()).children or ()

    outcome = failed(rig.look(children=[ChildResult(order.execution_id, "Failed", (), "It broke.")]))

    assert outcome.message == "1 of 1 targets did not succeed (i-1: Failed It broke.); 2 targets were not begun"
    assert outcome.outputs["Status"] == "Failed"


def test_errors_within_bounds_are_a_success() -> None:
    """MaxErrors says how many targets may fail."""
    rig = step(**FLEET, MaxErrors="50%")
    ids: list[str] = []
    outcome: Outcome = waiting(rig.look())
    while isinstance(outcome, Waiting):
        ids += [order.execution_id for order in outcome.children or ()]
        outcome = rig.look(children=[ChildResult(each, "Failed" if each == ids[0] else "Success") for each in ids])

    assert succeeded(outcome).outputs["Status"] == "Success"


def test_no_target_is_a_success_that_says_so() -> None:
    """AWS publishes nothing; nothing was to do."""
    rig = Rig(NAME, {**WISH, **FLEET, "Targets": [{"Key": "tag:a", "Values": ["b"]}]}, answering(
        resourcegroupstaggingapi__GetResources={"ResourceTagMappingList": []}
    ))  # fmt: skip

    assert succeeded(rig.look()).response == "No target was found; nothing was run."


def test_another_account_is_reached_as_its_execution_role() -> None:
    """Each account and Region gets a child, one at a time unless said otherwise; no outputs come back."""
    rig = step(
        TargetLocations=[
            {"Accounts": ["111122223333"], "Regions": ["eu-west-1", "us-east-1"], "ExecutionRoleName": "Ops"}
        ]
    )

    (first,) = waiting(rig.look()).children or ()
    (second,) = waiting(rig.look(children=[ChildResult(first.execution_id, "Success", ("x",))])).children or ()
    both = [ChildResult(each.execution_id, "Success", ("x",)) for each in (first, second)]

    assert (first.account, first.region, first.role) == (
        "111122223333",
        "eu-west-1",
        "arn:aws:iam::111122223333:role/Ops",
    )
    assert (second.region, second.label) == ("us-east-1", "111122223333/us-east-1")
    assert succeeded(rig.look(children=both)).outputs["Output"] == []


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"Targets": [{"Key": "ParameterValues", "Values": ["a"]}]}, "Targets need TargetParameterName"),
        (
            {**FLEET, "MaxErrors": "many"},
            'MaxErrors must be a number such as 0, or a percentage such as 10%, not "many"',
        ),
        ({**FLEET, "MaxConcurrency": "0"}, "MaxConcurrency must be a number such as 5"),
        ({**FLEET, "Targets": [{"Key": "Name", "Values": ["a"]}]}, "the key of a target must be one of tag:NAME"),
        ({**FLEET, "Targets": FLEET["Targets"] * 2}, "Only one resource group or tag can be specified at a time"),  # type: ignore[operator]
    ],
)
def test_targets_that_make_no_sense_are_refused(inputs: dict[str, Any], sentence: str) -> None:
    """In one sentence, and without another attempt."""
    outcome = failed(step(**inputs).look())

    assert outcome.message.startswith(sentence)
    assert outcome.is_final


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
