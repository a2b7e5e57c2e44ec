"""Tokens at rest: sealed, opened with any of the keys, and sealed anew with the first."""

import pytest
from cryptography.fernet import Fernet

from bot.slack.vault import CannotOpen, Vault


def test_keys_can_be_changed_one_after_the_other() -> None:
    """What the old key sealed opens beside the new one; sealed anew it opens with the new one alone."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault(old).seal("xoxb-1")
    again = Vault(f"{new},{old}").resealed(sealed)

    assert "xoxb" not in sealed
    assert Vault(new).unseal(again) == "xoxb-1"
    with pytest.raises(CannotOpen):
        Vault(new).unseal(sealed)
