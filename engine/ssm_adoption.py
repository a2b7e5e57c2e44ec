"""Following executions that were started elsewhere on AWS, where a rule says so: their approvals then reach people."""

import fnmatch
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog

from audit.events import Actor, Event
from engine.document import Document, RunbookRefused
from engine.execution import Change, Execution
from engine.guarded_aws import RecordingAws
from engine.rules import NAMESPACE
from engine.ssm_mirror import moment
from engine.ssm_reading import Told, pages, read
from engine.ssm_store import Look
from engine.ssm_telling import Telling
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
    """Looks for executions that nobody follows yet. Raises NotLeading."""

    def __init__(self, here: Telling, rules: Sequence[AdoptionRule]) -> None:
        self._here, self._rules = here, tuple(rules)

    def begin(self) -> None:
        """Ask at once in each Region that a rule names."""
        with self._here.transaction() as tx:
            self._here.ssm.watch(tx, [*dict.fromkeys(rule.region for rule in self._rules)], self._here.clock())

    def look(self, watch: Look, began: datetime) -> None:
        """Adopt what runs in one Region. What AWS refuses is logged, and asked again later."""
        try:
            self._look(watch)
        except (AwsRefused, AwsUnreachable) as error:
            log.warning("executions of others cannot be listed", region=watch.region, error=str(error))
        with self._here.transaction() as tx:
            self._here.ssm.looked(
                tx, watch.execution_id, look_at=self._here.clock() + EVERY, pause=EVERY.total_seconds(), began=began
            )

    def _look(self, watch: Look) -> None:
        """Not while starts of ours are on their way, which look like others'."""
        aws, region = self._here.aws(watch), watch.region
        asked = {"Filters": [{"Key": "ExecutionStatus", "Values": [*OPEN]}]}
        found = [*pages(aws, "DescribeAutomationExecutions", asked, "AutomationExecutionMetadataList")]
        wanted = [each for each in found if self._rule(region, each) and not each.get("ParentAutomationExecutionId")]
        with self._here.db.reading() as connection:
            known = self._here.ssm.by_aws_id(connection, [str(each["AutomationExecutionId"]) for each in wanted])
            is_busy = self._here.ssm.has_starts(connection)
        strangers = [each for each in wanted if str(each["AutomationExecutionId"]) not in known and not is_busy]
        for each in strangers:
            try:
                self._adopt(aws, region, each)
            except AwsRefused as error:  # one that may not be read must not hide all others
                name = each.get("DocumentName")
                log.warning("an execution of others cannot be read", document=name, region=region, error=str(error))

    def _rule(self, region: str, told: Told) -> AdoptionRule | None:
        name = str(told.get("DocumentName") or "").rpartition("/")[2]
        rules = (rule for rule in self._rules if rule.region == region)
        return next((rule for rule in rules if fnmatch.fnmatchcase(name, rule.document)), None)

    def _adopt(self, aws: RecordingAws, region: str, told: Told) -> None:
        rule = self._rule(region, told)
        aws_id = str(told["AutomationExecutionId"])
        document = _document(aws.call("ssm", "GetDocument", _reference(told)), told)
        if rule is None or document is None:
            return
        parameters = read(aws, aws_id).get("Parameters") or {}
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
        with self._here.transaction() as tx:
            if self._here.store.get(tx, state.id) is not None:
                return
            self._here.shelf.put(tx, document)
            self._here.store.add(tx, Change(replace(state, due_at=None), events), now)
            self._here.ssm.add(tx, Look(state.id, state.aws_id, state.region, state.account, 0.0, None), now)
        log.info("execution adopted", execution=state.id, aws_id=state.aws_id, document=state.document_name)


def _reference(told: Told) -> dict[str, str]:
    members = {"Name": str(told["DocumentName"])}
    if told.get("DocumentVersion"):
        members["DocumentVersion"] = str(told["DocumentVersion"])
    return members


def _document(answer: Told, told: Told) -> Document | None:
    """The document as it is there; one that we cannot read is left to AWS."""
    name, version = str(told["DocumentName"]), str(answer.get("DocumentVersion") or told.get("DocumentVersion") or "1")
    try:
        return parse(str(answer.get("Content") or ""), name=name, version=version)
    except RunbookRefused as error:
        log.warning("document of others cannot be read, its executions are not followed", document=name, why=str(error))
        return None


def _starter(told: Told) -> Actor:
    """Who started it there: a principal of AWS's."""
    arn = str(told.get("ExecutedBy") or "aws:ssm")
    return Actor("person" if ":user/" in arn or ":assumed-role/" in arn else "system", arn, arn.rpartition("/")[2])
