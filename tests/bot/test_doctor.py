"""The doctor: what it says when all is well, and, for each thing that may be wrong, the sentence and the remedy."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from structlog.testing import capture_logs

from bot.doctor import _scripts, checks
from bot.service import Service
from bot.slack.checkup import SlackCheckup
from bot.slack.manifest import SCOPES
from bot.terminal.process import doctor as command
from engine.scripts.isolation import Isolation
from engine.scripts.runner import ScriptRunner
from infra.aws_errors import AwsRefused
from infra.check import Check
from infra.clock import utc_now
from infra.db import Database
from infra.settings import load
from migrations import runner
from playbooks.catalog import Catalog
from playbooks.protection import Protection
from tests.fakes.slack_api import SlackApi, slack_api

BOT, APP, SECRET, KEY = "xoxb-1-abcdef", "xapp-1-A0APP-2-abcdef", "0123456789abcdef" * 2, "an-audit-key-of-some-length"
REGION, ACCOUNT = "eu-west-1", "123456789012"
SHOWN_SECRETS = ("xoxb-1-abcdef", "xapp-1-A0APP-2-abcdef", SECRET, KEY)


class World:
    """A workspace, an account and settings in which everything is as it should be, until a test changes one thing."""

    def __init__(self, slack: SlackApi, folder: Path) -> None:
        self.slack, self.ahead = slack, timedelta()
        slack.headers = {"x-oauth-scopes": ",".join(SCOPES)}
        slack.answers = {
            "auth.test": {"team_id": "T0TEAM", "team": "Acme", "user": "playbook", "url": "https://acme.slack.com/"},
            "apps.connections.open": {"url": "wss://example.invalid"},
            "conversations.info": {"channel": {"name": "incidents", "is_member": True}},
            "users.info": {"user": {"deleted": False, "is_bot": False}},
            "usergroups.users.list": {"users": ["U0LEE", "U0SAM"]},
        }
        self.environ = {
            "DATABASE_URL": f"sqlite:///{folder / 'bot.db'}",
            "AUDIT_KEY": KEY,
            "SLACK_BOT_TOKEN": BOT,
            "SLACK_APP_TOKEN": APP,
            "SLACK_API_URL": slack.url,
            "CHANNEL": "C0INCIDENTS",
            "GROUPS": json.dumps({"responders": ["U0LEE", "U0SAM"]}),
            "AWS_REGION": REGION,
        }

    def clock(self) -> datetime:
        """Ours, beside the clock of Slack and AWS."""
        return utc_now() + self.ahead

    def found(self, **changes: str) -> dict[str, Check]:
        """What the doctor finds with these settings changed."""
        environ = {f"PLAYBOOK_BOT_{name}": value for name, value in {**self.environ, **changes}.items()}
        return {check.name: check for check in checks(load(environ), clock=self.clock)}


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file as `db upgrade` makes it, to copy from."""
    path = tmp_path_factory.mktemp("upgraded") / "bot.db"
    database = Database(f"sqlite:///{path}")
    runner.upgrade(database)
    database.close()
    return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgraded: Path) -> Iterator[World]:
    """Everything is well; how scripts are jailed is told by a word rather than by starting a process each time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ScriptRunner, "isolation", Isolation("landlock", "as the test says"))
    shutil.copy(upgraded, tmp_path / "bot.db")
    with mock_aws(), slack_api() as slack:
        yield World(slack, tmp_path)


def wrong(check: Check) -> str:
    """The finding and its remedy in one line, once it is sure that it is one."""
    assert not check.ok
    assert check.fix
    return f"{check.detail} → {check.fix}"


def test_all_is_well(world: World) -> None:
    """Every part of a sound installation is looked at, and found to be in order."""
    sqs, sns = boto3.client("sqs", REGION), boto3.client("sns", REGION)
    dead = sqs.create_queue(QueueName="alarms-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    queue = sqs.create_queue(QueueName="alarms", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="https", Endpoint="https://bot.example/sns")
    found = world.found(SQS_QUEUE_URLS=queue, SNS_TOPICS=topic)

    assert [check for check in found.values() if not check.ok] == []
    assert list(found) == [
        "database", "schema", "audit key", "playbooks", "approvers", "scripts", "Slack token", "Slack scopes",
        "Slack socket", "Slack channel C0INCIDENTS", "AWS identity", "SQS alarms", "SNS alarms", "protected tags",
        "Regions", "clock",
    ]  # fmt: skip
    assert "agrees with Slack and AWS" in found["clock"].detail


def test_the_socket_is_asked_for_with_the_app_token(world: World) -> None:
    """Each token is tried where it is used."""
    world.found()

    assert ("auth.test", BOT) in world.slack.asked
    assert ("apps.connections.open", APP) in world.slack.asked


# -- Slack


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
def test_a_token_that_slack_does_not_take(world: World, code: str) -> None:
    """The code, and where to get a new one; what needs the token is not asked at all."""
    world.slack.answers["auth.test"] = {"ok": False, "error": code}
    found = world.found()

    assert f"Slack says {code} → reinstall the app" in wrong(found["Slack token"])
    assert "Slack channel C0INCIDENTS" not in found
    assert not any(method == "conversations.info" for method, _ in world.slack.asked)


def test_slack_cannot_be_reached(world: World) -> None:
    """A network that leads nowhere is told from a token that is wrong."""
    found = world.found(SLACK_API_URL="http://127.0.0.1:1/api/")

    assert "Slack cannot be reached" in wrong(found["Slack token"])
    assert "proxy" in found["Slack token"].fix
    assert not found["Slack socket"].ok


def test_the_token_of_another_workspace(world: World) -> None:
    """Settings and token that speak of two workspaces would refuse every request."""
    assert "is of workspace T0TEAM" in wrong(world.found(SLACK_TEAM_ID="T0OTHER")["Slack token"])


def test_scopes_that_are_missing_and_too_many(world: World) -> None:
    """What the token lacks is named; what it has beyond need is mentioned."""
    world.slack.headers["x-oauth-scopes"] = "chat:write,commands,files:write"
    assert "missing: app_mentions:read, " in wrong(world.found()["Slack scopes"])

    world.slack.headers["x-oauth-scopes"] = ",".join([*SCOPES, "reactions:write"])
    scopes = world.found()["Slack scopes"]
    assert (scopes.ok, scopes.detail.endswith("not needed: reactions:write")) == (True, True)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [("missing_scope", "connections:write"), ("not_allowed_token_type", "App-Level Tokens"), ("x", "Socket Mode on")],
)
def test_no_socket_is_offered(world: World, code: str, remedy: str) -> None:
    """The remedy is the token's or the app's, as the code says."""
    world.slack.answers["apps.connections.open"] = {"ok": False, "error": code}

    assert remedy in wrong(world.found()["Slack socket"])


def test_the_app_token_of_another_app(world: World) -> None:
    """An app-level token carries its app's id."""
    assert "is of app A0APP, slack_app_id says A0OTHER" in wrong(world.found(SLACK_APP_ID="A0OTHER")["Slack socket"])


