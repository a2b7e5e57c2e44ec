"""`/playbook away` and `back`: saying that one is not to be asked."""

from datetime import timedelta

import pytest

from tests.bot.slack.rig import Rig


def day(rig: Rig, days: int) -> str:
    """A day from now."""
    return f"{rig.clock() + timedelta(days=days):%F}"


def test_who_is_away_is_not_asked_and_who_is_back_is(rig: Rig) -> None:
    """It is said privately, with how to end it; the question that is open goes by it at once."""
    rig.started()
    until = day(rig, 5)
    said = rig.command(f"away until {until}", rig.sam)
    assert said.text.startswith(f"You are away until {until} 00:00 UTC: meanwhile you are not asked")
    assert "`/playbook back` ends it" in said.text
    (question,) = rig.service.queries.open_approvals()
    assert f"<@{rig.sam}>" not in question.approvers
    rig.click("approve", question.id, rig.sam)
    assert "Say first that you are back" in rig.whispers()[-1]
    assert "Sam Reyes is away until" in rig.command("away", rig.lee).text

    assert rig.command("back", rig.sam).text.startswith("Welcome back")
    assert f"<@{rig.sam}>" in rig.service.queries.open_approvals()[0].approvers
    assert rig.command("away").text.startswith("Nobody is away.")


def test_who_stands_in_is_named(rig: Rig) -> None:
    """With `for`, or `instead`, and a beginning in the days to come."""
    said = rig.command(f"away until {day(rig, 9)} from {day(rig, 4)} for <@{rig.lee}|lee>", rig.sam)

    assert f", from {day(rig, 4)} 00:00 UTC on" in said.text
    assert "Lee Park is asked in your place where the playbook lets you hand over to them" in said.text
    assert "person:lee stands in" in rig.command("away").text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("away tomorrow", "I cannot place `tomorrow` there"),
        ("away until", "I cannot place `until` there"),
        ("away from 2026-12-01", "Say until when"),
        ("away until soon", "`soon` is no day; say it as 2026-12-01"),
        ("away until 2020-01-01", "say when you are back"),
        ("away until 2999-01-01", "ends within a year"),
        ("away until 2999-01-01 for U0NOBODY", "`U0NOBODY` cannot stand in"),
        ("away until 2026-12-01 until 2026-12-02", "I cannot place `until` there"),
        ("back", "Nobody has said that you are away"),
    ],
)
def test_what_cannot_be_meant_is_said(rig: Rig, text: str, answer: str) -> None:
    """In a sentence, with what would be right; nothing is kept."""
    assert answer in rig.command(text).text
    assert "person.away" not in rig.events()
