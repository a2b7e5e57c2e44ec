"""Documents of AWS Systems Manager: fetched, and pushed with the hash of their content as the version's name.

A version that is there already is not made again, so that pushing from a pipeline is harmless.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from engine.exporting import NotExportable, checked_name
from engine.validation import LARGEST_BYTES
from infra.aws_errors import AwsRefused
from infra.canonical import encoded

ABSENT: Final = frozenset({"InvalidDocument", "InvalidDocumentVersion"})
DUPLICATE: Final = "DuplicateDocumentContent"


class Calls(Protocol):
    """The part of AWS that is needed here."""

    def call(self, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """One call. Raises AwsRefused, AwsUnreachable."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as AWS has it."""

    name: str
    version: str
    format: Literal["JSON", "YAML"]
    content: str
    attachments: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """A name for its file."""
        return f"{self.name.rpartition('/')[2]}.{self.format.lower()}"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What pushing did."""

    name: str
    version: str
    version_name: str
    did: Literal["created", "updated", "unchanged", "made default"]
    is_default: bool


class NoRunbook(Exception):
    """The document exists, but is not an Automation runbook."""


def fetch(aws: Calls, name: str, *, version: str = "", format_: str = "") -> Fetched:
    """A runbook of AWS's or of this account, as it was written. Raises AwsRefused, AwsUnreachable, NoRunbook."""
    which = {"Name": name, **({"DocumentVersion": version} if version else {})}
    about = aws.call("ssm", "DescribeDocument", which)["Document"]
    if about.get("DocumentType", "Automation") != "Automation":
        raise NoRunbook(f"{name} is a document of type {about['DocumentType']}, not an Automation runbook")
    chosen = format_.upper() or str(about.get("DocumentFormat") or "JSON")
    found = aws.call("ssm", "GetDocument", {**which, "DocumentFormat": chosen})
    content: Any = found["Content"]
    kept: Literal["JSON", "YAML"] = "YAML" if found.get("DocumentFormat") == "YAML" else "JSON"
    attachments = tuple(str(each.get("Name")) for each in found.get("AttachmentsContent") or ())
    return Fetched(str(found["Name"]), str(found["DocumentVersion"]), kept, str(content), attachments)


def version_name(content: str) -> str:
    """The name of the version with this content: `sha256-` and its hash, as in the audit trail."""
    return f"sha256-{hashlib.sha256(encoded(content)).hexdigest()}"


def push(aws: Calls, name: str, content: str, *, format_: Literal["JSON", "YAML"], make_default: bool = True) -> Pushed:
    """Create the document, or a new version of it where its content is new. Raises NotExportable, AwsRefused."""
    checked_name(name)
    if len(encoded(content)) > LARGEST_BYTES:
        raise NotExportable(f"{name} is larger than 64 KB, which is AWS's limit")
    made = version_name(content)
    about = _described(aws, name)
    if about is None:
        params = {"Name": name, "Content": content, "DocumentType": "Automation", "DocumentFormat": format_}
        created = aws.call("ssm", "CreateDocument", {**params, "VersionName": made})["DocumentDescription"]
        return Pushed(name, str(created["DocumentVersion"]), made, "created", is_default=True)
    if about.get("DocumentType", "Automation") != "Automation":
        raise NotExportable(f"{name} exists as a document of type {about['DocumentType']}; choose another name")
    version = version_with(aws, name, made)
    is_new = version == ""
    if is_new:
        version, is_new = _updated(aws, name, content, format_=format_, made=made, latest=str(about["LatestVersion"]))
    is_default = version == str(about["DefaultVersion"])
    if make_default and not is_default:
        aws.call("ssm", "UpdateDocumentDefaultVersion", {"Name": name, "DocumentVersion": version})
        return Pushed(name, version, made, "updated" if is_new else "made default", is_default=True)
    return Pushed(name, version, made, "updated" if is_new else "unchanged", is_default=is_default)


def _described(aws: Calls, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = aws.call("ssm", "DescribeDocument", {"Name": name})["Document"]
    except AwsRefused as error:
        if error.code in ABSENT:
            return None
        raise
    return found


def version_with(aws: Calls, name: str, made: str) -> str:
    """The number of the version that has this name; "" where there is none. Raises AwsRefused, AwsUnreachable."""
    try:
        return str(aws.call("ssm", "GetDocument", {"Name": name, "VersionName": made})["DocumentVersion"])
    except AwsRefused as error:
        if error.code in ABSENT:
            return ""
        raise


def _updated(aws: Calls, name: str, content: str, *, format_: str, made: str, latest: str) -> tuple[str, bool]:
    """The version with this content, and whether it is new: the latest may hold it under another name."""
    params = {"Name": name, "Content": content, "DocumentVersion": "$LATEST", "DocumentFormat": format_}
    try:
        found = aws.call("ssm", "UpdateDocument", {**params, "VersionName": made})["DocumentDescription"]
    except AwsRefused as error:
        if error.code != DUPLICATE:
            raise
        return latest, False
    return str(found["DocumentVersion"]), True
