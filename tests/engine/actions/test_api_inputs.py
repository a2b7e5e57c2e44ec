"""Inputs of API calls take the form that botocore's model wants."""

from typing import Any

import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from engine.actions.api_inputs import api_params, shaped
from infra.aws_models import operation_model


def params(service: str, api: str, **inputs: Any) -> dict[str, Any]:
    """The call's parameters for these inputs."""
    return api_params({"Service": service, "Api": api, **inputs}, operation_model(service, api))


@pytest.mark.parametrize(
    ("service", "api", "given_", "wanted"),
    [
        ("ec2", "StopInstances", {"InstanceIds": "i-1"}, {"InstanceIds": ["i-1"]}),
        ("ec2", "StopInstances", {"InstanceIds": '["i-1","i-2"]'}, {"InstanceIds": ["i-1", "i-2"]}),
        ("ec2", "StopInstances", {"instanceIds": ["i-1"], "Force": "True"}, {"InstanceIds": ["i-1"], "Force": True}),
        ("ec2", "StopInstances", {"InstanceIds": ["i-1"], "Force": None}, {"InstanceIds": ["i-1"]}),
        ("autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": "a", "DesiredCapacity": "5"},
         {"AutoScalingGroupName": "a", "DesiredCapacity": 5}),
        ("autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": ["a"], "DesiredCapacity": 5.0},
         {"AutoScalingGroupName": "a", "DesiredCapacity": 5}),
        ("cloudwatch", "PutMetricAlarm", {"AlarmName": 7, "Threshold": "80.5", "ActionsEnabled": "false"},
         {"AlarmName": "7", "Threshold": 80.5, "ActionsEnabled": False}),
        ("ec2", "DescribeInstances", {"Filters": {"Name": "tag:a", "Values": "b"}},
         {"Filters": [{"Name": "tag:a", "Values": ["b"]}]}),
        ("ec2", "DescribeInstances", {"Filters": '[{"Name":"tag:a","Values":["b"]}]'},
         {"Filters": [{"Name": "tag:a", "Values": ["b"]}]}),
        ("ec2", "ModifyInstanceAttribute", {"InstanceId": "i-1", "InstanceType": {"Value": "t3.micro"}},
         {"InstanceId": "i-1", "InstanceType": {"Value": "t3.micro"}}),
        ("ec2", "ModifyInstanceAttribute", {"InstanceId": "i-1", "EbsOptimized": {"Value": "true"}},
         {"InstanceId": "i-1", "EbsOptimized": {"Value": True}}),
        ("ssm", "SendCommand", {"DocumentName": "d", "Parameters": {"commands": "ls", "n": 5, "m": {"a": True}}},
         {"DocumentName": "d", "Parameters": {"commands": ["ls"], "n": ["5"], "m": ['{"a":true}']}}),
        ("s3", "PutBucketPolicy", {"Bucket": "b", "Policy": {"Version": "2012-10-17"}},
         {"Bucket": "b", "Policy": '{"Version":"2012-10-17"}'}),
        ("sts", "GetCallerIdentity", {}, {}),
    ],
)  # fmt: skip
def test_values_take_the_models_form(service: str, api: str, given_: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Scalars get their type, a lone value becomes a list, JSON text a map, a map of a text its JSON."""
    found = params(service, api, **given_)

    assert found == wanted
    shape = operation_model(service, api).input_shape
    assert shape is None or not ParamValidator().validate(found, shape).has_errors()


def test_what_cannot_be_converted_stays_and_is_named_by_botocore() -> None:
    """The author reads his own value in the message."""
    found = params("autoscaling", "SetDesiredCapacity", AutoScalingGroupName="a", DesiredCapacity="many")

    report = ParamValidator().validate(found, operation_model("autoscaling", "SetDesiredCapacity").input_shape)
    assert "value: many" in report.generate_report()


def test_text_that_only_looks_like_json_stays_text() -> None:
    """A PowerShell cast begins with a bracket and is no list."""
    script = "[System.Version]$version = '1.0'"

    assert params("ssm", "SendCommand", DocumentName="d", Parameters={"commands": script})["Parameters"] == {
        "commands": [script]
    }


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_shaping_never_fails(value: Any) -> None:
    """Whatever stands in a runbook is shaped or left alone."""
    for name in ("Filters", "InstanceIds", "MaxResults", "DryRun", "NextToken"):
        shaped(value, operation_model("ec2", "DescribeInstances").input_shape.members[name])
