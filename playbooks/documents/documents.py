"""Documents by name: the verbs and facts of SSM's document API, and where aws:executeAutomation finds its runbooks.

Every refusal has AWS's code. Source: SSM API reference (CreateDocument … ModifyDocumentPermission) and the quotas.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from sqlalchemy.exc import IntegrityError

from audit.events import Actor, Event
from audit.store import AuditStore
from engine.attachments import checksum_of
from engine.document import Document
from engine.shelf import DocumentShelf
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks.documents.attachments import Files, Gathering, Objects
from playbooks.documents.content import Draft, examined, with_files
from playbooks.documents.named import DocumentVersion, NamedDocument
from playbooks.documents.naming import Wanted, wanted
from playbooks.documents.refusals import SsmRefused
from playbooks.documents.store import AttachmentStore, DocumentStore, Reader, TagStore

MOST_DOCUMENTS: Final = 500
MOST_VERSIONS: Final = 1_000
MOST_SHARES: Final = 1_000
MOST_DIGITS: Final = 18
"""Of a version's number; what is longer is no version's, and no number that Python reads."""
KIND: Final = "Document"
_START_CODES: Final = {
    "InvalidDocument": "AutomationDefinitionNotFoundException",
    "InvalidDocumentVersion": "AutomationDefinitionVersionNotFoundException",
}


@dataclass
class DocumentParts:
    """What the composition root gives the documents."""

    db: Database
    audit: AuditStore
    store: DocumentStore
    tags: TagStore
    shelf: DocumentShelf
    clock: Clock
    account: str
    attachments: AttachmentStore = field(default_factory=AttachmentStore)
    objects: Objects | None = None
    """Where attachments are fetched from; None = nowhere."""


@dataclass(frozen=True, slots=True)
class Described:
    """One version of a named document, and everything that is said about it."""

    named: NamedDocument
    version: DocumentVersion
    document: Document
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that a document names; without a size it is not kept here."""

    name: str
    digest: str
    size: int | None


