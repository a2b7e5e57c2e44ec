"""Keys of resources: which values are resources, and which keys stand for one of them."""

from datetime import timedelta

import pytest

from audit.events import Actor
from engine.validation import parse
from playbooks.locks import Holder, busy, is_same, keys, was_busy
from tests.playbooks.worlds import NOON

DOCUMENT = parse(
    """\
schemaVersion: "0.3"
parameters:
  Instances: {type: "List<AWS::EC2::Instance::Id>"}
  Role: {type: "AWS::IAM::Role::Arn", default: ""}
  Name: {type: String, default: ""}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
""",
    name="many",
)


def found(named: tuple[str, ...] | None = None, **parameters: object) -> tuple[str, ...]:
    """The keys of an execution in eu-west-1 of account 1."""
    return keys(DOCUMENT, parameters, "eu-west-1", "1", named=named)  # type: ignore[arg-type]  # values of tests


def test_parameters_of_resource_types_are_resources() -> None:
    """Each value of a list is one, in order; a role is used, not worked on."""
    assert found(Instances=["i-0bbb", "i-0aaa", "i-0aaa"], Role="arn:aws:iam::1:role/x", Name="n") == (
        "1/eu-west-1/ec2/i-0aaa",
        "1/eu-west-1/ec2/i-0bbb",
    )


def test_the_playbook_may_name_them() -> None:
    """Then these are it, whatever the types say; an empty list is none."""
    assert found(("Name",), Instances=["i-0aaa"], Name="orders") == ("1/eu-west-1/resource/orders",)
    assert found((), Instances=["i-0aaa"]) == ()


@pytest.mark.parametrize("spelled", ["i-0abc123", " i-0ABC123 ", "arn:aws:ec2:eu-west-1:1:instance/i-0abc123"])
def test_one_resource_has_one_key(spelled: str) -> None:
    """However it is written, also where no type says what it is."""
    assert found(("Name",), Name=spelled) == found(Instances=["i-0abc123"]) == ("1/eu-west-1/ec2/i-0abc123",)


def test_an_arn_says_where_it_is() -> None:
    """Its account and Region count, not those of the run."""
    assert found(("Name",), Name="arn:aws:rds:us-east-1:2:db:orders") == ("2/us-east-1/rds/orders",)


def test_an_unknown_account_is_any() -> None:
    """Two known accounts are two, Regions and services too."""
    assert is_same("-/eu-west-1/ec2/i-0a", "1/eu-west-1/ec2/i-0a")
    assert is_same("1/eu-west-1/ec2/i-0a", "1/eu-west-1/ec2/i-0a")
    assert not is_same("2/eu-west-1/ec2/i-0a", "1/eu-west-1/ec2/i-0a")
    assert not is_same("-/us-east-1/ec2/i-0a", "1/eu-west-1/ec2/i-0a")


@pytest.mark.parametrize(("kind", "who"), [("alarm", "alarm web-1-cpu"), ("person", "web-1-cpu")])
def test_who_has_it(kind: str, who: str) -> None:
    """The resource, the run, who started it and when: a moment, which is as true when it is read later."""
    holder = Holder("1/r/ec2/i-0a", "0123456789", "Restart it", Actor(kind, "x", "web-1-cpu"), NOON)  # type: ignore[arg-type]  # a table

    assert busy(holder, NOON + timedelta(minutes=3)) == (
        f"i-0a is already being handled by Restart it (01234567), started by {who} at 12:00 UTC."
    )
    assert busy(holder, NOON + timedelta(days=1)).endswith(f"started by {who} at {NOON:%F} 12:00 UTC.")
    assert was_busy(holder, NOON + timedelta(minutes=3)) == (
        f"i-0a was in use by Restart it (01234567), which {who} had started at 12:00 UTC."
    )
