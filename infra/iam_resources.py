"""Which resources an AWS call is about, as ARNs for a policy; `*` where IAM knows none or the ARN is new. Pure.

Source: AWS Service Authorization Reference, "Resource types defined by …" of each service. What IAM does not check
against a resource must be allowed on `*`, or it is refused; so a call is narrowed only where every resource that IAM
checks is among its parameters.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from infra.iam_actions import iam_prefix

ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Where:
    """The parts of an ARN that a runbook does not say; `*` = any."""

    partition: str = "aws"
    region: str = ANY
    account: str = ANY


ANYWHERE: Final = Where()
ARNS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "ec2": {
        "InstanceIds": ("{r}:{a}:instance/{v}",), "InstanceId": ("{r}:{a}:instance/{v}",),
        "VolumeId": ("{r}:{a}:volume/{v}",), "SnapshotId": ("{r}::snapshot/{v}",), "ImageId": ("{r}::image/{v}",),
        "GroupId": ("{r}:{a}:security-group/{v}",), "VpcId": ("{r}:{a}:vpc/{v}",),
        "SubnetId": ("{r}:{a}:subnet/{v}",), "NetworkInterfaceId": ("{r}:{a}:network-interface/{v}",),
        "AllocationId": ("{r}:{a}:elastic-ip/{v}",), "RouteTableId": ("{r}:{a}:route-table/{v}",),
        "InternetGatewayId": ("{r}:{a}:internet-gateway/{v}",), "NetworkAclId": ("{r}:{a}:network-acl/{v}",),
        "NatGatewayId": ("{r}:{a}:natgateway/{v}",), "LaunchTemplateId": ("{r}:{a}:launch-template/{v}",),
    },
    "rds": {
        "DBInstanceIdentifier": ("{r}:{a}:db:{v}",), "DBClusterIdentifier": ("{r}:{a}:cluster:{v}",),
        "DBSnapshotIdentifier": ("{r}:{a}:snapshot:{v}",),
        "DBClusterSnapshotIdentifier": ("{r}:{a}:cluster-snapshot:{v}",),
    },
    "lambda": {"FunctionName": ("{r}:{a}:function:{v}", "{r}:{a}:function:{v}:*")},
    "s3": {"Bucket": ("::{v}",)},
    "sns": {"TopicArn": ("{r}:{a}:{v}",)},
    "sqs": {"QueueUrl": ("{r}:{a}:{v}",)},
    "dynamodb": {"TableName": ("{r}:{a}:table/{v}",)},
    "logs": {"logGroupName": ("{r}:{a}:log-group:{v}", "{r}:{a}:log-group:{v}:*")},
    "secretsmanager": {"SecretId": ("{r}:{a}:secret:{v}-*", "{r}:{a}:secret:{v}")},
    "kms": {"KeyId": ("{r}:{a}:key/{v}",)},
    "autoscaling": {"AutoScalingGroupName": ("{r}:{a}:autoScalingGroup:*:autoScalingGroupName/{v}",)},
    "cloudformation": {"StackName": ("{r}:{a}:stack/{v}/*",)},
    "iam": {
        "RoleName": (":{a}:role/{v}",), "UserName": (":{a}:user/{v}",), "GroupName": (":{a}:group/{v}",),
        "InstanceProfileName": (":{a}:instance-profile/{v}",), "PolicyArn": (":{a}:policy/{v}",),
    },
    "states": {"stateMachineArn": ("{r}:{a}:stateMachine:{v}",), "executionArn": ("{r}:{a}:execution:{v}",)},
    "elasticloadbalancing": {
        "TargetGroupArn": ("{r}:{a}:targetgroup/{v}",), "LoadBalancerArn": ("{r}:{a}:loadbalancer/{v}",),
    },
    "redshift": {"ClusterIdentifier": ("{r}:{a}:cluster:{v}",)},
    "ecs": {"cluster": ("{r}:{a}:cluster/{v}",)},
    "eks": {"clusterName": ("{r}:{a}:cluster/{v}",)},
    "workspaces": {"WorkspaceId": ("{r}:{a}:workspace/{v}",)},
}  # fmt: skip
"""IAM's prefix -> the call's parameter -> ARNs after `arn:PARTITION:PREFIX:`."""
MAKES: Final = re.compile(
    r"(?:Create|Run|Copy|Allocate|Restore|Import|Register|Request|Purchase|Provision|Promote|Clone|Describe)"
)
"""Calls that make something new, whose ARN nobody knows; and those that IAM checks against no resource."""
CHECKED: Final[Mapping[str, frozenset[str]]] = {
    "ec2": frozenset(
        {
            "StartInstances", "StopInstances", "RebootInstances", "TerminateInstances", "ModifyInstanceAttribute",
            "ModifyInstanceMetadataOptions", "MonitorInstances", "UnmonitorInstances", "AttachVolume", "DetachVolume",
            "DeleteVolume", "ModifyVolume", "ModifyVolumeAttribute", "DeleteSnapshot", "ModifySnapshotAttribute",
            "DeregisterImage", "ModifyImageAttribute", "DeleteSecurityGroup", "AuthorizeSecurityGroupIngress",
            "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
            "DeleteNetworkInterface", "ReleaseAddress", "DeleteRouteTable", "DeleteRoute", "DeleteInternetGateway",
            "DetachInternetGateway", "DeleteNetworkAcl", "DeleteNetworkAclEntry", "DeleteSubnet", "DeleteVpc",
            "ModifySubnetAttribute", "ModifyVpcAttribute", "GetConsoleOutput", "GetConsoleScreenshot",
            "ResetInstanceAttribute", "DisableImage", "EnableImage", "AssociateIamInstanceProfile",
        }
    ),
    "ecs": frozenset({"DeleteCluster", "UpdateCluster", "UpdateClusterSettings", "PutClusterCapacityProviders"}),
    "eks": frozenset({"UpdateClusterConfig", "UpdateClusterVersion", "ListNodegroups"}),
    "workspaces": frozenset({"RestoreWorkspace"}),
    "iam": frozenset(
        {
            "GetRole", "DeleteRole", "AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy",
            "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies", "UpdateAssumeRolePolicy", "TagRole",
            "GetUser", "DeleteUser", "AttachUserPolicy", "DetachUserPolicy", "PutUserPolicy", "DeleteUserPolicy",
            "ListUserPolicies", "ListAttachedUserPolicies", "DeleteLoginProfile", "UpdateAccessKey", "DeleteAccessKey",
            "GetGroup", "DeleteGroup", "AttachGroupPolicy", "DetachGroupPolicy", "AddUserToGroup",
            "RemoveUserFromGroup", "GetInstanceProfile", "DeleteInstanceProfile", "AddRoleToInstanceProfile",
            "RemoveRoleFromInstanceProfile", "GetPolicy", "DeletePolicy", "DeletePolicyVersion",
        }
    ),
    "elasticloadbalancing": frozenset(
        {
            "RegisterTargets", "DeregisterTargets", "ModifyTargetGroup", "ModifyTargetGroupAttributes",
            "DeleteTargetGroup", "DeleteLoadBalancer", "ModifyLoadBalancerAttributes", "SetSubnets",
            "SetSecurityGroups",
        }
    ),
}  # fmt: skip
"""Where only some operations are checked against what their parameters name: which."""
MAIN: Final[Mapping[str, tuple[str, ...]]] = {
    "iam": ("InstanceProfileName", "RoleName", "GroupName", "UserName", "PolicyArn"),
}
"""Where a call has several, only the first is checked: `AttachRolePolicy` is about the role."""
NAMED_BY_CALLER: Final = frozenset(
    {
        "cloudformation:CreateStack", "cloudformation:CreateChangeSet", "logs:CreateLogGroup", "logs:CreateLogStream",
        "lambda:CreateFunction", "dynamodb:CreateTable", "autoscaling:CreateAutoScalingGroup", "s3:CreateBucket",
    }
)  # fmt: skip
"""New things whose ARN follows from the name that the call gives them."""
WHOLE_ACCOUNT: Final = frozenset(
    {
        "dynamodb:ListBackups", "dynamodb:ListContributorInsights", "dynamodb:ListStreams",
        "lambda:ListEventSourceMappings", "lambda:UpdateEventSourceMapping", "redshift:GetClusterCredentials",
        "redshift:GetClusterCredentialsWithIAM", "redshift:AddPartner",
        "autoscaling:GetPredictiveScalingForecast", "kms:ListAliases",
    }
)  # fmt: skip
_AWS_OWNED: Final = re.compile(r"(?:AWS|Amazon|AWSEC2|AWSSupport|AWSConfigRemediation)-|(?:AWS|Amazon)[A-Za-z0-9]+-")
_BUCKETS: Final = frozenset(
    {
        "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads", "GetObjectLockConfiguration",
        "PutObjectLockConfiguration",
    }
)  # fmt: skip
"""Operations of S3 that are about a bucket although their names speak of objects."""
_OBJECTS: Final = re.compile("Object|Part|Multipart")


def resources_of(service: str, operation: str, params: Mapping[str, Any], where: Where = ANYWHERE) -> tuple[str, ...]:
    """ARNs that the call is about. Values may hold `*` where they are not known."""
    prefix = iam_prefix(service)
    known = ARNS.get(prefix, {})
    if f"{prefix}:{operation}" in WHOLE_ACCOUNT or not _is_checked(prefix, operation):
        return (ANY,)
    names = [name for name in known if params.get(name)]
    if prefix in MAIN:
        names = [name for name in MAIN[prefix] if params.get(name)][:1]
    found = [arn for name in names for arn in _arns(prefix, name, params[name], where)]
    special = {"s3": _of_s3, "ssm": _of_ssm}.get(prefix)
    if special is not None:
        found = list(special(operation, params, where))
    return tuple(dict.fromkeys(found)) or (ANY,)


def _is_checked(prefix: str, operation: str) -> bool:
    listed = CHECKED.get(prefix)
    if listed is not None:
        return operation in listed
    return prefix == "s3" or MAKES.match(operation) is None or f"{prefix}:{operation}" in NAMED_BY_CALLER


def _arns(prefix: str, name: str, value: Any, where: Where) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        text = str(each)
        if text.startswith("arn:"):
            yield text
        elif prefix == "sqs" and text.startswith("https://"):
            host, _, path = text.removeprefix("https://").partition("/")
            region, (account, _, queue) = host.split(".")[1:2] or [where.region], path.partition("/")
            yield f"arn:{where.partition}:sqs:{region[0]}:{account or where.account}:{queue or ANY}"
        elif prefix == "kms" and text.startswith("alias/"):
            yield f"arn:{where.partition}:kms:{where.region}:{where.account}:{text}"
        else:
            for template in ARNS[prefix][name]:
                yield arn(where, prefix, template, text)


def arn(where: Where, prefix: str, template: str, value: str) -> str:
    """One ARN of a template such as `{r}:{a}:instance/{v}`; neighbouring stars become one."""
    rest = template.format(r=where.region, a=where.account, v=value)
    return re.sub(r"\*{2,}", "*", f"arn:{where.partition}:{prefix}:{rest}")


def _of_s3(operation: str, params: Mapping[str, Any], where: Where) -> Iterator[str]:
    if not params.get("Bucket"):
        return
    buckets = params["Bucket"] if isinstance(params["Bucket"], list) else [params["Bucket"]]
    for bucket in buckets:
        base = str(bucket) if str(bucket).startswith("arn:") else f"arn:{where.partition}:s3:::{bucket}"
        is_object = operation not in _BUCKETS and _OBJECTS.search(operation) is not None
        yield f"{base}/{params.get('Key') or ANY}" if is_object else base


def _of_ssm(operation: str, params: Mapping[str, Any], where: Where) -> Iterator[str]:
    name = str(params.get("DocumentName") or params.get("Name") or "")
    if operation == "SendCommand":
        yield _document(name, "document", where)
        instances = params.get("InstanceIds") or [ANY]
        for each in instances if isinstance(instances, list) else [instances]:
            yield arn(where, "ec2", "{r}:{a}:instance/{v}", str(each))
            yield arn(where, "ssm", "{r}:{a}:managed-instance/{v}", str(each))
    elif operation == "StartAutomationExecution":
        yield f"{_document(name, 'automation-definition', where)}:*"
    elif operation in ("GetParameter", "PutParameter", "DeleteParameter", "GetParameterHistory"):
        yield arn(where, "ssm", "{r}:{a}:parameter/{v}", name.removeprefix("/"))
    elif operation in ("GetParameters", "DeleteParameters"):
        names = params.get("Names") or [ANY]
        for each in names if isinstance(names, list) else [names]:
            yield arn(where, "ssm", "{r}:{a}:parameter/{v}", str(each).removeprefix("/"))


def _document(name: str, kind: str, where: Where) -> str:
    """AWS's own documents belong to no account."""
    if name.startswith("arn:"):
        return name.replace(":document/", f":{kind}/").rstrip("*").rstrip(":") or ANY
    owner = replace(where, account="") if _AWS_OWNED.match(name) else where
    return arn(owner, "ssm", "{r}:{a}:" + kind + "/{v}", name or ANY)
