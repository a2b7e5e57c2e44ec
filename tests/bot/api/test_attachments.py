"""Files that come with documents through SSM's API: fetched from S3, proved, kept, and run."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.scripts.runner import ScriptRunner
from engine.scripts.script import ScriptPolicy
from infra.aws_errors import AwsRefused
from infra.s3_objects import ObjectUnread
from playbooks.documents import attachments as rules
from tests.bot.api.worlds import ApiWorld, nap, runbook

CODE = b"def handler(events, context):\n    return {'Said': events['Word'] * 2}\n"
DIGEST = hashlib.sha256(CODE).hexdigest()
SAY = {
    "name": "say",
    "action": "aws:executeScript",
    "inputs": {
        "Runtime": "python3.11", "Handler": "tool.handler", "Attachment": "tool.py", "InputPayload": {"Word": "ha"},
    },
    "outputs": [{"Name": "Said", "Selector": "$.Payload.Said", "Type": "String"}],
}  # fmt: skip
FILES = {"tool.py": {"checksums": {"sha256": DIGEST}}}
YAML = """\
# what to say
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}  # a second
"""


class Bucket:
    """An S3 with one bucket, "code"."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects

    def content(self, bucket: str, key: str, *, largest: int) -> bytes:
        """One object."""
        if bucket != "code" or key not in self.objects:
            raise ObjectUnread(f"s3://{bucket}/{key} cannot be read: NoSuchKey")
        if len(self.objects[key]) > largest:
            raise ObjectUnread(f"s3://{bucket}/{key} is larger than {largest:,} bytes")
        return self.objects[key]

    def keys(self, bucket: str, prefix: str, *, most: int) -> list[str]:
        """Keys that begin so."""
        if bucket != "code":
            raise AwsRefused("NoSuchBucket", "The bucket does not exist.")
        return [key for key in self.objects if key.startswith(prefix)][:most]


@pytest.fixture
def stocked(both: ApiWorld) -> Iterator[ApiWorld]:
    """A door with that S3, whose scripts run without the jail where there is none."""
    world, scripts = both, ScriptRunner(ScriptPolicy(True, ()))
    objects = {"v1/tool.py": CODE, "v1/other.txt": b"hello", "tools/tool-2.py": CODE}
    world.service.documents._parts.objects = Bucket(objects)
    world.service.__dict__["scripts"] = scripts
    yield world
    scripts.close()


def create(world: ApiWorld, content: str, *attachments: dict[str, Any], name: str = "Say", **members: Any) -> Any:
    """CreateDocument with attachments."""
    given = {"Name": name, "Content": content, "Attachments": list(attachments), **members}
    return world.client().create_document(**given)["DocumentDescription"]


def at(key: str, value: str, **members: str) -> dict[str, Any]:
    """One AttachmentsSource."""
    return {"Key": key, "Values": [value], **members}


