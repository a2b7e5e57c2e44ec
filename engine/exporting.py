"""A runbook as text that CreateDocument takes, in JSON or YAML. Pure.

YAML is written so that every reader takes it for the same values: what YAML 1.1 or 1.2 would make a number, a Boolean,
a date or nothing is in quotes, scripts stand in literal blocks.
"""

import json
import re
from typing import Any, Final, Literal

import yaml

from engine.document import Document
from engine.validation import LARGEST_BYTES
from engine.yaml_source import plain
from infra.canonical import Json, encoded

Format = Literal["json", "yaml"]

NAME: Final = re.compile(r"[a-zA-Z0-9_\-.]{3,128}")
_UNPRINTABLE: Final = re.compile("[\x7f-\x84\x86-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
RESERVED: Final = ("aws", "amazon", "amzn")
"""Beginnings of names that AWS keeps for itself (CreateDocument, Name)."""


class NotExportable(Exception):
    """AWS would not take the document under this name, in this form."""


def exported(document: Document, format_: Format) -> str:
    """The document's content. Raises NotExportable where it is too large."""
    tree: dict[str, Json] = {**document.tree, "schemaVersion": "0.3"}
    text = as_json_text(tree) if format_ == "json" else as_yaml_text(tree)
    if len(encoded(text)) <= LARGEST_BYTES:
        return text
    compact = json.dumps(tree, separators=(",", ":"))
    if format_ == "json" and len(encoded(compact)) <= LARGEST_BYTES:
        return compact
    hint = "; as JSON it has room" if format_ == "yaml" and len(encoded(compact)) <= LARGEST_BYTES else ""
    raise NotExportable(f"{document.name} is larger than 64 KB as {format_.upper()}, which is AWS's limit{hint}")


def checked_name(name: str) -> str:
    """A name that CreateDocument takes. Raises NotExportable."""
    if not NAME.fullmatch(name):
        raise NotExportable(f'"{name}" is no name for a document: 3 to 128 letters, digits, "_", "-" and "."')
    if name.lower().startswith(RESERVED):
        raise NotExportable(f'"{name}" begins as only AWS\'s own documents may (aws, amazon, amzn)')
    return name


def as_json_text(tree: Json) -> str:
    """Indented JSON; what no text should hold (and some readers refuse) is escaped."""
    text = json.dumps(tree, ensure_ascii=False, indent=2)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def as_yaml_text(tree: Json) -> str:
    """Block YAML in the order of the document."""
    text = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return str(text)


class _Dumper(yaml.SafeDumper):
    """No anchors, literal blocks for texts of several lines, quotes wherever two readers might differ."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's
        return super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:str"
    if "\n" in value and _is_literal(value):
        return dumper.represent_scalar(tag, value, style="|")
    is_doubtful = value == "" or plain(value) != value or _LOOKS_LIKE_MORE.match(value) is not None
    return dumper.represent_scalar(tag, value, style="'" if is_doubtful and "\n" not in value else None)


def _is_literal(value: str) -> bool:
    """Whether a literal block gives the text back: no tabs in front, no blanks at the ends of lines."""
    return not any(line != line.rstrip() or line.startswith("\t") for line in value.split("\n")) and "\r" not in value


_LOOKS_LIKE_MORE: Final = re.compile(r"[-+]?[0-9.]|(?i:y|n|yes|no|on|off|true|false|null)$|[~=<]")
"""What YAML 1.1 may take for a number, a date, a time, a Boolean, nothing, or a merge."""
_Dumper.add_representer(str, _text)
