"""What can be set: names, types, defaults, and which settings contradict each other. Pure."""

import base64
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from infra.cron import CronInvalid, parse_cron

UNSET = SecretStr("")
SLACK_ID = re.compile(r"([TE][A-Z0-9]+/)?[UWS][A-Z0-9]{2,}|[TE][A-Z0-9]+/\*")
SLACK_WORKSPACE = re.compile(r"T[A-Z0-9]{2,}|E[A-Z0-9]{2,}(/T[A-Z0-9]{2,})?")
FURTHER_SLACK_USER = re.compile(r"[TE][A-Z0-9]+/[UW][A-Z0-9]+")
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
SHORTEST_KEY = 16
HERE = ("localhost", "127.0.0.1", "::1")

MAKE_A_KEY = "openssl rand -base64 32 | tr +/ -_"

ONLY_A_BOT = (
    "slack_bot_token alone cannot receive anything; add slack_app_token (Socket Mode) or slack_signing_secret (HTTP), "
    "or say slack_mode: off"
)

EXPECTED = {
    "database_url": "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
    "slack_team_id": "the workspace's id (T…)",
    "slack_app_id": "the app's id (A…)",
    "slack": "a Slack user's id (U… or W…), never a name",
    "assume_role": "the ARN of an IAM role",
    "signs_as": "the ARN of an IAM role",
    "lasts": "a duration such as 90m, 12h or 2d",
    "api_account": "the twelve digits of an AWS account",
}
"""What to say instead of a pattern."""


class AwayEntry(BaseModel):
    """A person is away, and is asked nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    since: AwareDatetime
    """The first moment, with its zone."""
    until: AwareDatetime
    """The moment of coming back."""
    instead: str = ""
    """Who is asked in their place, where the playbook lets them hand over to that person; an id of `people`."""

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> "AwayEntry":
        if self.since >= self.until:
            raise ValueError("until must be after since")
        return self


class PersonEntry(BaseModel):
    """One human and the accounts that are theirs: `slack` a user id, `iam` ARNs or user names, `terminal` a login."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, use_attribute_docstrings=True)

    id: str = Field(min_length=1)
    """The name by which lists speak of this person."""
    name: str = ""
    """As cards and the trail show it; else what Slack says."""
    slack: str = Field(default="", pattern=r"^([UW][A-Z0-9]+)?$")
    """Slack user id (U… or W…), never a name."""
    further_slack: tuple[str, ...] = ()
    """Their users in further workspaces, `T0123/U0456` each."""
    iam: tuple[str, ...] = ()
    """ARNs, or names of IAM users."""
    terminal: str = ""
    """Login on the machine where `playbook-bot approve` and the like are run."""
    signs_as: str = Field(default="", pattern=r"^(arn:aws[a-z-]*:iam::\d{12}:role/.+)?$")
    """Role in which this person's approvals are signed at AWS, where a step there wants several identities."""
    email: str = ""
    """Joins what git, PagerDuty and Opsgenie say to this person; nothing is sent there."""
    absent: tuple[AwayEntry, ...] = ()
    """When they are away: since, until and instead of each time; they can say so themselves, too."""


class AdoptEntry(BaseModel):
    """Which executions of others to follow: `document` is a glob of names, `playbook` says who approves."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    document: str = Field(min_length=1)
    """A glob of document names, such as Team-*."""
    playbook: str = ""
    """The playbook whose approvers and channel count; empty = the step's own Approvers alone."""
    channel: str = ""
    """Where the card goes; empty = the playbook's channel, else the default one."""
    regions: tuple[str, ...] = ()
    """Where to look; empty = the bot's own Region."""


class Timed(BaseModel):
    """What is told at a time of day, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    at: str = Field(default="08:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    """Time of day, in quotes."""
    timezone: str = "UTC"
    """A name of the tz database, such as Europe/Berlin."""
    channel: str = ""
    """Where; empty = the default channel."""

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f'"{value}" is not a name of the tz database, such as Europe/Berlin') from error
        return value


class DigestEntry(Timed):
    """When and where the digest of the last day is told: what ran, who approved, what is still to be reviewed."""


class BreakGlassReportEntry(Timed):
    """When and where the last whole week's break-glass is told: who, where, why, what came of it, its review."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    """The day of the week."""
    even_if_quiet: bool = False
    """Whether it is also told that nobody broke the glass."""


