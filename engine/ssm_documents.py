"""Documents on the SSM side: named there by the playbook, or pushed from our library under their content's hash."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.action import AwsApi
from engine.document import Document
from infra.aws_errors import AwsRefused

PREFIX: Final = "playbook-bot-"
NOT_THERE: Final = frozenset({"InvalidDocument", "InvalidDocumentVersion"})
LATEST: Final = "$LATEST"


@dataclass(frozen=True, slots=True)
class Place:
    """A document as StartAutomationExecution names it; `version` "" is AWS's default."""

    name: str
    version: str = ""

    def members(self) -> dict[str, str]:
        """DocumentName and DocumentVersion."""
        return {"DocumentName": self.name, **({"DocumentVersion": self.version} if self.version else {})}


def named(reference: str) -> Place:
    """NAME, NAME:VERSION or an ARN, as a playbook may write it."""
    name, colon, version = reference.rpartition(":")
    if colon and (version.isdigit() or version in ("$DEFAULT", LATEST)):
        return Place(name, version)
    return Place(reference)


def version_name(document: Document) -> str:
    """The VersionName of a document's content (3 to 128 letters, digits, `_-.`)."""
    return f"sha256-{document.digest[:32]}"


def ensure(aws: AwsApi, document: Document) -> Place:
    """Have our document stand there, exactly as it is here; nothing is sent when it does already.

    Raises AwsRefused, AwsUnreachable.
    """
    name = _name(document)
    found = _described(aws, name, VersionName=version_name(document))
    if found is None:
        found = _pushed(aws, name, document)
    return Place(name, str(found.get("DocumentVersion") or ""))


def _name(document: Document) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in document.name)
    return f"{PREFIX}{plain}"[:128]


def _described(aws: AwsApi, name: str, **more: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = aws.call("ssm", "DescribeDocument", {"Name": name, **more})["Document"]
    except AwsRefused as error:
        if error.code in NOT_THERE:
            return None
        raise
    return found


def _pushed(aws: AwsApi, name: str, document: Document) -> Mapping[str, Any]:
    content: dict[str, Any] = {
        "Name": name,
        "Content": document.text,
        "DocumentFormat": "JSON" if document.text.lstrip().startswith("{") else "YAML",
        "VersionName": version_name(document),
    }
    try:
        if _described(aws, name) is None:
            answer = aws.call("ssm", "CreateDocument", {**content, "DocumentType": "Automation"})
        else:
            answer = aws.call("ssm", "UpdateDocument", {**content, "DocumentVersion": LATEST})
    except AwsRefused as error:
        # Another process was quicker, or the same content stands there under another version's name.
        if error.code not in ("DocumentAlreadyExists", "DuplicateDocumentVersionName", "DuplicateDocumentContent"):
            raise
        found = _described(aws, name, VersionName=version_name(document)) or _described(aws, name)
        if found is None:
            raise
        return found
    described: Mapping[str, Any] = answer["DocumentDescription"]
    return described
