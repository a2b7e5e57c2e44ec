"""Selectors against the shape of an answer: what they find, and the first thing that is wrong with them."""

import pytest

from engine.lint.selector_shapes import selected
from infra.aws_models import operation_model

INSTANCES = operation_model("ec2", "DescribeInstances").output_shape
ITEM = operation_model("dynamodb", "GetItem").output_shape


@pytest.mark.parametrize(
    ("selector", "kinds", "is_definite"),
    [
        ("$", ["structure"], True),
        ("$.Reservations", ["list"], True),
        ("Reservations[0].Instances[0].State.Name", ["string"], True),
        ("$['Reservations'][0]['Instances']", ["list"], True),
        ("$.'Reservations'[0]", ["structure"], True),
        ("$.Reservations[*].Instances", ["list"], False),
        ("$.Reservations[-1].OwnerId", ["string"], True),
        ("$.Reservations[0:2].OwnerId", ["string"], False),
        ("$..State.Name", ["string"], False),
        ("$.Reservations[?(@.OwnerId=='1')].ReservationId", ["string"], False),
        ("$.Reservations.length()", [], True),
        ("$.ResponseMetadata.RequestId", [], True),
    ],
)
def test_finds(selector: str, kinds: list[str], is_definite: bool) -> None:  # noqa: FBT001 - a table
    """The shapes at the end of the path, and whether it is one value."""
    found = selected(selector, INSTANCES)

    assert found.wrong == ""
    assert sorted({shape.type_name for shape in found.shapes}) == kinds
    assert found.is_definite is is_definite


@pytest.mark.parametrize(
    ("selector", "wrong"),
    [
        ("$.Reservation", 'the answer has no "Reservation" here. Did you mean "Reservations"?'),
        (
            "$.Reservations.Instances",
            '"Instances" is sought in a list; write [0] for the first item, or [*] for all, before it',
        ),
        ("$.Reservations[0].OwnerId.X", '"X" is sought in a text, which has no members'),
        ("$.Reservations[0].OwnerId[0]", "[0] is sought in a text, which is no list"),
        ("$..InstanceIdd", 'the answer has "InstanceIdd" nowhere. Did you mean "InstanceId"?'),
        (
            "$.Reservations[?(@.Owner=='1')]",
            'the filter asks for "Owner", which the items do not have. Did you mean "OwnerId"?',
        ),
    ],
)
def test_says_what_is_wrong(selector: str, wrong: str) -> None:
    """The first segment that finds nothing is named, with what was probably meant."""
    assert selected(selector, INSTANCES).wrong == wrong


@pytest.mark.parametrize("selector", ["$.Item.anything.S", "$.Item.a.M.b.M.c.S", "$..S", "$.Item..S"])
def test_keys_of_maps_are_anybodys(selector: str) -> None:
    """A map has whatever keys it has, and shapes that hold themselves end."""
    assert selected(selector, ITEM).wrong == ""
