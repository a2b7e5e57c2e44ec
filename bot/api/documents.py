"""SSM's operations on documents and tags. Each: parse, verb or fact, answer."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.api.asked import Answer, Asked, Operation, tag_list, tags
from bot.api.errors import ApiError, invalid
from bot.api.pages import invalid_token
from engine.document import Missing, Parameter
from playbooks.documents.content import Draft, spelled
from playbooks.documents.documents import MOST_DIGITS, Described, Documents
from playbooks.documents.named import DocumentVersion, NamedDocument
from playbooks.documents.tags import Tags
from playbooks.people import Identity
from playbooks.refusals import NotAllowed

AUTOMATION: Final = "Automation"
DOCUMENT: Final = "Document"
PLATFORMS: Final = ["Windows", "Linux", "MacOS"]
MOST_TAGS: Final = 50
EDITING: Final[Mapping[str, str]] = {
    "CreateDocument": "Name",
    "UpdateDocument": "Name",
    "UpdateDocumentDefaultVersion": "Name",
    "DeleteDocument": "Name",
    "ModifyDocumentPermission": "Name",
    "AddTagsToResource": "ResourceId",
    "RemoveTagsFromResource": "ResourceId",
}
"""Operations that change a document, and the member that names it."""
MayEdit = Callable[[str, Identity], None]
"""Raises NotAllowed."""


class DocumentOperations:
    """The operations, by AWS's names."""

    def __init__(self, documents: Documents, tags_of: Tags, account: str, may_edit: MayEdit) -> None:
        self._documents, self._tags, self._account, self._may_edit = documents, tags_of, account, may_edit

    def operations(self) -> Mapping[str, Operation]:
        """Name -> operation."""
        found = self._operations()
        return {**found, **{name: self._permitted(member, found[name]) for name, member in EDITING.items()}}

    def _permitted(self, member: str, run: Operation) -> Operation:
        """The operation for those whom the access rules let change the document."""

        def permitted(asked: Asked) -> Answer:
            if asked.given.get("ResourceType", DOCUMENT) == DOCUMENT:
                try:
                    self._may_edit(asked.given[member], asked.by)
                except NotAllowed as error:
                    raise ApiError("AccessDeniedException", str(error)) from error
            return run(asked)

        return permitted

    def _operations(self) -> Mapping[str, Operation]:
        return {
            "CreateDocument": self.create,
            "UpdateDocument": self.update,
            "UpdateDocumentDefaultVersion": self.set_default,
            "GetDocument": self.get,
            "DescribeDocument": self.describe,
            "ListDocuments": self.list,
            "ListDocumentVersions": self.list_versions,
            "DeleteDocument": self.delete,
            "DescribeDocumentPermission": self.describe_permission,
            "ModifyDocumentPermission": self.modify_permission,
            "AddTagsToResource": self.add_tags,
            "RemoveTagsFromResource": self.remove_tags,
            "ListTagsForResource": self.list_tags,
        }

    def create(self, asked: Asked) -> Answer:
        """CreateDocument."""
        kind = asked.given.get("DocumentType") or AUTOMATION
        if kind != AUTOMATION:
            raise invalid(f"Documents of the type {AUTOMATION} are kept here, none of the type {kind}.")
        found_tags = tags(asked.given.get("Tags"))
        if len(found_tags) > MOST_TAGS:
            raise invalid(f"A document may have {MOST_TAGS} tags.")
        return {
            "DocumentDescription": self._description(self._documents.create(_draft(asked), found_tags, asked.actor))
        }

    def update(self, asked: Asked) -> Answer:
        """UpdateDocument."""
        found = self._documents.update(_draft(asked), asked.text("DocumentVersion"), asked.actor)
        return {"DocumentDescription": self._description(found)}

    def set_default(self, asked: Asked) -> Answer:
        """UpdateDocumentDefaultVersion."""
        number = int(asked.given["DocumentVersion"][:MOST_DIGITS])
        named, version = self._documents.set_default(asked.given["Name"], number, asked.actor)
        name = {"DefaultVersionName": version.version_name} if version.version_name else {}
        return {"Description": {"Name": named.name, "DefaultVersion": str(named.default_version), **name}}

    def get(self, asked: Asked) -> Answer:
        """GetDocument."""
        found = self._described(asked)
        wanted = asked.text("DocumentFormat") or "JSON"
        if wanted == "TEXT":
            wanted = found.version.format
        return {
            **_common(found.named, found.version),
            "Status": "Active",
            "Content": spelled(found.document, found.version.format, wanted),
            "DocumentType": AUTOMATION,
            "DocumentFormat": wanted,
            "Requires": [dict(each) for each in found.version.requires] or None,
            "AttachmentsContent": [
                {"Name": each.name, "Size": each.size, "Hash": each.digest, "HashType": "Sha256"}
                for each in self._documents.attachments(found.document)
                if each.size is not None
            ],
        }

    def describe(self, asked: Asked) -> Answer:
        """DescribeDocument."""
        return {"Document": self._description(self._described(asked))}

    def list(self, asked: Asked) -> Answer:
        """ListDocuments."""
        page, tests = asked.page, _tests(asked.given)
        found, has_more = page.cut(
            self._documents.page(page.after, page.limit + 1, lambda each: all(test(each) for test in tests))
        )
        answer: Answer = {"DocumentIdentifiers": [self._identifier(each) for each in found]}
        if has_more:
            answer["NextToken"] = page.next_token(found[-1].named.name)
        return answer

    def list_versions(self, asked: Asked) -> Answer:
        """ListDocumentVersions."""
        page = asked.page
        if page.after and not page.after.isdecimal():
            raise invalid_token()
        before = int(page.after) if page.after else None
        named, versions = self._documents.versions(asked.given["Name"], before, page.limit + 1)
        found, has_more = page.cut(versions)
        answer: Answer = {
            "DocumentVersions": [
                {
                    **_common(named, version),
                    "IsDefaultVersion": version.number == named.default_version,
                    "DocumentFormat": version.format,
                    "Status": "Active",
                }
                for version in found
            ]
        }
        if has_more:
            answer["NextToken"] = page.next_token(str(found[-1].number))
        return answer

    def delete(self, asked: Asked) -> Answer:
        """DeleteDocument."""
        self._documents.delete(
            asked.given["Name"], asked.text("DocumentVersion"), asked.text("VersionName"), asked.actor
        )
        return {}

    # -- sharing

    def describe_permission(self, asked: Asked) -> Answer:
        """DescribeDocumentPermission."""
        page = asked.page
        shared = sorted(self._documents.named(asked.given["Name"]).shared.items())
        found, has_more = page.cut([each for each in shared if each[0] > page.after])
        answer: Answer = {
            "AccountIds": [account for account, _ in found],
            "AccountSharingInfoList": [
                {"AccountId": account, "SharedDocumentVersion": version} for account, version in found
            ],
        }
        if has_more:
            answer["NextToken"] = page.next_token(found[-1][0])
        return answer

    def modify_permission(self, asked: Asked) -> Answer:
        """ModifyDocumentPermission."""
        given = asked.given
        add, remove = given.get("AccountIdsToAdd") or [], given.get("AccountIdsToRemove") or []
        if not add and not remove:
            raise invalid("Give AccountIdsToAdd or AccountIdsToRemove.")
        self._documents.share(given["Name"], add, remove, asked.text("SharedDocumentVersion"), asked.actor)
        return {}

    # -- tags

    def add_tags(self, asked: Asked) -> Answer:
        """AddTagsToResource."""
        self._tags.add(asked.given["ResourceType"], asked.given["ResourceId"], tags(asked.given["Tags"]), asked.actor)
        return {}

    def remove_tags(self, asked: Asked) -> Answer:
        """RemoveTagsFromResource."""
        self._tags.remove(asked.given["ResourceType"], asked.given["ResourceId"], asked.given["TagKeys"], asked.actor)
        return {}

    def list_tags(self, asked: Asked) -> Answer:
        """ListTagsForResource."""
        return {"TagList": tag_list(self._tags.of(asked.given["ResourceType"], asked.given["ResourceId"]))}

    # -- spelling

    def _described(self, asked: Asked) -> Described:
        return self._documents.describe(asked.given["Name"], asked.text("DocumentVersion"), asked.text("VersionName"))

    def _identifier(self, found: Described) -> Answer:
        return {
            **_common(found.named, found.version),
            "Owner": self._account,
            "PlatformTypes": PLATFORMS,
            "DocumentType": AUTOMATION,
            "SchemaVersion": "0.3",
            "DocumentFormat": found.version.format,
            "TargetType": found.version.target_type or None,
            "Tags": tag_list(found.tags),
            "Requires": [dict(each) for each in found.version.requires] or None,
        }

    def _description(self, found: Described) -> Answer:
        return {
            **self._identifier(found),
            "Hash": found.document.digest,
            "HashType": "Sha256",
            "Status": "Active",
            "Description": found.document.description or None,
            "Parameters": [_parameter(each) for each in found.document.parameters.values()],
            "LatestVersion": str(found.named.latest_version),
            "DefaultVersion": str(found.named.default_version),
            "AttachmentsInformation": [{"Name": name} for name in found.document.files] or None,
        }


