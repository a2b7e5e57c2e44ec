"""The pytest fixture: `moto_automation` mocks AWS and lets runbooks run in it."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from playbook_moto.installation import install, uninstall
from playbook_moto.world import Settings


@pytest.fixture
def moto_automation_settings() -> Settings:
    """Override this to run in real time, or to check approvers."""
    return Settings()


@pytest.fixture
def moto_automation(moto_automation_settings: Settings) -> Iterator[Settings]:
    """A mocked AWS in which SSM Automation works, for one test."""
    install(moto_automation_settings)
    try:
        with mock_aws():
            yield moto_automation_settings
    finally:
        uninstall()
