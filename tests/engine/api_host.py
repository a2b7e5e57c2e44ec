"""The SSM engine in front of this project's own door for SSM's API: boto3 speaks, signs and checks on both sides."""

from datetime import timedelta
from typing import Any, get_args

from botocore.awsrequest import AWSResponse

from audit.store import AuditStore
from engine.actions import BY_NAME
from engine.shelf import DocumentShelf
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_runner import SsmRunner
from engine.ssm_store import SsmStore
from engine.ssm_telling import Telling
from engine.store import ExecutionStore
from infra.aws import Aws, Manner
from infra.db import Database
from infra.rate import Rate
from migrations.tables import all_tables
from tests.bot.api.worlds import REGION, ApiWorld, Raw
from tests.engine.hosts import EngineHost
from tests.fakes.clock import ManualClock

KEY, SECRET = "AKIDBOT", "bots-secret"
ACTOR = "role/playbook-bot/bot"


class ApiHost(EngineHost):
    """Two processes in one: the bot, and what it takes for AWS. Wants the key above in the environment."""

    def __init__(self, db: Database) -> None:
        self.db, self.clock, self.audit, rows = db, ManualClock(), AuditStore(), SsmStore()
        there = Database("sqlite://")
        all_tables().create_all(there.engine)
        self.world = ApiWorld(there, self.clock, api_keys=(f"{KEY}:{SECRET}:{ACTOR}",))
        self.store = ExecutionStore(self.audit)
        shelf, aws = DocumentShelf(self.store), self._wired()
        self.engine = SsmEngine(SsmSurroundings(self.store, shelf, rows, BY_NAME, self.clock))
        telling = Telling(
            db, self.store, shelf, rows, lambda look, role: aws.session(role, region=look.region, account=look.account),
            self.clock, rate=Rate(1e6, 1e6),
        )  # fmt: skip
        self._runner = SsmRunner(telling)

    def _wired(self) -> Aws:
        """AWS, whose requests go straight to the door."""
        aws = Aws(endpoint_url="http://ssm.test", region=REGION)
        for manner in get_args(Manner):
            aws.client("ssm", REGION, manner=manner).meta.events.register("before-send", self._send)
        return aws

    def _send(self, request: Any, **_: object) -> AWSResponse:
        found = self.world.answer(request.method, {**request.headers}, request.body or b"")
        self.world.work()
        return AWSResponse(request.url, found.status, dict(found.headers), Raw(found.body))

    def settle(self, seconds: float = 0.0) -> None:
        """Let the other side work, and look at it until nothing is new."""
        self._runner.pump()
        self.world.later(seconds=seconds)
        for _ in range(3):
            self.clock.advance(timedelta(seconds=30))
            self.world.work()
            self._runner.pump()

    def close(self) -> None:
        """Forget the other side."""
        self.world.database.close()