class Documents:
    """The named documents. Composed in bot/service.py."""

    def __init__(self, parts: DocumentParts) -> None:
        self._parts = parts
        self._store = parts.store

    # -- verbs

    def create(self, draft: Draft, tags: Mapping[str, str], by: Actor) -> Described:
        """Keep a new document. Raises SsmRefused."""
        draft, files = self._attached(draft)
        document, now = examined(draft, number=1), self._parts.clock()
        named = NamedDocument(draft.name, now)
        version = _version(draft, document, number=1, at=now)
        taken = SsmRefused("DocumentAlreadyExists", f"The document {draft.name} already exists.")
        with self._unless_taken(taken), self._parts.db.transaction() as tx:
            if self._store.lock(tx, draft.name) is not None:
                raise taken
            if self._store.count(tx) >= MOST_DOCUMENTS:
                raise SsmRefused("DocumentLimitExceeded", f"There are {MOST_DOCUMENTS} documents already.")
            self._store.add(tx, named)
            self._store.add_version(tx, version)
            self._keep(tx, document, files)
            self._parts.tags.put(tx, KIND, draft.name, tags)
            self._say(tx, "document.created", by, name=draft.name, sha256=document.digest)
        return Described(named, version, document, dict(tags))

    def update(self, draft: Draft, target: str, by: Actor) -> Described:
        """Make a new latest version of a document; the default stays. Raises SsmRefused."""
        draft, files = self._attached(draft)
        repeated = SsmRefused("DuplicateDocumentVersionName", f"There is a version {draft.version_name} already.")
        with self._unless_taken(repeated), self._parts.db.transaction() as tx:
            named = self._locked(tx, draft.name)
            latest = self._numbered(tx, named, named.latest_version)
            if target not in ("", "$LATEST", str(named.latest_version)):
                raise SsmRefused(
                    "InvalidDocumentVersion", f"Only the latest version ({named.latest_version}) can be updated."
                )
            version, document = self._next(tx, draft, named, latest)
            named = replace(named, latest_version=version.number, last_number=version.number)
            self._store.add_version(tx, version)
            self._store.save(tx, named)
            self._keep(tx, document, files)
            self._say(tx, "document.updated", by, name=named.name, version=version.number, sha256=document.digest)
            tags = self._parts.tags.of(tx, KIND, named.name)
        return Described(named, version, document, tags)

    def _next(
        self, tx: Transaction, draft: Draft, named: NamedDocument, latest: DocumentVersion
    ) -> tuple[DocumentVersion, Document]:
        number = named.last_number + 1
        document = examined(draft, number=number)
        if document.digest == latest.digest:
            raise SsmRefused(
                "DuplicateDocumentContent", f"The content is the same as version {latest.number} of {named.name}."
            )
        if self._store.version_count(tx, named.name) >= MOST_VERSIONS:
            raise SsmRefused("DocumentVersionLimitExceeded", f"{named.name} has {MOST_VERSIONS} versions already.")
        if draft.version_name and self._store.version_called(tx, named.name, draft.version_name):
            text = f"There is a version {draft.version_name} of {named.name} already."
            raise SsmRefused("DuplicateDocumentVersionName", text)
        kept = replace(draft, target_type=draft.target_type or latest.target_type, requires=latest.requires)
        return _version(kept, document, number=number, at=self._parts.clock()), document

    def _attached(self, draft: Draft) -> tuple[Draft, Files]:
        """The draft with the checksums of its attachments, and their contents. Raises SsmRefused."""
        if not draft.attachments:
            return draft, {}
        if self._parts.objects is None:
            raise SsmRefused("ValidationException", "Attachments cannot be fetched here.")
        document = examined(draft, number=1)
        files = Gathering(self._parts.objects, self).files(draft.attachments, document)
        return with_files(draft, document, files), files

    def _keep(self, tx: Transaction, document: Document, files: Files) -> None:
        self._parts.shelf.put(tx, document)
        for content in files.values():
            self._parts.attachments.put(tx, content)

    def set_default(self, name: str, number: int, by: Actor) -> tuple[NamedDocument, DocumentVersion]:
        """Make a version the default. Raises SsmRefused."""
        with self._parts.db.transaction() as tx:
            named = self._locked(tx, name)
            version = self._numbered(tx, named, number)
            named = replace(named, default_version=number)
            self._store.save(tx, named)
            self._say(tx, "document.default_changed", by, name=name, version=number)
        return named, version

    def delete(self, name: str, number: str, version_name: str, by: Actor) -> None:
        """Forget a document, or one version of it. Executions keep what they started with. Raises SsmRefused."""
        with self._parts.db.transaction() as tx:
            named = self._locked(tx, name)
            if named.shared:
                raise SsmRefused("InvalidDocumentOperation", f"{name} is shared; stop sharing it before it is deleted.")
            if not number and not version_name:
                self._store.remove(tx, name)
                self._parts.tags.forget(tx, KIND, name)
                self._say(tx, "document.deleted", by, name=name)
                return
            version = self._version_to_delete(tx, named, Wanted(name, number, version_name))
            if version.number == named.default_version:
                raise SsmRefused("InvalidDocumentOperation", f"Version {version.number} is the default of {name}.")
            self._store.remove_version(tx, name, version.number)
            left = self._store.versions(tx, name, before=None, limit=1)
            self._store.save(tx, replace(named, latest_version=max(named.default_version, left[0].number)))
            self._say(tx, "document.deleted", by, name=name, version=version.number)

    def _version_to_delete(self, tx: Transaction, named: NamedDocument, asked: Wanted) -> DocumentVersion:
        """DeleteDocument knows one error for everything that is not there. Raises SsmRefused."""
        try:
            return self._chosen(tx, named, asked)
        except SsmRefused as error:
            raise SsmRefused("InvalidDocument", str(error)) from error

    def share(self, name: str, add: Sequence[str], remove: Sequence[str], version: str, by: Actor) -> None:
        """Change whom a document is shared with; removing wins. Raises SsmRefused."""
        with self._parts.db.transaction() as tx:
            named = self._locked(tx, name)
            shared = {**named.shared, **{account.lower(): version or "$DEFAULT" for account in add}}
            for account in remove:
                shared.pop(account.lower(), None)
            if len(shared) > MOST_SHARES:
                raise SsmRefused("DocumentPermissionLimit", f"{name} may be shared with {MOST_SHARES} accounts.")
            if "all" in shared and len(shared) > 1:
                text = f"{name} is either public or shared with accounts, not both."
                raise SsmRefused("ValidationException", text)
            self._store.save(tx, replace(named, shared=shared))
            self._say(tx, "document.shared", by, name=name, accounts=[*sorted(shared)])

    # -- facts

    def describe(self, name: str, number: str = "", version_name: str = "") -> Described:
        """One version, by default the default one. Raises SsmRefused."""
        with self._parts.db.reading() as connection:
            asked = self._wanted(name, number, version_name)
            named = self._found(self._store.get(connection, asked.name), name)
            return self._described(connection, named, self._chosen(connection, named, asked))

    def named(self, name: str) -> NamedDocument:
        """A name. Raises SsmRefused."""
        with self._parts.db.reading() as connection:
            return self._found(self._store.get(connection, self._wanted(name).name), name)

    def page(self, after: str, limit: int, is_wanted: Callable[[Described], bool]) -> list[Described]:
        """At most `limit` documents that are wanted, in the order of their names, after one of them."""
        found: list[Described] = []
        with self._parts.db.reading() as connection:
            while names := self._store.names(connection, after=after, limit=max(limit, 50)):
                for named in names:
                    each = self._described(connection, named, self._numbered(connection, named, named.default_version))
                    found += [each] if is_wanted(each) else []
                    if len(found) == limit:
                        return found
                after = names[-1].name
        return found

    def versions(self, name: str, before: int | None, limit: int) -> tuple[NamedDocument, list[DocumentVersion]]:
        """A name and its versions, newest first. Raises SsmRefused."""
        with self._parts.db.reading() as connection:
            named = self._found(self._store.get(connection, self._wanted(name).name), name)
            return named, self._store.versions(connection, named.name, before=before, limit=limit)

    def find(self, name: str, version: str) -> Document:
        """The document of that name or ARN, for aws:executeAutomation. Raises LookupError with a sentence."""
        try:
            return self.describe(name, version).document
        except SsmRefused as error:
            raise LookupError(f'document "{name}" was not found: {error}') from error

    def wanted(self, name: str, version: str) -> Document:
        """The document to start. Raises SsmRefused with StartAutomationExecution's codes."""
        try:
            return self.describe(name, version).document
        except SsmRefused as error:
            code = _START_CODES.get(error.code, error.code)
            raise SsmRefused(code, str(error)) from error

    def attached(self, document: str, version: str, name: str) -> bytes | None:
        """A file of a document, for an AttachmentReference. Raises SsmRefused."""
        digest = checksum_of(self.describe(document, version).document, name)
        return self.attachment(digest) if digest else None

    def attachment(self, digest: str) -> bytes | None:
        """The file of that SHA-256, if it is kept."""
        with self._parts.db.reading() as connection:
            return self._parts.attachments.content(connection, digest)

    def attachments(self, document: Document) -> list[Attachment]:
        """The files that a document names, with their sizes where they are kept."""
        with self._parts.db.reading() as connection:
            named = [(name, checksum_of(document, name)) for name in document.files]
            return [Attachment(name, sha, self._parts.attachments.size(connection, sha)) for name, sha in named]

    # -- the way to a version

    def _wanted(self, name: str, number: str = "", version_name: str = "") -> Wanted:
        return wanted(name, number, version_name, account=self._parts.account)

    def _locked(self, tx: Transaction, name: str) -> NamedDocument:
        return self._found(self._store.lock(tx, name), name)

    @staticmethod
    def _found(named: NamedDocument | None, name: str) -> NamedDocument:
        if named is None:
            raise SsmRefused("InvalidDocument", f"The document {name} does not exist.")
        return named

    def _chosen(self, reader: Reader, named: NamedDocument, asked: Wanted) -> DocumentVersion:
        if asked.version_name:
            version = self._store.version_called(reader, named.name, asked.version_name)
            if version is None or asked.number not in ("", str(version.number)):
                text = f"{named.name} has no version {asked.version_name}."
                raise SsmRefused("InvalidDocumentVersion", text)
            return version
        numbers = {"": named.default_version, "$DEFAULT": named.default_version, "$LATEST": named.latest_version}
        if asked.number not in numbers and not (asked.number.isdecimal() and len(asked.number) <= MOST_DIGITS):
            raise SsmRefused("InvalidDocumentVersion", f"{named.name} has no version {asked.number}.")
        return self._numbered(reader, named, numbers.get(asked.number) or int(asked.number))

    def _numbered(self, reader: Reader, named: NamedDocument, number: int) -> DocumentVersion:
        found = self._store.version(reader, named.name, number) if number < 2**31 else None
        if found is None:
            raise SsmRefused("InvalidDocumentVersion", f"{named.name} has no version {number}.")
        return found

    def _described(self, reader: Reader, named: NamedDocument, version: DocumentVersion) -> Described:
        document = self._parts.shelf.get(reader, version.digest)
        document = replace(document, name=named.name, version=str(version.number), target_type=version.target_type)
        return Described(named, version, document, self._parts.tags.of(reader, KIND, named.name))

    @contextmanager
    def _unless_taken(self, refusal: SsmRefused) -> Iterator[None]:
        """Two that want the same key at once: the database lets one through, the other gets this refusal."""
        try:
            yield
        except IntegrityError as error:
            raise refusal from error

    def _say(self, tx: Transaction, event: str, by: Actor, /, **data: Json) -> None:
        self._parts.audit.append(tx, [Event(event, "", by, data)], self._parts.clock())


def _version(draft: Draft, document: Document, *, number: int, at: datetime) -> DocumentVersion:
    return DocumentVersion(
        name=draft.name,
        number=number,
        digest=document.digest,
        created_at=at,
        format=draft.format,
        version_name=draft.version_name,
        display_name=draft.display_name,
        target_type=draft.target_type,
        requires=draft.requires,
    )
