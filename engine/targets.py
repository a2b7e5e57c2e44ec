"""What a fan-out reaches: targets by tag, group or list, and accounts and Regions, as plain lists.

Source: SSM User Guide, "Mapping targets for an automation" and "Running automations in multiple AWS Regions and
accounts"; reference/ssm-automation.md §5.6.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.action import AwsApi
from engine.document import Document
from engine.target_types import grouped_as, tagged_as, target_type
from engine.validation import parse
from infra.canonical import Json

EXECUTION_ROLE: Final = "AWS-SystemsManager-AutomationExecutionRole"
"""The role in each target account where ExecutionRoleName is not given."""
GONE: Final = ("shutting-down", "terminated")
MOST_TARGETS: Final = 5000
TYPES: Final[Mapping[str, str]] = {
    "Targets": "MapList", "TargetMaps": "MapList", "TargetLocations": "MapList", "TargetParameterName": "String",
    "MaxConcurrency": "String", "MaxErrors": "String",
}  # fmt: skip
"""The members of a fan-out, as parameters of a runbook."""
Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One child of a fan-out: `key` is what people know it by; "" for account and Region is where the parent runs."""

    key: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    account: str = ""
    region: str = ""
    role: str = ""
    fan_out: Mapping[str, Json] = field(default_factory=dict)
    """Members of a further fan-out that runs there (Targets of a TargetLocation)."""
    alarms: Mapping[str, Json] = field(default_factory=dict)
    """The alarm that cancels what runs there (TargetLocationAlarmConfiguration)."""
    group: int = 0
    """Which TargetLocation it is of: each has its own pace."""


def resolved(members: Members, aws: AwsApi, document: Document | None = None) -> list[Target]:
    """The targets of a fan-out, in order, each once. Raises ValueError, AwsRefused, AwsUnreachable.

    What a tag or a group selects is for the document to say that runs there.
    """
    if members.get("TargetLocations"):
        found = list(_places(members, aws))
    elif members.get("TargetMaps"):
        found = [_mapped(each) for each in members["TargetMaps"]]
    else:
        found = list(_valued(members, aws, document))
    unique: dict[str, Target] = {}
    for target in found:
        unique.setdefault(target.key, target)
    if len(unique) > MOST_TARGETS:
        raise ValueError(f"a fan-out may reach at most {MOST_TARGETS:,} targets; it would be {len(unique):,}")
    return [*unique.values()]


def _mapped(each: Mapping[str, Any]) -> Target:
    key = ", ".join(f"{name}={'/'.join(map(str, _list(value)))}" for name, value in each.items())
    return Target(key, {name: _list(value) for name, value in each.items()})


def _valued(members: Members, aws: AwsApi, document: Document | None) -> Iterator[Target]:
    name = members.get("TargetParameterName")
    targets = _list(members.get("Targets"))
    if not name:
        raise ValueError("Targets need TargetParameterName: the parameter that each target's value is given to")
    if len(targets) != 1:
        raise ValueError("Only one resource group or tag can be specified at a time")
    kind = target_type(document, str(name))
    for value in _values(str(targets[0].get("Key", "")), targets[0], kind, aws):
        yield Target(value, {str(name): [value]})


def _values(key: str, target: Mapping[str, Any], kind: str, aws: AwsApi) -> Iterator[str]:
    values = [str(value) for value in _list(target.get("Values"))]
    if key.startswith("tag:"):
        tag: dict[str, Any] = {"Key": key.removeprefix("tag:")} | ({"Values": values} if values else {})
        filters = tagged_as(kind)
        wanted = {"TagFilters": [tag]} | ({"ResourceTypeFilters": filters} if filters else {})
        answers = _pages(aws, "resourcegroupstaggingapi", "GetResources", wanted, paged_by="PaginationToken")
        found = (each["ResourceARN"] for answer in answers for each in answer.get("ResourceTagMappingList") or [])
        yield from map(_identifier, found)
    elif key in ("ResourceGroup", "resource-groups:Name"):
        asked: dict[str, Any] = {"Group": values[0] if values else ""}
        asked |= {"Filters": grouped_as(kind)} if kind else {}
        pages = _pages(aws, "resource-groups", "ListGroupResources", asked)
        found = (each["ResourceArn"] for page in pages for each in page.get("ResourceIdentifiers") or [])
        yield from map(_identifier, found)
    elif key == "ParameterValues" or (key in ("InstanceIds", "AWS::EC2::Instance") and values != ["*"]):
        yield from values
    elif key in ("InstanceIds", "AWS::EC2::Instance"):
        pages = _pages(aws, "ec2", "DescribeInstances", {})
        groups = (group for page in pages for group in page.get("Reservations") or [])
        for instance in (each for group in groups for each in group.get("Instances") or []):
            if instance["State"]["Name"] not in GONE:
                yield str(instance["InstanceId"])
    else:
        known = "tag:NAME, ResourceGroup, ParameterValues, InstanceIds"
        raise ValueError(f'the key of a target must be one of {known}, not "{key}"')


