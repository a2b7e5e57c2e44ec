"""Documents as moto keeps them, read the way AWS reads them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.ssm.models import SimpleSystemManagerBackend

from engine.attachments import checksum_of
from engine.document import Document, RunbookRefused
from engine.validation import parse
from playbooks.documents.attachments import Gathering, Objects
from playbooks.documents.content import Draft, examined, with_files
from playbooks.documents.naming import wanted
from playbooks.documents.refusals import SsmRefused

NOT_FOUND: Final = "AutomationDefinitionNotFoundException"
VERSION_NOT_FOUND: Final = "AutomationDefinitionVersionNotFoundException"


class MotoDocuments:
    """Finds what CreateDocument has put into a backend."""

    def __init__(self, backend: SimpleSystemManagerBackend) -> None:
        self._backend = backend

    def wanted(self, name: str, version: str) -> Document:
        """The document to start. Raises SsmRefused with StartAutomationExecution's codes."""
        try:
            asked = wanted(name, version, account=self._backend.account_id)
            documents = self._backend._get_documents(asked.name)  # noqa: SLF001 - moto has no other way in
        except (ServiceException, SsmRefused) as error:
            raise SsmRefused(NOT_FOUND, f"Automation definition not found: {name}") from error
        number = asked.number if asked.number != "$DEFAULT" else ""
        try:
            found = documents.find(number or documents.default_version)
        except ServiceException as error:
            raise SsmRefused(VERSION_NOT_FOUND, f"{asked.name} has no version {asked.number}.") from error
        try:
            document = parse(_text(found.content), name=asked.name, version=found.document_version)
        except RunbookRefused as error:
            raise SsmRefused(NOT_FOUND, f"{asked.name} is no Automation document: {error}") from error
        return replace(document, target_type=found.target_type or "")

    def find(self, name: str, version: str) -> Document:
        """The document for aws:executeAutomation. Raises LookupError with a sentence."""
        try:
            return self.wanted(name, version)
        except SsmRefused as error:
            raise LookupError(str(error)) from error


@dataclass
class Attachments:
    """The files of one backend's documents, by the SHA-256 that a document names."""

    documents: MotoDocuments
    objects: Objects
    files: dict[str, bytes] = field(default_factory=dict)

    def attached(self, document: str, version: str, name: str) -> bytes | None:
        """A file of a document. Raises SsmRefused."""
        return self.files.get(checksum_of(self.documents.wanted(document, version), name))


def whole(given: dict[str, Any], kept: Callable[[], Attachments]) -> dict[str, Any]:
    """The request with the checksums of its attachments in the text. Raises SsmRefused for what AWS would refuse."""
    draft = Draft(str(given["Name"]), _text(given["Content"]), str(given.get("DocumentFormat") or "JSON"))
    document, sources = examined(draft, number=1), given.get("Attachments") or []
    if not sources:
        return given
    attachments = kept()
    files = Gathering(attachments.objects, attachments).files(sources, document)
    draft = with_files(draft, document, files)
    attachments.files |= {hashlib.sha256(content).hexdigest(): content for content in files.values()}
    return {**given, "Content": draft.content}


def _text(content: Any) -> str:
    """CloudFormation gives moto trees instead of texts."""
    return content if isinstance(content, str) else json.dumps(content)
