"""Confinement is judged by what the kernel says, not by what a program promises."""

import socket
from pathlib import Path

import pytest

from bot.demo.workspace import Identity, Workspace, is_confined

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc/net/tcp")


@pytest.mark.parametrize(
    ("family", "address", "confined"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
    ],
)
def test_only_loopback_is_confined(family: socket.AddressFamily, address: str, *, confined: bool) -> None:
    """A socket on all interfaces is found out, in IPv4 and IPv6."""
    if family is socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server((address, 0), family=family) as server:
        assert is_confined(server.getsockname()[1]) is confined


def test_nobody_listening_is_not_confined() -> None:
    """Where nothing is found, nothing is promised."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert not is_confined(port)


def test_every_workspace_has_secrets_of_its_own() -> None:
    """Tokens are new each time and look like Slack's."""
    one, other = Identity(), Identity()

    assert one.bot_token.startswith("xoxb-")
    assert one.app_token.startswith("xapp-")
    assert {one.bot_token, one.app_token, one.signing_secret}.isdisjoint(
        {other.bot_token, other.app_token, other.signing_secret}
    )


def test_a_workspace_that_never_ran_can_be_stopped(tmp_path: Path) -> None:
    """Taking down what did not come up is harmless."""
    workspace = Workspace(tmp_path, tmp_path, identity=Identity())

    workspace.stop()

    assert workspace.page == ""


def test_a_workspace_that_does_not_start_says_why_in_one_line(tmp_path: Path) -> None:
    """Of all that a crashing program prints, the line with the reason is told."""
    (tmp_path / "workspace.log").write_text("144 | minified(code)\nerror: Failed to start server.\n  at x (1:2)\n")
    workspace = Workspace(tmp_path, tmp_path, identity=Identity())

    assert workspace._complaint() == "Failed to start server"
