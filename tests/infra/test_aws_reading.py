import pytest

from infra.aws_errors import AwsRefused
from infra.aws_models import operation_model, operation_names
from infra.aws_operations import is_reading
from infra.aws_reading import why_no_look


@pytest.mark.parametrize(
    ("service", "operation", "part"),
    [
        ("ec2", "StopInstances", "may change something"),
        ("ec2", "CreateTags", "may change something"),
        ("sqs", "ReceiveMessage", "may change something"),
        ("sts", "AssumeRole", "may change something"),
        ("sts", "GetSessionToken", "gives out what is secret"),
        ("secretsmanager", "GetSecretValue", "gives out what is secret"),
        ("ec2", "GetPasswordData", "gives out what is secret"),
        ("redshift", "GetClusterCredentials", "gives out what is secret"),
        ("cognito-identity", "GetId", "does more than look"),
        ("kinesis", "GetRecords", "does more than look"),
        ("s3", "GetObject", "answers with a stream"),
    ],
)
def test_what_has_an_effect_is_no_look(service: str, operation: str, part: str) -> None:
    """Whatever its name sounds like."""
    assert part in why_no_look(service, operation, {})


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("EC2", "describe_instances"), ("rds", "DescribeDBInstances"), ("s3", "ListBuckets"), ("s3", "HeadBucket"),
        ("ssm", "GetParameter"), ("dynamodb", "Query"), ("logs", "FilterLogEvents"), ("iam", "ListRoles"),
        ("secretsmanager", "DescribeSecret"), ("sqs", "GetQueueAttributes"), ("sts", "GetCallerIdentity"),
        ("autoscaling", "DescribeAutoScalingGroups"), ("elbv2", "DescribeTargetHealth"), ("lambda", "GetFunction"),
    ],
)  # fmt: skip
def test_questions_may_be_asked(service: str, operation: str) -> None:
    """In any spelling."""
    assert why_no_look(service, operation, {}) == ""


def test_a_secret_is_not_decrypted_to_look_at_it() -> None:
    """GetParameter is a question, WithDecryption is not."""
    assert "decrypt" in why_no_look("ssm", "GetParameter", {"Name": "x", "WithDecryption": True})
    assert "decrypt" in why_no_look("ssm", "GetParameter", {"Name": "x", "WithDecryption": "true"})


def test_an_unknown_operation_is_refused() -> None:
    """With a suggestion, as everywhere."""
    with pytest.raises(AwsRefused, match="DescribeInstances"):
        why_no_look("ec2", "DescribeInstance", {})


@pytest.mark.parametrize("service", ["ec2", "rds", "iam", "s3", "ssm", "lambda", "ecs", "autoscaling", "apigateway"])
def test_no_operation_that_writes_by_its_name_or_its_http_method_is_a_look(service: str) -> None:
    """Over every operation of the service."""
    for operation in operation_names(service):
        method = operation_model(service, operation).http.get("method")
        if not is_reading(operation) or method in ("PUT", "PATCH", "DELETE"):
            assert why_no_look(service, operation, {}) != "", operation
