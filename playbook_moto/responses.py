"""The operations that moto's SSM lacks, as methods of its response class."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.exceptions import SSMException
from moto.ssm.responses import SimpleSystemManagerResponse

from bot.api import model
from bot.api.errors import ApiError
from playbook_moto import documents
from playbook_moto.world import Settings, world_of
from playbooks.documents.refusals import SsmRefused

Method = Callable[[SimpleSystemManagerResponse], Any]

OPERATIONS = {
    "start_automation_execution": "StartAutomationExecution",
    "get_automation_execution": "GetAutomationExecution",
    "describe_automation_executions": "DescribeAutomationExecutions",
    "describe_automation_step_executions": "DescribeAutomationStepExecutions",
    "send_automation_signal": "SendAutomationSignal",
    "stop_automation_execution": "StopAutomationExecution",
    "start_execution_preview": "StartExecutionPreview",
    "get_execution_preview": "GetExecutionPreview",
}


def methods(settings: Settings, plain: Mapping[str, Method]) -> dict[str, Method]:
    """Name -> method. `plain` are moto's own, for those that are only refined."""
    found: dict[str, Method] = {name: _automation(operation, settings) for name, operation in OPERATIONS.items()}
    found["list_document_versions"] = _list_document_versions
    found |= {name: _checked(plain[name], settings) for name in ("create_document", "update_document")}
    return found


def _automation(operation: str, settings: Settings) -> Method:
    def method(self: SimpleSystemManagerResponse) -> ActionResult:
        try:
            given = model.request(model.operation_model(operation), _body(self))
            answer = world_of(self.ssm_backend, settings).call(operation, given, self.get_access_key())
        except ApiError as error:
            raise SSMException(error.code, str(error)) from error
        except SsmRefused as error:
            raise SSMException(error.code, str(error)) from error
        return ActionResult(_without_nothing(answer))

    return method


def _checked(plain: Method, settings: Settings) -> Method:
    """Moto takes any content, and no attachments; AWS refuses what is no runbook, and fetches its files."""

    def method(self: SimpleSystemManagerResponse) -> Any:
        given = json.loads(_body(self))
        kind = given.get("DocumentType") or _kind_of(self, str(given.get("Name")))
        if kind == "Automation":
            try:
                self.body = json.dumps(documents.whole(given, lambda: world_of(self.ssm_backend, settings).attachments))
            except SsmRefused as error:
                raise SSMException(error.code, str(error)) from error
        return plain(self)

    return method


def _kind_of(response: SimpleSystemManagerResponse, name: str) -> str:
    """The type of the document that is updated."""
    known = response.ssm_backend._documents.get(name)  # noqa: SLF001 - moto has no other way in
    return str(known.get_latest_version().document_type) if known else ""


def _list_document_versions(self: SimpleSystemManagerResponse) -> ActionResult:
    found = self.ssm_backend._get_documents(self._get_param("Name"))  # noqa: SLF001 - moto has no other way in
    versions = [
        {
            "Name": each.name,
            "DocumentVersion": each.document_version,
            "VersionName": each.version_name,
            "CreatedDate": each.created_date,
            "IsDefaultVersion": each.document_version == found.default_version,
            "DocumentFormat": each.document_format,
            "Status": each.status,
        }
        for each in reversed(found.versions.values())
    ]
    return ActionResult({"DocumentVersions": [_without_nothing(each) for each in versions]})


def _body(response: SimpleSystemManagerResponse) -> bytes:
    body = response.body
    return body if isinstance(body, bytes) else str(body or "{}").encode()


def _without_nothing(value: Any) -> Any:
    return {key: item for key, item in value.items() if item is not None}