def test_signed_http_wants_a_signing_secret(world: World) -> None:
    """The socket is not asked for; a secret for the real Slack must look like one."""
    found = world.found(SLACK_MODE="http", SLACK_SIGNING_SECRET=SECRET)
    assert found["Slack signing secret"].ok
    assert "Slack socket" not in found

    world.environ["SLACK_API_URL"] = "https://slack.com/api/"
    settings = load(
        {
            f"PLAYBOOK_BOT_{k}": v
            for k, v in {**world.environ, "SLACK_MODE": "http", "SLACK_SIGNING_SECRET": "x"}.items()
        }
    )
    secret = SlackCheckup(settings, world.clock, (), ())._secret()
    assert "neither the Client Secret nor a token" in wrong(secret)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"channel": {"name": "incidents", "is_member": False}}, "the bot is not in #incidents → /invite"),
        ({"channel": {"name": "incidents", "is_member": True, "is_archived": True}}, "#incidents is archived"),
        ({"ok": False, "error": "channel_not_found"}, "Slack says channel_not_found → correct the id; a private"),
    ],
)
def test_a_channel_that_cannot_be_written_to(world: World, answer: dict[str, Any], sentence: str) -> None:
    """Cards would go nowhere: which channel, why, and what to do."""
    world.slack.answers["conversations.info"] = answer

    assert sentence in wrong(world.found()["Slack channel C0INCIDENTS"])


