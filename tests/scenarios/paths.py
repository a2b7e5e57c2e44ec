"""A bot, its Slack and its AWS in one process, driven by hand: every commit is a place where it can be killed."""

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.intake.certificates import Certificates
from bot.intake.sns import SnsDoor
from bot.serving import _say_what_was_found
from infra.aws import Aws, AwsSession
from infra.db import Database, Transaction
from playbooks.catalog import LIBRARY
from playbooks.facts import ExecutionFacts
from tests.bot.intake.doors import TOPIC, certificate, notification, signed
from tests.bot.intake.samples import sample
from tests.bot.slack.rig import Answer, Rig
from tests.fakes.clock import ManualClock
from tests.fakes.strict_slack import StrictSlack

ACCOUNT = "123456789012"
PLAYBOOK = """\
title: Restart an instance
start: {start}
parameters:
  InstanceId: "{{{{ alarm.dimensions.InstanceId }}}}"
  Approvers: ["{{{{ playbook.approvers }}}}"]
trigger: {{namespace: AWS/EC2}}
approvers: [sam]
approval_expires_in: 1h
may_run: [lee]
"""


class Killed(BaseException):
    """The process dies here."""


MOST_KILLS = 25


@dataclass
class Reaper:
    """Kills the process at about every third commit that writes: `before` it, or `after` it and before anybody hears.

    By chance, for a fixed rhythm can meet the bot's own for ever; the seed makes it the same chance every time.
    """

    when: str = ""
    kills: int = 0
    is_sparing: bool = True
    _chance: random.Random = field(default_factory=random.Random)

    def begin(self, when: str, seed: int) -> None:
        """Kill from now on."""
        self.when, self.is_sparing, self._chance = when, False, random.Random(seed)

    def rest(self) -> None:
        """Kill no more."""
        self.is_sparing = True

    @contextmanager
    def transaction(self, original: Any, db: Database, **way: bool) -> Iterator[Transaction]:
        """What stands in for `Database.transaction`."""
        with original(db, **way) as tx:
            yield tx
            is_writing = tx.has_written() or bool(tx.before_commit)
            if self.is_sparing or not is_writing or self.kills >= MOST_KILLS or self._chance.random() > 0.3:
                return
            self.kills += 1
            if self.when == "before":
                raise Killed
            tx.after_commit.insert(0, self._die)

    @staticmethod
    def _die() -> None:
        raise Killed


@dataclass
class Ledger:
    """What AWS was asked to change, in order."""

    calls: list[str] = field(default_factory=list)


