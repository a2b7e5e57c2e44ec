"""A whole bot behind its signed HTTP door, before a strict Slack, without AWS: what the listeners' tests stand on."""

import hashlib
import hmac
import json
import textwrap
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import update

from audit.relay import Relay
from bot.service import Service
from bot.slack.alarm_board import AlarmBoard
from bot.slack.app import build_app
from bot.slack.client import web_client
from bot.slack.door import SlackDoor
from bot.slack.home import Homes
from bot.slack.http import SlackHttp
from bot.slack.identity import Joining, People
from bot.slack.notifier import Notifier
from bot.slack.outbox import Outbox
from bot.slack.painter import CardPainter
from bot.slack.store import SlackStore, message_table
from bot.slack.whispers import Whispers
from bot.slack.workspace import Workspace
from engine.actions import BY_NAME
from engine.dispatch.local import LocalDispatcher
from infra.clock import Clock, utc_now
from infra.settings_model import PersonEntry, Settings
from playbooks.facts import ExecutionFacts
from playbooks.previewing import Previews
from playbooks.resources import Resources
from tests.fakes.aws import QuietAws
from tests.fakes.strict_slack import StrictSlack

RESTART = """\
schemaVersion: "0.3"
parameters:
  InstanceId: {type: String, allowedPattern: "^i-[0-9a-f]{3,17}$"}
  Note: {type: String, default: none, description: "Why"}
  Size: {type: String, default: small, allowedValues: [small, large]}
mainSteps:
  - {name: ask, action: "aws:approve", inputs: {Approvers: [sam, kim], Message: "Restart {{ InstanceId }}: {{ Note }}"}}
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
PAUSING = """\
schemaVersion: "0.3"
mainSteps:
  - {name: first, action: "aws:pause", inputs: {}}
  - {name: second, action: "aws:pause", inputs: {}}
"""
NAP = """\
schemaVersion: "0.3"
mainSteps:
  - {name: nap, action: "aws:sleep", inputs: {Duration: PT0S}}
