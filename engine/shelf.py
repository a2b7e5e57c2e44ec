"""Documents by content: parsed once, found again by the digest an execution is pinned to."""

from collections import OrderedDict

from sqlalchemy import Connection

from engine.document import Document
from engine.store import ExecutionStore
from engine.validation import parse
from infra.db import Transaction

MOST_PARSED = 512


class DocumentShelf:
    """A cache over the stored documents. Safe to share between threads: a lost race parses twice."""

    def __init__(self, store: ExecutionStore) -> None:
        self._store = store
        self._parsed: OrderedDict[str, Document] = OrderedDict()

    def put(self, tx: Transaction, document: Document) -> None:
        """Keep a document, once."""
        self._store.keep_document(
            tx, digest=document.digest, name=document.name, version=document.version, text=document.text
        )
        self._remember(document)

    def get(self, connection: Connection | Transaction, digest: str) -> Document:
        """The document of that content. Raises LookupError when it was never stored."""
        found = self._parsed.get(digest)
        if found is not None:
            return found
        row = self._store.document(connection, digest)
        if row is None:
            raise LookupError(f"document {digest} is not stored")
        name, version, text = row
        return self._remember(parse(text, name=name, version=version))

    def _remember(self, document: Document) -> Document:
        self._parsed[document.digest] = document
        while len(self._parsed) > MOST_PARSED:
            self._parsed.popitem(last=False)
        return document
