"""Attachments of aws:executeScript: files beside a runbook, found by name and proved by the document's checksum."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.document import Document
from infra.aws_errors import AwsRefused

NAME: Final = re.compile(r"[a-zA-Z0-9_\-.]{3,128}")
LARGEST: Final = 256 * 1024 * 1024
"""Bytes (SSM: "Creating runbooks that run scripts")."""
CHECKSUMS: Final = ("sha256", "SHA256", "sha-256", "SHA-256")
"""Spellings found in AWS's own documents."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where files may lie; `is_own` where the document itself comes from there, so that no checksum is needed."""

    path: Path
    is_own: bool


@dataclass(frozen=True, slots=True)
class Attachments:
    """Files from folders, or kept by checksum. What an execution is pinned to is the checksum in its document."""

    folders: Callable[[Document], Iterable[Folder]]
    kept: Callable[[str], bytes | None] = lambda _: None
    """The content of that SHA-256, where it was brought through the API."""

    def read(self, document: Document, name: str) -> bytes | None:
        """The attachment's content; None where it is nowhere. Raises AwsRefused for a file that is another one."""
        if not NAME.fullmatch(name) or name.strip(".") == "":
            return None
        wanted, other = checksum_of(document, name), None
        for folder in self.folders(document):
            path = folder.path / name
            if not path.is_file() or path.stat().st_size > LARGEST or not (wanted or folder.is_own):
                continue
            try:
                content = path.read_bytes()
            except OSError as error:
                raise AwsRefused("InvalidAttachment", f"{name} cannot be read: {error.strerror}") from error
            if not wanted or hashlib.sha256(content).hexdigest() == wanted:
                return content
            other = path
        if wanted and (brought := self.kept(wanted)) is not None:
            return brought
        if other is not None:
            raise AwsRefused("InvalidAttachment", f"{other.name} beside the runbook is not the file the document names")
        return None


def checksum_of(document: Document, name: str) -> str:
    """The SHA-256 (hex) that a document names for an attachment, "" for none."""
    entry = document.files.get(name)
    checksums = entry.get("checksums") if isinstance(entry, dict) else None
    if not isinstance(checksums, dict):
        return ""
    return next((str(checksums[key]).lower() for key in CHECKSUMS if checksums.get(key)), "")


def beside(folder: Path) -> Attachments:
    """Attachments of one runbook file, in its own folder."""
    return Attachments(lambda _: (Folder(folder, is_own=True),))
