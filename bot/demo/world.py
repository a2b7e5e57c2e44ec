"""The demo's world: an AWS with a fleet, a Slack workspace with people, and the bot, unmodified, as child processes."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from bot.demo import fleet
from bot.demo.aws import ACCOUNT, DemoAws
from bot.demo.children import CODE, Child, ChildFailed, answers, reserved
from bot.demo.environment import cache_folder, inherited
from bot.demo.fleet import Fleet
from bot.demo.folder import WorkingFolder
from bot.demo.local_slack import WorkspaceUnavailable
from bot.demo.stand_in import StandIn
from bot.demo.workspace import Identity, Workspace
from bot.service import Service
from infra.login import login
from infra.settings import load

BOT_SECONDS = 30.0
TERMINAL_SECONDS = 60.0
RESPONDERS = "responders"
APPROVERS = "approvers"


class OtherSlack(Protocol):
    """What may take the workspace's place: a Web API and nobody who could open a socket."""

    @property
    def api_url(self) -> str:
        """The base of the Web API."""

    def stop(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command at the terminal came to."""

    exit_code: int
    printed: str
    complained: str


class World:
    """Everything the demo needs, composed. With `http_port` the bot serves signed HTTP there, else Socket Mode.

    Raises ChildFailed when a port that is asked for is taken.
    Start it from a thread that outlives it: the children die with the thread that started them.
    """

    def __init__(
        self,
        *,
        http_port: int | None = None,
        console_port: int = 0,
        pace: Mapping[str, float] | None = None,
        playbooks: tuple[Path, ...] = (),
    ) -> None:
        self.is_http = http_port is not None
        reserved(console_port).close()
        self._http_socket = reserved(http_port or 0)
        self.http_port = int(self._http_socket.getsockname()[1])
        self._working_folder = WorkingFolder()
        self.folder = self._working_folder.path
        self.identity = Identity()
        self.aws = DemoAws(self.folder, pace=pace)
        self.workspace = Workspace(
            self.folder,
            cache_folder(),
            identity=self.identity,
            port=console_port,
            request_url=f"{self.url}/slack/events" if self.is_http else "",
        )
        self.fleet: Fleet | None = None
        self.bot: Child | None = None
        self.stand_in: OtherSlack | None = None
        self.why_no_slack = ""
        """One sentence when there is no workspace; a stand-in without a page takes its place."""
        self._playbooks = playbooks

    @property
    def url(self) -> str:
        """Base address of the bot's HTTP door."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def has_slack(self) -> bool:
        """Whether the workspace runs."""
        return bool(self.workspace.page)

    @property
    def slack_api_url(self) -> str:
        """Base of the Web API: the workspace's, or the stand-in's."""
        return self.stand_in.api_url if self.stand_in is not None else self.workspace.api_url

    def start(self) -> None:
        """Bring up AWS, Slack and the bot. Raises ChildFailed; without Slack it goes on and says why."""
        self.aws.start()
        self._write_config()
        self._start_slack()
        upgrade = self._terminal("db", "upgrade")
        self.aws.wait()
        self.fleet = fleet.build(self.aws.client)
        self._wait_for_slack()
        _, complained = upgrade.communicate(timeout=TERMINAL_SECONDS)
        if upgrade.returncode != 0:
            raise ChildFailed(f"The database could not be prepared: {complained.strip()}")
        self.start_bot()
        self._subscribe_bot()

    def start_bot(self) -> None:
        """Start the bot, or start it again, and wait until it says that it is ready. Raises ChildFailed."""
        argv = [sys.executable, "-m", "bot", "serve"]
        env = inherited(self.settings_overrides())
        self.bot = Child("The bot", argv, env=env, log=self.folder / "bot.log", cwd=CODE)
        self.bot.start()
        self.bot.wait_until(lambda: answers(f"{self.url}/readyz"), BOT_SECONDS)

    def check(self) -> None:
        """See that what the bot lives in still runs. Raises ChildFailed: AWS and Slack forget all when they end."""
        for part in (self.aws.child, self.workspace.child if self.has_slack else None):
            if part is not None and not part.is_running:
                raise ChildFailed(f"{part.name} has ended, and the demo with it. Its last words:\n{part.last_words()}")

    def stop(self) -> None:
        """Take everything down, the bot first, and forget it."""
        for part in (self.bot, self.workspace, self.stand_in, self.aws):
            if part is not None:
                part.stop()
        self._http_socket.close()
        self._working_folder.remove()

    def settings_overrides(self) -> dict[str, str]:
        """The environment that makes the unmodified bot live in this world."""
        topics, queues = (self.fleet.topics, (self.fleet.queue_url,)) if self.fleet is not None else ((), ())
        return {
            **(self.aws.environment() if self.aws.endpoint else {}),
            **(self._slack_settings() if self.has_slack or self.stand_in is not None else {}),
            "PLAYBOOK_BOT_CONFIG": str(self.folder / "playbook-bot.yaml"),
            "PLAYBOOK_BOT_DATABASE_URL": f"sqlite:///{self.folder / 'playbook-bot.db'}",
            "PLAYBOOK_BOT_HTTP_PORT": str(self.http_port),
            "PLAYBOOK_BOT_CHANNEL": self.identity.channel,
            "PLAYBOOK_BOT_AUDIT_KEY": self.identity.audit_key,
            "PLAYBOOK_BOT_LOG_FORMAT": "console",
            # The demo's workspace does not ask menus for their options.
            "PLAYBOOK_BOT_SLACK_PICKERS": "false",
            "PLAYBOOK_BOT_SQS_QUEUE_URLS": ",".join(queues),
            "PLAYBOOK_BOT_SNS_TOPICS": ",".join(topics),
            "PLAYBOOK_BOT_SNS_CERTIFICATE_HOSTS": self.aws.endpoint.removeprefix("http://"),
        }

    def coordinates(self) -> dict[str, Any]:
        """What somebody outside needs to drive this world."""
        identity = self.identity
        return {
            "url": self.url,
            "signing_secret": identity.signing_secret,
            "team_id": identity.team_id,
            "app_id": identity.app_id,
            "channel": identity.channel,
            "slack_api_url": self.slack_api_url,
            "console_url": self.workspace.page or None,
            "users": {part: member.id for part, member in identity.members.items()},
        }

    def terminal(self, *arguments: str) -> Answer:
        """Run `playbook-bot …` in this world as somebody at a terminal would."""
        running = self._terminal(*arguments)
        printed, complained = running.communicate(timeout=TERMINAL_SECONDS)
        return Answer(running.returncode, printed, complained)

    @contextmanager
    def service(self) -> Iterator[Service]:
        """The bot's parts in this process, on the same rows: to look, not to do."""
        with Service.opened(load(self.settings_overrides())) as service:
            yield service

    def members_of(self, entry: str) -> tuple[str, ...]:
        """Slack ids of the people an approvers' list means by one of its entries."""
        group = self._groups().get(entry.removeprefix("group:"), ())
        return tuple(self.slack_id(person) for person in group) if group else (self.slack_id(entry),)

    def slack_id(self, who: str) -> str:
        """The Slack id of a person as lists and the trail name them; what is unknown here stays as it is."""
        plain = who.removeprefix("person:").rpartition("/")[2]
        known = {member.name: member.id for member in self.identity.members.values()}
        return known.get(plain, plain)

    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        requester, approver = self.identity.requester.name, self.identity.approver.name
        return {RESPONDERS: (requester, approver), APPROVERS: (approver,)}

    def _terminal(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            env=inherited(self.settings_overrides()),
            cwd=CODE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _start_slack(self) -> None:
        try:
            self.workspace.start()
        except WorkspaceUnavailable as reason:
            self._do_without(reason)

    def _wait_for_slack(self) -> None:
        if self.stand_in is not None:
            return
        try:
            self.workspace.wait()
        except WorkspaceUnavailable as reason:
            self._do_without(reason)

    def _do_without(self, reason: WorkspaceUnavailable) -> None:
        """The stand-in has nobody who could open a socket, so the bot serves signed HTTP."""
        self.why_no_slack, self.is_http = str(reason), True
        stand_in = StandIn(self.identity)
        stand_in.start()
        self.stand_in = stand_in

    def _subscribe_bot(self) -> None:
        """Let the topics tell the bot directly, too: signed messages over HTTP, confirmed by the bot."""
        for topic in self.fleet.topics if self.fleet is not None else ():
            sns = self.aws.client("sns", topic.split(":")[3])
            sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=f"{self.url}/sns")

    def _slack_settings(self) -> dict[str, str]:
        identity = self.identity
        door = (
            {"PLAYBOOK_BOT_SLACK_SIGNING_SECRET": identity.signing_secret}
            if self.is_http
            else {"PLAYBOOK_BOT_SLACK_APP_TOKEN": identity.app_token}
        )
        return {
            **door,
            "PLAYBOOK_BOT_SLACK_BOT_TOKEN": identity.bot_token,
            "PLAYBOOK_BOT_SLACK_API_URL": self.slack_api_url,
            "PLAYBOOK_BOT_SLACK_TEAM_ID": identity.team_id,
            "PLAYBOOK_BOT_SLACK_APP_ID": identity.app_id,
        }

    def _write_config(self) -> None:
        """The settings file: who is who, and who belongs to which group."""
        requester, approver = self.identity.requester, self.identity.approver
        config = {
            "regions": list(fleet.REGIONS),
            "playbooks": [str(folder) for folder in self._playbooks],
            "people": [
                {"id": requester.name, "name": requester.real_name, "slack": requester.id},
                {
                    "id": approver.name,
                    "name": approver.real_name,
                    "slack": approver.id,
                    "terminal": login(),
                    "iam": [f"arn:aws:iam::{ACCOUNT}:user/{approver.name}"],
                },
            ],
            "groups": {name: list(people) for name, people in self._groups().items()},
        }
        (self.folder / "playbook-bot.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
