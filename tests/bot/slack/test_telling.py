"""Outputs and stories in threads: short ones as text, long ones as files, once, and never with a secret in them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, text

from audit.export import export
from bot.slack.blocks.story import EXPORT
from infra.db import Database
from playbooks.digest import DAY
from tests.bot.slack.rig import Rig, library
from tests.fakes.aws import QuietAws
from tests.fakes.strict_slack import StrictSlack

RUNBOOK = """\
schemaVersion: "0.3"
parameters:
  Pin: {type: String, default: pin-8461-x}
  DbPassword: {type: String, default: hunter2-hunter2}
mainSteps:
  - name: secret
    action: aws:executeAwsApi
    inputs: {Service: secretsmanager, Api: GetSecretValue, SecretId: prod/db}
    outputs: [{Name: Value, Selector: "$.SecretString", Type: String}]
  - name: call
    action: aws:invokeLambdaFunction
    inputs:
      FunctionName: fix
      Payload: '{"login": "{{ secret.Value }}", "pin": "{{ Pin }}", "db": "{{ DbPassword }}"}'
  - name: ask
    action: aws:approve
    inputs: {Approvers: [sam], Message: "Go on as {{ secret.Value }}?"}
outputs: [secret.Value, call.Payload]
"""
SECRETS = ("s3cr3t-from-aws", "pin-8461-x", "hunter2-hunter2")


@pytest.fixture
def aws() -> QuietAws:
    """A function that repeats everything it is told."""
    echo = {"lambda:Invoke": lambda params: {"StatusCode": 200, "Payload": json.dumps(f"told {params['Payload']}")}}
    return QuietAws(answers={"secretsmanager:GetSecretValue": {"SecretString": SECRETS[0]}, **echo})


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path, aws: QuietAws) -> Iterator[Rig]:
    """A bot with a playbook that handles secrets."""
    folder = library(tmp_path)
    home = folder / "secretive"
    home.mkdir()
    (home / "playbook.yaml").write_text("title: Secretive\nmay_run: [lee]\napprovers: [sam]\nsecret: [Pin]\n", "utf-8")
    (home / "runbook.yaml").write_text(RUNBOOK, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), folder)
    made.service.__dict__["aws"] = SimpleNamespace(session=lambda *_, **__: aws)
    yield made
    made.close()


def rows_of(connection: Connection, query: str) -> str:
    """Everything in the rows; their own spelling would be cut."""
    return str([tuple(row) for row in connection.execute(text(query))])


def settle(rig: Rig) -> None:
    """Until nothing is wanted any more."""
    for _ in range(4):
        rig.settle()
        rig.clock_on()
        rig.outbox._budgets.clear()
        rig.slack._buckets.clear()
    rig.settle()


def said_in_threads(rig: Rig) -> list[str]:
    """What stands below cards."""
    return [str(each["text"]) for each in rig.slack.messages() if each.get("thread_ts")]


def answering(aws: QuietAws, payload: str) -> None:
    """The function answers with this."""
    aws.answers = {**aws.answers, "lambda:Invoke": {"StatusCode": 200, "Payload": json.dumps(payload)}}


def test_no_secret_is_readable_through_any_door(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """Not on cards, in threads, in the trail or its exports, in answers, facts or logs; the engine works with it."""
    caplog.set_level(logging.DEBUG)
    facts = rig.started("run secretive")
    settle(rig)
    rig.command(f"timeline {facts.id}")
    settle(rig)
    rig.click(EXPORT, facts.id)
    settle(rig)
    service = rig.service
    with service.db.reading() as connection:
        trail = "".join(export(service.audit.entries(connection), "jsonl"))
        trail += "".join(export(service.audit.entries(connection), "csv"))
        asked = rows_of(connection, "select * from approval")
        wanted = rows_of(connection, "select * from slack_message")
        row = rows_of(connection, "select state from execution")
        assert service.audit.verify(connection).is_valid
    seen = {
        "slack": str(rig.slack.calls) + str(rig.slack.files) + str(rig.slack.whispered),
        "answers": "".join(rig.command(f"{verb} {facts.id}").content.decode() for verb in ("audit", "status")),
        "approvals": rig.command("approvals").content.decode() + asked,
        "facts": str(service.queries.execution(facts.id)) + str(service.queries.timeline(facts.id)),
        "digest": str(service.queries.digest(rig.clock())),
        "trail": trail,
        "outbox": wanted,
        "log": caplog.text,
    }

    assert [(place, secret) for place, told in seen.items() for secret in SECRETS if secret in told] == []
    assert [secret for secret in SECRETS if secret not in row] == []
    assert "***" in trail


def test_a_short_output_is_said_in_the_thread(rig: Rig, aws: QuietAws) -> None:
    """As it stands, in one message below the card, which stays short."""
    answering(aws, "line one\nline <!channel> ```two")
    rig.started("run secretive")
    settle(rig)

    [said] = [each for each in said_in_threads(rig) if each.startswith("Output of")]
    assert "line one\nline &lt;!channel&gt; ˋˋˋtwo" in said
    assert "line one" not in json.dumps(rig.card())


def test_a_long_output_is_a_file(rig: Rig, aws: QuietAws) -> None:
    """With everything in it, under a name that no other message's file has."""
    answering(aws, "\n".join(f"line {number}" for number in range(500)))
    rig.started("run secretive")
    settle(rig)

    [file] = rig.slack.files.values()
    assert file["content"].count("\n") == 499
    assert file["name"].startswith("call-")
    assert file["name"].endswith(".txt")