def refusal(call: Callable[[], Any]) -> str:
    """Code and sentence of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return "{Code}: {Message}".format_map(caught.value.response["Error"])


@pytest.mark.parametrize(
    "source",
    [
        at("SourceUrl", "s3://code/v1"),
        at("SourceUrl", "s3://code/v1/", Name="tool.py"),
        at("S3FileUrl", "s3://code/v1/tool.py"),
        at("S3FileUrl", "s3://code/tools/tool-2.py", Name="tool.py"),
    ],
)
def test_a_script_in_an_attachment_is_fetched_kept_and_run(stocked: ApiWorld, source: dict[str, Any]) -> None:
    """Whichever way it is named; S3 is asked once, when the document is created."""
    told = create(stocked, runbook(SAY, files=FILES, outputs=["say.Said"]), source)
    stocked.service.documents._parts.objects = Bucket({})
    found = stocked.client().get_document(Name="Say")
    execution_id = stocked.start("Say")
    stocked.work()
    ended = stocked.client().get_automation_execution(AutomationExecutionId=execution_id)["AutomationExecution"]

    assert told["AttachmentsInformation"] == [{"Name": "tool.py"}]
    assert found["AttachmentsContent"] == [{"Name": "tool.py", "Size": len(CODE), "Hash": DIGEST, "HashType": "Sha256"}]
    assert (ended["AutomationExecutionStatus"], ended["Outputs"]) == ("Success", {"say.Said": ["haha"]})


def test_a_document_that_names_no_checksum_is_given_one(stocked: ApiWorld) -> None:
    """So that what runs is what was brought; JSON or YAML, whose comments stay."""
    create(stocked, runbook(SAY), at("SourceUrl", "s3://code/v1"))
    create(stocked, YAML, at("S3FileUrl", "s3://code/v1/tool.py"), name="Yaml", DocumentFormat="YAML")
    get = stocked.client().get_document
    as_json = json.loads(get(Name="Say")["Content"])
    as_yaml = get(Name="Yaml", DocumentFormat="YAML")["Content"]

    assert as_json["files"]["tool.py"] == FILES["tool.py"]
    assert [*as_json["files"]] == ["tool.py", "other.txt"]
    assert as_yaml.startswith(YAML)
    assert f"sha256: {DIGEST}" in as_yaml


def test_a_new_version_may_have_other_files(stocked: ApiWorld) -> None:
    """The same text with another file is another version, and each keeps its own."""
    create(stocked, runbook(SAY), at("S3FileUrl", "s3://code/v1/tool.py"))
    update = stocked.client().update_document
    members = {"Name": "Say", "Content": runbook(SAY), "DocumentVersion": "$LATEST"}

    same = [at("S3FileUrl", "s3://code/v1/tool.py")]
    assert refusal(lambda: update(**members, Attachments=same)).startswith("DuplicateDocumentContent")

    update(**members, Attachments=[at("S3FileUrl", "s3://code/v1/other.txt", Name="tool.py")])
    get = stocked.client().get_document

    assert [get(Name="Say", DocumentVersion=version)["AttachmentsContent"][0]["Size"] for version in "12"] == [
        len(CODE), 5,
    ]  # fmt: skip


def test_a_file_of_another_document_may_be_used(stocked: ApiWorld) -> None:
    """By document, version and name."""
    create(stocked, runbook(nap()), at("S3FileUrl", "s3://code/v1/tool.py"), name="Library")
    told = create(stocked, runbook(SAY), at("AttachmentReference", "Library/1/tool.py"))

    assert told["AttachmentsInformation"] == [{"Name": "tool.py"}]
    assert refusal(
        lambda: create(stocked, runbook(SAY), at("AttachmentReference", "Library/1/none.py"), name="Other")
    ).startswith("InvalidDocumentContent: Library has no attachment none.py in version 1.")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            at("S3FileUrl", "s3://code/v1/other.txt", Name="tool.py"),
            "InvalidDocumentContent: The attachment tool.py has",
        ),
        (
            at("S3FileUrl", "s3://code/none.py"),
            "InvalidDocumentContent: An attachment cannot be had: s3://code/none.py",
        ),
        (
            at("SourceUrl", "s3://code/empty"),
            "InvalidDocumentContent: An attachment cannot be had: s3://code/empty/tool.py",
        ),
        (at("S3FileUrl", "https://code/v1/tool.py"), "ValidationException: An attachment lies at s3://BUCKET/KEY"),
        (at("S3FileUrl", "s3://code/v1/x"), 'ValidationException: "x" is no name of an attachment'),
        (at("AttachmentReference", "tool.py"), "ValidationException: An AttachmentReference is DOCUMENT/VERSION/FILE"),
        (at("AttachmentReference", "None/1/tool.py"), "InvalidDocument: The document None does not exist"),
        ({"Values": ["s3://code/v1"]}, "ValidationException: The Key of an attachment is"),
        (at("SourceUrl", "s3://code/v1", Name="a"), "ValidationException: 1 validation error"),
        (at("Nowhere", "s3://code/v1"), "ValidationException: 1 validation error"),
    ],
)
def test_what_cannot_be_attached_is_refused(stocked: ApiWorld, source: dict[str, Any], words: str) -> None:
    """With AWS's code; nothing is kept."""
    assert refusal(lambda: create(stocked, runbook(SAY, files=FILES), source)).startswith(words)
    assert len(stocked.client().list_documents()["DocumentIdentifiers"]) == 1


def test_there_are_limits(stocked: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files and of bytes."""
    monkeypatch.setattr(rules, "LARGEST", 3)
    assert "is larger than 3 bytes" in refusal(lambda: create(stocked, runbook(SAY), at("SourceUrl", "s3://code/v1")))
    monkeypatch.setattr(rules, "LARGEST", 99)
    monkeypatch.setattr(rules, "LARGEST_TOGETHER", len(CODE) + 1)
    assert "v1/other.txt is larger than 1 bytes" in refusal(
        lambda: create(stocked, runbook(SAY), at("SourceUrl", "s3://code/v1"))
    )
    monkeypatch.setattr(rules, "MOST", 1)
    assert "more than 1 files" in refusal(lambda: create(stocked, runbook(SAY), at("SourceUrl", "s3://code/v1")))
    many = [at("SourceUrl", "s3://code/v1")] * 21
    assert refusal(lambda: create(stocked, runbook(SAY), *many)).startswith("ValidationException: 1 validation error")