def test_a_channel_by_name_and_none_at_all(world: World) -> None:
    """A name changes; an id stays."""
    assert "is a name, not an id" in wrong(world.found(CHANNEL="#incidents")["Slack channel #incidents"])
    assert "set channel to the id" in wrong(world.found(CHANNEL="")["Slack channel"])


def test_a_shared_channel_is_mentioned(world: World) -> None:
    """It works, and people of another organisation read along."""
    world.slack.answers["conversations.info"] = {"channel": {"name": "x", "is_member": True, "is_ext_shared": True}}
    channel = world.found()["Slack channel C0INCIDENTS"]

    assert channel.ok
    assert "shared with another organisation" in channel.detail


def test_no_slack_by_choice_and_by_omission(world: World) -> None:
    """Whoever wants none says so; whoever has forgotten the tokens is told how to get them."""
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"):
        del world.environ[name]

    assert "playbook-bot manifest" in wrong(world.found()["Slack"])
    assert world.found(SLACK_MODE="off")["Slack"].ok


@pytest.mark.parametrize("is_there", [True, False])
def test_several_workspaces_are_in_the_database(world: World, tmp_path: Path, *, is_there: bool) -> None:
    """What is not installed is named with the page for it; without a database nobody can tell, and none is made."""
    del world.environ["SLACK_BOT_TOKEN"]
    if not is_there:
        (tmp_path / "bot.db").unlink()
    found = world.found(
        SLACK_WORKSPACES='["T0ONE"]', SLACK_CLIENT_ID="1.2", SLACK_CLIENT_SECRET="x", SLACK_APP_ID="A0APP",
        SLACK_TOKEN_KEY="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", SLACK_PUBLIC_URL="https://bot.example.com",
    )  # fmt: skip

    assert found["Slack socket"].ok
    assert (tmp_path / "bot.db").exists() is is_there
    if is_there:
        assert "open https://bot.example.com/slack/install" in wrong(found["Slack workspace T0ONE"])
    else:
        assert "see to the findings about the database first" in wrong(found["Slack workspaces"])


# -- people


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ({}, "nobody can approve at step approve: group:responders is not in groups"),
        ({"responders": ["U0GONE"]}, "nobody can approve at step approve: U0GONE is deactivated"),
        ({"responders": ["S0EMPTY"]}, "nobody can approve at step approve: S0EMPTY has no members"),
        ({"responders": ["S0PAID"]}, "S0PAID is not known (Slack says plan_upgrade_required)"),
        ({"responders": ["T0OTHER/U0X"]}, "T0OTHER/U0X is of a workspace that is not served (slack_workspaces)"),
    ],
)
def test_lists_that_stand_for_nobody(world: World, groups: dict[str, list[str]], sentence: str) -> None:
    """At 3 a.m. it is too late to find out; the playbooks, the list and the reason are named."""
    world.slack.answers |= {
        "users.info:U0GONE": {"user": {"deleted": True}},
        "usergroups.users.list:S0EMPTY": {"users": []},
        "usergroups.users.list:S0PAID": {"ok": False, "error": "plan_upgrade_required"},
    }
    found = wrong(world.found(GROUPS=json.dumps(groups))["approvers"])

    assert sentence in found
    assert "reboot-instance, recover-instance, " in found


def test_a_busy_slack_is_no_evidence(world: World) -> None:
    """Who is behind a user group stays open where Slack only asks us to wait."""
    world.slack.answers["usergroups.users.list"] = {"ok": False, "error": "ratelimited"}

    assert world.found(GROUPS=json.dumps({"responders": ["S0OPS"]}))["approvers"].ok


# -- AWS


