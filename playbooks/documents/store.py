"""The tables of named documents: names with their versions, tags and previews. The texts are the engine's."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from infra.db import Instant, Transaction, metadata
from playbooks.documents.named import DocumentVersion, NamedDocument

name_table = Table(
    "ssm_document",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("default_version", Integer, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("facts", Text, nullable=False),
)

version_table = Table(
    "ssm_document_version",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version_name", String(128), nullable=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("facts", Text, nullable=False),
    UniqueConstraint("name", "version_name", name="uq_ssm_document_version_name"),
)

tag_table = Table(
    "resource_tag",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("resource_id", String(128), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)

preview_table = Table(
    "execution_preview",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("facts", Text, nullable=False),
)

attachment_table = Table(
    "ssm_attachment",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

Reader = Connection | Transaction


class DocumentStore:
    """Keeps names and versions. Rules are documents.py's."""

    def add(self, tx: Transaction, document: NamedDocument) -> None:
        """Save a new name."""
        tx.execute(insert(name_table).values(name=document.name, **_document_values(document)))

    def save(self, tx: Transaction, document: NamedDocument) -> None:
        """Save what has changed of a name."""
        here = name_table.c.name == document.name
        tx.execute(update(name_table).where(here).values(**_document_values(document)))

    def lock(self, tx: Transaction, name: str) -> NamedDocument | None:
        """A name; on PostgreSQL its row is locked until the commit."""
        query = select(name_table).where(name_table.c.name == name)
        row = tx.execute(query if tx.is_sqlite else query.with_for_update()).first()
        return _document(row) if row else None

    def get(self, reader: Reader, name: str) -> NamedDocument | None:
        """A name."""
        row = reader.execute(select(name_table).where(name_table.c.name == name)).first()
        return _document(row) if row else None

    def names(self, reader: Reader, *, after: str, limit: int) -> list[NamedDocument]:
        """Names in order, after one of them."""
        query = select(name_table).where(name_table.c.name > after).order_by(name_table.c.name)
        return [_document(row) for row in reader.execute(query.limit(limit))]

    def count(self, reader: Reader) -> int:
        """How many names there are."""
        return reader.execute(select(func.count()).select_from(name_table)).scalar_one()

    def remove(self, tx: Transaction, name: str) -> None:
        """Forget a name with all its versions; texts that executions are pinned to stay."""
        tx.execute(delete(version_table).where(version_table.c.name == name))
        tx.execute(delete(name_table).where(name_table.c.name == name))

    # -- versions

    def add_version(self, tx: Transaction, version: DocumentVersion) -> None:
        """Save a new version."""
        facts = {
            "format": version.format,
            "display_name": version.display_name,
            "target_type": version.target_type,
            "requires": [dict(each) for each in version.requires],
        }
        row = {
            "name": version.name,
            "number": version.number,
            "version_name": version.version_name or None,
            "digest": version.digest,
            "created_at": version.created_at,
            "facts": json.dumps(facts),
        }
        tx.execute(insert(version_table).values(**row))

    def version(self, reader: Reader, name: str, number: int) -> DocumentVersion | None:
        """One version."""
        here = and_(version_table.c.name == name, version_table.c.number == number)
        row = reader.execute(select(version_table).where(here)).first()
        return _version(row) if row else None

    def version_called(self, reader: Reader, name: str, version_name: str) -> DocumentVersion | None:
        """The version with that version name."""
        here = and_(version_table.c.name == name, version_table.c.version_name == version_name)
        row = reader.execute(select(version_table).where(here)).first()
        return _version(row) if row else None

    def versions(self, reader: Reader, name: str, *, before: int | None, limit: int) -> list[DocumentVersion]:
        """Versions, newest first."""
        query = select(version_table).where(version_table.c.name == name)
        query = query if before is None else query.where(version_table.c.number < before)
        return [_version(row) for row in reader.execute(query.order_by(version_table.c.number.desc()).limit(limit))]

    def version_count(self, reader: Reader, name: str) -> int:
        """How many versions a name has."""
        query = select(func.count()).select_from(version_table).where(version_table.c.name == name)
        return reader.execute(query).scalar_one()

    def remove_version(self, tx: Transaction, name: str, number: int) -> None:
        """Forget one version."""
        tx.execute(delete(version_table).where(and_(version_table.c.name == name, version_table.c.number == number)))