class FreezeEntry(BaseModel):
    """When nothing may start: from one moment to another, or whenever `cron` says and for as long as `lasts`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str = Field(min_length=1)
    """How refusals speak of it."""
    start: datetime | None = None
    """First moment; empty = it has begun already. Without an offset it is in `timezone`."""
    end: datetime | None = None
    """First moment after it."""
    cron: str = ""
    """Five fields of crontab: when it begins, in `timezone`."""
    lasts: str = Field(default="", pattern=r"^(\d{1,6}[mhd])?$")
    """With `cron`, how long it lasts: 90m, 12h or 2d, at most 31d."""
    timezone: str = "UTC"
    """A name of the tz database, such as Europe/Berlin."""
    playbooks: tuple[str, ...] = ()
    """Names or globs of the playbooks it holds; empty = all, unless there are `tags`."""
    tags: tuple[str, ...] = ()
    """Tags of the playbooks it holds."""
    why: str = ""
    """What people are told."""


class AbsenceEntry(BaseModel):
    """Somebody of a rota is away."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    who: str
    """An entry of the rota's `people`."""
    since: AwareDatetime
    """The first moment, with its zone."""
    until: AwareDatetime
    """The moment of coming back."""
    instead: str = ""
    """Who stands in; empty = whose turn is next."""


class OnCallEntry(BaseModel):
    """Who is on call. `kind` says by whom that is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["rota", "pagerduty", "opsgenie", "slack"]
    """rota = `people` in turn; the others ask, slack for the members of a user group."""
    schedule: str = ""
    """PagerDuty's schedule id, Opsgenie's schedule name, or Slack's user group (S…)."""
    people: tuple[str, ...] = ()
    """Of a rota: who has their turn, in order."""
    starts: AwareDatetime | None = None
    """Of a rota: when the first turn began, with its zone."""
    every_hours: int = Field(default=168, ge=1)
    """Of a rota: how long a turn is."""
    absences: tuple[AbsenceEntry, ...] = ()
    """Of a rota: who is away when."""

    @model_validator(mode="after")
    def _is_whole(self) -> "OnCallEntry":
        if self.kind == "rota" and not (self.people and self.starts):
            raise ValueError("a rota needs people and starts")
        if self.kind != "rota" and not self.schedule:
            raise ValueError(f"{self.kind} needs schedule")
        return self