def test_without_the_scope_the_beginning_is_said(rig: Rig, aws: QuietAws) -> None:
    """The workspace may not let the bot upload; it still says what it can, and the outbox goes on."""
    rig.slack.scopes.discard("files:write")
    answering(aws, "\n".join(f"line {number}" for number in range(500)))
    rig.started("run secretive")
    settle(rig)

    [said] = [each for each in said_in_threads(rig) if each.startswith("Output of")]
    assert "line 0\nline 1" in said
    assert "line 400" not in said
    assert rig.slack.files == {}


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_file_whose_answer_was_lost_stands_once(rig: Rig, aws: QuietAws, method: str, cut: Any) -> None:
    """It is looked for by its name before it is shown again."""
    answering(aws, "x\n" * 500)
    rig.slack.trouble(method, cut=cut)
    rig.started("run secretive")
    settle(rig)
    rig.outbox._quiet_until = None
    settle(rig)

    shown = [each for each in rig.slack.messages() if each.get("files")]
    assert len(shown) == 1


def test_the_story_is_posted_and_exported(rig: Rig) -> None:
    """`timeline` posts it once in the thread; Export gives Markdown and JSON with the hashes of the trail."""
    facts = rig.started("run secretive")
    answer = rig.command(f"timeline {facts.id[:8]}")
    rig.command(f"timeline {facts.id[:8]}")
    settle(rig)
    rig.click(EXPORT, facts.id)
    settle(rig)

    assert "is posted in the thread" in answer.text
    assert len([each for each in said_in_threads(rig) if "what happened, in order" in each]) == 1
    by_ending = {file["name"].rpartition(".")[2]: file["content"] for file in rig.slack.files.values()}
    entries = rig.service.queries.timeline(facts.id)
    told = json.loads(by_ending["json"])
    assert [each["hash"] for each in told["events"]] == [entry.hash for entry in entries]
    assert f"Up to event {entries[-1].seq} of the audit, hash `{entries[-1].hash}`" in by_ending["md"]
    assert "| Lee Park |" in by_ending["md"]


def test_whoever_may_not_see_it_gets_no_story(rig: Rig) -> None:
    """Neither by the command nor by the button of somebody else's post."""
    facts = rig.started("run secretive")
    rig.click(EXPORT, "ffffffff-0000")
    settle(rig)

    assert "There is no execution" in rig.whispers()[-1]
    assert rig.slack.files == {}
    assert facts.status == "Waiting"


def test_the_morning_tells_what_ran_and_who_decided(rig: Rig) -> None:
    """Runs of the last day, decisions with names; nothing of the day before."""
    facts = rig.started("run restart i-0abc")
    assert facts.approval is not None
    rig.service.operations.decide(facts.approval.id, rig.people.identify(rig.sam), "Approve")
    rig.settle()
    today, tomorrow = rig.service.queries.digest(rig.clock()), rig.service.queries.digest(rig.clock() + 2 * DAY)

    assert [each.id for each in today.executions] == [facts.id]
    assert [(each.actor.name, each.verdict, each.title) for each in today.decisions] == [
        ("Sam Reyes", "Approve", "Restart it")
    ]
    assert today.headline == "1 run, 0 failed, 0 still open"
    assert tomorrow.headline == "a quiet day: nothing ran, nothing waits"
