"""Files that come with a document: gathered from where CreateDocument says they are, and proved by their checksums.

Source: SSM API reference, AttachmentsSource. A document names each of its files with a checksum (`files`), and that is
all that ties them together: an execution that is pinned to the text is pinned to its files.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from engine.attachments import NAME
from engine.document import Document
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.s3_objects import ObjectUnread
from playbooks.documents.refusals import SsmRefused

MOST: Final = 20
"""Files of one document (the model's limit of Attachments)."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of one file. AWS takes 256 MB; here they are rows of the database."""
LARGEST_TOGETHER: Final = 4 * LARGEST
"""Bytes of all files of one request: they are in memory at once."""
_PLACE: Final = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?")
_REFERENCE: Final = re.compile(r"(?P<document>.+)/(?P<version>[1-9][0-9]*|\$LATEST|\$DEFAULT)/(?P<file>[^/]+)")
Source = Mapping[str, Any]
"""One AttachmentsSource."""
Files = dict[str, bytes]
Found = tuple[str, Callable[[int], bytes]]
"""A file's name, and what reads at most so many bytes of it."""


class Objects(Protocol):
    """The S3 that callers' files are in."""

    def content(self, bucket: str, key: str, *, largest: int) -> bytes:
        """One object. Raises ObjectUnread, AwsUnreachable."""

    def keys(self, bucket: str, prefix: str, *, most: int) -> list[str]:
        """At most so many keys that begin so. Raises AwsRefused, AwsUnreachable."""


class Referred(Protocol):
    """The files of other documents."""

    def attached(self, document: str, version: str, name: str) -> bytes | None:
        """The file of that name; None where the document has none. Raises SsmRefused."""


@dataclass(frozen=True, slots=True)
class Gathering:
    """Reads what sources lead to."""

    objects: Objects
    referred: Referred

    def files(self, sources: Sequence[Source], document: Document) -> Files:
        """Name -> content. Raises SsmRefused."""
        found, left = Files(), LARGEST_TOGETHER
        try:
            for name, read in (each for source in sources for each in self._of(source, document)):
                _check_name(name)
                found[name] = read(min(LARGEST, left))
                left -= len(found[name])
        except (ObjectUnread, AwsRefused, AwsUnreachable) as error:
            raise SsmRefused("InvalidDocumentContent", f"An attachment cannot be had: {error}.") from error
        if len(found) > MOST:
            raise SsmRefused("ValidationException", f"A document has at most {MOST} attachments.")
        return found

    def _of(self, source: Source, document: Document) -> list[Found]:
        value, name = str((source.get("Values") or [""])[0]), str(source.get("Name") or "")
        match source.get("Key"):
            case "S3FileUrl":
                bucket, key = _place(value)
                return [(name or key.rpartition("/")[2], self._reader(bucket, key))]
            case "SourceUrl":
                return self._below(*_place(value), [name] if name else [*document.files])
            case "AttachmentReference":
                return [self._referred(value, name)]
        raise SsmRefused(
            "ValidationException", "The Key of an attachment is SourceUrl, S3FileUrl or AttachmentReference."
        )

    def _below(self, bucket: str, prefix: str, names: Sequence[str]) -> list[Found]:
        """The files that the document names, else all that lie there."""
        folder = f"{prefix.rstrip('/')}/" if prefix else ""
        if not names:
            keys = self.objects.keys(bucket, folder, most=MOST + 1)
            names = [key.removeprefix(folder) for key in keys if not key.endswith("/")]
        if not names or len(names) > MOST:
            count = f"more than {MOST}" if names else "no"
            raise SsmRefused("ValidationException", f"There are {count} files at s3://{bucket}/{folder}.")
        return [(name, self._reader(bucket, f"{folder}{name}")) for name in names]

    def _reader(self, bucket: str, key: str) -> Callable[[int], bytes]:
        return lambda largest: self.objects.content(bucket, key, largest=largest)

    def _referred(self, value: str, name: str) -> Found:
        found = _REFERENCE.fullmatch(value)
        if found is None:
            text = f'An AttachmentReference is DOCUMENT/VERSION/FILE, such as MyOtherDocument/3/tool.py; not "{value}".'
            raise SsmRefused("ValidationException", text)
        content = self.referred.attached(found["document"], found["version"], found["file"])
        if content is None:
            text = f"{found['document']} has no attachment {found['file']} in version {found['version']}."
            raise SsmRefused("InvalidDocumentContent", text)
        return name or found["file"], lambda _: content


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        text = f'"{name}" is no name of an attachment: 3 to 128 letters, digits, _, - and points.'
        raise SsmRefused("ValidationException", text)


def _place(value: str) -> tuple[str, str]:
    found = _PLACE.fullmatch(value)
    if found is None:
        raise SsmRefused("ValidationException", f'An attachment lies at s3://BUCKET/KEY; "{value}" is no such place.')
    return found["bucket"], found["key"] or ""
