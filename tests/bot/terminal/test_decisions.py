"""`playbook-bot approve`: what has happened since people were asked is said before anything is decided."""

from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.service import Service
from infra.settings_model import Settings
from migrations import runner
from playbooks.operations import Operations
from playbooks.queries import Queries
from playbooks.refusals import SituationChanged
from tests.bot.slack.blocks import facts as f


@pytest.fixture
def answers(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the verb is told; it knows of a recovered alarm, whose mark is m1."""
    found: list[dict[str, Any]] = []
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", f"sqlite:///{tmp_path / 'bot.sqlite'}")
    monkeypatch.chdir(tmp_path)
    service = Service(Settings(database_url=f"sqlite:///{tmp_path / 'bot.sqlite'}"))
    runner.upgrade(service.db)
    service.db.close()

    def decide(_: Any, request_id: str, _by: Any, verdict: str, _comment: str, *, seen: str) -> None:
        if seen != "m1":
            raise SituationChanged(("the alarm recovered 40 s ago",), "m1")
        found.append({"request": request_id, "verdict": verdict})

    monkeypatch.setattr(Operations, "decide", decide)
    return found


def test_a_script_is_told_what_to_say(answers: list[dict[str, Any]]) -> None:
    """Nothing is decided until the mark of what has happened is given."""
    refused = CliRunner().invoke(cli, ["approve", "r1"])

    assert refused.exit_code == 2
    assert "the alarm recovered 40 s ago. To Approve all the same, add --seen m1." in refused.output
    assert answers == []

    assert CliRunner().invoke(cli, ["approve", "r1", "--seen", "m1"]).exit_code == 0
    assert answers == [{"request": "r1", "verdict": "Approve"}]


@pytest.mark.parametrize(("typed", "counted"), [("y\n", 1), ("n\n", 0)])
def test_a_person_is_asked_once_more(
    answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, typed: str, counted: int
) -> None:
    """Yes counts, no does not."""
    monkeypatch.setattr("bot.terminal.executions.is_interactive", lambda: True)
    told = CliRunner().invoke(cli, ["approve", "r1"], input=typed)

    assert "the alarm recovered 40 s ago." in told.output
    assert len(answers) == counted


def test_a_break_glass_is_reviewed_by_the_id_of_its_run(
    answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What people see of it is the run's id; the verb is told the question's, and an id that nothing has is refused."""
    monkeypatch.setattr(Operations, "review", lambda _, request, _by, note: answers.append({request: note}))
    refused = CliRunner().invoke(cli, ["review", "0b7d1c44", "--note", "it was right"])
    monkeypatch.setattr(Queries, "to_review", lambda _, name: {"0b7d1c44": "r1"}[name])
    told = CliRunner().invoke(cli, ["review", "0b7d1c44", "--note", "it was right"])

    assert refused.exit_code == 2
    assert "There is no execution `0b7d1c44`." in refused.output
    assert "Reviewed" in told.output
    assert answers == [{"r1": "it was right"}]


@pytest.mark.usefixtures("answers")
def test_the_status_says_what_waits_for_a_review(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command, by the question's own id."""
    broken, reviewed = replace(f.decided(), is_broken=True, waits_for_review=True), replace(f.decided(), id="r2")
    facts = f.answered("Success", approvals=(broken, reviewed))
    monkeypatch.setattr(Queries, "execution", lambda *_: facts)

    told = CliRunner().invoke(cli, ["status", "0b7d1c44"]).output

    assert "the glass was broken: playbook-bot review r1 --note TEXT" in told
    assert "review r2" not in told
