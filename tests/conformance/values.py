"""What to start a document with: a value for each parameter that needs one, by its name and use."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.document import Document, Parameter
from engine.expressions import REFERENCE
from engine.parameters import SSM_REFERENCE, native_type, supply
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json
from tests.conformance.account import ACCOUNT, Account, made
from tests.conformance.patterns import example

BY_NAME: Final = (
    (r"automation.*role|^assumerole$|rolearn|role$|lambda.*role", "role"),
    (r"approver|principalformanual", "role"),
    (r"db(i|instance)resourceid|rdsresourceid", "db_instance.DbiResourceId"),
    (r"dbclusterresourceid", "db_cluster.DbClusterResourceId"),
    (r"rdsinstancearn|dbinstancearn", "db_instance.DBInstanceArn"),
    (r"rdsclusterarn|dbclusterarn", "db_cluster.DBClusterArn"),
    (r"dbclustersnapshot", "db_cluster_snapshot"),
    (r"dbsnapshot(id|name)", "db_snapshot"),
    (r"dbclusterid|auroracluster", "db_cluster.DBClusterIdentifier"),
    (r"dbinstance|rdsinstance", "db_instance.DBInstanceIdentifier"),
    (r"(ec2)?instanceids?$|instanceidentifiers?$|^unreachable.*|^instancename|targetinstance", "instance"),
    (r"instancearn", "@arn:ec2:instance/{instance}"),
    (r"snapshotid|ebssnapshot", "snapshot"),
    (r"volumeid", "volume"),
    (r"baseami|sourceami|amiid|imageid", "image"),
    (r"subnetarn", "@arn:ec2:subnet/{subnet}"),
    (r"subnetb", "other_subnet"),
    (r"subnet", "subnet"),
    (r"securitygroup|^groupids?$", "security_group"),
    (r"vpc", "vpc"),
    (r"allocationid", "allocation"),
    (r"keypair|^keyname", "key_pair"),
    (r"networkinterface|eniid", "interface"),
    (r"internetgateway", "internet_gateway"),
    (r"transitgateway", "transit_gateway"),
    (r"routetable", "route_table"),
    (r"networkacl|naclid", "network_acl"),
    (r"launchtemplateid", "launch_template"),
    (r"launchconfig", "launch_configuration"),
    (r"autoscalinggroup(name)?$|asgname", "auto_scaling_group"),
    (r"availabilityzone", "zone"),
    (r"loadbalancerarn|albarn|loadbalancerid", "load_balancer"),
    (r"targetgroup", "target_group"),
    (r"loadbalancer", "classic_load_balancer"),
    (r"bucketarn|s3resourcearn", "@arn:aws:s3:::{bucket}"),
    (r"target.*bucket|log.*bucket|logdestination", "other_bucket"),
    (r"bucket", "bucket"),
    (r"objectkey", "='key'"),
    (r"dynamodb|tablename|tableid", "table"),
    (r"redshift|^clusteridentifier$", "redshift"),
    (r"filesystemid", "file_system"),
    (r"instanceprofile", "instance_profile"),
    (r"iamuserid|iamresourceid", "user.UserId"),
    (r"user(name)?$", "user.UserName"),
    (r"groupname", "group"),
    (r"policyarn", "iam_policy"),
    (r"policies", "iam_policy"),
    (r"rolename|roleid", "role_name"),
    (r"kms.*arn|keyarn", "kms_key.Arn"),
    (r"keyid|kmskey|kmsmaster|kmsid", "kms_key.KeyId"),
    (r"secret", "secret"),
    (r"certificate", "certificate"),
    (r"topicname", "='AutomationConformance'"),
    (r"topic|snsarn", "topic"),
    (r"queuearn", "@arn:sqs:conformance"),
    (r"queue|sqs.*url", "queue"),
    (r"loggrouparn", "@arn:logs:log-group:{log_group}:*"),
    (r"loggroup", "log_group"),
    (r"alarm(name)?$", "alarm"),
    (r"trailarn", "@arn:cloudtrail:trail/{trail}"),
    (r"trail", "trail"),
    (r"stream", "stream"),
    (r"rulename", "rule"),
    (r"lambdaversion", "='1'"),
    (r"aliasname", "='live'"),
    (r"lambda.*arn|functionarn", "function"),
    (r"function", "function_name"),
    (r"stack", "stack"),
    (r"taskdefinition", "task_definition"),
    (r"servicename", "ecs_service"),
    (r"eks|nodegroup", "eks_cluster"),
    (r"clustername|^cluster$", "ecs_cluster"),
    (r"restapi|apigw|apiid", "rest_api"),
    (r"projectname", "code_project"),
    (r"distribution", "distribution"),
    (r"ssmparameter|parametername", "ssm_parameter"),
    (r"maintenancewindows?$|windowid", "maintenance_window"),
    (r"accountids?$|account$|accounts$|owner", f"='{ACCOUNT}'"),
    (r"regions?$|regionname$", "region"),
    (r"resourcearns?$", "@arn:aws:s3:::{bucket}"),
    (r"resourceids?$", "instance"),
    (r"tag.*(key|name)$|namekey", "='Environment'"),
    (r"tag.*value", "='test'"),
    (r"cidr|ipaddress", "='10.20.1.0/24'"),
    (r"email|recipient", "='someone@example.com'"),
    (r"url|endpoint", "='https://example.com/'"),
    (r"pt.*|duration|sleep", "='PT5S'"),
    (r"date$|starttime|endtime|timestamp", "='2026-01-31T03:00:00Z'"),
    (r"acknowledge|consent|confirm", "='Yes'"),
)  # fmt: skip
"""The name in lower case -> a thing of the account, `='text'`, or `@arn:…` with things in braces."""
ARNS: Final = (
    "@arn:aws:s3:::{bucket}", "@arn:ec2:instance/{instance}", "@arn:ec2:security-group/{security_group}",
    "@arn:ec2:subnet/{subnet}", "@arn:ec2:vpc/{vpc}", "@arn:ec2:volume/{volume}", "@arn:ec2:snapshot/{snapshot}",
    "db_instance.DBInstanceArn", "db_cluster.DBClusterArn", "@arn:rds:snapshot:{db_snapshot}",
    "@arn:rds:cluster-snapshot:{db_cluster_snapshot}", "function", "user.Arn", "role", "iam_policy", "kms_key.Arn",
    "secret", "topic", "@arn:sqs:conformance", "@arn:cloudtrail:trail/{trail}", "@arn:dynamodb:table/{table}",
    "load_balancer", "@arn:codebuild:project/{code_project}", "@arn:redshift:cluster:{redshift}",
    "@arn:logs:log-group:{log_group}:*", "@arn:ecs:cluster/{ecs_cluster}", "task_definition", "certificate",
    "@arn:autoscaling:autoScalingGroup:x:autoScalingGroupName/{auto_scaling_group}",
    "@arn:cloudformation:stack/{stack}/x", "@arn:kinesis:stream/{stream}",
)  # fmt: skip
"""What a finding may be about."""
FALLBACK: Final[Mapping[str, Json]] = {"Integer": 1, "Boolean": False, "StringMap": {}, "MapList": []}


def values_for(document: Document, account: Account) -> dict[str, Json]:
    """A value for every required parameter, and a role and approvers where the document would like some."""
    return {
        name: value
        for name, parameter in document.parameters.items()
        if parameter.is_required and (value := _value(parameter, document, account)) is not None
    }


def _value(parameter: Parameter, document: Document, account: Account) -> Json:
    for candidate in _candidates(parameter, document, account):
        fitted = _fitted(parameter, candidate)
        try:
            supply(parameter, fitted)
        except ValueError:
            continue
        return fitted
    return None


def stored_values(document: Document, account: Account) -> dict[str, Json]:
    """What Parameter Store holds: a value for each parameter that has its default from there."""
    found: dict[str, Json] = {}
    for parameter in document.parameters.values():
        for name in SSM_REFERENCE.findall(str(parameter.default)):
            found[name] = _value(parameter, document, account) or "conformance"
    return found


def _candidates(parameter: Parameter, document: Document, account: Account) -> Iterator[Json]:
    if parameter.name == "Finding":
        yield _finding(document, account)
    yield from parameter.allowed_values
    for name in (*_uses(parameter.name, document, of_api=True), parameter.name, *_uses(parameter.name, document)):
        found = _by_name(name, account)
        if found is not None:
            yield found
    if parameter.allowed_pattern:
        text = example(parameter.allowed_pattern)
        if text is not None:
            yield text
    yield FALLBACK.get(parameter.type, "conformance")
    yield from ("i-0123456789abcdef0", "1", "{}", "[]", "")


def _uses(name: str, document: Document, *, of_api: bool = False) -> Iterator[str]:
    """The members of API calls (or of anything) that are given the parameter."""
    for step in document.all_steps():
        if not of_api or "Service" in step.inputs:
            yield from _keys_of(dict(step.inputs), name)


def _keys_of(value: Any, name: str) -> Iterator[str]:
    for key, item in value.items() if isinstance(value, dict) else ():
        texts = item if isinstance(item, list) else [item]
        if any(isinstance(text, str) and REFERENCE.findall(text) == [name] for text in texts):
            yield str(key)
        yield from _keys_of(item, name)
    for item in value if isinstance(value, list) else ():
        yield from _keys_of(item, name)


def _by_name(name: str, account: Account) -> Json:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    for pattern, recipe in BY_NAME:
        if re.search(pattern, plain):
            return _tried(recipe, account)
    return None


def _tried(recipe: str, account: Account) -> Json:
    try:
        return _cooked(recipe, account)
    except (AwsRefused, AwsUnreachable):
        return None


def _cooked(recipe: str, account: Account) -> Json:
    if recipe.startswith("="):
        return recipe[2:-1]
    if not recipe.startswith("@arn:"):
        found: Json = made(account, recipe)
        return found
    text = re.sub(r"\{(\w+)\}", lambda match: str(made(account, match[1])), recipe[1:])
    if text.startswith("arn:aws:"):
        return text
    _, service, rest = text.split(":", 2)
    return f"arn:aws:{service}:{account.region}:{ACCOUNT}:{rest}"


def _fitted(parameter: Parameter, value: Json) -> Json:
    if native_type(parameter.type) == "StringList" and not isinstance(value, list):
        return [value]
    if parameter.type == "StringMap" and isinstance(value, str):
        return {"Key": value}
    if parameter.type == "MapList" and not isinstance(value, list):
        return [{"Key": "Environment", "Value": "test"}]
    return value


def _resource(pattern: str, control: str, account: Account) -> str:
    """The id of something that is there and fits the pattern, or the service of the control; else of nothing there."""
    *_, service, _ = ["", *control.lower().split(".")] if "." in control else ["", control.lower(), ""]
    wanted = pattern or f"^arn:aws:{re.escape(service)}:"
    for recipe in ARNS:
        if (found := _tried(recipe, account)) is not None and re.search(wanted, str(found)):
            return str(found)
    return example(pattern) or f"arn:aws:s3:::{account.bucket}"


def _finding(document: Document, account: Account) -> Json:
    """A finding of Security Hub for what the document's parser looks for."""
    text = json.dumps([dict(step.inputs) for step in document.all_steps()])
    payload = next((step.inputs["InputPayload"] for step in document.all_steps() if "InputPayload" in step.inputs), {})
    given = payload if isinstance(payload, dict) else {}
    controls = given.get("expected_control_id")
    control = str(controls[0] if isinstance(controls, list) and controls else "EC2.1")
    pattern = given.get("parse_id_pattern")
    resource = _resource(str(pattern or ""), control, account)
    standard = "aws-foundational-security-best-practices/v/1.0.0"
    if "cis-aws" in text:
        standard = "cis-aws-foundations-benchmark/v/1.2.0"
    hub = f"arn:aws:securityhub:{account.region}:{ACCOUNT}"
    return {
        "SchemaVersion": "2018-10-08",
        "Id": f"{hub}:subscription/{standard}/{control}/finding/0f8fad5b-d9cb-469f-a165-70867728950e",
        "ProductArn": f"arn:aws:securityhub:{account.region}::product/aws/securityhub",
        "GeneratorId": f"{standard}/{control}",
        "AwsAccountId": ACCOUNT,
        "ProductFields": {"StandardsControlArn": f"{hub}:control/{standard}/{control}", "ControlId": control},
        "Resources": [{"Type": "AwsEc2Instance", "Id": resource, "Region": account.region, "Partition": "aws"}],
        "Compliance": {"Status": "FAILED", "SecurityControlId": control},
    }
