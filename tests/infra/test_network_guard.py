"""Tests cannot reach beyond this machine."""

import socket

import pytest

from tests.conftest import NetworkUsed


@pytest.mark.parametrize("address", [("192.0.2.1", 443), ("2001:db8::1", 443)])
def test_connecting_outside_is_refused(address: tuple[str, int]) -> None:
    """An address that is not loopback is refused before a packet leaves."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as outgoing, pytest.raises(NetworkUsed):
        outgoing.connect(address)


def test_looking_up_a_name_is_refused() -> None:
    """DNS is network, too."""
    with pytest.raises(NetworkUsed):
        socket.create_connection(("slack.com", 443), timeout=1)


def test_loopback_is_allowed() -> None:
    """Servers that a test starts itself can be reached."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connection:
        assert connection.getpeername() == server.getsockname()