def _draft(asked: Asked) -> Draft:
    return Draft(
        asked.given["Name"],
        asked.given["Content"],
        asked.text("DocumentFormat") or "JSON",
        asked.text("VersionName"),
        asked.text("DisplayName"),
        asked.text("TargetType"),
        tuple(asked.given.get("Requires") or ()),
        tuple(asked.given.get("Attachments") or ()),
    )


def _common(named: NamedDocument, version: DocumentVersion) -> Answer:
    return {
        "Name": named.name,
        "CreatedDate": version.created_at,
        "DisplayName": version.display_name or None,
        "VersionName": version.version_name or None,
        "DocumentVersion": str(version.number),
    }


def _parameter(parameter: Parameter) -> Answer:
    """AWS knows only two types here, and defaults as text."""
    is_list = parameter.type in ("StringList", "MapList") or parameter.type.startswith("List<")
    found: Answer = {
        "Name": parameter.name,
        "Type": "StringList" if is_list else "String",
        "Description": parameter.description or None,
    }
    default = parameter.default
    if not isinstance(default, Missing) and default is not None:
        found["DefaultValue"] = default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
    return found


# -- filters

Test = Callable[[Described], bool]
OWNERS: Final = ("Self", "Amazon", "Public", "Private", "ThirdParty", "All")