"""
PLAYBOOKS: Mapping[str, tuple[str, str]] = {
    "restart": (
        """\
        title: Restart it
        start: suggest
        trigger: {name: "web-*"}
        parameters: {InstanceId: "{{ alarm.dimensions.InstanceId }}"}
        approvers: [sam, kim]
        may_run: [lee, sam]
        """,
        RESTART,
    ),
    "pausing": ("title: Pause twice\nmay_run: ['*']\n", PAUSING),
    "nap": ("title: A nap\nmay_run: ['*']\n", NAP),
}
KIM = "U04KIMBELL"
SPARE = tuple(f"U1{number:03}" for number in range(10))


def library(root: Path) -> Path:
    """Write the playbooks of the tests; returns their folder."""
    for name, (playbook, runbook) in PLAYBOOKS.items():
        home = root / "playbooks" / name
        home.mkdir(parents=True)
        (home / "playbook.yaml").write_text(textwrap.dedent(playbook), encoding="utf-8")
        (home / "runbook.yaml").write_text(runbook, encoding="utf-8")
    return root / "playbooks"


@dataclass
class Rig:
    """The bot's parts as bot/serving.py composes them; its loops run only when a test says `settle`."""

    slack: StrictSlack
    database_url: str
    folder: Path
    clock: Clock = utc_now
    groups: tuple[str, ...] = ()
    observed: list[str] = field(default_factory=list)
    fields: Mapping[str, Any] = field(default_factory=dict)
    aws: QuietAws | None = None
    """What forms and previews read; None = ids are typed, and there is no preview."""

    def __post_init__(self) -> None:
        identity = self.slack.identity
        people = (
            PersonEntry(id="lee", name="Lee Park", slack=identity.requester.id),
            PersonEntry(id="sam", name="Sam Reyes", slack=identity.approver.id),
            PersonEntry(id="kim", name="Kim Bell", slack=KIM),
        )
        usual: dict[str, Any] = {"slack_guests": True, "regions": ("eu-west-1", "us-east-1"), "protected_tags": ()}
        settings = Settings(
            database_url=self.database_url, playbooks=(self.folder,), use_library=False, people=people,
            channel=identity.channel, aws_region="eu-west-1", **{**usual, **self.fields},
        )  # fmt: skip
        self.service = Service(settings, clock=self.clock)
        self.dispatcher = LocalDispatcher(
            self.service.db, self.service.executions, self.service.engine, self.clock, workers=2
        )
        self.service.engine.dispatcher = self.dispatcher
        client = web_client(identity.bot_token, self.slack.api_url, timeout=5)
        self.store = SlackStore()
        workspace = Workspace(client, self.clock, team_id=identity.team_id, app_id=identity.app_id)
        self.people = People(
            client, self.service.directory, self.clock, workspace=workspace, groups=self.groups,
            joining=Joining(guests=settings.slack_guests),
        )  # fmt: skip
        self.door = SlackDoor(
            self.service.db, self.store, self.service.operations, self.service.queries, self.people, workspace,
            Whispers(), self.clock, regions=settings.regions,
            resources=Resources(lambda _: self.looking, self.clock) if self.aws else None,
            previews=Previews(self.service.operations.planned, lambda *_: self.looking, BY_NAME, self.clock)
            if self.aws
            else None,
            care=self.service.alarm_care,
        )  # fmt: skip
        self.outbox = Outbox(
            self.service.db, self.store, client, CardPainter(self.door), self.clock, fallback=identity.channel
        )
        app = build_app(self.door, client, identity.signing_secret, lambda kind, _: self.observed.append(kind))
        self.refused: list[str] = []
        self.http = SlackHttp(app, identity.signing_secret, self.clock, self.refused.append)
        notifier = Notifier(self.store, self.service.queries, self.clock, channel=identity.channel)
        homes = Homes(self.store, self.clock)
        remind_after = timedelta(minutes=settings.alarm_reminder_minutes)
        board = AlarmBoard(self.store, self.service.queries, self.clock, identity.channel, remind_after)
        self.relays = [
            Relay(self.service.db, self.service.audit, name=name, handle=handle, clock=self.clock)
            for name, handle in (
                ("reactions", self.service.reactions.handle),
                ("slack", notifier.handle),
                ("alarms", board.handle),
                ("homes", homes.handle),
            )
        ]

    @property
    def looking(self) -> QuietAws:
        """The AWS that is read."""
        assert self.aws is not None
        return self.aws

    def close(self) -> None:
        """End."""
        self.service.scripts.close()
        self.service.db.close()

    # -- time

    def settle(self) -> None:
        """Let everything that is due happen: steps, reactions, cards, private answers."""
        for _ in range(20):
            busy = self._carry() + sum(relay.pump() for relay in self.relays) + self.door.whispers.pump()
            busy += self.door.workbench.pump()
            if not busy:
                break
        self.outbox.pump()

    def clock_on(self) -> None:
        """Let the pause between two edits of one message be over, and a channel's minute."""
        self.outbox._budgets.clear()
        with self.service.db.transaction() as tx:
            tx.execute(update(message_table).values(next_at=self.clock()))

    def _carry(self) -> int:
        now = self.clock()
        with self.service.db.reading() as connection:
            due = [found[0] for found in self.service.executions.due(connection, before=now, now=now)]
        for execution_id in due:
            self.service.engine.carry(execution_id)
        return len(due)

    # -- what people do

    def post(self, body: bytes, *, content_type: str = "", headers: Mapping[str, str] | None = None) -> "Answer":
        """Send a request as Slack does, signed now."""
        stamp = str(int(self.clock().timestamp()))
        base = b"v0:" + stamp.encode() + b":" + body
        digest = hmac.new(self.slack.identity.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        signed = {
            "Content-Type": content_type or "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
            **(headers or {}),
        }
        status, answered, content = self.http.handle(signed, body)
        return Answer(status, answered, content)

    def command(self, text: str, by: str = "", **fields: str) -> "Answer":
        """Type `/playbook TEXT`."""
        return self.post(urlencode(self.command_fields(text, by, **fields)).encode())

    def command_fields(self, text: str, by: str = "", **fields: str) -> dict[str, str]:
        """The form of a slash command."""
        identity = self.slack.identity
        usual = {
            "command": "/playbook", "text": text, "user_id": by or identity.requester.id, "team_id": identity.team_id,
            "api_app_id": identity.app_id, "channel_id": identity.channel, "trigger_id": self.slack.trigger(),
            "response_url": self.slack.response_url(), "is_enterprise_install": "false",
        }  # fmt: skip
        return {**usual, **fields}

    def click(self, action_id: str, value: str, by: str = "", **fields: Any) -> "Answer":
        """Press a button."""
        return self.interact(self.click_payload(action_id, value, by, **fields))

    def click_payload(self, action_id: str, value: str, by: str = "", **fields: Any) -> dict[str, Any]:
        """The payload of a click."""
        action = {
            "type": "button", "action_id": action_id, "block_id": "b", "value": value, "action_ts": uuid.uuid4().hex,
            "text": {"type": "plain_text", "text": "x"},
        }  # fmt: skip
        more = {"actions": [action], "response_url": self.slack.response_url(), "channel": self._channel}
        return {**self._interaction("block_actions", by), **more, **fields}

    def submit(self, view: Mapping[str, Any], values: Mapping[str, Any], by: str = "", **fields: Any) -> "Answer":
        """Send a form that was opened, filled in; `values` by block id."""
        state = {block_id: {"value": _filled(value)} for block_id, value in values.items()}
        sent = {"id": f"V{uuid.uuid4().hex[:8]}", **view, "state": {"values": state}, **fields}
        return self.interact({**self._interaction("view_submission", by), "view": sent})

    def interact(self, payload: Mapping[str, Any]) -> "Answer":
        """Send an interaction."""
        return self.post(urlencode({"payload": json.dumps(payload)}).encode())

    def event(self, kind: str, **fields: Any) -> "Answer":
        """Send an event."""
        return self.post(json.dumps(self.event_body(kind, **fields)).encode(), content_type="application/json")

    def event_body(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The body of an event."""
        identity = self.slack.identity
        team = {"team_id": identity.team_id, "enterprise_id": None, "is_enterprise_install": False}
        return {
            "type": "event_callback", "api_app_id": identity.app_id, "event_id": f"Ev{uuid.uuid4().hex}",
            "team_id": identity.team_id, "authorizations": [team], "event": {"type": kind, **fields},
        }  # fmt: skip

    @property
    def _channel(self) -> dict[str, str]:
        return {"id": self.slack.identity.channel, "name": self.slack.identity.channel_name}

    def _interaction(self, kind: str, by: str) -> dict[str, Any]:
        identity = self.slack.identity
        user = {"id": by or identity.requester.id, "team_id": identity.team_id, "name": "x"}
        return {
            "type": kind, "api_app_id": identity.app_id, "team": {"id": identity.team_id}, "enterprise": None,
            "user": user, "trigger_id": self.slack.trigger(), "is_enterprise_install": False,
        }  # fmt: skip

    # -- what is there to see

    @property
    def lee(self) -> str:
        """The Slack id of the one who starts things."""
        return self.slack.identity.requester.id

    @property
    def sam(self) -> str:
        """The Slack id of an approver."""
        return self.slack.identity.approver.id

    @property
    def max(self) -> str:
        """The Slack id of somebody on no list."""
        return self.slack.identity.outsider.id

    def started(self, text: str = "run restart i-0abc") -> ExecutionFacts:
        """Start something and let it come to its first wait; the facts of the newest execution."""
        answer = self.command(text)
        assert answer.status == 200, answer
        self.settle()
        return self.newest()

    def newest(self) -> ExecutionFacts:
        """The newest execution."""
        return self.service.queries.executions(limit=1)[0]

    def count(self) -> int:
        """How many executions there are."""
        return len(self.service.queries.executions(limit=1000))

    def events(self) -> list[str]:
        """The names in the trail."""
        with self.service.db.reading() as connection:
            return [entry.event.name for entry in self.service.audit.entries(connection)]

    def reasons(self) -> list[str]:
        """Why requests were refused, by the trail."""
        with self.service.db.reading() as connection:
            entries = list(self.service.audit.entries(connection))
        return [str(each.event.data.get("reason")) for each in entries if each.event.name.endswith(".refused")]

    def whispers(self) -> list[str]:
        """What was said privately."""
        self.door.whispers.pump()
        return [str(whisper["text"]) for whisper in self.slack.whispered]

    def opened(self) -> list[dict[str, Any]]:
        """The forms that were opened."""
        return [call["view"] for call in self.slack.called("views.open")]

    def card(self) -> dict[str, Any]:
        """The first message that is no answer to another."""
        return next(message for message in self.slack.messages() if not message.get("thread_ts"))

    def buttons(self) -> dict[str, str]:
        """action_id -> value of the card's buttons."""
        blocks = [block for block in self.card()["blocks"] if block["type"] == "actions"]
        return {each["action_id"]: each["value"] for block in blocks for each in block["elements"]}


@dataclass(frozen=True)
class Answer:
    """What the door answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; {} for an empty one."""
        found: dict[str, Any] = json.loads(self.content or b"{}")
        return found

    @property
    def text(self) -> str:
        """What a command was answered with."""
        return str(self.json.get("text") or "")

    @property
    def errors(self) -> dict[str, str]:
        """What stands beside the fields of a form."""
        found: dict[str, str] = self.json.get("errors") or {}
        return found


def _filled(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value if "type" in value else {"type": "static_select", "selected_option": value}
    return {"type": "plain_text_input", "value": value}
