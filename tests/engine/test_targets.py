"""What a fan-out reaches: by list, tag, group, map, and in other accounts and Regions."""

from dataclasses import replace
from typing import Any

import pytest

from engine.expressions import Scope, resolve
from engine.parameters import bind
from engine.targets import fan_out_document, fan_out_parameters, resolved
from engine.validation import parse
from infra.canonical import Json
from tests.engine.actions.rig import TableAws, answering

NAP = """\
schemaVersion: "0.3"
parameters:
  Which: {type: String}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}
"""
ARN = "arn:aws:ec2:eu-west-1:123456789012:"
MAPPINGS = [{"ResourceARN": f"{ARN}instance/i-1"}, {"ResourceARN": f"{ARN}instance/i-2"}]
MORE = {"ResourceTagMappingList": MAPPINGS[:1], "PaginationToken": "x"}


def keys(aws: TableAws, **members: Any) -> list[str]:
    """The keys of the targets."""
    return [target.key for target in resolved({"TargetParameterName": "InstanceId", **members}, aws)]


def test_by_tag() -> None:
    """Every page is read; an instance parameter is given instances only, by their ids."""
    aws = answering(
        resourcegroupstaggingapi__GetResources=[MORE, {"ResourceTagMappingList": MAPPINGS[1:], "PaginationToken": ""}]
    )

    assert keys(aws, Targets=[{"Key": "tag:App", "Values": ["web"]}]) == ["i-1", "i-2"]
    assert aws.asked[0][1] == {
        "TagFilters": [{"Key": "App", "Values": ["web"]}],
        "ResourceTypeFilters": ["ec2:instance"],
    }


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("/AWS::EC2::Instance", ["ec2:instance"]),
        ("/AWS::EC2::SecurityGroup", ["ec2:security-group"]),
        ("/AWS::EC2::VPC", ["ec2:vpc"]),
        ("/AWS::RDS::DBInstance", ["rds:db"]),
        ("/AWS::S3::Bucket", ["s3"]),
        ("/AWS::Lambda::Function", ["lambda:function"]),
        ("/AWS::ElasticLoadBalancingV2::TargetGroup", ["elasticloadbalancing:targetgroup"]),
        ("/", None),
    ],
)
def test_a_documents_target_type_says_what_a_tag_selects(kind: str, wanted: list[str] | None) -> None:
    """In the words of the tagging API, whatever the parameter is called; "/" is everything."""
    aws = answering(resourcegroupstaggingapi__GetResources={"ResourceTagMappingList": []})
    document = replace(parse(NAP, name="Nap"), target_type=kind)
    resolved({"TargetParameterName": "InstanceId", "Targets": [{"Key": "tag:App"}]}, aws, document)

    assert aws.asked[0][1].get("ResourceTypeFilters") == wanted


def test_without_a_target_type_the_parameter_says_it() -> None:
    """By its type; and a group is asked for those only."""
    aws = answering(resource_groups__ListGroupResources={"ResourceIdentifiers": []})
    text = NAP.replace("type: String", 'type: "List<AWS::EC2::Instance::Id>"')
    targets = [{"Key": "ResourceGroup", "Values": ["web"]}]
    resolved({"TargetParameterName": "Which", "Targets": targets}, aws, parse(text, name="Nap"))

    assert aws.asked[0][1]["Filters"] == [{"Name": "resource-type", "Values": ["AWS::EC2::Instance"]}]


def test_a_target_type_that_is_none_is_said() -> None:
    """Rather than everything being selected."""
    document = replace(parse(NAP, name="Nap"), target_type="/somewhere")
    with pytest.raises(ValueError, match='not "/somewhere"'):
        resolved({"TargetParameterName": "Which", "Targets": [{"Key": "tag:App"}]}, answering(), document)


def test_by_group() -> None:
    """A resource group names its members by ARN."""
    aws = answering(
        resource_groups__ListGroupResources={"ResourceIdentifiers": [{"ResourceArn": f"{ARN}volume/vol-1"}]}
    )

    assert keys(aws, Targets=[{"Key": "ResourceGroup", "Values": ["web"]}], TargetParameterName="VolumeId") == ["vol-1"]


def test_all_instances() -> None:
    """`InstanceIds: ["*"]` is every instance that is not on its way out."""
    instances = [{"InstanceId": f"i-{n}", "State": {"Name": name}} for n, name in enumerate(("running", "terminated"))]
    aws = answering(ec2__DescribeInstances={"Reservations": [{"Instances": instances}]})

    assert keys(aws, Targets=[{"Key": "InstanceIds", "Values": ["*"]}]) == ["i-0"]


