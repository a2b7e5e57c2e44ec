"""SSM's API in one process: boto3's own clients, signed for real, whose requests never leave the process."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse

from bot.api.door import Answer
from bot.api.signature import Call
from bot.api_server import api_door
from bot.service import Service
from engine.execution import Execution
from infra.aws_models import loader
from infra.clock import utc_now
from infra.db import Database
from infra.settings import Settings
from tests.fakes.clock import ManualClock

ACCOUNT = "123456789012"
KEYS = {"AKIDLEE": "lees/secret+1=", "AKIDMAX": "max-secret", "AKIDOPS": "ops-secret"}
LEE = f"arn:aws:iam::{ACCOUNT}:user/lee"
MAX = f"arn:aws:iam::{ACCOUNT}:user/max"
REGION = "eu-west-1"


class Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Any:
        """All of it."""
        yield self._body


class _Wire:
    """Where the requests of clients arrive: building a client takes longer than a test, so all tests share them."""

    world: "ApiWorld"

    @classmethod
    def send(cls, request: Any, **_: object) -> AWSResponse:
        """Botocore's hook in place of the network."""
        found = cls.world.answer(request.method, {**request.headers}, request.body or b"")
        return AWSResponse(request.url, found.status, dict(found.headers), Raw(found.body))


@cache
def _client(key: str, secret: str, region: str, token: str | None) -> Any:
    inner = botocore.session.Session()
    inner.register_component("data_loader", loader())
    session = boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=region,
        botocore_session=inner,
    )
    client = session.client("ssm", endpoint_url="http://ssm.test")
    client.meta.events.register("before-send", _Wire.send)
    return client


class Agenda:
    """A dispatcher that remembers whom to carry, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.timers: list[tuple[datetime, str]] = []

    def wake(self, execution_id: str, due_at: datetime) -> None:
        """Remember it."""
        self.timers.append((due_at, execution_id))

    def due(self) -> str | None:
        """The next one that is due."""
        self.timers.sort()
        if not self.timers or self.timers[0][0] > self._clock():
            return None
        return self.timers.pop(0)[1]


class ApiWorld:
    """The door over a database, an engine that works when told to, and clients."""

    def __init__(self, database: Database, clock: ManualClock, **settings: Any) -> None:
        keys = tuple(f"{key}:{KEYS[key]}:{actor}" for key, actor in _ACTORS.items())
        given = {"aws_region": REGION, "api_keys": keys, "use_library": False, **settings}
        self.clock, self.database = clock, database
        _Wire.world = self
        self.service = Service(Settings.model_validate(given), clock)
        self.service.__dict__["db"] = database
        self.agenda = Agenda(clock)
        self.service.engine.dispatcher = self.agenda
        # The signatures of real clients carry the real time; executions live in the test's own.
        self.door = replace(api_door(self.service), clock=utc_now)

    def client(self, key: str = "AKIDLEE", *, secret: str = "", region: str = REGION, token: str | None = None) -> Any:
        """A boto3 client whose requests go straight to the door."""
        return _client(key, secret or KEYS.get(key, "nobody-knows"), region, token)

    def answer(self, method: str, headers: Mapping[Any, Any], body: bytes) -> Answer:
        """One HTTP request."""
        plain = {_text(name).lower(): _text(value) for name, value in headers.items()}
        plain.setdefault("host", "ssm.test")
        return self.door.answer(Call(method, "/", "", plain, body), "127.0.0.1")

    def work(self) -> None:
        """Carry whatever is due."""
        while (execution_id := self.agenda.due()) is not None:
            self.service.engine.carry(execution_id)

    def later(self, **by: float) -> None:
        """Let time pass, and work."""
        self.clock.advance(timedelta(**by))
        self.work()

    def start(self, name: str = "Ask-First", **members: Any) -> str:
        """Start a document and work until it waits."""
        found = self.client().start_automation_execution(DocumentName=name, **members)
        self.work()
        return str(found["AutomationExecutionId"])

    def state(self, execution_id: str) -> Execution:
        """An execution, as its row has it."""
        with self.database.reading() as connection:
            state = self.service.executions.get(connection, execution_id)
        assert state is not None
        return state

    def events(self) -> list[str]:
        """Names of everything that happened."""
        with self.database.reading() as connection:
            return [entry.event.name for entry in self.service.audit.entries(connection)]

    def react(self) -> None:
        """Let the reactions read the trail, as their relay does."""
        with self.database.transaction() as tx:
            for entry in list(self.service.audit.entries(tx)):
                self.service.reactions.handle(tx, entry)


_ACTORS = {"AKIDLEE": "lee", "AKIDMAX": "max", "AKIDOPS": "role/Operators/sam"}


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def runbook(*steps: Mapping[str, Any], **members: Any) -> str:
    """A document's text."""
    return json.dumps({"schemaVersion": "0.3", **members, "mainSteps": list(steps)})


def ask(*approvers: str, name: str = "ask", **inputs: Any) -> dict[str, Any]:
    """A step that asks people."""
    return {"name": name, "action": "aws:approve", "inputs": {"Approvers": list(approvers or (LEE,)), **inputs}}


def nap(name: str = "nap", seconds: int = 1) -> dict[str, Any]:
    """A step that sleeps."""
    return {"name": name, "action": "aws:sleep", "inputs": {"Duration": f"PT{seconds}S"}}


def hold(name: str = "hold") -> dict[str, Any]:
    """A step that pauses."""
    return {"name": name, "action": "aws:pause", "inputs": {}}
