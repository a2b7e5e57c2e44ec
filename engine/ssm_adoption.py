"""Following executions that were started elsewhere on AWS, where a rule says so: their approvals then reach people."""

import fnmatch
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from audit.events import Actor, Event
from engine.document import Document, RunbookRefused
from engine.execution import Change, Execution
from engine.rules import NAMESPACE
from engine.ssm_commands import Telling
from engine.ssm_mirror import moment
from engine.ssm_store import Look
from engine.validation import parse
from infra.aws_errors import AwsRefused, AwsUnreachable
from infra.canonical import Json

log = structlog.get_logger(__name__)

EVERY: Final = timedelta(seconds=30)
"""How often AWS is asked for what is new; an event from EventBridge asks at once."""
OPEN: Final = ("Pending", "InProgress", "Waiting")


@dataclass(frozen=True, slots=True)
class AdoptionRule:
    """Executions of which documents, in which Region, and what is kept with them for those above the engine."""

    document: str
    region: str
    context: Mapping[str, Json]


class Adoption:
    """Looks for executions that nobody follows yet. Used by one thread."""

    def __init__(self, here: Telling, rules: Sequence[AdoptionRule]) -> None:
        self._here, self._rules = here, tuple(rules)
        self._next: datetime | None = None

    def pump(self, *, at_once: bool = False) -> timedelta:
        """Look when it is time; returns how long until then. What AWS refuses is logged, and asked again later."""
        now = self._here.clock()
        if not self._rules:
            return timedelta(days=1)
        if not at_once and self._next is not None and now < self._next:
            return self._next - now
        self._next = now + EVERY
        for region in dict.fromkeys(rule.region for rule in self._rules):
            try:
                self._look(region)
            except (AwsRefused, AwsUnreachable) as error:
                log.warning("executions of others cannot be listed", region=region, error=str(error))
        return EVERY

    def _look(self, region: str) -> None:
        """Adopt what runs in one Region; not while starts of ours are on their way, which look like others'."""
        aws = self._here.aws_for(Look("", "", region, "", 0.0, None), "")
        filters = [{"Key": "ExecutionStatus", "Values": [*OPEN]}]
        found: list[Mapping[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            answer = aws.call("ssm", "DescribeAutomationExecutions", {"Filters": filters, "MaxResults": 50, **page})
            found += answer.get("AutomationExecutionMetadataList") or ()
            if not answer.get("NextToken"):
                break
            page = {"NextToken": answer["NextToken"]}
        wanted = [each for each in found if self._rule(region, each) and not each.get("ParentAutomationExecutionId")]
        with self._here.db.reading() as connection:
            known = self._here.ssm.by_aws_id(connection, [str(each["AutomationExecutionId"]) for each in wanted])
            is_busy = self._here.ssm.has_starts(connection)
        for each in wanted:
            if str(each["AutomationExecutionId"]) not in known and not is_busy:
                self._adopt(region, each)

    def _rule(self, region: str, told: Mapping[str, Any]) -> AdoptionRule | None:
        name = str(told.get("DocumentName") or "").rpartition("/")[2]
        rules = (rule for rule in self._rules if rule.region == region)
        return next((rule for rule in rules if fnmatch.fnmatchcase(name, rule.document)), None)

    def _adopt(self, region: str, told: Mapping[str, Any]) -> None:
        rule = self._rule(region, told)
        aws_id = str(told["AutomationExecutionId"])
        aws = self._here.aws_for(Look("", aws_id, region, "", 0.0, None), "")
        document = _document(aws.call("ssm", "GetDocument", _reference(told)), told)
        if rule is None or document is None:
            return
        answer = aws.call("ssm", "GetAutomationExecution", {"AutomationExecutionId": aws_id})
        parameters = (answer.get("AutomationExecution") or {}).get("Parameters") or {}
        now = self._here.clock()
        state = Execution(
            id=str(uuid.uuid5(NAMESPACE, f"adopted/{region}/{aws_id}")),
            document_name=document.name,
            document_version=document.version,
            document_digest=document.digest,
            parameters={name: values[0] if len(values) == 1 else [*values] for name, values in parameters.items()},
            started_by=_starter(told),
            region=region,
            account=aws.account,
            partition=aws.partition,
            context=rule.context,
            created_at=moment(told.get("ExecutionStartTime")) or now,
            engine="ssm",
            aws_id=aws_id,
        )
        self._save(state, document, now)

    def _save(self, state: Execution, document: Document, now: datetime) -> None:
        context: dict[str, Json] = dict(state.context)
        data: dict[str, Json] = {
            "document": state.document_name, "document_version": state.document_version,
            "document_sha256": state.document_digest, "parameters": dict(state.parameters), "region": state.region,
            "account": state.account, "mode": state.mode, "parent": "", "aws_id": state.aws_id, **context,
        }  # fmt: skip
        events = (
            Event("execution.started", state.id, state.started_by, data),
            Event("execution.adopted", state.id, data={"aws_id": state.aws_id}),
        )
        with self._here.db.transaction() as tx:
            if self._here.store.get(tx, state.id) is not None:
                return
            self._here.shelf.put(tx, document)
            self._here.store.add(tx, Change(replace(state, due_at=None), events), now)
            self._here.ssm.add(tx, Look(state.id, state.aws_id, state.region, state.account, 0.0, None), now)
        log.info("execution adopted", execution=state.id, aws_id=state.aws_id, document=state.document_name)


def _reference(told: Mapping[str, Any]) -> dict[str, str]:
    members = {"Name": str(told["DocumentName"])}
    if told.get("DocumentVersion"):
        members["DocumentVersion"] = str(told["DocumentVersion"])
    return members


def _document(answer: Mapping[str, Any], told: Mapping[str, Any]) -> Document | None:
    """The document as it is there; one that we cannot read is left to AWS."""
    name, version = str(told["DocumentName"]), str(answer.get("DocumentVersion") or told.get("DocumentVersion") or "1")
    try:
        return parse(str(answer.get("Content") or ""), name=name, version=version)
    except RunbookRefused as error:
        log.warning("document of others cannot be read, its executions are not followed", document=name, why=str(error))
        return None


def _starter(told: Mapping[str, Any]) -> Actor:
    """Who started it there: a principal of AWS's."""
    arn = str(told.get("ExecutedBy") or "aws:ssm")
    return Actor("person" if ":user/" in arn or ":assumed-role/" in arn else "system", arn, arn.rpartition("/")[2])
