"""The Web API clients of the workspaces that are written to; there may be only one."""

from typing import Protocol, runtime_checkable

from slack_sdk import WebClient


@runtime_checkable
class Clients(Protocol):
    """The clients of several workspaces."""

    def client(self, place: str) -> WebClient:
        """The client of one; "" is home."""

    def key(self, place: str) -> str:
        """The one name of a place that may be spelled in two ways."""

    def reachable(self) -> frozenset[str] | None:
        """The places that may be written to now; None = all."""


class Alone:
    """The client of the only workspace."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def client(self, _place: str) -> WebClient:
        """The only one."""
        return self._client

    def key(self, _place: str) -> str:
        """The only one."""
        return ""

    def reachable(self) -> None:
        """All."""
        return


def several(client: WebClient | Clients) -> Clients:
    """Clients of several workspaces, which may be one."""
    return client if isinstance(client, Clients) else Alone(client)