class AttachmentStore:
    """Keeps files by the SHA-256 of their content; what executions may still need is never deleted."""

    def put(self, tx: Transaction, content: bytes) -> None:
        """Keep a file, once."""
        upsert = sqlite.insert(attachment_table) if tx.is_sqlite else postgresql.insert(attachment_table)
        row = {"digest": hashlib.sha256(content).hexdigest(), "size": len(content), "content": content}
        tx.execute(upsert.values(**row).on_conflict_do_nothing())

    def content(self, reader: Reader, digest: str) -> bytes | None:
        """A file."""
        found = reader.execute(select(attachment_table.c.content).where(attachment_table.c.digest == digest)).scalar()
        return bytes(found) if found is not None else None

    def size(self, reader: Reader, digest: str) -> int | None:
        """How many bytes a file has."""
        query = select(attachment_table.c.size).where(attachment_table.c.digest == digest)
        found: int | None = reader.execute(query).scalar()
        return found


class TagStore:
    """Keeps the tags of documents (kind Document) and executions (kind Automation)."""

    def of(self, reader: Reader, kind: str, resource_id: str) -> dict[str, str]:
        """Key -> value, by key."""
        here = and_(tag_table.c.kind == kind, tag_table.c.resource_id == resource_id)
        rows = reader.execute(select(tag_table.c.key, tag_table.c.value).where(here).order_by(tag_table.c.key))
        return {row.key: row.value for row in rows}

    def of_all(self, reader: Reader, kind: str, resource_ids: Collection[str]) -> dict[str, dict[str, str]]:
        """The tags of each of these, where there are any."""
        here = and_(tag_table.c.kind == kind, tag_table.c.resource_id.in_(resource_ids))
        found: dict[str, dict[str, str]] = {}
        for row in reader.execute(select(tag_table).where(here)):
            found.setdefault(row.resource_id, {})[row.key] = row.value
        return found

    def of_kind(self, reader: Reader, kind: str) -> dict[str, dict[str, str]]:
        """The tags of everything of a kind."""
        found: dict[str, dict[str, str]] = {}
        for row in reader.execute(select(tag_table).where(tag_table.c.kind == kind)):
            found.setdefault(row.resource_id, {})[row.key] = row.value
        return found

    def put(self, tx: Transaction, kind: str, resource_id: str, tags: Mapping[str, str]) -> None:
        """Set these tags; others stay."""
        if tags:
            self.remove(tx, kind, resource_id, tags)
            rows = [{"kind": kind, "resource_id": resource_id, "key": key, "value": tags[key]} for key in tags]
            tx.execute(insert(tag_table), rows)

    def remove(self, tx: Transaction, kind: str, resource_id: str, keys: Collection[str]) -> None:
        """Forget these tags."""
        here = and_(tag_table.c.kind == kind, tag_table.c.resource_id == resource_id, tag_table.c.key.in_(keys))
        tx.execute(delete(tag_table).where(here))

    def forget(self, tx: Transaction, kind: str, resource_id: str) -> None:
        """Forget every tag of what is gone."""
        tx.execute(delete(tag_table).where(and_(tag_table.c.kind == kind, tag_table.c.resource_id == resource_id)))


class PreviewStore:
    """Keeps previews until somebody has looked at them, and no longer than a day."""

    def add(self, tx: Transaction, preview_id: str, facts: Mapping[str, Any], now: datetime, *, keep: Any) -> None:
        """Save one, and forget those older than `keep`."""
        tx.execute(delete(preview_table).where(preview_table.c.created_at < now - keep))
        tx.execute(insert(preview_table).values(id=preview_id, created_at=now, facts=json.dumps(facts)))

    def get(self, reader: Reader, preview_id: str) -> tuple[dict[str, Any], datetime] | None:
        """(facts, moment) of one."""
        row = reader.execute(select(preview_table).where(preview_table.c.id == preview_id)).first()
        return (json.loads(row.facts), row.created_at) if row else None


def _document_values(document: NamedDocument) -> dict[str, Any]:
    return {
        "created_at": document.created_at,
        "default_version": document.default_version,
        "latest_version": document.latest_version,
        "facts": json.dumps({"shared": dict(document.shared), "last_number": document.last_number}),
    }


def _document(row: Row[Any]) -> NamedDocument:
    facts = json.loads(row.facts)
    versions = row.default_version, row.latest_version, facts["last_number"]
    return NamedDocument(row.name, row.created_at, *versions, facts["shared"])


def _version(row: Row[Any]) -> DocumentVersion:
    facts = json.loads(row.facts)
    requires: Sequence[Mapping[str, str]] = facts["requires"]
    return DocumentVersion(
        row.name,
        row.number,
        row.digest,
        row.created_at,
        facts["format"],
        row.version_name or "",
        facts["display_name"],
        facts["target_type"],
        tuple(requires),
    )