def _tests(given: Mapping[str, Any]) -> list[Test]:
    """What a document must pass to be listed. Raises ApiError."""
    filters = [(each.get("Key", ""), each.get("Values") or []) for each in given.get("Filters") or ()]
    older = [(each["key"], [each["value"]]) for each in given.get("DocumentFilterList") or ()]
    if filters and older:
        raise invalid("Give Filters or DocumentFilterList, not both.")
    return [_test(key, values) for key, values in (*filters, *older)]


def _test(key: str, values: list[str]) -> Test:
    if key.startswith("tag:"):
        return lambda each: key[4:] in each.tags and (not values or each.tags[key[4:]] in values)
    match key:
        case "Name":
            return lambda each: any(each.named.name.startswith(value) for value in values)
        case "Owner":
            if any(value not in OWNERS for value in values):
                raise ApiError("InvalidFilterKey", f"The filter Owner takes one of {', '.join(OWNERS)}.")
            return lambda each: any(_is_owned(each, value) for value in values)
        case "PlatformTypes":
            return lambda _: any(value in PLATFORMS for value in values)
        case "DocumentType":
            return lambda _: AUTOMATION in values
        case "TargetType":
            return lambda each: each.version.target_type in values
        case "DocumentFormat":
            return lambda each: each.version.format in values
    raise ApiError("InvalidFilterKey", f"There is no filter {key}.")


def _is_owned(each: Described, owner: str) -> bool:
    """Every document here is our own: private, unless it is shared with all."""
    is_public = "all" in each.named.shared
    return {"Self": True, "All": True, "Public": is_public, "Private": not is_public}.get(owner, False)
