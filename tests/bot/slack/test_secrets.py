"""A secret of any shape, run through every route by which people or logs could see it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from audit.export import export
from bot.slack.blocks import text as t
from bot.slack.blocks.card import REJECT
from bot.slack.blocks.story import EXPORT
from infra.aws_errors import AwsRefused
from infra.db import Database
from tests.bot.slack.rig import Rig, library
from tests.bot.slack.test_mentions import mention
from tests.fakes.aws import QuietAws
from tests.fakes.strict_slack import StrictSlack

RUNBOOK = """\
schemaVersion: "0.3"
parameters:
  Host: {type: String, allowedPattern: "^h-[0-9]+$"}
  Pin: {type: String}
  Digits: {type: String, default: "1234", allowedPattern: "^[0-9]{1,9}$"}
  DbPassword: {type: String, default: hunter2-hunter2}
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: [sam], Message: "Open {{ Host }} with {{ Pin }}?"}}
  - name: call
    action: aws:invokeLambdaFunction
    inputs: {FunctionName: fix, Payload: '{"pin": "{{ Pin }}", "db": "{{ DbPassword }}"}'}
"""
LETTERS = "abcdefXYZ0123456789-_/+=.:<>&|*~#%$é漢"
secrets = some.text(LETTERS, min_size=8, max_size=140).map(lambda text: f"Zq{text}9")


def refuse(params: Any) -> dict[str, Any]:
    """The function fails, and says with what it was called."""
    raise AwsRefused("Unhandled", f"cannot open it: {params['Payload']}", operation="Invoke")


@pytest.fixture
def rig(slack: StrictSlack, sqlite_database: Database, tmp_path: Path) -> Iterator[Rig]:
    """A bot with a playbook that takes secrets, and previews."""
    aws = QuietAws(answers={"lambda:Invoke": refuse})
    folder = library(tmp_path)
    home = folder / "vault"
    home.mkdir()
    named = "secret: [Pin, Digits]\n"
    (home / "playbook.yaml").write_text(f"title: Open it\nmay_run: [lee]\napprovers: [sam]\n{named}", encoding="utf-8")
    (home / "runbook.yaml").write_text(RUNBOOK, encoding="utf-8")
    made = Rig(slack, str(sqlite_database.url), folder, aws=aws)
    made.service.__dict__["aws"] = SimpleNamespace(session=lambda *_, **__: aws)
    yield made
    made.close()


def settle(rig: Rig) -> None:
    """Until nothing is wanted any more."""
    for _ in range(4):
        rig.settle()
        rig.clock_on()
        rig.outbox._budgets.clear()
        rig.slack._buckets.clear()
    rig.settle()


def walk_every_route(rig: Rig, secret: str) -> list[str]:
    """Start, refuse, mention, mistype, preview, fail, tell, export; what was answered to requests on the way."""
    typed = t.escape(secret)
    answers = [rig.command(f'run vault Host=h-1 Pin="{typed}"', rig.max)]
    answers.append(rig.command(f'run vault Host=h-1 Pin="{typed}" Digits="{typed}"'))
    mention(rig, f'run vault Pin="{typed}"', ts=f"{len(rig.slack.calls)}.1")
    rig.command("run vault")
    view = rig.opened()[-1]
    wrong = {"p:Host": "x", "p:Pin": secret, "p:Digits": secret}
    answers.append(rig.submit(view, wrong))
    answers.append(rig.submit(view, {**wrong, "p:Host": "h-1", "p:Digits": "7"}))
    settle(rig)
    facts = rig.newest()
    assert facts.approval is not None
    rig.service.operations.decide(facts.approval.id, rig.people.identify(rig.sam), "Approve")
    settle(rig)
    assert rig.newest().status == "Failed"
    answers += [rig.command(f"{verb} {facts.id}") for verb in ("audit", "status", "timeline")]
    answers.append(rig.command("approvals"))
    settle(rig)
    rig.click(EXPORT, facts.id)
    rig.event("app_home_opened", user=rig.lee, tab="home", channel="D1")
    settle(rig)
    return [each.content.decode() for each in answers]


def seen_in(rig: Rig, caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """Everything that anybody could read, but for the forms of the one who typed it."""
    calls = [call for call in rig.slack.calls if not str(call).startswith("('views.")]
    with rig.service.db.reading() as connection:
        trail = "".join(export(rig.service.audit.entries(connection), "jsonl"))
    facts = rig.newest()
    return {
        "slack": json.dumps([str(each) for each in calls], ensure_ascii=False),
        "messages": json.dumps(rig.slack.messages(), ensure_ascii=False),
        "files": str(rig.slack.files) + str(rig.slack.whispered),
        "facts": str(facts) + str(rig.service.queries.timeline(facts.id)),
        "trail": trail,
        "log": caplog.text,
    }


def spellings(secret: str) -> set[str]:
    """As it is, in Slack's text, within JSON of either kind."""
    plain = {secret, t.escape(secret)}
    return (
        plain
        | {json.dumps(each)[1:-1] for each in plain}
        | {json.dumps(json.dumps(each)[1:-1])[1:-1] for each in plain}
    )


@settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(secret=secrets)
def test_no_route_tells_a_secret(rig: Rig, caplog: pytest.LogCaptureFixture, secret: str) -> None:
    """Not a refusal, a mention's answer, an error beside a field, a question, a failure, a story, a file, the log."""
    caplog.set_level(logging.INFO)
    answers = walk_every_route(rig, secret)
    places = {**seen_in(rig, caplog), **{f"answer {number}": told for number, told in enumerate(answers)}}

    found = [(place, one) for place, told in places.items() for one in spellings(secret) if one in told]
    assert found == []


def test_a_form_does_not_show_what_a_secret_is_by_default(rig: Rig) -> None:
    """It says that there is one; left empty, it counts."""
    rig.command("run vault")
    view = rig.opened()[-1]

    assert "hunter2" not in json.dumps(view)
    assert "is not shown; left empty, that is used" in json.dumps(view)
    rig.submit(view, {"p:Host": "h-1", "p:Pin": "12345678"})
    with rig.service.db.reading() as connection:
        [state] = rig.service.executions.latest(connection, limit=1)
    assert state.parameters["DbPassword"] == "hunter2-hunter2"


def test_a_mention_offers_the_form_without_the_secret(rig: Rig) -> None:
    """What a button in a channel carries can be read by other apps; the form asks for it again."""
    mention(rig, "run vault Pin=Zq123456789")
    message = next(each for each in rig.slack.messages() if "mention_form" in str(each))

    assert "Zq123456789" not in str(message)
    assert "vault" in str(message)


def test_a_secret_in_a_reason_is_told_nobody(rig: Rig) -> None:
    """Neither in the thread, nor in the trail, nor by what the engine is told."""
    pin = "Zq-very-secret-9"
    rig.command(f"run vault Host=h-1 Pin={pin}", rig.lee)
    rig.settle()
    rig.clock_on()
    rig.click(REJECT, rig.buttons()[REJECT], rig.sam)
    rig.submit(rig.opened()[-1], {"reason": f"why {pin} again?"}, rig.sam)
    rig.settle()
    rig.clock_on()
    rig.settle()
    with rig.service.db.reading() as connection:
        trail = str([entry.event for entry in rig.service.audit.entries(connection)])

    assert "why *** again?" in json.dumps(rig.slack.messages(), ensure_ascii=False)
    assert pin not in json.dumps(rig.slack.messages()) + trail
