"""The facts: everything a door may know. Each one reads; none of them changes anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from approvals.policy import group_titles, is_broken
from approvals.quorum import missing
from approvals.request import ApprovalRequest
from approvals.store import ApprovalStore
from audit.store import AuditStore
from audit.trail import Entry
from engine.document import Document
from engine.execution import Execution, Status, StepExecution
from engine.secrets import masking_of
from engine.shelf import DocumentShelf
from engine.store import ExecutionStore
from infra.db import Database, Transaction
from infra.masking import PLAIN
from playbooks.access import Access, Wish, implicit
from playbooks.alarm_queries import AlarmQueries, alarm_facts
from playbooks.answering import Answering
from playbooks.breakglass import LOOK_BACK as BREAKGLASS_BACK
from playbooks.breakglass import NAMES as BREAKGLASS
from playbooks.breakglass import BreakGlassReport, Week, report_of, used
from playbooks.digest import DAY, LOOK_BACK, NAMES, DigestFacts, digest_of, started
from playbooks.facts import (
    AlarmFacts,
    ApprovalFacts,
    DecisionFacts,
    ExecutionFacts,
    GroupFacts,
    PlaybookFacts,
    StepFacts,
    StormFacts,
    SuggestionFacts,
    TimelineEntry,
)
from playbooks.glass import required_by
from playbooks.guard_store import GuardStore
from playbooks.masking import hidden, question, secret_names
from playbooks.operations import Shelf, UnknownPlaybook
from playbooks.people import Directory, Identity
from playbooks.playbook import Playbook
from playbooks.retry import request_key, step_to_retry
from playbooks.situation import from_kept
from playbooks.steering import on_stop, skip_to
from playbooks.store import AlarmRecord, AlarmStore
from playbooks.story import sentence

SHORTEST_ID = 4
RUN_BY_AWS = (
    "AWS runs this one, and cannot be paused: it goes on by itself up to its next question, whose answer waits here. "
    "Stop it to end it now."
)
RECENT = 100
"""So many of the latest are looked through for what concerns somebody."""


class NotFound(Exception):
    """There is no such thing; the message is a sentence for the person who asked."""


@dataclass
class Sources:
    """What the composition root gives the queries."""

    db: Database
    audit: AuditStore
    executions: ExecutionStore
    approvals: ApprovalStore
    alarms: AlarmStore
    shelf: DocumentShelf
    catalog: Shelf
    directory: Directory
    admins: tuple[str, ...] = ()
    access: Access | None = None
    """The rules that count; None = what the playbooks and `admins` imply."""
    answering: Answering | None = None
    """Who may answer; None = by the directory alone, without rotas."""
    guards: GuardStore = field(default_factory=GuardStore)


class Queries:
    """The facts. Composed in bot/service.py."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources
        self._alarms = AlarmQueries(sources.alarms, sources.executions, sources.guards)

    # -- playbooks

    def playbooks(self, by: Identity | None = None) -> Sequence[PlaybookFacts]:
        """All playbooks, or those this person may run: with some values, somewhere."""
        access = self._from.access or Access(implicit(self._from.catalog.all, self._from.admins))
        found = [
            playbook
            for playbook in self._from.catalog.all
            if by is None or access.decide(Wish("run", playbook.name), by).is_allowed
        ]
        return [self._playbook(playbook) for playbook in found]

    def playbook(self, name: str) -> PlaybookFacts:
        """One playbook. Raises operations.UnknownPlaybook."""
        found = self._from.catalog.get(name)
        if found is None:
            raise UnknownPlaybook(name, self._from.catalog.suggestion(name))
        return self._playbook(found)

    def _playbook(self, playbook: Playbook) -> PlaybookFacts:
        given = [each for each in playbook.runbook.parameters.values() if each.name not in playbook.fixed]
        trigger, named = playbook.trigger, playbook.approvers
        directory, answering = self._from.directory, self._from.answering or Answering(self._from.directory)
        return PlaybookFacts(
            name=playbook.name,
            title=playbook.title,
            description=playbook.description or playbook.runbook.description,
            parameters=tuple(given),
            preset={name: value for name, value in playbook.parameters.items() if name in playbook.fixed},
            start=playbook.start,
            approvers=tuple(directory.mention(name) for name in directory.both([answering.rotas.opened(named)])),
            trigger=trigger.in_words if trigger else "",
            document=playbook.runbook.name,
            secret=secret_names(playbook.runbook, playbook.secret),
            goes_step_by_step=playbook.engine != "ssm",
        )

    # -- executions

    def execution(self, execution_id: str) -> ExecutionFacts:
        """One execution, by its id or by an unambiguous beginning of it (at least 4 characters). Raises NotFound."""
        with self._from.db.reading() as connection:
            return self._execution(connection, self._found(connection, execution_id))

    def state(self, execution_id: str) -> tuple[Execution, Document]:
        """The execution as the engine keeps it, with its document: for the terminal's JSON. Raises NotFound."""
        with self._from.db.reading() as connection:
            state = self._found(connection, execution_id)
            return state, self._from.shelf.of(connection, state)

    def _found(self, connection: Connection, execution_id: str) -> Execution:
        wanted = execution_id.strip().lower()
        if len(wanted) < SHORTEST_ID:
            raise NotFound(f"An execution id has at least {SHORTEST_ID} characters; `{execution_id}` is too short.")
        ids = self._from.executions.ids_beginning(connection, wanted)
        if not ids:
            raise NotFound(f"There is no execution `{execution_id}`.")
        if len(ids) > 1 and wanted not in ids:
            raise NotFound(f"Several executions begin with `{execution_id}`; give more of it.")
        state = self._from.executions.get(connection, wanted if wanted in ids else ids[0])
        if state is None:
            raise NotFound(f"There is no execution `{execution_id}`.")
        return state

    def executions(self, *, limit: int = 10, is_open: bool = False, is_brief: bool = False) -> Sequence[ExecutionFacts]:
        """The latest executions, newest first; with `is_open` only those not over.

        Brief facts are those of one line in a list: without alarm, questions and steps, which cost a query each.
        """
        with self._from.db.reading() as connection:
            found = self._from.executions.latest(connection, limit=limit, is_open=is_open)
            if is_brief:
                return [
                    hidden(_brief(state, self._from.shelf.of(connection, state)), masking_of(state)) for state in found
                ]
            return [self._execution(connection, state) for state in found]

    def runs_of(self, by: Identity, *, limit: int = 5) -> Sequence[ExecutionFacts]:
        """The newest executions that this person has started, among the latest hundred of all."""
        with self._from.db.reading() as connection:
            found = self._from.executions.latest(connection, limit=RECENT)
            mine = [state for state in found if state.started_by.id == by.id][:limit]
            return [self._execution(connection, state) for state in mine]

    def _execution(self, connection: Connection, state: Execution) -> ExecutionFacts:
        document = self._from.shelf.of(connection, state)
        approvals = tuple(
            self._approval(request, state) for request in self._from.approvals.of_execution(connection, state.id)
        )
        alarm, alarm_now = self._alarm(connection, str(state.context.get("alarm_key") or ""))
        waiting = next((approval for approval in approvals if approval.status == "Waiting"), None)
        facts = replace(
            _brief(state, document),
            steps=_steps(state, document),
            alarm=alarm,
            alarm_now=alarm_now,
            approval=waiting or (approvals[-1] if approvals else None),
            approvals=approvals,
            recovered=self._from.audit.has(connection, state.id, "step.recovered"),
            notice=state.notice or self._pause(connection, state) or _held(approvals),
            **self._steering(connection, state, document),
        )
        return hidden(facts, masking_of(state))

    def _steering(self, connection: Connection, state: Execution, document: Document) -> dict[str, Any]:
        """What somebody may do about it now, and what it goes on with."""
        playbook = self._from.catalog.get(str(state.context.get("playbook") or ""))
        ended = state.ended_at
        again = step_to_retry(state, document, playbook, ended) if ended else ""
        return {
            "held": (state.upcoming or "") if state.phase == "held" else None,
            "skip_to": skip_to(state, document),
            "on_stop": on_stop(state, document),
            "retry_of": str(state.context.get("retry_of") or ""),
            "retried_as": (again and self._from.executions.by_request_key(connection, request_key(state.id))) or "",
            "retry_step": again or str(state.context.get("retry_step") or ""),
        }

    def _pause(self, connection: Connection, state: Execution) -> str:
        """What a pause of everything means for an execution; "" where nothing is paused."""
        pause = None if state.is_over else self._from.guards.pause(connection)
        if pause is None:
            return ""
        return f"{pause.sentence} {RUN_BY_AWS}" if state.engine == "ssm" else pause.sentence

    def open_runs(self, tx: Transaction) -> Sequence[str]:
        """Executions without a parent that are not over, the newest thousand."""
        return [state.id for state in self._from.executions.latest(tx.connection, limit=1000, is_open=True)]

    def _alarm(self, connection: Connection, key: str) -> tuple[AlarmFacts | None, str]:
        record = self._from.alarms.get(connection, key) if key else None
        if record is None:
            return None, ""
        latest = self._from.alarms.latest(connection, record.alarm.id)
        now = latest.alarm.state if latest and latest.alarm.changed_at > record.alarm.changed_at else ""
        return alarm_facts(record.alarm), now if now != record.alarm.state else ""

    # -- approvals

    def approval(self, request_id: str) -> ApprovalFacts:
        """One question. Raises NotFound."""
        with self._from.db.reading() as connection:
            request = self._from.approvals.get(connection, request_id)
            if request is None:
                raise NotFound("This request is not known here.")
            return self._approval(request, self._asking(connection, request))

    def to_review(self, name: str) -> str:
        """Id of the question whose break-glass waits for review: by that id, or by its execution's. Raises NotFound."""
        with self._from.db.reading() as connection:
            if self._from.approvals.get(connection, name) is not None:
                return name
            state = self._found(connection, name)
            asked = self._from.approvals.of_execution(connection, state.id)
        found = [each.id for each in asked if each.review_at is not None]
        if not found:
            raise NotFound(f"No break-glass of `{state.id[:8]}` waits for a review.")
        if len(found) > 1:
            raise NotFound(
                f"Several break-glass of `{state.id[:8]}` wait for a review; give one of {', '.join(found)}."
            )
        return found[0]

    def open_approvals(self) -> Sequence[ApprovalFacts]:
        """Questions that wait for an answer, oldest first."""
        with self._from.db.reading() as connection:
            found = self._from.approvals.open(connection)
            return [self._approval(request, self._asking(connection, request)) for request in found]

    def _asking(self, connection: Connection, request: ApprovalRequest) -> Execution | None:
        """The execution that asks, where it matters: somebody may break the glass, if its step lets one decide."""
        is_asked = request.is_open and request.breakers
        return self._from.executions.get(connection, request.execution_id) if is_asked else None

    def _approval(self, request: ApprovalRequest, state: Execution | None) -> ApprovalFacts:
        directory, answering = self._from.directory, self._from.answering or Answering(self._from.directory)
        situation = from_kept(request.facts.get("situation"))
        never, objectors = answering.never(request), answering.objectors(request)
        starter = "" if request.may_approve_own else directory.canonical(request.requested_by.id)
        starters = (each for each in objectors if each in (starter, directory.entry(starter)))
        facts = ApprovalFacts(
            id=request.id,
            execution_id=request.execution_id,
            step_name=request.step_name,
            status=str(request.status),
            message=request.message,
            approvers=tuple(directory.mention(name) for name in answering.approvers(request)),
            minimum=request.minimum,
            decisions=tuple(
                DecisionFacts(decision.actor, decision.verdict, decision.at, decision.comment)
                for decision in request.decisions
            ),
            asked_at=request.asked_at,
            expires_at=request.expires_at,
            playbook=request.playbook,
            title=request.title,
            may_approve_own=request.may_approve_own,
            problem=answering.problem(request),
            groups=_groups(request, answering),
            barred=tuple((directory.mention(who), why) for who, why in request.barred),
            starter=next((directory.mention(each) for each in starters), ""),
            objectors=tuple(directory.mention(each) for each in objectors),
            never=never,
            needs_reason=request.needs_reason,
            silence_approves=request.at_expiry == "approve",
            may_be_delegated=bool(request.delegates),
            may_be_broken=answering.could_break(request, required_by(request, state)),
            delegations=tuple((each.by, each.to) for each in request.delegations),
            revision=request.revision,
            is_broken=is_broken(request),
            waits_for_review=request.review_at is not None,
            reviewers=tuple(directory.mention(each) for each in answering.reviewers(request)),
            held=str(request.facts.get("held") or "") if request.hold_until else "",
            situation=situation.words() if situation else (),
            consequences=situation.consequences if situation else (),
            called=situation.called if situation else {},
            painted=situation.mark if situation else "",
        )
        return question(facts, PLAIN)

    # -- alarms and the trail

    def suggestion(self, suggestion_id: str) -> SuggestionFacts:
        """One alarm that a person may answer. Raises NotFound."""
        with self._from.db.reading() as connection:
            record = self._from.alarms.get(connection, suggestion_id)
            if record is None:
                raise NotFound("This alarm is not known here.")
            return self._alarms.card(connection, record)

    def card_keys(self, tx: Transaction, key: str) -> Sequence[str]:
        """Keys of the states of an alarm that share a card with this one, newest first."""
        return self._alarms.card_keys(tx, key)

    def alarm_of_run(self, tx: Transaction, execution_id: str) -> str | None:
        """The key of the alarm that a run was started from; "" = of none, None = it is a child, which no card shows."""
        return self._alarms.of_run(tx, execution_id)

    def alarms_showing(self, tx: Transaction, execution_id: str, keys: Sequence[str]) -> Sequence[str]:
        """Those of the alarms on whose resource a run has worked, so that their cards tell of it."""
        return self._alarms.showing(tx, execution_id, keys)

    def storm(self, keys: Sequence[str], began_at: datetime) -> StormFacts:
        """Many alarms as they are now."""
        with self._from.db.reading() as connection:
            return self._alarms.storm(connection, keys, began_at)

    def alarms(self, *, limit: int = 10) -> Sequence[SuggestionFacts]:
        """The alarms that changed last, newest first, each with its latest change."""
        with self._from.db.reading() as connection:
            newest: dict[str, AlarmRecord] = {}
            for record in self._from.alarms.newest(connection, limit=RECENT):
                newest.setdefault(record.alarm.id, record)
        return [_suggestion(record) for record in list(newest.values())[:limit]]

    def runs_of_alarm(self, tx: Transaction, alarm_id: str) -> Sequence[str]:
        """Executions that the latest red states of an alarm have started."""
        return [each for record in self._from.alarms.of_alarm(tx, alarm_id, limit=3) for each in record.executions]

    def transitions_of_alarm(self, tx: Transaction, alarm_id: str) -> Sequence[str]:
        """Keys of the latest state changes of an alarm, by which suggestions are known."""
        return [record.key for record in self._from.alarms.of_alarm(tx, alarm_id, limit=3)]

    def digest(self, until: datetime) -> DigestFacts:
        """What the day that ends at a moment brought."""
        since = until - DAY
        with self._from.db.reading() as connection:
            entries = [
                entry for entry in self._from.audit.since(connection, until - LOOK_BACK, NAMES) if entry.at <= until
            ]
            states = (self._from.executions.get(connection, each) for each in started(entries, since))
            found = [
                hidden(_brief(state, self._from.shelf.of(connection, state)), masking_of(state))
                for state in states
                if state is not None
            ]
        return digest_of(entries, found, since=since, until=until)

    def breakglass(self, week: Week) -> BreakGlassReport:
        """What a week brought of break-glass, and how it stands now."""
        with self._from.db.reading() as connection:
            entries = self._from.audit.since(connection, week.since - BREAKGLASS_BACK, BREAKGLASS)
            states = (self._from.executions.get(connection, each) for each in used(entries))
            found = [
                hidden(_brief(state, self._from.shelf.of(connection, state)), masking_of(state))
                for state in states
                if state is not None
            ]
        return report_of(entries, found, week)

    def timeline(self, execution_id: str) -> Sequence[TimelineEntry]:
        """The execution's story in order. Raises NotFound."""
        with self._from.db.reading() as connection:
            state = self._found(connection, execution_id)
            entries = list(self._from.audit.entries(connection, subject=state.id))
        return [_line(entry) for entry in entries]


