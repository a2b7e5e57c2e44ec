"""Documents as moto keeps them, read the way AWS reads them."""

import json
from dataclasses import replace
from typing import Any, Final

from moto.core.exceptions import ServiceException
from moto.ssm.models import SimpleSystemManagerBackend

from engine.document import Document, RunbookRefused
from engine.validation import parse
from playbooks.documents.content import Draft, examined
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


def check(given: dict[str, Any]) -> None:
    """Refuse a runbook that AWS would refuse. Raises SsmRefused."""
    draft = Draft(str(given["Name"]), _text(given["Content"]), str(given.get("DocumentFormat") or "JSON"))
    examined(draft, number=1)


def _text(content: Any) -> str:
    """CloudFormation gives moto trees instead of texts."""
    return content if isinstance(content, str) else json.dumps(content)
