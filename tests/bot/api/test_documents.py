"""SSM's operations on documents and tags, through boto3."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.validation import parse
from infra.db import Database
from playbooks.documents import documents as rules
from tests.bot.api.worlds import ApiWorld, ask, nap, runbook
from tests.fakes.clock import ManualClock

YAML = """\
# kept as it was written
schemaVersion: "0.3"
description: Naps
parameters:
  Who: {type: String, default: "on"}
  Names: {type: StringList, default: [a, b], description: of people}
mainSteps:
  - name: nap
    action: aws:sleep
    inputs: {Duration: PT1S}
"""


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """(code, message) of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = caught.value.response["Error"]
    return str(error["Code"]), str(error["Message"])


def code(call: Callable[[], Any]) -> str:
    """The code alone."""
    return refusal(call)[0]


def create(world: ApiWorld, name: str = "Nap-Only", content: str = YAML, **members: Any) -> Any:
    """Create a YAML document."""
    members = {"DocumentFormat": "YAML", "DocumentType": "Automation", **members}
    return world.client().create_document(Name=name, Content=content, **members)["DocumentDescription"]


def test_a_document_is_described_as_aws_describes_it(both: ApiWorld) -> None:
    """Hash, versions, parameters in the API's two types, tags."""
    create(both, TargetType="/AWS::EC2::Instance", Tags=[{"Key": "team", "Value": "shop"}], VersionName="first")
    found = both.client().describe_document(Name="Nap-Only")["Document"]

    assert found["Hash"] == hashlib.sha256(YAML.encode()).hexdigest()
    assert (found["HashType"], found["Status"], found["DocumentType"]) == ("Sha256", "Active", "Automation")
    assert (found["DocumentVersion"], found["LatestVersion"], found["DefaultVersion"]) == ("1", "1", "1")
    assert (found["DocumentFormat"], found["SchemaVersion"], found["Owner"]) == ("YAML", "0.3", "123456789012")
    assert (found["TargetType"], found["VersionName"]) == ("/AWS::EC2::Instance", "first")
    assert found["Tags"] == [{"Key": "team", "Value": "shop"}]
    assert found["Parameters"] == [
        {"Name": "Who", "Type": "String", "DefaultValue": "on"},
        {"Name": "Names", "Type": "StringList", "Description": "of people", "DefaultValue": '["a", "b"]'},
    ]


def test_the_text_comes_back_as_written_or_in_the_other_format(world: ApiWorld) -> None:
    """JSON is the default, as on AWS; YAML keeps its comments; both say the same."""
    create(world)
    get = world.client().get_document
    as_json, as_yaml = get(Name="Nap-Only"), get(Name="Nap-Only", DocumentFormat="YAML")

    assert as_yaml["Content"] == YAML
    assert as_json["DocumentFormat"] == "JSON"
    assert json.loads(as_json["Content"])["parameters"]["Who"]["default"] == "on"


def test_a_json_document_comes_back_as_yaml_that_means_the_same(world: ApiWorld) -> None:
    """What was text stays text, whatever YAML would take it for."""
    text = runbook(nap(), description="no", parameters={"A": {"type": "String", "default": "0.30"}})
    create(world, content=text, DocumentFormat="JSON")
    found = world.client().get_document(Name="Nap-Only", DocumentFormat="YAML")

    assert found["DocumentFormat"] == "YAML"
    assert parse(found["Content"], name="x").tree == json.loads(text)
    assert world.client().get_document(Name="Nap-Only")["Content"] == text


