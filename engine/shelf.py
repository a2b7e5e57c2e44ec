"""Documents by content: parsed once, found again by the digest an execution is pinned to."""

from collections import OrderedDict
from dataclasses import replace

from sqlalchemy import Connection

from engine.document import Document
from engine.execution import Execution
from engine.store import ExecutionStore
from engine.validation import examine
from infra.db import Transaction

MOST_PARSED = 512


class DocumentShelf:
    """A cache over the stored documents. Safe to share between threads: a lost race parses twice."""

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._parsed: OrderedDict[tuple[str, ...], Document] = OrderedDict()

    def put(self, tx: Transaction, document: Document) -> None:
        """Keep a document, once."""
        self._store.keep_document(
            tx, digest=document.digest, name=document.name, version=document.version, text=document.text
        )
        self._remember(document, document.digest)

    def of(self, connection: Connection | Transaction, state: Execution) -> Document:
        """What an execution runs, under the name and version it was started by: the same text may have several.

        Raises LookupError when it was never stored.
        """
        key = (state.document_digest, state.document_name, state.document_version)
        found = self._parsed.get(key)
        if found is not None:
            return found
        document = self.get(connection, state.document_digest)
        return self._remember(replace(document, name=state.document_name, version=state.document_version), *key)

    def get(self, connection: Connection | Transaction, digest: str) -> Document:
        """The document of that content, under the name it first had. Raises LookupError when it is not stored."""
        found = self._parsed.get((digest,))
        if found is not None:
            return found
        row = self._store.document(connection, digest)
        if row is None:
            raise LookupError(f"document {digest} is not stored")
        name, version, text = row
        return self._remember(_as_it_was(digest, text, name=name, version=version), digest)

    def _remember(self, document: Document, *key: str) -> Document:
        self._parsed[key] = document
        while len(self._parsed) > MOST_PARSED:
            self._parsed.popitem(last=False)
        return document


def _as_it_was(digest: str, text: str, *, name: str, version: str) -> Document:
    """A stored document. It was valid when it was kept: a rule that is newer than it does not strand what runs."""
    found = examine(text, name=name, version=version).document
    if found is None:
        raise LookupError(f"document {digest} is stored, but cannot be read any more")
    return found
