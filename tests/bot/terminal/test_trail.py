"""`playbook-bot timeline`: the story of an execution, for a review."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.service import Service
from infra.settings_model import PersonEntry, Settings
from migrations import runner
from playbooks.operations import Order

NAP = """\
schemaVersion: "0.3"
parameters:
  ApiToken: {type: String}
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1H}}
"""


@pytest.fixture
def execution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run that somebody has started at this terminal, with a secret."""
    home = tmp_path / "playbooks" / "nap"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("title: A nap | now\nmay_run: [lee]\n", encoding="utf-8")
    (home / "runbook.yaml").write_text(NAP, encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'bot.sqlite'}"
    monkeypatch.setenv("PLAYBOOK_BOT_DATABASE_URL", url)
    monkeypatch.setenv("PLAYBOOK_BOT_PLAYBOOKS", json.dumps([str(tmp_path / "playbooks")]))
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        database_url=url,
        playbooks=(tmp_path / "playbooks",),
        use_library=False,
        aws_region="eu-west-1",
        people=(PersonEntry(id="lee", terminal="lee"),),
    )
    service = Service(settings)
    runner.upgrade(service.db)
    try:
        order = Order("nap", {"ApiToken": "very-secret-value"})
        return service.operations.start(order, service.directory.terminal("lee"))
    finally:
        service.db.close()


def test_markdown_can_be_pasted(execution: str) -> None:
    """A table of who did what when, whose cells foreign text cannot break."""
    told = CliRunner().invoke(cli, ["timeline", execution[:8]])

    assert told.exit_code == 0, told.output
    assert told.output.startswith("# A nap \\| now: ")
    assert f"Execution: `{execution}`" in told.output
    assert "| 1 | " in told.output


def test_json_has_the_hashes_and_no_secret(execution: str) -> None:
    """Each event with its place in the chain; the secret is masked."""
    told = CliRunner().invoke(cli, ["timeline", execution, "--format", "json"])
    shown = CliRunner().invoke(cli, ["audit", "show", execution, "--json"])
    status = CliRunner().invoke(cli, ["status", execution, "--json"])

    events = json.loads(told.output)["events"]
    assert [each["hash"] for each in events] == [each["hash"] for each in json.loads(shown.output)]
    assert events[0]["data"]["parameters"] == {"ApiToken": "***"}
    assert "very-secret-value" not in told.output + shown.output + status.output


def altered(story: dict[str, Any], change: str) -> dict[str, Any]:
    """The story after somebody has helped it along."""
    first, *others = story["events"]
    events = {
        "actor": [{**first, "actor": {**first["actor"], "name": "Somebody else"}}, *others],
        "data": [{**first, "data": {**first["data"], "parameters": {}}}, *others],
        "text": [{**first, "text": "started nothing at all"}, *others],
        "left out": others,
        "added": [first, *others, {**first, "seq": 9999}],
        "twice": [{**first, "text": "started nothing at all"}, first, *others],
    }
    head: dict[str, dict[str, Any]] = {
        "status": {"status": "Success"},
        "ended": {"ended_at": "2026-03-01T03:00:00+00:00"},
        "starter": {"started_by": {**story["started_by"], "name": "Somebody else"}},
        "title": {"title": "Nothing of importance"},
        "targets": {"targets": ["i-1"]},
        "more": {"approved_by": "Kim Bell"},
    }
    changed = {**story, "events": events.get(change, [first, *others]), **head.get(change, {})}
    return {name: value for name, value in changed.items() if (change, name) != ("less", "failure")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("nothing", "every event is as the trail has it, with its words, and so is what stands above them"),
        ("actor", "event 1 is not as the trail has it: actor"),
        ("data", "event 1 is not as the trail has it: data"),
        ("text", 'event 1 has the facts of the trail, but says "started nothing at all", where this version says "st'),
        ("left out", "event 1 is missing"),
        ("added", "event 9999 is not in the trail of this execution"),
        ("twice", "event 1 stands there 2 times"),
        ("status", 'it says that it ended ("Success"), and none of its events does'),
        ("ended", "it says that it ended"),
        ("starter", 'started_by is {"kind": "person", "id": "person:lee", "name": "Somebody else"}, and would be {'),
        ("title", 'title is "Nothing of importance", and would be "A nap | now"'),
        ("targets", 'targets is ["i-1"], and would be []'),
        ("more", '"approved_by" above the events is no part of an export'),
        ("less", "failure is missing above the events"),
    ],
)
def test_an_exported_story_is_proved(execution: str, tmp_path: Path, change: str, said: str) -> None:
    """Whoever gets a story for a review can ask the trail whether it is the whole truth."""
    story = json.loads(CliRunner().invoke(cli, ["timeline", execution, "--format", "json"]).output)
    file = tmp_path / "story.json"
    file.write_text(json.dumps(altered(story, change)), encoding="utf-8")
    found = CliRunner().invoke(cli, ["audit", "verify", str(file)])

    assert said in found.output
    assert found.exit_code == (0 if change == "nothing" else 1)
    assert ("the facts agree with the trail, and words do not" in found.output) == (change == "text")
    assert ("every event is as the trail has it" in found.output) == (change == "nothing")


def test_what_is_no_story_is_said(execution: str, tmp_path: Path) -> None:
    """Any other file, and a story of an execution that is not here."""
    file = tmp_path / "story.json"
    for text, said in (
        ("{", "not a story in JSON"),
        ("[" * 100_000, "not a story in JSON"),
        ('{"execution": "0000-0000", "events": [{"seq": [1]}]}', "not a story in JSON"),
        ('{"execution": "0000-0000", "events": [{"seq": 1, "text": "a", "text": "b"}]}', "not a story in JSON"),
        ('{"execution": "0000-0000", "events": []}', "no execution"),
    ):
        file.write_text(text, encoding="utf-8")
        found = CliRunner().invoke(cli, ["audit", "verify", "--json", str(file)])
        assert said in json.loads(found.output)["differences"][0]
        assert found.exit_code == 1
    assert execution
