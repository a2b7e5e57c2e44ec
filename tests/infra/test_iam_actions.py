"""IAM's names for AWS's operations, checked against the list of actions that cfn-lint carries."""

import json
from pathlib import Path

import cfnlint
import pytest

from infra.aws_errors import AwsRefused
from infra.aws_models import operation_names
from infra.iam_actions import EXCEPTIONS, iam_actions

POLICIES = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
KNOWN = frozenset(
    f"{prefix}:{action}".lower()
    for prefix, each in json.loads(POLICIES.read_bytes()).items()
    for action in each["Actions"]
)
"""Every action that IAM knows, in lower case."""


@pytest.mark.parametrize(
    ("service", "operation", "actions"),
    [
        ("ec2", "DescribeInstances", ("ec2:DescribeInstances",)),
        ("EC2", "describe_instances", ("ec2:DescribeInstances",)),
        ("s3", "ListObjectsV2", ("s3:ListBucket",)),
        ("s3", "CopyObject", ("s3:GetObject", "s3:PutObject")),
        ("s3", "PutBucketInventoryConfiguration", ("s3:PutInventoryConfiguration",)),
        ("s3", "ListBucketAnalyticsConfigurations", ("s3:GetAnalyticsConfiguration",)),
        ("s3", "PutPublicAccessBlock", ("s3:PutBucketPublicAccessBlock",)),
        ("s3control", "PutPublicAccessBlock", ("s3:PutAccountPublicAccessBlock",)),
        ("lambda", "Invoke", ("lambda:InvokeFunction",)),
        ("cloudwatch", "DescribeAlarms", ("cloudwatch:DescribeAlarms",)),
        ("stepfunctions", "StartExecution", ("states:StartExecution",)),
        ("elbv2", "DescribeLoadBalancers", ("elasticloadbalancing:DescribeLoadBalancers",)),
        ("opensearch", "DescribeDomain", ("es:DescribeDomain",)),
        ("resourcegroupstaggingapi", "GetResources", ("tag:GetResources",)),
        ("apigateway", "GetRestApis", ("apigateway:GET",)),
        ("apigatewayv2", "UpdateStage", ("apigateway:PATCH",)),
        ("budgets", "DescribeBudgets", ("budgets:ViewBudget",)),
        ("keyspaces", "DeleteTable", ("cassandra:Drop",)),
    ],
)
def test_names_the_actions_that_iam_checks(service: str, operation: str, actions: tuple[str, ...]) -> None:
    """Mostly prefix and operation; some services check another action, or several."""
    assert iam_actions(service, operation) == actions


@pytest.mark.parametrize(
    "service",
    ["autoscaling", "ecs", "eks", "elb", "elbv2", "events", "organizations", "sns", "sqs", "sts", "config", "efs",
     "budgets", "keyspaces", "resource-groups", "stepfunctions", "servicecatalog", "ecr"],
)  # fmt: skip
def test_every_action_of_a_service_exists(service: str) -> None:
    """No operation of these services leads to an action that IAM does not have; ECR's newest are not listed yet."""
    found = {action for name in operation_names(service) for action in iam_actions(service, name)}
    unknown = {action for action in found if action.lower() not in KNOWN}

    assert len(unknown) <= (5 if service == "ecr" else 0), unknown


def test_every_exception_leads_to_an_action_that_exists() -> None:
    """A table of exceptions has no misspelt entry."""
    actions = {action for each in EXCEPTIONS.values() for action in each}

    assert {action for action in actions if action.lower() not in KNOWN} == set()


def test_what_does_not_exist_is_refused() -> None:
    """An unknown operation has no permission."""
    with pytest.raises(AwsRefused, match="Did you mean"):
        iam_actions("ec2", "DescribeInstance")
