"""A bot for several workspaces before a Slack that has them, put together as bot/serving.py does; its loops by hand."""

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import update

from audit.relay import Relay
from bot.service import Service
from bot.serving import ground_of
from bot.slack.assembly import Several, assemble
from bot.slack.oauth import COOKIE
from bot.slack.store import message_table
from engine.dispatch.local import LocalDispatcher
from infra.clock import Clock
from infra.settings_model import Settings
from playbooks.expiry import Expiry
from playbooks.facts import ExecutionFacts
from tests.bot.slack.rig import Answer
from tests.fakes.slack_grid import SlackGrid

SECRET = "0123456789abcdef0123456789abcdef"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@dataclass
class Bot:
    """One process of the bot. `workspaces` are those that the settings let install it."""

    slack: SlackGrid
    database_url: str
    folder: Path
    clock: Clock
    workspaces: tuple[str, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = Settings(
            database_url=self.database_url, playbooks=(self.folder,), use_library=False, aws_region="eu-west-1",
            slack_workspaces=self.workspaces, slack_client_id=self.slack.client_id,
            slack_client_secret=self.slack.client_secret, slack_token_key=KEY, slack_app_id=self.slack.app_id,
            slack_public_url="https://bot.example.com", slack_api_url=self.slack.url, slack_signing_secret=SECRET,
            **{"channel": "C0HOME", **self.fields},
        )  # fmt: skip
        self.service = Service(settings, clock=self.clock)
        self.dispatcher = LocalDispatcher(
            self.service.db, self.service.executions, self.service.engine, self.clock, workers=2
        )
        self.service.engine.dispatcher = self.dispatcher
        self.parts = assemble(ground_of(self.service))
        self.door, self.outbox = self.parts.door, self.parts.outbox
        self.service.recognise = self.door.people.attested
        self.reactions = Relay(
            self.service.db,
            self.service.audit,
            name="reactions",
            handle=self.service.reactions.handle,
            clock=self.clock,
        )

    @property
    def several(self) -> Several:
        """What there is about installations."""
        assert self.parts.several is not None
        return self.parts.several

    def close(self) -> None:
        """End."""
        self.service.scripts.close()
        self.service.db.close()

    # -- installing

    def browse(self) -> tuple[str, dict[str, str]]:
        """Open the install page: the address of its link, and the browser's cookies."""
        status, headers, body = self.several.pages.install({}, {})
        assert status == 200, body
        found = re.search(r'href="([^"]+)"', body.decode())
        assert found is not None
        cookie = headers["Set-Cookie"].partition(";")[0].partition("=")
        return unescape(found[1]), {cookie[0]: cookie[2]}

    def come_back(self, query: Mapping[str, str], cookies: Mapping[str, str]) -> tuple[int, str]:
        """Slack sends the browser back; (status, page)."""
        status, _, body = self.several.pages.redirected(query, cookies)
        return status, unescape(body.decode())

    def install(self, team: str, **changes: Any) -> tuple[int, str]:
        """Somebody installs the app in a workspace."""
        address, cookies = self.browse()
        assert set(cookies) == {COOKIE}
        return self.come_back(self.slack.consent(address, team, **changes), cookies)

    # -- time

    def settle(self) -> None:
        """Let everything that is due happen."""
        relays = [self.reactions, self.parts.relay]
        for _ in range(20):
            busy = self._carry() + sum(relay.pump() for relay in relays) + self.door.whispers.pump()
            if not busy + self.door.workbench.pump():
                break
        Expiry(self.service.db, self.service.approvals, self.service.operations.expire, self.clock).pump()
        self.outbox.pump()

    def settle_again(self) -> None:
        """With the pauses between edits over."""
        with self.service.db.transaction() as tx:
            tx.execute(update(message_table).values(next_at=self.clock()))
        self.settle()

    def _carry(self) -> int:
        now = self.clock()
        with self.service.db.reading() as connection:
            due = [found[0] for found in self.service.executions.due(connection, before=now, now=now)]
        for execution_id in due:
            self.service.engine.carry(execution_id)
        return len(due)

    # -- what people do

    def command(self, team: str, text: str, by: str, channel: str, **fields: str) -> Answer:
        """Type `/playbook TEXT` in a workspace."""
        return self._post(urlencode(self.command_fields(team, text, by, channel, **fields)).encode())

    def command_fields(self, team: str, text: str, by: str, channel: str, **fields: str) -> dict[str, str]:
        """What Slack sends of a command."""
        return {
            "command": "/playbook", "text": text, "user_id": by, "team_id": team, "channel_id": channel,
            "api_app_id": self.slack.app_id, "trigger_id": uuid.uuid4().hex, "is_enterprise_install": "false",
            "response_url": self.slack.url.replace("/api/", f"/actions/{uuid.uuid4().hex}"), **fields,
        }  # fmt: skip

    def click(self, team: str, action_id: str, value: str, by: str, /, **changes: Any) -> Answer:
        """Press a button in a workspace."""
        action = {
            "type": "button", "action_id": action_id, "block_id": "b", "value": value, "action_ts": uuid.uuid4().hex,
            "text": {"type": "plain_text", "text": "x"},
        }  # fmt: skip
        payload = {
            "type": "block_actions", "api_app_id": self.slack.app_id, "team": {"id": team}, "enterprise": None,
            "user": {"id": by, "team_id": team, "name": "x"}, "trigger_id": uuid.uuid4().hex, "actions": [action],
            "response_url": self.slack.url.replace("/api/", f"/actions/{uuid.uuid4().hex}"),
            "channel": {"id": "C0X", "name": "x"}, **changes,
        }  # fmt: skip
        return self._post(urlencode({"payload": json.dumps(payload)}).encode())

    def event(self, kind: str, team: str, *, enterprise: str = "", at: float = 0, **fields: Any) -> Answer:
        """Slack tells of something that happened in a workspace, now or `at` a moment."""
        is_org_wide = bool(enterprise) and not team
        where = {"team_id": team or None, "enterprise_id": enterprise or None, "is_enterprise_install": is_org_wide}
        body = {
            "type": "event_callback", "api_app_id": self.slack.app_id, "event_id": f"Ev{uuid.uuid4().hex}", **where,
            "event_time": int(at or self.clock().timestamp()),
            "authorizations": [where], "event": {"type": kind, **fields},
        }  # fmt: skip
        return self._post(json.dumps(body).encode(), content_type="application/json")

    def _post(self, body: bytes, *, content_type: str = "application/x-www-form-urlencoded") -> Answer:
        stamp = str(int(self.clock().timestamp()))
        digest = hmac.new(SECRET.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        signed = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}", "Content-Type": content_type}
        assert self.parts.http is not None
        return Answer(*self.parts.http.handle(signed, body))

    # -- what is there to see

    def newest(self) -> ExecutionFacts:
        """The newest execution."""
        return self.service.queries.executions(limit=1)[0]

    def cards(self, team: str) -> list[str]:
        """The texts of the messages in a workspace that answer no other."""
        return [each["text"] for each in self.slack.teams[team].messages.values() if not each.get("thread_ts")]

    def events(self, beginning: str = "") -> list[tuple[str, Mapping[str, Any]]]:
        """(name, data) of the events in the trail."""
        with self.service.db.reading() as connection:
            entries = list(self.service.audit.entries(connection))
        return [(each.event.name, each.event.data) for each in entries if each.event.name.startswith(beginning)]