def _held(approvals: Sequence[ApprovalFacts]) -> str:
    """Why what was approved does not go on."""
    return next((each.held for each in approvals if each.status == "Approved" and each.held), "")


def _line(entry: Entry) -> TimelineEntry:
    event = entry.event
    return TimelineEntry(entry.seq, entry.at, event.name, event.actor, sentence(event), event.data, entry.hash)


def _suggestion(record: AlarmRecord) -> SuggestionFacts:
    facts = alarm_facts(record.alarm)
    return SuggestionFacts(record.key, facts, record.playbooks, record.channel, record.why, record.executions)


def _brief(state: Execution, document: Document) -> ExecutionFacts:
    """What the row alone says."""
    return ExecutionFacts(
        id=state.id,
        playbook=str(state.context.get("playbook") or ""),
        title=str(state.context.get("title") or document.name),
        document=document.name,
        status=str(state.status),
        started_by=state.started_by,
        started_at=state.created_at or state.steps[0].started_at,  # type: ignore[arg-type]  # set by start
        region=state.region,
        account=state.account,
        parameters=state.parameters,
        steps=(),
        targets=targets_of(state, document),
        ended_at=state.ended_at,
        failure_message=state.failure_message,
        cancelled_by=state.cancelled_by,
        channel=str(state.context.get("channel") or ""),
        outputs=state.outputs,
        parent_id=state.parent_id,
        notice=state.notice,
        version=state.version,
        budget=str(state.context.get("budget") or ""),
    )


