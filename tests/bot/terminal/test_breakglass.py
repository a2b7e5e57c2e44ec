"""`playbook-bot breakglass report`: a week of break-glass at the terminal."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.events import Actor, Event
from bot.cli import cli
from bot.service import Service
from infra.settings_model import Settings
from migrations import runner
from playbooks.breakglass import last_week


@pytest.fixture
def week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The last whole week, in which somebody has broken the glass of a run that is gone."""
    url = f"sqlite:///{tmp_path / 'bot.sqlite'}"
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    service = Service(Settings(database_url=url, use_library=False, aws_region="eu-west-1"))
    runner.upgrade(service.db)
    found = last_week(service.clock(), service.breakglass_reports.zone)
    data = {"request_id": "r1", "step": "ask", "reason": "customers are down", "target": "web-1"}
    event = Event("breakglass.used", "e" * 32, Actor("person", "person:kim", "Kim"), data)
    with service.db.transaction() as tx:
        service.audit.append(tx, [event], found.since.astimezone())
    service.db.close()
    return found.name


@pytest.mark.parametrize("is_named", [True, False])
def test_a_week_is_printed(week: str, *, is_named: bool) -> None:
    """Who, on what, why, and how it stands with the review; without a name it is the last one."""
    told = CliRunner().invoke(cli, ["breakglass", "report", *(["--week", week] if is_named else [])])

    assert told.exit_code == 0, told.output
    assert f"The glass was broken once in {week}, 1 still to be reviewed" in told.output
    assert "Kim: " in told.output
    assert '"customers are down"' in told.output
    assert "not reviewed: playbook-bot review r1 --note TEXT" in told.output


def test_json_is_for_programs(week: str) -> None:
    """All of it, and the sentence."""
    told = json.loads(CliRunner().invoke(cli, ["breakglass", "report", "--week", week, "--json"]).output)

    assert told["lines"][0]["target"] == "web-1"
    assert told["headline"].startswith("The glass was broken once")


def test_what_is_no_week_is_refused_in_a_sentence(week: str) -> None:
    """With what would be right."""
    told = CliRunner().invoke(cli, ["breakglass", "report", "--week", "last"])

    assert told.exit_code == 2
    assert '"last" is no week; it should be written as 2026-W48' in told.output
    assert week not in told.output
