"""The Slack door put together: from the client to the listeners, and the loops that run beside them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slack_bolt import App
from slack_sdk import WebClient

from audit.relay import Relay
from audit.store import AuditStore
from audit.trail import Entry
from bot.slack.address import split
from bot.slack.alarm_board import AlarmBoard
from bot.slack.app import Observe, build_app
from bot.slack.client import LISTENER_TIMEOUT_SECONDS, web_client
from bot.slack.door import SlackDoor
from bot.slack.errands import Errands
from bot.slack.home import Homes
from bot.slack.http import SlackHttp
from bot.slack.identity import Joining, People
from bot.slack.installation_store import InstallationStore
from bot.slack.installations import Permitted
from bot.slack.notifier import Notifier
from bot.slack.oauth import AppAtSlack, InstallPages
from bot.slack.outbox import Counted, Outbox
from bot.slack.painter import CardPainter
from bot.slack.socket import SocketRunner
from bot.slack.store import SlackStore
from bot.slack.tokens import Tokens
from bot.slack.vault import Vault
from bot.slack.whispers import Whispers
from bot.slack.workspace import Workspace
from bot.slack.workspaces import Workspaces
from infra.clock import Clock
from infra.db import Database, Transaction
from infra.settings_model import Settings
from playbooks.alarm_care import AlarmCare
from playbooks.alarm_look import AlarmLooks
from playbooks.operations import Operations
from playbooks.people import Directory
from playbooks.previewing import Previews
from playbooks.queries import Queries
from playbooks.resources import Resources

GATHER: Final = timedelta(milliseconds=20)
"""Events of so short a time become one look at what the cards shall show: a click sets off a handful."""


@dataclass(frozen=True)
class Ground:
    """What the door stands on. `listed` is everybody whom a playbook names: ids of user groups among them."""

    settings: Settings
    db: Database
    audit: AuditStore
    operations: Operations
    queries: Queries
    directory: Directory
    listed: frozenset[str]
    clock: Clock
    observe: Observe
    count: Counted
    resources: Resources | None = None
    previews: Previews | None = None
    care: AlarmCare | None = None
    looks: AlarmLooks | None = None


@dataclass(frozen=True)
class Several:
    """What there is besides, where the app can be installed in several workspaces."""

    workspaces: Workspaces
    pages: InstallPages

    @property
    def tokens(self) -> Tokens:
        """The loop that exchanges tokens before they end."""
        return self.workspaces.tokens


@dataclass(frozen=True)
class Assembly:
    """The parts of one door. Of `http` and `socket` it has the one that the settings say."""

    door: SlackDoor
    store: SlackStore
    relay: Relay
    outbox: Outbox
    app: App
    http: SlackHttp | None
    socket: SocketRunner | None
    errands: Errands | None = None
    several: Several | None = None


def assemble(ground: Ground) -> Assembly:
    """Build every part; nothing runs yet, but Slack is asked who the bot is."""
    settings, db, clock = ground.settings, ground.db, ground.clock
    token, url = settings.slack_bot_token.get_secret_value(), settings.slack_api_url
    quick = web_client(token, url, timeout=LISTENER_TIMEOUT_SECONDS)
    store = SlackStore()
    several = _several(ground) if settings.slack_workspaces else None
    door = _door(ground, store, several.workspaces if several else quick)
    writing = several.workspaces if several else web_client(token, url)
    outbox = Outbox(
        db,
        store,
        writing,
        CardPainter(door),
        clock,
        fallback=settings.channel,
        count=ground.count,
    )
    notifier = Notifier(store, ground.queries, clock, channel=settings.channel)
    homes = Homes(store, clock)
    remind_after = timedelta(minutes=settings.alarm_reminder_minutes)
    board = AlarmBoard(store, ground.queries, clock, settings.channel, remind_after)

    def handle(tx: Transaction, entry: Entry) -> None:
        for hears in (notifier, board, homes):
            hears.handle(tx, entry)

    relay = Relay(db, ground.audit, name="slack", handle=handle, clock=clock, gathers=GATHER)
    secret = settings.slack_signing_secret.get_secret_value()
    app = build_app(door, quick, secret, ground.observe)
    http = socket = None
    if settings.slack_mode == "http":
        http = SlackHttp(app, secret, clock, lambda reason: ground.operations.refuse_request("slack", reason))
    else:
        socket = SocketRunner(app, settings.slack_app_token.get_secret_value(), url)
    errands = None
    if ground.looks is not None and ground.care is not None:
        errands = Errands(db, store, writing, ground.looks, ground.care, clock)
    return Assembly(door, store, relay, outbox, app, http, socket, errands, several)


def _several(ground: Ground) -> Several:
    """Everything that is about installations."""
    settings, clock, url = ground.settings, ground.clock, ground.settings.slack_api_url
    app = AppAtSlack(
        settings.slack_app_id,
        settings.slack_client_id,
        settings.slack_client_secret.get_secret_value(),
        settings.slack_public_url,
        url,
    )
    client = web_client("", url)
    permitted = Permitted(settings.slack_workspaces)
    kept = InstallationStore(ground.audit, Vault(settings.slack_token_key.get_secret_value()), permitted)
    tokens = Tokens(ground.db, kept, client, clock, client_id=app.client_id, client_secret=app.client_secret)
    workspaces = Workspaces(
        tokens,
        permitted,
        ground.directory,
        clock,
        api_url=url,
        app_id=app.app_id,
        groups=_user_groups(ground.listed),
        joining=_joining(settings),
    )
    return Several(workspaces, InstallPages(ground.db, tokens, app, permitted, client, clock))


def _joining(settings: Settings) -> Joining:
    return Joining(settings.slack_profile_field, settings.slack_join_by_email, settings.slack_guests)


def _door(ground: Ground, store: SlackStore, served: WebClient | Workspaces) -> SlackDoor:
    settings, clock = ground.settings, ground.clock
    people: People | Workspaces
    workspace: Workspace | Workspaces
    if isinstance(served, Workspaces):
        people = workspace = served
    else:
        workspace = Workspace(served, clock, team_id=settings.slack_team_id, app_id=settings.slack_app_id)
        workspace.learn()
        groups = _user_groups(ground.listed)
        people = People(served, ground.directory, clock, workspace=workspace, groups=groups, joining=_joining(settings))
    return SlackDoor(
        ground.db,
        store,
        ground.operations,
        ground.queries,
        people,
        workspace,
        Whispers(),
        clock,
        regions=allowed_regions(settings),
        resources=ground.resources,
        previews=ground.previews,
        care=ground.care,
    )


def allowed_regions(settings: Settings) -> tuple[str, ...]:
    """Where people may start playbooks, the bot's own Region first."""
    own = settings.aws_region
    return tuple(sorted(settings.regions or ((own,) if own else ()), key=lambda region: region != own))


def _user_groups(names: Iterable[str]) -> list[str]:
    """Those of the names that are user groups: `S01`, or `T02/S01`."""
    plain = {name: split(name)[1] for name in names}
    return [name for name, thing in plain.items() if thing[:1] == "S" and thing.isalnum() and thing.isupper()]
