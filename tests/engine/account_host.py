"""The SSM engine in front of AWS itself, or of whatever AWS_ENDPOINT_URL names: only where the environment asks for it.

    export CONTRACT_REGION=eu-west-1 CONTRACT_APPROVER=arn:aws:iam::…:role/…
    pytest tests/engine/test_contract.py -k account

The credentials are those that every AWS tool finds; the approver is the principal that they are of. What is started
sleeps, asks, pauses and branches; documents are named playbook-bot-contract-… and deleted at the end.
"""

import os
import time
from typing import Final

from audit.store import AuditStore
from engine.actions import BY_NAME
from engine.document import Document
from engine.execution import FINAL
from engine.protocol import StartOrder
from engine.shelf import DocumentShelf
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_runner import SsmRunner
from engine.ssm_store import SsmStore
from engine.ssm_telling import Telling
from engine.store import ExecutionStore
from infra.aws import Aws
from infra.clock import utc_now
from infra.db import Database
from infra.rate import Rate
from tests.engine.hosts import LEE, EngineHost

REGION: Final = os.environ.get("CONTRACT_REGION", "")
APPROVER: Final = os.environ.get("CONTRACT_APPROVER", "")
WHY_NOT: Final = (
    "set CONTRACT_REGION to a Region and CONTRACT_APPROVER to the ARN of your credentials' "
    "principal to run the contract on that account"
)
QUIET_SECONDS: Final = float(os.environ.get("CONTRACT_QUIET", "20"))
"""AWS tells of what it has done after a while: so long nothing may have changed."""
LONGEST_SECONDS: Final = 300.0


class AccountHost(EngineHost):
    """The bot's half; the other one is out there, and so is time."""

    def __init__(self, db: Database) -> None:
        self.db, self.audit, rows = db, AuditStore(), SsmStore()
        self.store, self._started = ExecutionStore(self.audit), list[str]()
        shelf, self._aws = DocumentShelf(self.store), Aws(region=REGION)
        self.engine = SsmEngine(SsmSurroundings(self.store, shelf, rows, BY_NAME, utc_now))
        telling = Telling(
            db, self.store, shelf, rows, lambda _look, role: self._aws.session(role, region=REGION), utc_now,
            rate=Rate(3, 5),
        )  # fmt: skip
        self._runner = SsmRunner(telling)

    def start(self, document: Document, key: str = "", **parameters: object) -> str:
        """Start a document in the account."""
        account = APPROVER.split(":")[4]
        order = StartOrder(document, dict(parameters), LEE, REGION, account, request_key=key)  # type: ignore[arg-type]
        with self.db.transaction() as tx:
            self._started.append(self.engine.start(tx, order))
        return self._started[-1]

    def settle(self, seconds: float = 0.0) -> None:
        """Look at AWS until nothing has changed for a while."""
        time.sleep(seconds)
        end, seen, since = time.monotonic() + LONGEST_SECONDS, "", time.monotonic()
        while time.monotonic() < end:
            time.sleep(min(self._runner.pump(), 1.0))
            now = str([self.state(each) for each in self._started])
            if now != seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > QUIET_SECONDS:
                return

    def close(self) -> None:
        """End what still runs, and delete what was pushed."""
        for each in self._started:
            if self.state(each).status not in FINAL:
                self.stop(each)
        self.settle()
        ssm = self._aws.client("ssm", REGION)
        for page in ssm.get_paginator("list_documents").paginate(Filters=[{"Key": "Owner", "Values": ["Self"]}]):
            for found in page["DocumentIdentifiers"]:
                if found["Name"].startswith("playbook-bot-contract"):
                    ssm.delete_document(Name=found["Name"])