def test_no_credentials(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they may come from is said."""
    with monkeypatch.context() as patched:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patched.delenv(name, raising=False)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patched.setenv(name, "/nowhere")
        patched.setenv("AWS_EC2_METADATA_DISABLED", "true")
        found = world.found()

    assert "Unable to locate credentials → give the process credentials" in wrong(found["AWS identity"])


def test_a_queue_and_a_topic_that_are_not_there(world: World) -> None:
    """Each is named with the setting to correct."""
    url, arn = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/nothing", f"arn:aws:sns:{REGION}:{ACCOUNT}:nothing"
    found = world.found(SQS_QUEUE_URLS=url, SNS_TOPICS=arn)

    assert f"correct its URL in sqs_queue_urls ({url})" in wrong(found["SQS nothing"])
    assert f"correct its ARN in sns_topics ({arn})" in wrong(found["SNS nothing"])


def test_a_queue_without_a_way_out_and_a_topic_without_a_listener(world: World) -> None:
    """Both exist, and would still lose something."""
    queue = boto3.client("sqs", REGION).create_queue(QueueName="alarms")["QueueUrl"]
    topic = boto3.client("sns", REGION).create_topic(Name="alarms")["TopicArn"]
    found = world.found(SQS_QUEUE_URLS=queue, SNS_TOPICS=topic)

    assert "no dead-letter queue" in wrong(found["SQS alarms"])
    assert "subscribe https://YOUR-BOT/sns to it" in wrong(found["SNS alarms"])


def test_a_topic_that_fills_the_queue(world: World) -> None:
    """A topic may lead here by the queue just as well."""
    queue = boto3.client("sqs", REGION).create_queue(QueueName="alarms")["QueueUrl"]
    sns = boto3.client("sns", REGION)
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:other")
    assert "neither to /sns nor to a queue of ours" in wrong(world.found(SNS_TOPICS=topic)["SNS alarms"])

    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:alarms")
    assert world.found(SQS_QUEUE_URLS=queue, SNS_TOPICS=topic)["SNS alarms"].ok


def test_a_role_that_can_be_taken(world: World) -> None:
    """Runbooks' identity is tried before the first runbook needs it."""
    assert (
        ":assumed-role/runbooks/" in world.found(ASSUME_ROLE=f"arn:aws:iam::{ACCOUNT}:role/runbooks")["AWS role"].detail
    )


def test_regions_that_do_not_exist_or_leave_a_topic_out(world: World) -> None:
    """The nearest one is suggested."""
    found = wrong(world.found(REGIONS="eu-wst-2", SNS_TOPICS=f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms")["Regions"])

    assert 'there is no Region "eu-wst-2", perhaps eu-west-2' in found
    assert f"alarms is in {REGION}, from where nothing is accepted" in found


@pytest.mark.parametrize(("ahead", "words"), [(timedelta(minutes=4), " s ahead of "), (timedelta(days=-2), "behind")])
def test_a_clock_that_is_wrong(world: World, ahead: timedelta, words: str) -> None:
    """Requests five minutes off are refused by both sides, so it is said before."""
    world.ahead = ahead

    assert words in wrong(world.found()["clock"])


# -- here


def test_a_database_that_is_not_there_yet(world: World, tmp_path: Path) -> None:
    """The command is named, and looking does not make the file."""
    found = world.found(DATABASE_URL=f"sqlite:///{tmp_path}/new.db")

    assert "does not exist yet → run playbook-bot db upgrade" in wrong(found["database"])
    assert not (tmp_path / "new.db").exists()


def test_a_database_that_does_not_answer(world: World) -> None:
    """Where it was looked for is said, without its password."""
    database = world.found(DATABASE_URL="postgresql://bot:s3cretpw@127.0.0.1:1/bot")["database"]

    assert "correct database_url" in wrong(database)
    assert "s3cretpw" not in f"{database}"


def test_a_schema_of_before(blank_database_url: str, world: World) -> None:
    """SQLite and PostgreSQL: reachable is one finding, outdated another."""
    database = Database(blank_database_url)
    with database.transaction() as tx:
        tx.connection.exec_driver_sql("CREATE TABLE something (x INTEGER)")
    database.close()
    found = world.found(DATABASE_URL=blank_database_url)

    assert found["database"].ok
    assert "has no tables yet" in wrong(found["schema"])
    assert found["schema"].fix == "run playbook-bot db upgrade"


def test_no_audit_key(world: World) -> None:
    """Without one the chain only shows the tampering of the careless."""
    assert "openssl rand" in wrong(world.found(AUDIT_KEY="")["audit key"])


def test_a_broken_playbook(world: World, tmp_path: Path) -> None:
    """The file, the line and what would be right; the library's playbooks are not looked at then."""
    home = tmp_path / "mine" / "broken"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("titel: x\n")
    found = world.found(PLAYBOOKS=str(tmp_path / "mine"))

    assert "playbook.yaml:1:1" in wrong(found["playbooks"])
    assert "approvers" not in found


def test_a_playbook_with_a_step_that_will_fail(world: World, tmp_path: Path) -> None:
    """All is well, and the step whose action only AWS has is named."""
    home = tmp_path / "mine" / "foreign"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("title: x\n")
    (home / "runbook.yaml").write_text(
        'schemaVersion: "0.3"\nmainSteps:\n  - {name: share, action: "aws:shareSQLMedia", inputs: {}}\n'
    )
    found = world.found(PLAYBOOKS=str(tmp_path / "mine"))["playbooks"]

    assert found.ok
    assert found.detail.endswith('runbook.yaml:3:19 step "share" uses aws:shareSQLMedia, which is not available here.')


def test_scripts_that_could_not_be_jailed(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It matters as soon as a playbook has one, unless the operator has accepted it."""
    monkeypatch.setattr(ScriptRunner, "isolation", Isolation("none", "nothing"))
    assert world.found()["scripts"].ok

    home = tmp_path / "mine" / "scripted"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("title: Scripted\n")
    script = "{Runtime: python3.11, Handler: f, Script: 'def f(e, c): return 1'}"
    (home / "runbook.yaml").write_text(
        f'schemaVersion: "0.3"\nmainSteps:\n  - {{name: one, action: "aws:executeScript", inputs: {script}}}\n'
    )
    assert "would fail: scripted" in wrong(world.found(PLAYBOOKS=str(tmp_path / "mine"))["scripts"])
    allowed = world.found(PLAYBOOKS=str(tmp_path / "mine"), ALLOW_UNJAILED_SCRIPTS="true")["scripts"]
    assert (allowed.ok, allowed.detail.startswith("not jailed, as allow_unjailed_scripts permits")) == (True, True)


def test_how_scripts_are_jailed_here(tmp_path: Path) -> None:
    """The machine itself is asked, and says it in words."""
    service = Service(load({"PLAYBOOK_BOT_DATABASE_URL": f"sqlite:///{tmp_path}/bot.db"}))
    (check,) = _scripts(service, Catalog(())).checks

    assert check.ok
    assert "seccomp" in check.detail or "cannot be jailed here" in check.detail


# -- the command


def test_the_command_shows_no_secret_and_ends_with_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything found is printed, in colour for people or as JSON; a failure is the exit code."""
    world.slack.answers["auth.test"] = {"ok": False, "error": f"leaks [{BOT}]"}
    for name, value in {**world.environ, "AUDIT_KEY": KEY}.items():
        monkeypatch.setenv(f"PLAYBOOK_BOT_{name}", value)
    monkeypatch.setattr("bot.terminal.process.configure", lambda *_, **__: None)
    with capture_logs():
        told = CliRunner().invoke(command)
        data = CliRunner().invoke(command, ["--json"])

    assert (told.exit_code, data.exit_code) == (1, 1)
    assert "FAIL Slack token: Slack says leaks [***]" in told.stdout
    assert {"name": "schema", "ok": True, "detail": f"at {runner.head()}", "fix": ""} in json.loads(data.stdout)
    for secret in SHOWN_SECRETS:
        assert secret not in told.stdout + data.stdout


@pytest.mark.parametrize("is_allowed", [True, False])
def test_tags_of_resources_that_cannot_be_read(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_allowed: bool
) -> None:
    """Said where an alarm would start something by itself, with what to allow; else nobody asks."""
    home = tmp_path / "mine" / "nap"
    home.mkdir(parents=True)
    (home / "playbook.yaml").write_text("title: x\ntrigger: {name: nap}\nstart: auto\n")
    (home / "runbook.yaml").write_text(
        'schemaVersion: "0.3"\nmainSteps:\n  - {name: nap, action: "aws:sleep", inputs: {Duration: PT1S}}\n'
    )

    def denied(*_: object) -> int:
        raise AwsRefused("AccessDeniedException", "not authorized to perform: tag:GetResources")

    if not is_allowed:
        monkeypatch.setattr(Protection, "check", denied)
    found = world.found(PLAYBOOKS=str(tmp_path / "mine"), USE_LIBRARY="false")["protected tags"]

    assert found.ok == is_allowed
    if not is_allowed:
        assert "no alarm starts anything by itself" in wrong(found)
        assert "allow the bot tag:GetResources and autoscaling:DescribeTags" in wrong(found)
    assert "protected tags" not in world.found(PLAYBOOKS=str(tmp_path / "mine"), PROTECTED_TAGS="[]")