class World:
    """Everything around the bot stays while the bot itself dies and comes back."""

    def __init__(self, url: str, slack: StrictSlack, clock: ManualClock, folder: Path, reaper: Reaper) -> None:
        self.url, self.slack, self.clock, self.folder, self.reaper = url, slack, clock, folder, reaper
        self.aws = Aws(region="eu-west-1").session(account=ACCOUNT)
        self.restarts = -1
        self.rig = self.boot()

    def boot(self) -> Rig:
        """A new process on the same rows, up to where its threads would begin."""
        was_sparing, self.reaper.is_sparing = self.reaper.is_sparing, True
        self.restarts += 1
        fields = {"groups": {}, "step_poll_seconds": 1}
        self.rig = Rig(self.slack, self.url, self.folder, clock=self.clock, fields=fields)
        service = self.rig.service
        with service.db.transaction() as tx:
            service.executions.expire_all(tx, self.clock() - timedelta(seconds=1))
        if self.restarts:
            _say_what_was_found(service)
        self.rig.outbox.recover()
        self.reaper.is_sparing = was_sparing
        return self.rig

    def restart(self) -> None:
        """Kill the process where it stands, and start another."""
        self.rig.close()
        self.boot()

    def do(self, what: Callable[[], Any]) -> Any:
        """Do it; a process that dies of it is started again. None when it died."""
        try:
            return what()
        except Killed:
            self.restart()
            return None

    def live(self, until: Callable[[], bool], *, most: int = 120) -> None:
        """Let the bot work, and time pass, until something is so; whenever it dies it is started again."""
        for _ in range(most):
            self.do(self.rig.settle)
            if self.do(until):
                return
            self.clock.advance(0.5)
        raise AssertionError(f"it never came to be: {self.do(self._where)}")

    def _where(self) -> list[tuple[str, str]]:
        return [(step.name, step.status) for step in self.rig.newest().steps]

    # -- what the world does

    def alarm(self, instance: str, *, state: str = "ALARM", at: str = "2026-03-01T03:01:58.518+0000") -> bytes:
        """An alarm about an instance, as SNS signs and sends it."""
        body = {**sample("message_metric"), "AWSAccountId": ACCOUNT, "NewStateValue": state, "StateChangeTime": at}
        body["AlarmName"] = "host check"
        body["AlarmArn"] = f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:host check"
        body["Trigger"] = {**body["Trigger"], "Dimensions": [{"name": "InstanceId", "value": instance}]}
        return json.dumps(signed(notification(body, Timestamp="2026-03-01T03:01:59.000Z"))).encode()

    def deliver(self, message: bytes) -> int:
        """SNS knocks; the status it hears."""
        door = SnsDoor(
            self.rig.service.operations,
            topics=[TOPIC],
            regions=[],
            certificates=Certificates(fetch=lambda _: certificate(since=self.clock() - timedelta(days=1))),
            confirm=lambda *_: None,
            clock=self.clock,
        )
        return door.handle({}, message)[0]

    def delivered(self, message: bytes) -> None:
        """SNS knocks until it is answered 200, as it does."""
        for _ in range(20):
            if self.do(lambda: self.deliver(message)) == 200:
                return
        raise AssertionError("the message was never taken")

    def insists(self, act: Callable[[Rig], Answer], is_done: Callable[[], bool]) -> None:
        """A person does something, and again when nothing came of it."""
        for _ in range(20):
            self.do(lambda: act(self.rig))
            if self.do(is_done):
                return
            self.live(lambda: True)
        raise AssertionError("nothing ever came of it")

    # -- what there is to see

    def instance(self) -> str:
        """A new instance that runs."""
        launched = self.aws.call("ec2", "RunInstances", {"ImageId": "ami-0", "MinCount": 1, "MaxCount": 1})
        self.aws.drain()
        return str(launched["Instances"][0]["InstanceId"])

    def facts(self) -> ExecutionFacts:
        """The one execution."""
        (found,) = self.rig.service.queries.executions(limit=10)
        return found

    def is_asking(self) -> bool:
        """Whether the card offers to approve."""
        return bool(self.cards()) and "approve" in self.rig.buttons()

    def status(self) -> str:
        """How far the one execution is; "" when there is none."""
        found = self.rig.service.queries.executions(limit=10)
        return found[0].status if found else ""

    def cards(self) -> list[dict[str, Any]]:
        """Cards in the channel: what answers nothing and has buttons or an execution's id in it."""
        tops = [each for each in self.slack.messages() if not each.get("thread_ts")]
        return [each for each in tops if str((each.get("blocks") or [{}])[0].get("block_id", "")).startswith("card:")]

    def notices(self) -> list[str]:
        """Other messages of the channel itself: what the bot says when it comes back."""
        tops = [each for each in self.slack.messages() if not each.get("thread_ts")]
        return [str(each["text"]) for each in tops if each not in self.cards()]

    def thread(self) -> list[str]:
        """What stands below the card."""
        return [str(each["text"]) for each in self.slack.messages() if each.get("thread_ts")]

    def names(self) -> list[str]:
        """Events of the trail; the chain is proved on the way."""
        service = self.rig.service
        with service.db.reading() as connection:
            assert service.audit.verify(connection).is_valid
            return [entry.event.name for entry in service.audit.entries(connection)]


def library(root: Path, *, start: str) -> Path:
    """The library's restart, with two people of the tests and this way to start."""
    home = root / "playbooks" / "restart"
    home.mkdir(parents=True)
    shutil.copy(LIBRARY / "restart-instance" / "runbook.yaml", home / "runbook.yaml")
    (home / "playbook.yaml").write_text(PLAYBOOK.format(start=start), encoding="utf-8")
    return home.parent


CHANGING = ("StopInstances", "StartInstances", "RebootInstances", "TerminateInstances")


def watch_aws(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Note every call that changes an instance, when AWS has taken it."""
    ledger, call = Ledger(), AwsSession.call

    def noted(self: AwsSession, service: str, operation: str, params: Mapping[str, Any], **more: Any) -> Any:
        answer = call(self, service, operation, params, **more)
        if operation in CHANGING:
            ledger.calls.append(operation)
        return answer

    monkeypatch.setattr(AwsSession, "call", noted)
    return ledger