def _groups(request: ApprovalRequest, answering: Answering) -> tuple[GroupFacts, ...]:
    short, mention, never = missing(request), answering.directory.mention, answering.never(request)

    def is_asked(name: str) -> bool:
        return answering.leave.away(name) is None and answering.directory.canonical(name) not in never

    return tuple(
        GroupFacts(
            title,
            tuple(mention(name) for name in answering.rotas.opened(group.names) if is_asked(name)),
            group.minimum,
            short[number] if short else 0,
        )
        for number, (title, group) in enumerate(zip(group_titles(request.groups), request.groups, strict=True))
    )


def targets_of(state: Execution, document: Document) -> tuple[str, ...]:
    """Values of the parameters that name resources, roles excepted."""
    found: list[str] = []
    for name, parameter in document.parameters.items():
        if "AWS::" not in parameter.type or "IAM::Role" in parameter.type:
            continue
        value = state.parameters.get(name)
        found += [str(item) for item in (value if isinstance(value, list) else [value]) if item]
    return tuple(found)


def _steps(state: Execution, document: Document) -> tuple[StepFacts, ...]:
    latest: Mapping[str, StepExecution] = {step.name: step for step in state.steps}
    skipped, facts = {*state.skipped}, []
    skipped |= {inner.name for spec in document.steps if spec.name in skipped for inner in spec.steps}
    for spec in document.all_steps():
        step = latest.get(spec.name)
        blank = StepFacts(
            spec.name,
            spec.action,
            str(Status.PENDING),
            spec.description,
            max_attempts=spec.max_attempts,
            is_skipped=step is None and spec.name in skipped,
        )
        facts.append(blank if step is None else _told(blank, step))
    return tuple(facts)


def _told(blank: StepFacts, step: StepExecution) -> StepFacts:
    return replace(
        blank,
        status=str(step.status),
        started_at=step.started_at,
        ended_at=step.ended_at,
        attempt=step.attempt,
        say=step.say,
        failure_message=step.failure_message,
        inputs=step.inputs,
        outputs=step.outputs,
        id=step.id,
    )
