"""`playbook-bot status`, `approvals` and `locks`: ids are whole and people have names, however wide the terminal is."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from bot.cli import cli
from playbooks.queries import Queries
from tests.bot.slack.blocks import facts

SETTINGS = """\
database_url: sqlite:///{root}/bot.db
playbooks: [playbooks]
use_library: false
aws_region: eu-west-1
people:
  - {{id: lee, name: Lee Park, slack: U01LEEPARK}}
  - {{id: sam, name: Sam Reyes, slack: U02SAMREYES, terminal: tester}}
"""
PLAYBOOK = "title: Restart [/prod] and [red] wait\nmay_run: [sam]\n"
RUNBOOK = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: "AWS::EC2::Instance::Id"}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1H}}
"""
INSTANCE = "i-0123456789abcdef0"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with settings and a run that has a lock."""
    (tmp_path / "playbooks" / "restart").mkdir(parents=True)
    (tmp_path / "playbooks" / "restart" / "playbook.yaml").write_text(PLAYBOOK, encoding="utf-8")
    (tmp_path / "playbooks" / "restart" / "runbook.yaml").write_text(RUNBOOK, encoding="utf-8")
    (tmp_path / "playbook-bot.yaml").write_text(SETTINGS.format(root=tmp_path), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_name="tester"))
    told("db", "upgrade")
    told("run", "restart", f"InstanceId={INSTANCE}")
    return tmp_path


def told(*words: str) -> str:
    """What the program says."""
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    return found.output


def unfolded(text: str) -> str:
    """A table without what folding has put into its first column."""
    return "".join(line[1:].split(" ")[0] for line in text.splitlines()[1:])


def test_a_locked_resource_is_named_whole() -> None:
    """On one line where it goes through a pipe, for whoever searches it."""
    resource = json.loads(told("locks", "--json"))["locks"][0]["resource"]
    shown = told("locks")

    assert INSTANCE in resource
    assert resource in shown.splitlines()[1].split()
    assert "Restart [/prod] and [red] wait" in shown


def test_a_narrow_terminal_folds_and_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns."""
    resource = json.loads(told("locks", "--json"))["locks"][0]["resource"]
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    shown = told("locks")

    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    assert unfolded(shown) == resource


def test_approvers_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what Slack turns into a name: the ids of `people`, and Slack's own for whoever is not there."""
    asked = facts.approval(approvers=("<@U02SAMREYES>", "<!subteam^S01ONCALL>", "<@U09NOBODY>", "lee"))
    monkeypatch.setattr(Queries, "open_approvals", lambda _: [asked])
    monkeypatch.setattr(Queries, "execution", lambda _self, _id: facts.execution(approval=asked))

    for shown in (told("approvals"), told("status", "0b7d1c44")):
        assert "sam, S01ONCALL, U09NOBODY, lee" in shown
        assert "<" not in shown


def test_words_in_brackets_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody has written is told as it stands, and ends no command."""
    asked = facts.approval(message="Is it [/ok]?")
    run = facts.execution(title="Restart [/prod]", approval=asked, steps=(facts.step("x", say="[/red]"),))
    monkeypatch.setattr(Queries, "open_approvals", lambda _: [asked])
    monkeypatch.setattr(Queries, "execution", lambda _self, _id: run)

    assert "Is it [/ok]?" in told("approvals")
    assert told("status", "0b7d1c44").startswith("Restart [/prod] on ")
