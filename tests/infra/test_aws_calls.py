"""What is kept of an AWS call: what it was about, never what was in it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.aws_calls import AwsCall, as_json, resource_of
from infra.canonical import canonical, plain


@pytest.mark.parametrize(
    ("params", "resource"),
    [
        ({"InstanceIds": ["i-1", "i-2"], "Force": True}, "i-1, i-2"),
        ({"StackName": "web", "TemplateBody": "secret"}, "web"),
        ({"cluster": "c", "service": "web"}, "web"),
        ({"Filters": [{"Name": "x"}]}, ""),
        ({"Resources": ["i-1"], "Tags": []}, "i-1"),
        ({"InstanceIds": [], "Name": "n"}, "n"),
        ({"Name": "x" * 500}, "x" * 300),
        ({}, ""),
    ],
)
def test_the_resource_is_the_best_identifier(params: dict[str, Any], resource: str) -> None:
    """The most telling identifier of the parameters, short."""
    assert resource_of(params) == resource


def test_facts_hold_no_payload_and_no_empty_extras() -> None:
    """Error and retries stand there only when there were any."""
    assert AwsCall("ec2", "StopInstances", "eu-west-1", "i-1", "r", "", 12.345).facts() == {
        "service": "ec2", "operation": "StopInstances", "region": "eu-west-1", "resource": "i-1",
        "request_id": "r", "milliseconds": 12.3,
    }  # fmt: skip


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.datetimes() | st.dates() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_every_answer_becomes_json(value: Any) -> None:
    """Whatever botocore answers, JSON's own types come out."""
    found = as_json(value)

    assert plain(found) == found
    assert canonical(found)
