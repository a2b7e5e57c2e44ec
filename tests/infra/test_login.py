"""Whose process it is: what the environment claims does not count."""

import os
import pwd

import pytest

from infra.login import login


@pytest.mark.parametrize("name", ["LOGNAME", "USER", "LNAME", "USERNAME"])
def test_the_environment_makes_nobody_somebody_else(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`LOGNAME=lee playbook-bot approve …` is not lee."""
    monkeypatch.setenv(name, "lee")

    assert login() == pwd.getpwuid(os.getuid()).pw_name


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user that its machine has no name for: that is nobody of `people`."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)

    assert login() == "4000000001"
