"""Which resources a tag or a group of a fan-out selects: a document's TargetType, in the words of the services. Pure.

Source: SSM User Guide, "Mapping targets for an automation"; Resource Groups Tagging API, GetResources.
"""

import re
from collections.abc import Mapping
from typing import Final

from engine.document import Document

ANY: Final = "/"
"""The TargetType of a document for resources of every kind."""
INSTANCE: Final = "AWS::EC2::Instance"
_PARAMETER: Final = re.compile(r"(?:List<)?(AWS::\w+::\w+)(?:::\w+)?>?")
_TYPE: Final = re.compile(r"/AWS::(?P<service>\w+)::(?P<resource>\w+)")
_SERVICES: Final[Mapping[str, str]] = {
    "certificatemanager": "acm", "elasticloadbalancingv2": "elasticloadbalancing", "efs": "elasticfilesystem",
    "kinesisfirehose": "firehose", "opensearchservice": "es", "elasticsearch": "es", "stepfunctions": "states",
}  # fmt: skip
"""Where an ARN calls a service otherwise than CloudFormation does."""
_RESOURCES: Final[Mapping[str, str]] = {
    "S3::Bucket": "", "SNS::Topic": "", "SQS::Queue": "", "RDS::DBInstance": "db", "RDS::DBCluster": "cluster",
    "RDS::DBSnapshot": "snapshot", "RDS::DBClusterSnapshot": "cluster-snapshot", "RDS::DBSubnetGroup": "subgrp",
    "RDS::DBParameterGroup": "pg", "EC2::EIP": "elastic-ip", "EC2::NatGateway": "natgateway",
    "EC2::VPCEndpoint": "vpc-endpoint", "EC2::VPCPeeringConnection": "vpc-peering-connection",
    "ElasticLoadBalancingV2::LoadBalancer": "loadbalancer", "ElasticLoadBalancing::LoadBalancer": "loadbalancer",
    "ElasticLoadBalancingV2::TargetGroup": "targetgroup", "Logs::LogGroup": "log-group",
    "StepFunctions::StateMachine": "stateMachine", "AutoScaling::AutoScalingGroup": "autoScalingGroup",
    "SSM::ManagedInstance": "managed-instance", "EFS::FileSystem": "file-system", "CloudWatch::Alarm": "alarm",
}  # fmt: skip
"""What an ARN calls a resource where it is not CloudFormation's name in small letters with hyphens."""


def target_type(document: Document | None, parameter: str) -> str:
    """`/AWS::EC2::Instance` and the like: as the document says, else as the parameter's type or name does; "" = any."""
    if document is not None and document.target_type:
        return "" if document.target_type == ANY else document.target_type
    declared = document.parameters.get(parameter) if document is not None else None
    found = _PARAMETER.fullmatch(declared.type) if declared is not None else None
    if found is not None:
        return f"/{found[1]}"
    plain = parameter.lower()
    return f"/{INSTANCE}" if "instance" in plain and "db" not in plain and "rds" not in plain else ""


def tagged_as(kind: str) -> list[str]:
    """The ResourceTypeFilters of the Tagging API; [] where it may be anything. Raises ValueError."""
    if not kind:
        return []
    found = _TYPE.fullmatch(kind)
    if found is None:
        raise ValueError(f'the TargetType of a document is one such as /AWS::EC2::Instance, or /; not "{kind}"')
    plain = found["service"].lower()
    service = _SERVICES.get(plain, plain)
    resource = _RESOURCES.get(f"{found['service']}::{found['resource']}", _hyphened(found["resource"]))
    return [f"{service}:{resource}" if resource else service]


def grouped_as(kind: str) -> list[dict[str, object]]:
    """The filters of ListGroupResources."""
    return [{"Name": "resource-type", "Values": [kind.removeprefix("/")]}] if kind else []


def _hyphened(name: str) -> str:
    """`security-group` of SecurityGroup, `vpc` of VPC, `db-instance` of DBInstance."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
