"""Tags of documents and executions: the verbs and facts behind Add-, Remove- and ListTagsForResource."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from audit.events import Actor, Event
from audit.store import AuditStore
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database
from playbooks.documents.refusals import SsmRefused
from playbooks.documents.store import DocumentStore, Reader, TagStore

MOST_TAGS: Final = 50


@dataclass
class Tags:
    """Tags by kind (Document, Automation) and id (a document's name, an execution's id). Composed in bot/service.py."""

    db: Database
    audit: AuditStore
    store: TagStore
    documents: DocumentStore
    executions: ExecutionStore
    clock: Clock

    def of(self, kind: str, resource_id: str) -> dict[str, str]:
        """Key -> value. Raises SsmRefused."""
        with self.db.reading() as connection:
            self._check(connection, kind, resource_id)
            return self.store.of(connection, kind, resource_id)

    def add(self, kind: str, resource_id: str, tags: Mapping[str, str], by: Actor) -> None:
        """Set these tags; others stay. Raises SsmRefused."""
        with self.db.transaction() as tx:
            self._check(tx, kind, resource_id)
            if len({**self.store.of(tx, kind, resource_id), **tags}) > MOST_TAGS:
                raise SsmRefused("TooManyTagsError", f"{kind} {resource_id} may have {MOST_TAGS} tags.")
            self.store.put(tx, kind, resource_id, tags)
            event = Event("resource.tagged", "", by, {"kind": kind, "id": resource_id, "tags": dict(tags)})
            self.audit.append(tx, [event], self.clock())

    def remove(self, kind: str, resource_id: str, keys: Collection[str], by: Actor) -> None:
        """Forget these tags. Raises SsmRefused."""
        with self.db.transaction() as tx:
            self._check(tx, kind, resource_id)
            self.store.remove(tx, kind, resource_id, keys)
            event = Event("resource.untagged", "", by, {"kind": kind, "id": resource_id, "keys": [*keys]})
            self.audit.append(tx, [event], self.clock())

    def _check(self, reader: Reader, kind: str, resource_id: str) -> None:
        if kind not in ("Document", "Automation"):
            raise SsmRefused("InvalidResourceType", f"Only Document and Automation have tags here, not {kind}.")
        keeper = self.documents if kind == "Document" else self.executions
        if keeper.get(reader, resource_id) is None:
            raise SsmRefused("InvalidResourceId", f"There is no {kind} {resource_id}.")