@pytest.mark.parametrize(
    ("members", "wanted", "words"),
    [
        ({"content": "{", "DocumentFormat": "JSON"}, "InvalidDocumentContent", "JSON not well-formed"),
        ({"content": YAML, "DocumentFormat": "JSON"}, "InvalidDocumentContent", "say YAML for YAML"),
        ({"content": "a: [", "DocumentFormat": "YAML"}, "InvalidDocumentContent", "not well-formed"),
        ({"content": "\u0007"}, "InvalidDocumentContent", "U+0007"),
        ({"content": runbook()}, "InvalidDocumentContent", 'Missing "mainSteps"'),
        ({"content": runbook({**nap(), "action": "aws:dance"})}, "InvalidDocumentContent", "aws:dance"),
        ({"content": runbook(nap(), outputs=["b.c"])}, "InvalidDocumentContent", "named output"),
        ({"content": runbook(nap()).replace("0.3", "2.2")}, "InvalidDocumentSchemaVersion", "0.3"),
        ({"content": runbook(nap(), description="x" * 70_000)}, "MaxDocumentSizeExceeded", "64 KB"),
        ({"DocumentFormat": "TEXT"}, "ValidationException", "JSON or YAML"),
        ({"DocumentType": "Command"}, "ValidationException", "type Automation"),
        ({"name": "AWS-Mine"}, "ValidationException", "AWS keeps"),
        ({"name": "ab"}, "ValidationException", "regular expression"),
        ({"name": "Ask-First"}, "DocumentAlreadyExists", "already exists"),
        ({"Attachments": [{"Key": "SourceUrl", "Values": ["a/b"]}]}, "ValidationException", "s3://BUCKET/KEY"),
    ],
)  # fmt: skip
def test_a_document_that_aws_would_refuse_is_refused_with_its_code(
    world: ApiWorld, members: dict[str, Any], wanted: str, words: str
) -> None:
    """The message says what is wrong and where, and nothing is kept."""
    found, message = refusal(lambda: create(world, **members))

    assert found == wanted
    assert words in message
    assert len(world.client().list_documents()["DocumentIdentifiers"]) == 1


def test_there_is_a_limit_of_documents_and_of_versions(world: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS's quotas."""
    monkeypatch.setattr(rules, "MOST_DOCUMENTS", 1)
    monkeypatch.setattr(rules, "MOST_VERSIONS", 1)
    update = {"Name": "Ask-First", "Content": runbook(nap()), "DocumentVersion": "$LATEST"}

    assert code(lambda: create(world)) == "DocumentLimitExceeded"
    assert code(lambda: world.client().update_document(**update)) == "DocumentVersionLimitExceeded"


def test_a_name_is_given_once_however_many_want_it(both: ApiWorld) -> None:
    """One is told that it has it, the others that it is taken."""

    def attempt(number: int) -> str:
        try:
            create(both, content=YAML + f"# {number}\n")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "created"

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(attempt, range(20)))

    assert sorted(set(found)) == ["DocumentAlreadyExists", "created"]
    assert found.count("created") == 1


# -- versions


def update(world: ApiWorld, content: str, version: str = "$LATEST", **members: Any) -> Any:
    """Make a new version of Ask-First."""
    members = {"Name": "Ask-First", "DocumentVersion": version, **members}
    return world.client().update_document(Content=content, **members)["DocumentDescription"]


def test_an_update_is_the_latest_and_not_yet_the_default(both: ApiWorld) -> None:
    """New executions take the default, or what they name; running ones keep theirs."""
    before = both.start()
    update(both, runbook(nap()), VersionName="quick")
    client = both.client()

    assert client.describe_document(Name="Ask-First")["Document"]["DocumentVersion"] == "1"
    assert client.describe_document(Name="Ask-First", DocumentVersion="$LATEST")["Document"]["DocumentVersion"] == "2"
    assert client.get_document(Name="Ask-First", VersionName="quick")["DocumentVersion"] == "2"
    assert both.state(both.start(DocumentVersion="$LATEST")).document_version == "2"
    assert both.state(both.start()).document_version == "1"

    found = client.update_document_default_version(Name="Ask-First", DocumentVersion="2")["Description"]

    assert found == {"Name": "Ask-First", "DefaultVersion": "2", "DefaultVersionName": "quick"}
    assert both.state(both.start()).document_version == "2"
    assert both.state(before).document_version == "1"


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ({"Name": "Nowhere"}, "InvalidDocument"),
        ({"DocumentVersion": "7"}, "InvalidDocumentVersion"),
        ({"VersionName": "none"}, "InvalidDocumentVersion"),
        ({"DocumentVersion": "9" * 30}, "InvalidDocumentVersion"),
        ({"Name": "arn:aws:ssm:eu-west-1:000000000000:document/Ask-First"}, "InvalidDocument"),
    ],
)
def test_what_is_not_there_is_named(both: ApiWorld, members: dict[str, Any], wanted: str) -> None:
    """With AWS's codes, from Get and from Describe."""
    members = {"Name": "Ask-First", **members}

    assert code(lambda: both.client().get_document(**members)) == wanted
    assert code(lambda: both.client().describe_document(**members)) == wanted


