"""Whom the settings let install the app: workspaces, organisations, and single workspaces of these."""

from datetime import UTC, datetime

import pytest

from bot.slack.installations import Installation, Permitted


def installation(team: str, enterprise: str = "", *, is_org_wide: bool = False) -> Installation:
    """One as Slack tells of it."""
    name = enterprise if is_org_wide else team
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Installation(name, "" if is_org_wide else team, enterprise, "N", "A", "B", "U", (), "U1", now, "xoxb-1")


@pytest.mark.parametrize(
    ("entries", "found", "is_allowed"),
    [
        (("T01",), installation("T01"), True),
        (("T01",), installation("T02"), False),
        (("T01",), installation("T01", "E01"), False),
        (("E01",), installation("T01", "E01"), True),
        (("E01",), installation("", "E01", is_org_wide=True), True),
        (("E01/T01",), installation("T01", "E01"), True),
        (("E01/T01",), installation("T02", "E01"), False),
        (("E01/T01",), installation("", "E01", is_org_wide=True), False),
    ],
)
def test_only_what_is_named_may_be_installed(
    entries: tuple[str, ...], found: Installation, *, is_allowed: bool
) -> None:
    """An organisation's workspace is let in by the organisation; a listed workspace does not bring its organisation."""
    assert (Permitted(entries).refusal(found) == "") is is_allowed


def test_a_token_shows_nowhere() -> None:
    """Neither repr nor str of an installation has it."""
    assert "xoxb" not in repr(installation("T01"))
