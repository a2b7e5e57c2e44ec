import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.aws_models import operation_model, operation_names, service_names
from infra.iam_actions import iam_actions, iam_prefix
from infra.iam_resources import ANY, ARNS, Where, resources_of

HERE = Where("aws", "eu-west-1", "111122223333")


@pytest.mark.parametrize(
    ("service", "operation", "params", "arns"),
    [
        ("ec2", "StopInstances", {"InstanceIds": ["i-1", "i-2"]},
         ["ec2:eu-west-1:111122223333:instance/i-1", "ec2:eu-west-1:111122223333:instance/i-2"]),
        ("ec2", "AttachVolume", {"InstanceId": "i-1", "VolumeId": "*", "Device": "/dev/sdf"},
         ["ec2:eu-west-1:111122223333:instance/i-1", "ec2:eu-west-1:111122223333:volume/*"]),
        ("ec2", "DeleteSnapshot", {"SnapshotId": "snap-1"}, ["ec2:eu-west-1::snapshot/snap-1"]),
        ("rds", "RebootDBInstance", {"DBInstanceIdentifier": "db"}, ["rds:eu-west-1:111122223333:db:db"]),
        ("s3", "GetObject", {"Bucket": "b", "Key": "k/x"}, ["s3:::b/k/x"]),
        ("s3", "ListObjectsV2", {"Bucket": "b"}, ["s3:::b"]),
        ("s3", "DeleteObjects", {"Bucket": "b"}, ["s3:::b/*"]),
        ("sqs", "PurgeQueue", {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/444455556666/q"},
         ["sqs:us-east-1:444455556666:q"]),
        ("lambda", "Invoke", {"FunctionName": "f"},
         ["lambda:eu-west-1:111122223333:function:f", "lambda:eu-west-1:111122223333:function:f:*"]),
        ("iam", "AttachRolePolicy", {"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/P"},
         ["iam::111122223333:role/r"]),
        ("ssm", "SendCommand", {"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"]},
         ["ssm:eu-west-1::document/AWS-RunShellScript", "ec2:eu-west-1:111122223333:instance/i-1",
          "ssm:eu-west-1:111122223333:managed-instance/i-1"]),
        ("ssm", "StartAutomationExecution", {"DocumentName": "Mine"},
         ["ssm:eu-west-1:111122223333:automation-definition/Mine:*"]),
        ("ssm", "GetParameter", {"Name": "/a/b"}, ["ssm:eu-west-1:111122223333:parameter/a/b"]),
        ("kms", "Decrypt", {"KeyId": "alias/k"}, ["kms:eu-west-1:111122223333:alias/k"]),
        ("cloudformation", "CreateStack", {"StackName": "s"}, ["cloudformation:eu-west-1:111122223333:stack/s/*"]),
    ],
)  # fmt: skip
def test_a_call_is_narrowed_to_what_its_parameters_name(
    service: str, operation: str, params: Mapping[str, Any], arns: list[str]
) -> None:
    """ARNs in AWS's form, snapshots and AWS's documents without an account."""
    assert resources_of(service, operation, params, HERE) == tuple(f"arn:aws:{arn}" for arn in arns)


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("ec2", "DescribeInstances", {"InstanceIds": ["i-1"]}),
        ("ec2", "CreateSnapshot", {"VolumeId": "vol-1"}),
        ("rds", "DescribeDBInstances", {"DBInstanceIdentifier": "x"}),
        ("sts", "GetCallerIdentity", {}),
    ],
)
def test_what_is_checked_against_no_resource_is_allowed_on_all(
    service: str, operation: str, params: Mapping[str, Any]
) -> None:
    """A narrower statement would refuse the call."""
    assert resources_of(service, operation, params, HERE) == (ANY,)


def reference() -> Mapping[str, Any]:
    """The actions and resource types of the Service Authorization Reference, as cfn-lint keeps them."""
    cfnlint = pytest.importorskip("cfnlint", reason="cfn-lint is not installed: no reference of IAM's actions")
    path = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def narrowed_calls() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every operation that botocore knows and that is narrowed, with its ARNs."""
    for service in service_names():
        prefix = iam_prefix(service)
        if prefix not in ARNS or service in ("docdb", "neptune", "s3control", "elb"):
            continue
        for operation in operation_names(service):
            shape = operation_model(service, operation).input_shape
            params = {name: "x" for name in ARNS[prefix] if shape is not None and name in shape.members}
            params |= {"LoadBalancerArn": "app/x/1"} if "LoadBalancerArn" in params else {}
            arns = resources_of(service, operation, params) if params else (ANY,)
            if arns != (ANY,):
                yield service, operation, arns


def test_every_narrowed_call_names_a_resource_that_iam_checks() -> None:
    """Against the Service Authorization Reference, for all operations of all services."""
    services, wrong, seen = reference(), [], 0
    for service, operation, arns in narrowed_calls():
        for action in iam_actions(service, operation):
            prefix, _, name = action.partition(":")
            known = services.get(prefix, {"Actions": {}})["Actions"].get(name.lower())
            if known is None:
                continue  # newer than the reference
            kinds = {kind.lower() for kind in known.get("Resources") or ()}
            forms = [
                form
                for kind, resource in services[prefix]["Resources"].items()
                if kind.lower() in kinds
                for form in resource.get("ARNFormats", ())
            ]
            seen += 1
            wrong += [f"{action} {arn}" for arn in arns if not any(fits(arn, form) for form in forms)]

    assert wrong == []
    assert seen > 300


def fits(arn: str, form: str) -> bool:
    """Whether an ARN has the form of a resource type."""
    pattern = form.replace("${Partition}", "aws").replace("${Region}", "[^:]*").replace("${Account}", "[^:]*")
    return re.fullmatch(pattern, arn) is not None
