"""What a test needs of the machine: skipped with the reason where it is missing, failed where it must be there."""

import os
from typing import Final, Literal, NoReturn

import pytest

Need = Literal["broker", "history"]
MUST: Final = frozenset(filter(None, os.environ.get("PLAYBOOK_BOT_TEST_NEEDS", "").split(",")))
"""What has to be there: `.ci/run` names it, so that no proof is skipped unseen."""


def missing(need: Need, reason: str) -> NoReturn:
    """End the test, as what it needs is not here."""
    if need in MUST:
        pytest.fail(f"PLAYBOOK_BOT_TEST_NEEDS names {need}, but {reason}", pytrace=False)
    pytest.skip(reason)
