"""SSM's API put together from the parts of the process, and its server."""

from typing import Final

from bot.api.automations import AutomationOperations
from bot.api.documents import DocumentOperations
from bot.api.door import LARGEST_BODY, Door
from bot.api.keys import access_keys
from bot.api.web import build_web
from bot.http_server import HttpServer
from bot.service import Service

THREADS: Final = 16
LARGEST_REQUEST: Final = 64 * LARGEST_BODY
"""Bytes after which the server itself hangs up, before anybody can answer in AWS's words."""


def api_server(service: Service, port: int) -> HttpServer:
    """The door, listening. Raises KeysInvalid, and OSError when the address cannot be had."""
    return HttpServer(
        build_web(api_door(service)),
        service.settings.api_host,
        port,
        name="api",
        threads=THREADS,
        largest_body=LARGEST_REQUEST,
        connection_limit=1000,
    )


def api_door(service: Service) -> Door:
    """SSM's operations over the parts of the process. Raises KeysInvalid."""
    account = service.settings.api_account
    automations = AutomationOperations(service.automation, service.automation_facts)
    documents = DocumentOperations(service.documents, service.tags, account, service.operations.guarding.edit)
    return Door(
        {**automations.operations(), **documents.operations()},
        access_keys([key.get_secret_value() for key in service.settings.api_keys], account),
        service.directory,
        service.clock,
        refused=lambda reason, sender: service.operations.refuse_request("api", reason, sender=sender),
        count=lambda operation, code: service.metrics.api_calls.labels(operation, code).inc(),
    )
