"""Which operations may be called twice."""

import pytest

from infra.aws_models import operation_model
from infra.aws_operations import is_reading, is_repeatable, token_member


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("ec2", "DescribeInstances", True),
        ("ec2", "StopInstances", True),
        ("ec2", "StartInstances", True),
        ("ec2", "TerminateInstances", True),
        ("ec2", "RebootInstances", False),
        ("ec2", "RunInstances", True),  # EC2 knows its ClientToken
        ("ec2", "CreateImage", False),
        ("ec2", "CreateTags", True),
        ("ec2", "AssignPrivateIpAddresses", False),
        ("rds", "RebootDBInstance", False),
        ("rds", "StartDBInstance", True),
        ("ssm", "SendCommand", False),
        ("ssm", "StartAutomationExecution", False),
        ("ssm", "PutParameter", True),
        ("lambda", "Invoke", False),
        ("stepfunctions", "StartExecution", False),
        ("dynamodb", "PutItem", True),
        ("dynamodb", "UpdateItem", False),
        ("events", "PutEvents", False),
        ("ecs", "RegisterTaskDefinition", False),
        ("ecs", "UpdateService", True),
        ("securityhub", "BatchUpdateFindings", True),
        ("sns", "Publish", False),
        ("sqs", "SendMessage", False),
        ("elasticache", "TestFailover", False),
        ("license-manager", "CheckInLicense", False),
        ("apigateway", "TestInvokeMethod", False),
    ],
)
def test_only_harmless_operations_are_repeated(service: str, operation: str, expected: object) -> None:
    """Reading, naming the wanted state, or carrying a token: nothing else."""
    assert is_repeatable(operation_model(service, operation)) is expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("GetParameter", True), ("Getaway", False), ("ListBuckets", True), ("BatchGetItem", True),
     ("StopInstances", False), ("FilterLogEvents", True), ("QueryObjects", True), ("SetAlarmState", False)],
)  # fmt: skip
def test_reading_is_a_matter_of_whole_words(operation: str, expected: object) -> None:
    """`Get` reads, `Getaway` is another word."""
    assert is_reading(operation) is expected


def test_the_token_is_found_in_the_model() -> None:
    """The member by which EC2 recognises a repeated call."""
    assert token_member(operation_model("ec2", "RunInstances")) == "ClientToken"
    assert token_member(operation_model("ec2", "StopInstances")) == ""