def test_an_update_that_aws_would_refuse_is_refused_with_its_code(world: ApiWorld) -> None:
    """The same content, a version name that is taken, a version that is not the latest, no such document."""
    same = world.client().get_document(Name="Ask-First")["Content"]
    update(world, runbook(nap("a")), VersionName="quick")

    assert code(lambda: update(world, runbook(nap("a")))) == "DuplicateDocumentContent"
    assert code(lambda: update(world, runbook(nap("b")), VersionName="quick")) == "DuplicateDocumentVersionName"
    assert code(lambda: update(world, runbook(nap("b")), "1")) == "InvalidDocumentVersion"
    assert code(lambda: update(world, runbook(nap("b")), Name="Nowhere")) == "InvalidDocument"
    assert code(lambda: update(world, "{}")) == "InvalidDocumentContent"
    assert update(world, same)["DocumentVersion"] == "3"
    set_default = world.client().update_document_default_version
    assert code(lambda: set_default(Name="Ask-First", DocumentVersion="9")) == "InvalidDocumentVersion"


def test_versions_are_listed_newest_first_in_pages(both: ApiWorld) -> None:
    """The default one is marked."""
    for number in range(4):
        update(both, runbook(nap(f"n{number}")))
    pages = both.client().get_paginator("list_document_versions").paginate(
        Name="Ask-First", PaginationConfig={"PageSize": 2}
    )  # fmt: skip
    found = [version for page in pages for version in page["DocumentVersions"]]

    assert [version["DocumentVersion"] for version in found] == ["5", "4", "3", "2", "1"]
    assert [version["IsDefaultVersion"] for version in found] == [False] * 4 + [True]


def test_a_version_is_deleted_and_its_number_never_comes_back(both: ApiWorld) -> None:
    """The default one stays; the whole document goes when no version is named."""
    client = both.client()
    update(both, runbook(nap("a")))
    client.delete_document(Name="Ask-First", DocumentVersion="2")

    assert client.describe_document(Name="Ask-First", DocumentVersion="$LATEST")["Document"]["DocumentVersion"] == "1"
    assert update(both, runbook(nap("b")))["DocumentVersion"] == "3"
    assert code(lambda: client.delete_document(Name="Ask-First", DocumentVersion="1")) == "InvalidDocumentOperation"
    assert code(lambda: client.delete_document(Name="Ask-First", DocumentVersion="9")) == "InvalidDocument"

    execution_id = both.start()
    client.delete_document(Name="Ask-First")

    assert code(lambda: client.delete_document(Name="Ask-First")) == "InvalidDocument"
    assert client.get_automation_execution(AutomationExecutionId=execution_id)


# -- lists


def names(world: ApiWorld, *filters: tuple[str, list[str]]) -> list[str]:
    """Names of the documents that the filters let through, by boto3's paginator."""
    given = [{"Key": key, "Values": values} for key, values in filters]
    pages = world.client().get_paginator("list_documents").paginate(Filters=given, PaginationConfig={"PageSize": 2})
    return [each["Name"] for page in pages for each in page["DocumentIdentifiers"]]


def test_documents_are_listed_and_filtered(both: ApiWorld) -> None:
    """By name's beginning, owner, type, target and tags."""
    for name in ("Nap-C", "Nap-A", "Nap-B"):
        create(both, name, YAML + f"# {name}\n", Tags=[{"Key": "team", "Value": name[-1]}], TargetType=f"/{name[-1]}")
    both.client().modify_document_permission(Name="Nap-A", PermissionType="Share", AccountIdsToAdd=["all"])

    assert names(both) == ["Ask-First", "Nap-A", "Nap-B", "Nap-C"]
    assert names(both, ("Name", ["Nap"])) == ["Nap-A", "Nap-B", "Nap-C"]
    assert names(both, ("tag:team", ["A", "C"])) == ["Nap-A", "Nap-C"]
    assert names(both, ("TargetType", ["/B"])) == ["Nap-B"]
    assert names(both, ("Owner", ["Amazon"])) == []
    assert names(both, ("Owner", ["Public"])) == ["Nap-A"]
    assert names(both, ("Owner", ["Self"]), ("DocumentType", ["Automation"])) == names(both)
    assert names(both, ("DocumentType", ["Command"])) == []
    assert code(lambda: names(both, ("Colour", ["red"]))) == "InvalidFilterKey"
    older = both.client().list_documents(DocumentFilterList=[{"key": "Name", "value": "Nap-C"}])
    assert [each["Name"] for each in older["DocumentIdentifiers"]] == ["Nap-C"]


# -- sharing and tags


