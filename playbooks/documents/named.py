"""A runbook with a name, and its versions, as plain data. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A name: which versions it has, and whom it is shared with (account or `all` -> shared version)."""

    name: str
    created_at: datetime
    default_version: int = 1
    latest_version: int = 1
    last_number: int = 1
    """The last number that was given out: a deleted version's number never comes back."""
    shared: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One version of a name. `digest` finds its text, `format` is the one it was written in."""

    name: str
    number: int
    digest: str
    created_at: datetime
    format: str
    version_name: str = ""
    display_name: str = ""
    target_type: str = ""
    requires: tuple[Mapping[str, str], ...] = ()
