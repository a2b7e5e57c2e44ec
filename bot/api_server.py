"""SSM's API put together from the parts of the process, and its server."""

import threading
from typing import Any, Final

from waitress import create_server

from bot.api.automations import AutomationOperations
from bot.api.documents import DocumentOperations
from bot.api.door import LARGEST_BODY, Door
from bot.api.keys import access_keys
from bot.api.web import build_web
from bot.service import Service

THREADS: Final = 16
LARGEST_REQUEST: Final = 64 * LARGEST_BODY
"""Bytes after which the server itself hangs up, before anybody can answer in AWS's words."""


class ApiServer:
    """Listens from the moment it is made; answers from `start` to `stop`."""

    def __init__(self, door: Door, host: str, port: int) -> None:
        self._server: Any = create_server(
            build_web(door),
            host=host,
            port=port,
            threads=THREADS,
            ident=None,
            max_request_body_size=LARGEST_REQUEST,
            connection_limit=1000,
        )
        self._thread = threading.Thread(target=self._server.run, name="api", daemon=True)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.effective_port}"

    def start(self) -> None:
        """Answer calls."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more calls."""
        self._server.close()
        self._thread.join(5)


def api_server(service: Service, port: int) -> ApiServer:
    """The door, listening. Raises KeysInvalid, and OSError when the address cannot be had."""
    return ApiServer(api_door(service), service.settings.api_host, port)


def api_door(service: Service) -> Door:
    """SSM's operations over the parts of the process. Raises KeysInvalid."""
    account = service.settings.api_account
    automations = AutomationOperations(service.automation, service.automation_facts)
    documents = DocumentOperations(service.documents, service.tags, account)
    return Door(
        {**automations.operations(), **documents.operations()},
        access_keys([key.get_secret_value() for key in service.settings.api_keys], account),
        service.directory,
        service.clock,
        refused=lambda reason, sender: service.operations.refuse_request("api", reason, sender=sender),
        count=lambda operation, code: service.metrics.api_calls.labels(operation, code).inc(),
    )
