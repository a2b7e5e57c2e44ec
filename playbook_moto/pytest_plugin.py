"""The pytest fixture: `moto_automation` mocks AWS and lets runbooks run in it.

pytest loads this file at every start, so it imports moto only when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playbook_moto.world import Settings


@pytest.fixture
def moto_automation_settings() -> Settings:
    """Override this to run in real time, or to check approvers."""
    from playbook_moto.world import Settings  # noqa: PLC0415 - see above

    return Settings()


@pytest.fixture
def moto_automation(moto_automation_settings: Settings) -> Iterator[Settings]:
    """A mocked AWS in which SSM Automation works, for one test."""
    from moto import mock_aws  # noqa: PLC0415 - see above

    from playbook_moto.installation import install, uninstall  # noqa: PLC0415 - see above

    install(moto_automation_settings)
    try:
        with mock_aws():
            yield moto_automation_settings
    finally:
        uninstall()
