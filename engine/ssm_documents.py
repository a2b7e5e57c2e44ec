"""Documents on the SSM side: named there by the playbook, or pushed from our library under their content's hash."""

from dataclasses import dataclass
from typing import Final

from engine import publishing
from engine.action import AwsApi
from engine.document import Document

PREFIX: Final = "playbook-bot-"


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
    if colon and (version.isdigit() or version in ("$DEFAULT", "$LATEST")):
        return Place(name, version)
    return Place(reference)


def ensure(aws: AwsApi, document: Document) -> Place:
    """Have our document stand there, exactly as it is here; nothing is sent when it does already.

    Raises NotExportable, AwsRefused, AwsUnreachable.
    """
    name = _name(document)
    version = publishing.version_with(aws, name, publishing.version_name(document.text))
    if not version:
        is_json = document.text.lstrip().startswith("{")
        pushed = publishing.push(aws, name, document.text, format_="JSON" if is_json else "YAML", make_default=False)
        version = pushed.version
    return Place(name, version)


def _name(document: Document) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in document.name)
    return f"{PREFIX}{plain}"[:128]
