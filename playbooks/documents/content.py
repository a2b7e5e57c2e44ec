"""The content of a document: what CreateDocument refuses, with AWS's codes, and the text in either format. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from engine.attachments import checksum_of
from engine.document import Document, Problem, RunbookRefused
from engine.json_source import read_json
from engine.places import Unreadable
from engine.validation import KNOWN_ACTIONS, examine, unsupported_actions
from infra.canonical import Json
from playbooks.documents.naming import check_new_name
from playbooks.documents.refusals import SsmRefused

MOST_PROBLEMS: Final = 10
"""How many sentences one answer holds."""
TOO_LARGE: Final = ("DOC001", "SRC001")


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as a caller brings it."""

    name: str
    content: str
    format: str = "JSON"
    version_name: str = ""
    display_name: str = ""
    target_type: str = ""
    requires: tuple[Mapping[str, str], ...] = ()
    attachments: tuple[Mapping[str, Any], ...] = ()
    """AttachmentsSource, as the API has it."""


def examined(draft: Draft, *, number: int) -> Document:
    """The document, as version `number`. Raises SsmRefused with the code that AWS gives."""
    check_new_name(draft.name)
    if draft.format == "TEXT":
        raise SsmRefused("ValidationException", "An Automation document is written in JSON or YAML, not TEXT.")
    _check_is_json(draft)
    try:
        found = examine(draft.content, name=draft.name, version=str(number))
    except RunbookRefused as error:
        raise _refusal(error.problems) from error
    problems = found.problems
    if found.document is not None:
        problems += unsupported_actions(found.document, found.source, frozenset(KNOWN_ACTIONS))
    if problems or found.document is None:
        raise _refusal(problems)
    return found.document


def with_files(draft: Draft, document: Document, files: Mapping[str, bytes]) -> Draft:
    """The draft in which each file has its checksum; one that names another is refused. Raises SsmRefused."""
    added: dict[str, Json] = {}
    for name, content in files.items():
        found, wanted = hashlib.sha256(content).hexdigest(), checksum_of(document, name)
        if wanted and wanted != found:
            text = f"The attachment {name} has the SHA-256 {found}; the document names {wanted}."
            raise SsmRefused("InvalidDocumentContent", text)
        if not wanted:
            added[name] = {"checksums": {"sha256": found}}
    return replace(draft, content=_amended(draft, document, added)) if added else draft


def _amended(draft: Draft, document: Document, added: Mapping[str, Json]) -> str:
    """The text with more files: where there are none yet, YAML keeps its comments."""
    tree = {**document.tree, "files": {**document.files, **added}}
    if draft.format == "YAML":
        told = yaml.safe_dump({"files": dict(added)}, sort_keys=False)
        longer = f"{draft.content.rstrip()}\n{told}"
        try:
            again = examine(longer, name=draft.name).document
        except RunbookRefused:
            again = None
        if not document.files and again is not None and again.tree == tree:
            return longer
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)
    return json.dumps(tree, indent=2, ensure_ascii=False)


def _check_is_json(draft: Draft) -> None:
    """YAML under the format JSON (the API's default) is refused, as AWS does; JSON is YAML, too."""
    if draft.format != "JSON":
        return
    try:
        read_json(draft.content.removeprefix("\ufeff"))
    except Unreadable as error:
        text = f"<document>:{error.line}:{error.column} {error} (DocumentFormat is JSON; say YAML for YAML)"
        raise SsmRefused("InvalidDocumentContent", text) from error


def _refusal(problems: tuple[Problem, ...]) -> SsmRefused:
    codes = [problem.code for problem in problems]
    text = " ".join(str(problem) for problem in problems[:MOST_PROBLEMS])
    if any(code in TOO_LARGE for code in codes):
        return SsmRefused("MaxDocumentSizeExceeded", text)
    if any(problem.code == "DOC003" and problem.path for problem in problems):
        return SsmRefused("InvalidDocumentSchemaVersion", text)
    return SsmRefused("InvalidDocumentContent", text)


def spelled(document: Document, written: str, wanted: str) -> str:
    """The text in the wanted format: as it was written, or the same tree spelled anew."""
    if wanted in ("", written):
        return document.text
    if wanted == "YAML":
        return yaml.safe_dump(document.tree, sort_keys=False, allow_unicode=True, width=120)
    return json.dumps(document.tree, indent=2, ensure_ascii=False)