def _identifier(arn: str) -> str:
    """What a parameter expects of a resource: the end of its ARN."""
    return arn.rpartition("/")[2] if "/" in arn else arn.rpartition(":")[2]


def _pages(
    aws: AwsApi, service: str, operation: str, params: Mapping[str, Any], *, paged_by: str = "NextToken"
) -> Iterator[dict[str, Any]]:
    given = dict(params)
    while True:
        answer = aws.call(service, operation, given)
        yield answer
        if not answer.get(paged_by):
            return
        given[paged_by] = answer[paged_by]


# -- accounts and Regions


def _places(members: Members, aws: AwsApi) -> Iterator[Target]:
    for number, location in enumerate(_list(members["TargetLocations"])):
        accounts = _accounts(location, aws) if location.get("Accounts") else [aws.account]
        regions = [str(each) for each in _list(location.get("Regions"))] or [aws.region]
        role = str(location.get("ExecutionRoleName") or EXECUTION_ROLE)
        inner, alarms = _inner(location, members), _alarms(location)
        for account in accounts:
            arn = role if role.startswith("arn:") else f"arn:{aws.partition}:iam::{account}:role/{role}"
            for region in regions:
                yield Target(f"{account}/{region}", {}, account, region, arn, inner, alarms, number)


def _alarms(location: Members) -> dict[str, Json]:
    found = location.get("TargetLocationAlarmConfiguration")
    if not found:
        return {}
    alarms = _list(found.get("Alarms")) if isinstance(found, dict) else []
    if len(alarms) != 1 or not isinstance(alarms[0], dict) or not alarms[0].get("Name"):
        raise ValueError('TargetLocationAlarmConfiguration needs one alarm, such as {"Alarms": [{"Name": "web-cpu"}]}')
    return dict(found)


def _inner(location: Members, members: Members) -> dict[str, Json]:
    """The fan-out within one account and Region; {} where the runbook simply runs once."""
    found = {
        "Targets": location.get("Targets") or members.get("Targets"),
        "TargetMaps": members.get("TargetMaps"),
        "TargetParameterName": members.get("TargetParameterName"),
        "MaxConcurrency": location.get("TargetsMaxConcurrency") or members.get("MaxConcurrency"),
        "MaxErrors": location.get("TargetsMaxErrors") or members.get("MaxErrors"),
    }
    has_targets = found["Targets"] or found["TargetMaps"]
    return {name: value for name, value in found.items() if value} if has_targets else {}


def _accounts(location: Members, aws: AwsApi) -> list[str]:
    excluded = {str(each) for each in _list(location.get("ExcludeAccounts"))}
    deep = str(location.get("IncludeChildOrganizationUnits", False)).lower() == "true"
    found: list[str] = []
    for each in map(str, _list(location.get("Accounts"))):
        found += [each] if each.isdigit() else list(_members_of(each, aws, excluded, is_deep=deep))
    return [account for account in dict.fromkeys(found) if account not in excluded]


def _members_of(unit: str, aws: AwsApi, excluded: set[str], *, is_deep: bool) -> Iterator[str]:
    """The active accounts of an organizational unit."""
    if unit in excluded:
        return
    for page in _pages(aws, "organizations", "ListAccountsForParent", {"ParentId": unit}):
        yield from (str(each["Id"]) for each in page.get("Accounts") or [] if each.get("Status", "ACTIVE") == "ACTIVE")
    for page in _pages(aws, "organizations", "ListOrganizationalUnitsForParent", {"ParentId": unit}) if is_deep else ():
        for child in page.get("OrganizationalUnits") or []:
            yield from _members_of(str(child["Id"]), aws, excluded, is_deep=True)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def fan_out_document(name: str, version: str, members: Iterable[str]) -> Document:
    """A runbook of one step that runs another on targets: what a start with Targets comes to.

    All that a caller says is a parameter of it (`fan_out_parameters`): nothing of that is ever evaluated.
    """
    types = {"RuntimeParameters": "StringMap", **{each: TYPES[each] for each in members}}
    inputs: dict[str, Json] = {"DocumentName": name, **{each: f"{{{{ {each} }}}}" for each in types}}
    if version:
        inputs["DocumentVersion"] = version
    declared: Json = {each: {"type": type_} for each, type_ in types.items()}
    step: Json = {"name": "targets", "action": "aws:executeAutomation", "inputs": inputs}
    tree: Json = {"schemaVersion": "0.3", "parameters": declared, "mainSteps": [step], "outputs": ["targets.Output"]}
    return parse(json.dumps(tree), name=name, version=version or "1")


def fan_out_parameters(parameters: Mapping[str, Json], members: Mapping[str, Json]) -> dict[str, Json]:
    """What the parameters of a `fan_out_document` are given."""
    return {"RuntimeParameters": dict(parameters), **members}