def test_a_document_is_shared_and_no_longer(both: ApiWorld) -> None:
    """Removing wins; public and private exclude each other; what is shared cannot be deleted."""
    client = both.client()

    def modify(**members: Any) -> None:
        client.modify_document_permission(Name="Ask-First", PermissionType="Share", **members)

    modify(AccountIdsToAdd=["222222222222", "111111111111"], SharedDocumentVersion="$LATEST")
    modify(AccountIdsToAdd=["333333333333"], AccountIdsToRemove=["222222222222", "333333333333"])
    found = client.describe_document_permission(Name="Ask-First", PermissionType="Share")

    assert found["AccountIds"] == ["111111111111"]
    assert found["AccountSharingInfoList"] == [{"AccountId": "111111111111", "SharedDocumentVersion": "$LATEST"}]
    assert code(lambda: modify(AccountIdsToAdd=["All"])) == "ValidationException"
    assert code(lambda: client.delete_document(Name="Ask-First")) == "InvalidDocumentOperation"
    assert code(modify) == "ValidationException"
    assert code(
        lambda: client.describe_document_permission(Name="Nowhere", PermissionType="Share")
    ) == "InvalidDocument"  # fmt: skip


def test_documents_and_executions_have_tags(both: ApiWorld) -> None:
    """Added, replaced, listed, removed; and found by."""
    client, execution_id = both.client(), both.start(Tags=[{"Key": "a", "Value": "1"}])
    for kind, resource_id in (("Document", "Ask-First"), ("Automation", execution_id)):
        where = {"ResourceType": kind, "ResourceId": resource_id}
        client.add_tags_to_resource(**where, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
        client.remove_tags_from_resource(**where, TagKeys=["b", "c"])

        assert client.list_tags_for_resource(**where)["TagList"] == [{"Key": "a", "Value": "2"}]

    many = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    where = {"ResourceType": "Automation", "ResourceId": execution_id}
    assert code(lambda: client.add_tags_to_resource(**where, Tags=many)) == "TooManyTagsError"
    where = {"ResourceType": "Document", "ResourceId": "Nowhere"}
    assert code(lambda: client.list_tags_for_resource(**where)) == "InvalidResourceId"
    where = {"ResourceType": "Parameter", "ResourceId": "Ask-First"}
    assert code(lambda: client.list_tags_for_resource(**where)) == "InvalidResourceType"


# -- nested automations, and the trail


def test_a_runbook_calls_another_by_its_name_here(both: ApiWorld) -> None:
    """The default version, or the one that the step names."""
    create(both)
    step = {"name": "call", "action": "aws:executeAutomation", "inputs": {"DocumentName": "Nap-Only"}}
    create(both, "Parent", runbook(step))
    execution_id = both.start("Parent")
    both.later(seconds=1)

    assert both.state(execution_id).status == "Success"

    wrong = {
        "name": "call",
        "action": "aws:executeAutomation",
        "inputs": {"DocumentName": "Nap-Only", "DocumentVersion": "x"},
    }
    create(both, "Lost", runbook(wrong))
    lost = both.state(both.start("Lost"))

    assert lost.status == "Failed"
    assert 'document "Nap-Only" was not found: Nap-Only has no version x' in lost.failure_message


def test_who_changed_a_document_is_in_the_trail(sqlite_database: Database, clock: ManualClock) -> None:
    """With the caller's ARN, and the content's hash."""
    world = ApiWorld(sqlite_database, clock)
    create(world, content=runbook(ask()))
    world.client("AKIDMAX").delete_document(Name="Nap-Only")
    with sqlite_database.reading() as connection:
        entries = list(world.service.audit.entries(connection))

    told = [(entry.event.name, entry.event.actor.name) for entry in entries if entry.event.name.startswith("document.")]
    assert told == [("document.created", "lee"), ("document.deleted", "max")]
    assert entries[0].event.data["sha256"] == hashlib.sha256(runbook(ask()).encode()).hexdigest()


def test_a_version_longer_than_any_number_is_no_version(world: ApiWorld) -> None:
    """Whoever asks for it is told so."""
    long = "9" * 5000

    assert code(lambda: world.client().get_document(Name="Ask-First", DocumentVersion=long)) == "InvalidDocumentVersion"
    assert (
        code(lambda: world.client().update_document_default_version(Name="Ask-First", DocumentVersion=long))
        == "InvalidDocumentVersion"
    )
    assert (
        code(lambda: world.start("Ask-First", DocumentVersion=long)) == "AutomationDefinitionVersionNotFoundException"
    )