class Settings(BaseModel):
    """Everything that can be chosen. Secrets never show in a repr or an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        use_attribute_docstrings=True,
    )

    database_url: str = Field(
        default="sqlite:///playbook-bot.db", repr=False, pattern=r"^(sqlite|postgresql\+psycopg)://"
    )
    """Where everything is kept: sqlite:///FILE (one process), or postgresql://USER:PASSWORD@HOST/NAME."""
    audit_key: SecretStr = UNSET
    """Keys the audit chain (HMAC), so that whoever can write the database cannot forge it. Keep it elsewhere."""

    slack_bot_token: SecretStr = UNSET
    """The Bot User OAuth Token (xoxb-…)."""
    slack_app_token: SecretStr = UNSET
    """An App-Level Token (xapp-…) with connections:write, for Socket Mode."""
    slack_signing_secret: SecretStr = UNSET
    """What Slack signs its requests with, for HTTP mode: Basic Information, App Credentials."""
    slack_mode: Literal["socket", "http", "off"] = "off"
    """Follows from the tokens unless given: an app token means socket, a signing secret http."""
    slack_api_url: str = "https://slack.com/api/"
    """The Web API; another one only for a Slack of one's own."""
    slack_team_id: str = Field(default="", pattern=r"^([TE][A-Z0-9]+)?$")
    """When given, requests of any other workspace are refused."""
    slack_app_id: str = Field(default="", pattern=r"^(A[A-Z0-9]+)?$")
    """When given, requests for any other app are refused."""
    slack_workspaces: tuple[str, ...] = ()
    """With several: who alone may install the app, `T…`, `E…` (an organisation) or `E…/T…` (one workspace of it); the
    first is home. Then there is no slack_bot_token: tokens come from installing, at /slack/install."""
    slack_client_id: str = ""
    """With slack_workspaces: the app's Client ID."""
    slack_client_secret: SecretStr = UNSET
    """With slack_workspaces: the app's Client Secret."""
    slack_token_key: SecretStr = UNSET
    """With slack_workspaces: the key that seals tokens in the database; while it is changed new,old."""
    slack_public_url: str = ""
    """With slack_workspaces: where browsers reach the bot, https://…; its install page is below it."""
    slack_profile_field: str = Field(default="", pattern=r"^(Xf[A-Z0-9]+)?$")
    """Profile field (Xf…) that the identity provider fills with the id of a person; needs users.profile:read."""
    slack_join_by_email: bool = False
    """Whether whom `people` does not name may be joined to a person by e-mail address; needs users:read.email."""
    slack_guests: bool = False
    """Whether guests may do what a list names them for; otherwise they may do nothing."""
    slack_pickers: bool = True
    """Whether forms ask AWS: for instances, buckets and roles to choose, and for previews; otherwise ids are typed."""
    channel: str = ""
    """Where cards go when the playbook names no channel."""
    breakglass_report: BreakGlassReportEntry | None = BreakGlassReportEntry()
    """The weekly report of break-glass, such as {day: friday, at: "15:00"}; empty = none."""
    digest: DigestEntry | None = None
    """The morning's digest, such as {at: "08:30", timezone: Europe/Berlin}; empty = none."""

    alarm_reminder_minutes: int = Field(default=30, ge=0, le=1440)
    """After how long a red alarm that nobody looks after is told of again, then each time twice as long; 0 = never."""

    http_host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 in a container or behind a load balancer."""
    http_port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port."""

    playbooks: tuple[Path, ...] = ()
    """Folders of playbooks; in the file, relative to the file."""
    use_library: bool = True
    """Whether the playbooks that come with the program are there, too."""

    sqs_queue_urls: tuple[str, ...] = ()
    """URLs of the queues from which alarms are taken."""
    sns_topics: tuple[str, ...] = ()
    """ARNs of the topics whose messages are accepted; nothing is fetched for any other."""
    sns_certificate_hosts: tuple[str, ...] = ()
    """Hosts beyond sns.REGION.amazonaws.com from which signing certificates may come (a test's SNS)."""
    regions: tuple[str, ...] = ()
    """Regions whose alarms are accepted; empty = all that topics and queues bring."""
    aws_region: str = ""
    """The bot's own Region; without it AWS_REGION, AWS_DEFAULT_REGION, or what the AWS profile says."""
    aws_endpoint_url: str = ""
    """An AWS of one's own (moto, LocalStack); without it AWS_ENDPOINT_URL, else AWS itself."""
    assume_role: str = Field(default="", pattern=r"^(arn:aws[a-z-]*:iam::\d{12}:role/.+)?$")
    """Role in which runbooks without an assumeRole of their own call AWS."""

    dispatch: Literal["local", "celery"] = "local"
    """Who works: threads of this process, or workers on many machines (`playbook-bot worker`)."""
    broker_url: SecretStr = UNSET
    """RabbitMQ, with `dispatch: celery`: amqp://USER:PASSWORD@HOST/VHOST."""
    broker_queue: str = Field(default="playbook-bot.carry", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """The queue there; two installations on one broker need two."""
    engine: Literal["embedded", "ssm"] = "embedded"
    """Who runs runbooks unless the playbook says so itself: this program, or AWS Systems Manager."""
    ssm_principals: tuple[str, ...] = ()
    """ARNs by which `Approvers` of runbooks on AWS name the bot: for those the playbook's approvers decide."""
    ssm_adopt: tuple[AdoptEntry, ...] = ()
    """Executions started elsewhere on AWS that are followed here, so that their approvals reach people."""

    api_keys: tuple[SecretStr, ...] = ()
    """Access keys for SSM's API, `AKID:SECRET:actor` each; whoever signs with one is that actor."""
    api_account: str = Field(default="123456789012", pattern=r"^\d{12}$")
    """The account that SSM's API belongs to: its documents, and users by name."""
    api_host: str = "127.0.0.1"
    """Address on which SSM's API listens."""
    api_port: int | None = Field(default=None, ge=0, le=65535)
    """`serve` opens SSM's API on this port, too, when it is given; 0 takes any free port."""

    event_bus: str = ""
    """Name or ARN of an EventBridge bus that hears of finished steps and executions."""
    event_queue_url: str = ""
    """URL of an SQS queue that hears of them."""
    event_webhook_url: str = ""
    """Address that hears of them, signed with `event_webhook_secret` as standardwebhooks.com describes it."""
    event_webhook_secret: SecretStr = UNSET
    """The key of that signature."""
    event_source: str = "playbook-bot.ssm"
    """Source of the events on the bus: AWS keeps `aws.` for itself. Queue and webhook get AWS's own `aws.ssm`."""

    people: tuple[PersonEntry, ...] = ()
    """Who is who: an approval counts people, not accounts."""
    groups: Mapping[str, tuple[str, ...]] = {}
    """Name -> ids of people, Slack users or Slack user groups."""
    on_call: Mapping[str, OnCallEntry] = {}
    """Name -> who is on call; lists name them as oncall:NAME."""
    pagerduty_token: SecretStr = UNSET
    """A read-only API token of PagerDuty, for `on_call`."""
    opsgenie_key: SecretStr = UNSET
    """A read-only API key of Opsgenie, for `on_call`."""
    admins: tuple[str, ...] = ()
    """Who may run every playbook and stop any execution: ids of people, Slack ids or ARNs."""

    access: Path | None = None
    """File of the access rules, in the file relative to it; without it `may_run`, `approvers` and `admins` count."""
    freezes: tuple[FreezeEntry, ...] = ()
    """Windows in which nothing starts, by itself or by hand, unless somebody who may override says why."""
    automatic_starts: int = Field(default=3, ge=0, le=1000)
    """How often a playbook may start by itself on one target within the next setting; 0 = without limit."""
    automatic_starts_minutes: int = Field(default=60, ge=1, le=43_200)
    """The length of that period, in minutes."""
    protected_tags: tuple[str, ...] = ("no-auto-remediate",)
    """Tags of an alarm or a resource because of which nothing starts by itself, unless their value is false."""

    allow_unjailed_scripts: bool = False
    """Whether scripts run where this machine cannot jail them: their authors may then do all that the bot may."""
    allowed_script_calls: tuple[str, ...] = ()
    """What scripts may call, as patterns of service:Operation (ec2:Describe*); empty = all that the role may do."""
    workers: int = Field(default=8, ge=1, le=256)
    """Threads that run steps."""
    poll_seconds: int = Field(default=20, ge=0, le=20)
    """How long one request to SQS waits for messages."""
    step_poll_seconds: float = Field(default=5, ge=0.05, le=300)
    """How long a step that waits for a resource pauses between two looks."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged, on stderr."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """`auto`: for people on a terminal, JSON lines otherwise."""

    @property
    def secrets(self) -> frozenset[str]:
        """Every secret value, for masking."""
        fields = (getattr(self, name) for name in type(self).model_fields)
        values = {field.get_secret_value() for field in fields if isinstance(field, SecretStr)}
        values |= {part.strip() for part in self.slack_token_key.get_secret_value().split(",")}
        values |= {part for key in self.api_keys for part in key.get_secret_value().split(":")[1:-1]}
        return frozenset(values | {unquote(urlsplit(self.database_url).password or "")}) - {""}

    @field_validator("database_url", mode="before")
    @classmethod
    def _name_the_driver(cls, url: object) -> object:
        """`postgres://` and `postgresql://`, as hosts hand them out, mean the driver that is installed."""
        scheme, separator, rest = str(url).partition("://")
        return f"postgresql+psycopg{separator}{rest}" if scheme in ("postgres", "postgresql") else url

    @field_validator("slack_api_url")
    @classmethod
    def _end_with_a_slash(cls, url: str) -> str:
        return url if url.endswith("/") else f"{url}/"

    @model_validator(mode="before")
    @classmethod
    def _derive_mode(cls, values: Any) -> Any:
        has_any = isinstance(values, dict) and (values.get("slack_bot_token") or values.get("slack_workspaces"))
        if not has_any or values.get("slack_mode"):
            return values
        mode = "socket" if values.get("slack_app_token") else "http" if values.get("slack_signing_secret") else "off"
        return {**values, "slack_mode": mode}


def contradictions(settings: Settings, *, given: Container[str]) -> Iterator[tuple[str, str]]:
    """(setting, sentence) for each value that is well formed but cannot be meant; `given` are the names set at all."""
    yield from _slack(settings, given=given)
    yield from _dispatch(settings)
    yield from _people(settings)
    yield from _freezes(settings)
    for topic in settings.sns_topics:
        if not TOPIC.fullmatch(topic):
            yield "sns_topics", f'"{topic}" is not the ARN of an SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME)'
    for name, urls in (
        ("sqs_queue_urls", settings.sqs_queue_urls),
        ("aws_endpoint_url", (settings.aws_endpoint_url,)),
        ("event_queue_url", (settings.event_queue_url,)),
    ):
        for url in urls:
            if url and urlsplit(url).scheme not in ("http", "https"):
                yield name, f'"{url}" is not a URL; it should begin with https://'
    for number, key in enumerate(settings.api_keys, 1):
        if len(key.get_secret_value().split(":")) < 3:
            yield "api_keys", f"entry {number} of api_keys should be AKID:SECRET:actor"
    if settings.api_port is not None and not settings.api_keys:
        yield (
            "api_port",
            "api_port opens SSM's API, which needs api_keys (AKID:SECRET:actor); without them nobody may call",
        )
    if settings.event_webhook_url and not settings.event_webhook_secret:
        yield (
            "event_webhook_url",
            "event_webhook_url needs event_webhook_secret, or nobody could tell whose events they are",
        )
    webhook = urlsplit(settings.event_webhook_url)
    if settings.event_webhook_url and webhook.scheme != "https" and not _is_http_here(webhook):
        yield "event_webhook_url", f"event_webhook_url {settings.event_webhook_url} should begin with https://"
    if 0 < len(settings.audit_key) < SHORTEST_KEY:
        yield "audit_key", f"audit_key is too short to protect anything; give at least {SHORTEST_KEY} random characters"


def _freezes(settings: Settings) -> Iterator[tuple[str, str]]:
    """A window needs a beginning and an end that can be told."""
    for entry in settings.freezes:
        at = f"freezes: {entry.name}"
        if bool(entry.cron) == (entry.end is not None):
            yield "freezes", f"{at} needs either end (and start), or cron and lasts"
        if bool(entry.cron) != bool(entry.lasts):
            yield "freezes", f"{at}: cron and lasts belong together, such as cron: 0 18 * * fri, lasts: 62h"
        try:
            zone = ZoneInfo(entry.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            yield "freezes", f'{at}: there is no timezone "{entry.timezone}"; should be such as Europe/Berlin'
            continue
        if entry.start and entry.end and moment_in(entry.start, zone) >= moment_in(entry.end, zone):
            yield "freezes", f"{at}: start should be before end"
        try:
            if entry.cron:
                parse_cron(entry.cron)
        except CronInvalid as error:
            yield "freezes", f"{at}: {error}"


def moment_in(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment that is meant: without an offset, it is that of the zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _is_http_here(url: SplitResult) -> bool:
    return url.scheme == "http" and url.hostname in HERE


def _dispatch(settings: Settings) -> Iterator[tuple[str, str]]:
    """Many machines need a broker and a database that many can reach."""
    if settings.dispatch != "celery":
        return
    if not settings.broker_url.get_secret_value().startswith(("amqp://", "amqps://")):
        yield "broker_url", "dispatch celery needs broker_url, such as amqp://USER:PASSWORD@HOST/VHOST"
    if settings.database_url.startswith("sqlite"):
        yield "database_url", "dispatch celery needs PostgreSQL: workers on other machines cannot open a SQLite file"


def _slack(settings: Settings, *, given: Container[str]) -> Iterator[tuple[str, str]]:
    bot, app, secret = settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret
    if bot and not bot.get_secret_value().startswith("xoxb-"):
        yield "slack_bot_token", "slack_bot_token should be the Bot User OAuth Token, which begins with xoxb-"
    if app and not app.get_secret_value().startswith("xapp-"):
        yield "slack_app_token", "slack_app_token should be an App-Level Token, which begins with xapp-"
    if bot and "slack_mode" not in given and settings.slack_mode == "off":
        yield "slack_bot_token", ONLY_A_BOT
    if settings.slack_mode != "off" and not bot and not settings.slack_workspaces:
        yield "slack_mode", f"slack_mode {settings.slack_mode} needs slack_bot_token (xoxb-…), or slack_workspaces"
    yield from _workspaces(settings)
    if settings.slack_mode == "socket" and not app:
        yield "slack_mode", "slack_mode socket needs slack_app_token (xapp-… with connections:write)"
    if settings.slack_mode == "http" and not secret:
        yield "slack_mode", "slack_mode http needs slack_signing_secret; without it anybody could pretend to be Slack"
    url = urlsplit(settings.slack_api_url)
    if url.scheme != "https" and url.hostname not in HERE:
        yield "slack_api_url", f"slack_api_url {settings.slack_api_url} would send tokens in the clear; use https"


def _workspaces(settings: Settings) -> Iterator[tuple[str, str]]:
    """Several workspaces need what installing takes, and nothing of what one alone has."""
    needed = {
        "slack_client_id": bool(settings.slack_client_id),
        "slack_client_secret": bool(settings.slack_client_secret),
        "slack_token_key": bool(settings.slack_token_key),
        "slack_public_url": bool(settings.slack_public_url),
    }
    if not settings.slack_workspaces:
        for name in (name for name, is_given in needed.items() if is_given):
            yield name, f"{name} is for several workspaces; add slack_workspaces, or leave it out"
        return
    for entry in settings.slack_workspaces:
        if not SLACK_WORKSPACE.fullmatch(entry):
            yield "slack_workspaces", f'"{entry}" should be a workspace (T…), an organisation (E…) or E…/T…'
    needed["slack_app_id"] = bool(settings.slack_app_id)
    if settings.slack_mode == "off":
        yield "slack_workspaces", "slack_workspaces needs slack_app_token (Socket Mode) or slack_signing_secret (HTTP)"
    for name in (name for name, is_given in needed.items() if not is_given):
        yield name, f"slack_workspaces needs {name}; docs/install.md says where it is found"
    for name in ("slack_bot_token", "slack_team_id"):
        if getattr(settings, name):
            yield name, f"{name} is for one workspace; with slack_workspaces leave it out"
    if settings.slack_token_key and not all(map(_is_key, settings.slack_token_key.get_secret_value().split(","))):
        yield "slack_token_key", f"slack_token_key should be 32 random bytes in base64, such as {MAKE_A_KEY} prints"
    url = urlsplit(settings.slack_public_url)
    if settings.slack_public_url and (url.scheme != "https" or not url.hostname) and not _is_http_here(url):
        yield "slack_public_url", f"slack_public_url {settings.slack_public_url} should begin with https://"


def _is_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text.strip())) == 32
    except ValueError:
        return False


def _people(settings: Settings) -> Iterator[tuple[str, str]]:
    """Two people with one account would be one person to every approval rule."""
    accounts = Counter(
        f"{door} {account}"
        for person in settings.people
        for door, of in (
            ("id", (person.id,)),
            ("slack", (person.slack, *person.further_slack)),
            ("terminal", (person.terminal,)),
            ("iam", person.iam),
        )
        for account in of
        if account
    )
    for account, count in accounts.items():
        if count > 1:
            yield "people", f"people: {account} belongs to {count} people; an account is one person's"
    for further in (each for person in settings.people for each in person.further_slack):
        if not FURTHER_SLACK_USER.fullmatch(further):
            yield (
                "people",
                f'people: further_slack "{further}" should be a user of another workspace, such as T0123/U0456',
            )
    known = {person.id for person in settings.people} | settings.groups.keys()
    for person in settings.people:
        others = {each.id for each in settings.people if each is not person}
        for absence in person.absent:
            if absence.instead and absence.instead not in others:
                yield "people", f'people: {person.id} is away, and "{absence.instead}" is nobody else of people'
    for name, listed in (
        *((f"groups.{name}", ids) for name, ids in settings.groups.items()),
        ("admins", settings.admins),
    ):
        for entry in listed:
            plain = entry.removeprefix("person:").removeprefix("group:")
            if plain not in known and not SLACK_ID.fullmatch(entry) and not entry.startswith("arn:"):
                yield (
                    name.partition(".")[0],
                    f'{name}: "{entry}" is nobody; add it to people, or give a Slack id or an ARN',
                )