def test_by_list_each_once() -> None:
    """A value that is given twice is one target."""
    assert keys(answering(), Targets=[{"Key": "ParameterValues", "Values": ["a", "b", "a"]}]) == ["a", "b"]


def test_by_map() -> None:
    """Each map is one child with several parameters."""
    found = resolved({"TargetMaps": [{"Name": ["a"], "Size": ["1"]}, {"Name": "b"}]}, answering())

    assert [(target.key, target.parameters) for target in found] == [
        ("Name=a, Size=1", {"Name": ["a"], "Size": ["1"]}), ("Name=b", {"Name": ["b"]}),
    ]  # fmt: skip


def test_places() -> None:
    """The product of accounts and Regions, without the excluded ones; units are looked into as deep as asked."""
    aws = answering(
        organizations__ListAccountsForParent=[
            {"Accounts": [{"Id": "1", "Status": "ACTIVE"}, {"Id": "2", "Status": "SUSPENDED"}]},
            {"Accounts": [{"Id": "3", "Status": "ACTIVE"}, {"Id": "4", "Status": "ACTIVE"}]},
        ],
        organizations__ListOrganizationalUnitsForParent=[
            {"OrganizationalUnits": [{"Id": "ou-b"}]}, {"OrganizationalUnits": []},
        ],
    )  # fmt: skip
    location = {
        "Accounts": ["9", "ou-a"], "Regions": ["eu-west-1", "us-east-1"], "ExcludeAccounts": ["4"],
        "IncludeChildOrganizationUnits": True,
    }  # fmt: skip

    found = resolved({"TargetLocations": [location]}, aws)

    assert [target.key for target in found] == [
        f"{account}/{region}" for account in "913" for region in ("eu-west-1", "us-east-1")
    ]
    assert found[0].role == "arn:aws:iam::9:role/AWS-SystemsManager-AutomationExecutionRole"
    assert found[0].fan_out == {}


def test_a_place_without_accounts_left_is_no_place() -> None:
    """Where every account that is named is excluded, nothing runs: not in the bot's own account either."""
    location = {"Accounts": ["123456789012"], "ExcludeAccounts": ["123456789012"], "Regions": ["eu-west-1"]}

    assert resolved({"TargetLocations": [location]}, answering()) == []
    assert len(resolved({"TargetLocations": [{"Regions": ["eu-west-1"]}]}, answering())) == 1


def test_an_alarm_of_a_place_has_a_name() -> None:
    """It is checked before anything runs there."""
    with pytest.raises(ValueError, match="needs one alarm"):
        resolved({"TargetLocations": [{"TargetLocationAlarmConfiguration": {"Alarms": []}}]}, answering())


def test_targets_within_places() -> None:
    """Targets are sought in each place, under the place's own bounds where it has some."""
    location = {"Accounts": ["9"], "Regions": ["eu-west-1"], "TargetsMaxErrors": "3"}
    members = {"Targets": [{"Key": "tag:a", "Values": ["b"]}], "TargetParameterName": "P", "MaxConcurrency": "2"}

    (target,) = resolved({"TargetLocations": [location], **members}, answering())

    assert target.fan_out == {**members, "MaxErrors": "3"}


def test_too_many() -> None:
    """A fan-out that would never end is refused."""
    with pytest.raises(ValueError, match="at most 5,000 targets; it would be 5,001"):
        keys(answering(), Targets=[{"Key": "ParameterValues", "Values": [str(n) for n in range(5001)]}])


def test_a_start_with_targets_is_a_runbook_of_one_step() -> None:
    """So that it can be seen, stopped and audited as every other."""
    members: dict[str, Json] = {"Targets": [{"Key": "tag:a", "Values": ["b"]}], "TargetParameterName": "P"}

    document = fan_out_document("Restart", "3", members)

    (step,) = document.steps
    assert (document.name, document.version, step.action) == ("Restart", "3", "aws:executeAutomation")
    assert step.inputs["DocumentVersion"] == "3"


def test_nothing_that_a_caller_says_is_evaluated() -> None:
    """A value that looks like a reference reaches the children as it was given."""
    given: dict[str, Json] = {"Other": ["{{ global:REGION }}"]}
    members: dict[str, Json] = {"TargetMaps": [{"P": ["{{ global:REGION }}"]}], "MaxErrors": "2"}
    document = fan_out_document("Restart", "", members)
    parameters = bind(document, fan_out_parameters(given, members), system={"global:REGION": "eu-west-1"})
    inputs = resolve({**document.steps[0].inputs}, Scope(parameters=parameters, system={"global:REGION": "eu-west-1"}))

    assert inputs == {"DocumentName": "Restart", "RuntimeParameters": given, **members}
