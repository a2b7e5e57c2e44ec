"""The composition root: every part is built once, in the order of the floors, and started from here."""

import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from approvals.store import ApprovalStore
from audit.events import Actor
from audit.store import AuditStore
from audit.trail import Entry
from bot.api.locations import LARGEST, target_locations
from bot.metrics import Metrics
from engine.actions import BY_NAME
from engine.attachments import Attachments, Folder
from engine.document import Document
from engine.embedded import EmbeddedEngine, Surroundings
from engine.engines import EngineName, Engines
from engine.execution import Execution
from engine.guarded_aws import RecordingAws
from engine.performing import Performer
from engine.preview_aws import Session
from engine.protocol import Engine, StartOrder
from engine.scripts.runner import ScriptRunner
from engine.scripts.script import ScriptPolicy
from engine.shelf import DocumentShelf
from engine.ssm import SsmEngine, SsmSurroundings
from engine.ssm_adoption import AdoptionRule
from engine.ssm_runner import SsmRunner
from engine.ssm_store import Look, SsmStore
from engine.ssm_telling import Telling
from engine.store import ExecutionStore
from engine.stored_parameters import ReadAhead
from infra import s3_objects
from infra.aws import Aws, AwsSession
from infra.clock import Clock, utc_now
from infra.db import Database, Transaction
from infra.oncall import opsgenie, pagerduty
from infra.s3_objects import S3Objects
from infra.settings import Settings, load
from infra.settings_model import BreakGlassReportEntry, OnCallEntry
from migrations import runner
from playbooks.absences import Absences, settled
from playbooks.access import Decision, Wish
from playbooks.access_file import Known, load_access
from playbooks.alarm import Alarm
from playbooks.alarm_care import AlarmCare
from playbooks.alarm_look import AlarmLooks, DrawingAws
from playbooks.alarm_tags import AlarmTags
from playbooks.answering import Answering, Members, nobody_knows
from playbooks.automation import Automation, AutomationParts
from playbooks.automation_alarms import AlarmWatch, watch
from playbooks.automation_facts import AutomationFacts, AutomationSources
from playbooks.budgets import Budget
from playbooks.catalog import Catalog
from playbooks.catalog import load as load_catalog
from playbooks.deciding import Attest, Deciding
from playbooks.documents.documents import DocumentParts, Documents
from playbooks.documents.store import DocumentStore, PreviewStore, TagStore
from playbooks.documents.tags import Tags
from playbooks.expiry import Expiry
from playbooks.freezes import freezes_of
from playbooks.guards import GuardRules
from playbooks.lookout import Lookout
from playbooks.oncall import Absence, AskedRota, NamedRota, OnCall, Rota, TurnRota
from playbooks.operations import Operations, Parts
from playbooks.people import Directory, Identity, Person, Unidentified
from playbooks.previewing import Previews
from playbooks.protection import Protection
from playbooks.queries import Queries, Sources, targets_of
from playbooks.reactions import Reactions
from playbooks.reporting import Reporting
from playbooks.resources import Resources
from playbooks.starters import Starters
from playbooks.store import AlarmStore

LIBRARY = Path(__file__).resolve().parent.parent / "playbooks" / "library"
NOT_IN_SESSION_NAMES = re.compile(r"[^\w+=,.@-]+", re.ASCII)


class SlackElsewhere(Unidentified):
    """This process has no door to Slack, though there is one."""

    is_passing = True


@dataclass
class Service:
    """All parts of one process, each built when it is first asked for. Threads are bot/serving.py's."""

    settings: Settings
    clock: Clock = utc_now
    metrics: Metrics = field(default_factory=Metrics)
    looks: bool = False
    """Whether AWS is asked if what people are asked about is still needed."""
    members: Members = nobody_knows
    """Who is in a Slack user group, as far as the door to Slack has been told."""
    recognise: Attest | None = None
    """Who a Slack account is now, asked of Slack; set by whoever opens that door."""

    @classmethod
    @contextmanager
    def opened(cls, settings: Settings | None = None) -> Iterator["Service"]:
        """The parts without threads, for a command. Raises SettingsInvalid, SchemaOutdated."""
        service = cls(settings or load())
        try:
            runner.check(service.db)
            service.absences.refresh()
            yield service
        finally:
            service.db.close()

    # -- floors 1 and 2

    @cached_property
    def db(self) -> Database:
        """The database of the settings."""
        return Database(self.settings.database_url)

    @cached_property
    def aws(self) -> Aws:
        """AWS as the process's own identity, or through roles."""
        return Aws(endpoint_url=self.settings.aws_endpoint_url or None, region=self.settings.aws_region)

    @cached_property
    def audit(self) -> AuditStore:
        """The trail."""
        return AuditStore(self.settings.audit_key.get_secret_value().encode())

    # -- floor 3

    @cached_property
    def executions(self) -> ExecutionStore:
        """The engine's rows."""
        return ExecutionStore(self.audit)

    @cached_property
    def shelf(self) -> DocumentShelf:
        """Documents by content."""
        return DocumentShelf(self.executions)

    @cached_property
    def approvals(self) -> ApprovalStore:
        """The questions."""
        return ApprovalStore(self.audit)

    @cached_property
    def services(self) -> Mapping[str, Any]:
        """What actions get beyond AWS, by name."""
        return {"scripts": self.scripts, "documents": self.documents}

    @cached_property
    def scripts(self) -> ScriptRunner:
        """Runs aws:executeScript; starts nothing before the first script."""
        return ScriptRunner(ScriptPolicy(self.settings.allow_unjailed_scripts, self.settings.allowed_script_calls))

    @cached_property
    def engine(self) -> EmbeddedEngine:
        """The embedded engine; it works only while a dispatcher runs."""
        poll = timedelta(seconds=self.settings.step_poll_seconds)
        performer = Performer(
            BY_NAME,
            self._aws_for,
            self.clock,
            poll=poll,
            services=self.services,
            attachments=Attachments(self._folders, self.documents.attachment),
        )
        here = Surroundings(
            self.db, self.executions, self.shelf, BY_NAME, performer, self.clock, documents=self.documents,
            prepare=self.prepare, admit=self._admit, hold=self._why_held,
        )  # fmt: skip
        return EmbeddedEngine(here)

    def _admit(self, tx: Transaction, order: StartOrder, parent: Execution) -> str:
        why = self.operations.guards.admit_child(tx, order, parent)
        if not why:
            watch(tx, TagStore(), order.execution_id, order.context.get("alarms"))
        return why

    def _why_held(self, tx: Transaction) -> str:
        return self.operations.guards.why_held(tx)

    def _folders(self, document: Document) -> list[Folder]:
        """Where attachments may lie: the playbooks' folders, those that have this very document first."""
        found = [Folder(Path(each.source), each.runbook.digest == document.digest) for each in self.catalog.all]
        return sorted(found, key=lambda folder: not folder.is_own)

    def _aws_for(self, state: Execution) -> AwsSession:
        role = state.assume_role or self.settings.assume_role
        return self.aws.session(role, session_name=session_name(state), region=state.region, account=state.account)

    @cached_property
    def prepare(self) -> ReadAhead:
        """Reads ahead what a start needs of Parameter Store, as the execution will."""
        return ReadAhead(lambda state: self._aws_for(state).parameter, self.clock)

    @cached_property
    def ssm_store(self) -> SsmStore:
        """What AWS runs for us, and what it is still to be told."""
        return SsmStore()

    @cached_property
    def engines(self) -> Engines:
        """Every engine behind one set of verbs."""
        here = SsmSurroundings(self.executions, self.shelf, self.ssm_store, BY_NAME, self.clock)
        ways: dict[EngineName, Engine] = {"embedded": self.engine, "ssm": SsmEngine(here)}
        return Engines(ways, self.executions, default=self.settings.engine)

    @cached_property
    def ssm_runner(self) -> SsmRunner:
        """Tells AWS and mirrors its answers; it works only while its loop runs."""
        here = Telling(
            self.db, self.executions, self.shelf, self.ssm_store, self._ssm_for, self.clock, signer=self._signs_as,
            hold=self._why_aws_is_held,
        )  # fmt: skip
        return SsmRunner(here, adopt=self._adoption_rules())

    def _why_aws_is_held(self, connection: Connection) -> str:
        return self.operations.guards.why_paused(connection)

    def _ssm_for(self, look: Look, role: str) -> RecordingAws:
        return self.aws.session(role, region=look.region, account=look.account)

    def _signs_as(self, actor: Actor) -> str:
        roles = {f"person:{entry.id}": entry.signs_as for entry in self.settings.people}
        return roles.get(actor.id, "")

    def _adoption_rules(self) -> list[AdoptionRule]:
        found = []
        for entry in self.settings.ssm_adopt:
            playbook = self.catalog.get(entry.playbook) if entry.playbook else None
            channel = entry.channel or (playbook.channel if playbook else "") or self.settings.channel
            context = {"playbook": entry.playbook, "title": playbook.title if playbook else "", "channel": channel}
            regions = entry.regions or (self.aws.region,)
            found += [AdoptionRule(entry.document, region, {**context, "alarm_key": ""}) for region in regions]
        return found

    @property
    def uses_ssm(self) -> bool:
        """Whether anything is run, or followed, on AWS."""
        is_named = any(playbook.engine == "ssm" for playbook in self.catalog.all)
        return self.settings.engine == "ssm" or bool(self.settings.ssm_adopt) or is_named

    def _hear_from_aws(self, tx: Transaction, aws_execution_id: str) -> None:
        is_known = self.ssm_store.wake_by_aws_id(tx, aws_execution_id, self.clock())
        if not is_known:
            self.ssm_store.wake_watch(tx, self.clock())

    # -- floor 4

    @cached_property
    def directory(self) -> Directory:
        """The people and groups of the settings."""
        people = tuple(
            Person(entry.id, entry.slack, entry.iam, entry.terminal, entry.name, entry.email, entry.further_slack)
            for entry in self.settings.people
        )
        home = next((entry.partition("/")[0] for entry in self.settings.slack_workspaces), "")
        return Directory(people, self.settings.groups, home)

    @cached_property
    def catalog(self) -> Catalog:
        """The playbooks. Raises InvalidLibrary."""
        folders = (*([LIBRARY] if self.settings.use_library else []), *self.settings.playbooks)
        return load_catalog(folders, available_actions=frozenset(BY_NAME), engine=self.settings.engine)

    @cached_property
    def alarms(self) -> AlarmStore:
        """The alarms that arrived."""
        return AlarmStore()

    @cached_property
    def guard_rules(self) -> GuardRules:
        """Who may do what, and when nothing may start. Raises InvalidLibrary."""
        settings = self.settings
        known = Known(self.directory, self.catalog.all, settings.admins)
        period = timedelta(minutes=settings.automatic_starts_minutes)
        return GuardRules(
            load_access(settings.access, known),
            freezes_of(settings.freezes),
            Budget(settings.automatic_starts, period) if settings.automatic_starts else None,
            settings.protected_tags,
        )

    @cached_property
    def operations(self) -> Operations:
        """The verbs."""
        parts = Parts(
            self.db,
            self.audit,
            self.executions,
            self.approvals,
            self.alarms,
            self.engines,
            self.catalog,
            self.directory,
            self.clock,
            region=self.settings.aws_region,
            channel=self.settings.channel,
            regions=self.settings.regions,
            admins=self.settings.admins,
            rules=self.guard_rules,
            hear=self._hear_from_aws,
            deciding=self.deciding,
            prepare=self.prepare,
            tagged=AlarmTags(self.catalog, self._aws_of_alarm).tagged,
            go_on=self.engine.go_on,
            protected=self.protection.why_not,
            absences=self.absences,
            count_alarm=lambda verdict: self.metrics.alarms.labels(verdict).inc(),
        )
        return Operations(parts)

    @cached_property
    def answering(self) -> Answering:
        """Who may answer a question."""
        return Answering(self.directory, self.on_call, self.absences, self._members)

    def _members(self, group: str) -> Collection[str] | None:
        return self.members(group)

    @cached_property
    def absences(self) -> Absences:
        """Who is away."""
        known = tuple(
            settled(entry.id, each.since, each.until, each.instead, self.directory)
            for entry in self.settings.people
            for each in entry.absent
        )
        return Absences(self.db, self.audit, self.directory, self.clock, known)

    def _refresh(self, names: Collection[str]) -> None:
        """Know who is on call and who is away now, for the names of a question."""
        self.on_call.refresh(names)
        self.absences.refresh()

    @cached_property
    def on_call(self) -> OnCall:
        """Who is on call, by the rotas of the settings."""
        rotas = {name: self._rota(entry) for name, entry in self.settings.on_call.items()}
        return OnCall(rotas, self.clock, lambda who: self.absences.away(who) is not None)

    def _rota(self, entry: OnCallEntry) -> Rota:
        pager, genie = self.settings.pagerduty_token, self.settings.opsgenie_key
        match entry.kind:
            case "pagerduty":
                return AskedRota(lambda: pagerduty(entry.schedule, pager.get_secret_value()))
            case "opsgenie":
                return AskedRota(lambda: opsgenie(entry.schedule, genie.get_secret_value()))
            case "slack":
                return NamedRota((entry.schedule,))
        absences = tuple(Absence(each.who, each.since, each.until, each.instead) for each in entry.absences)
        return TurnRota(entry.people, entry.starts or self.clock(), timedelta(hours=entry.every_hours), absences)

    @cached_property
    def deciding(self) -> Deciding:
        """The verbs about questions."""
        return Deciding(
            self.db,
            self.audit,
            self.approvals,
            self.reactions.asking,
            self.answering,
            self.clock,
            refresh=self._refresh,
            attest=self._attest,
            starters=self.starters,
            tell=self.reactions.tell,
            lookout=self.lookout if self.looks else None,
            targets=lambda tx, state: targets_of(state, self.shelf.get(tx, state.document_digest)),
        )

    @cached_property
    def starters(self) -> Starters:
        """Whether those who started something may still run it."""

        def may(wish: Wish, by: Identity) -> bool:
            return self.guard_rules.access.decide(wish, by).is_allowed

        return Starters(self.executions, self.directory, self._attest, may)

    @cached_property
    def lookout(self) -> Lookout:
        """Whether what people are asked about is still needed."""
        here = (self.db, self.executions, self.alarms, self.shelf)
        return Lookout(*here, reads=self._aws_for, actions=BY_NAME, clock=self.clock)

    def _attest(self, account: str) -> Identity | None:
        """Who an account is now: of Slack where that door is open, of the table for a login. Raises Unidentified."""
        if account.startswith("slack:") and self.recognise is not None:
            return self.recognise(account)
        if account.startswith("slack:") and self.settings.slack_mode != "off":
            raise SlackElsewhere("Another process has to ask Slack who that is.")
        login = account.removeprefix("terminal:")
        return self.directory.terminal(login) if login != account else None

    @cached_property
    def queries(self) -> Queries:
        """The facts."""
        sources = Sources(
            self.db,
            self.audit,
            self.executions,
            self.approvals,
            self.alarms,
            self.shelf,
            self.catalog,
            self.directory,
            admins=self.settings.admins,
            access=self.guard_rules.access,
            answering=self.answering,
        )
        return Queries(sources)

    @cached_property
    def breakglass_reports(self) -> Reporting:
        """Tells each week's break-glass, once."""
        entry = self.settings.breakglass_report or BreakGlassReportEntry()
        return Reporting(
            self.db,
            self.audit,
            self.queries.breakglass,
            self.clock,
            ZoneInfo(entry.timezone),
            channel=entry.channel or self.settings.channel,
            is_told_when_quiet=entry.even_if_quiet,
        )

    @cached_property
    def alarm_care(self) -> AlarmCare:
        """What people say about alarms."""

        def judge(name: str, by: Identity) -> tuple[Decision, Decision | None] | None:
            is_there = self.catalog.get(name) is not None
            return self.operations.guards.judged(Wish("run", name), by) if is_there else None

        return AlarmCare(self.db, self.audit, self.alarms, judge, self.clock)

    @cached_property
    def alarm_looks(self) -> AlarmLooks:
        """What AWS tells of alarms, for their cards."""
        return AlarmLooks(self.db, self.alarms, self._aws_of_alarm, self.clock)

    def _aws_of_alarm(self, alarm: Alarm) -> DrawingAws:
        role = self.settings.assume_role
        return self.aws.session(role, session_name="playbook-bot-alarms", region=alarm.region, account=alarm.account)

    @cached_property
    def protection(self) -> Protection:
        """Whether a tag of a resource keeps everybody but a person from it."""
        return Protection(self.settings.protected_tags, self._aws_of_alarm, self.clock)

    @cached_property
    def resources(self) -> Resources:
        """What people may choose from in forms, read as the bot reads."""
        return Resources(self._aws_to_list, self.clock)

    def _aws_to_list(self, region: str) -> Session:
        return self.aws.session(self.settings.assume_role, session_name="playbook-bot-forms", region=region)

    @cached_property
    def previews(self) -> Previews:
        """What a start would do."""
        return Previews(self.operations.planned, self._aws_to_look, BY_NAME, self.clock)

    def _aws_to_look(self, wish: StartOrder, by: Identity) -> Session:
        name = NOT_IN_SESSION_NAMES.sub("-", f"{by.name[:40]}@preview").strip("-")
        return self.aws.session(self.settings.assume_role, session_name=name, region=wish.region, account=wish.account)

    @cached_property
    def documents(self) -> Documents:
        """Runbooks by name and version."""
        account = self.settings.api_account
        parts = DocumentParts(
            self.db, self.audit, DocumentStore(), TagStore(), self.shelf, self.clock, account,
            objects=S3Objects(self._aws_for_documents),
        )  # fmt: skip
        return Documents(parts)

    def _aws_for_documents(self) -> AwsSession:
        return self.aws.session(self.settings.assume_role, session_name="playbook-bot-documents")

    @cached_property
    def tags(self) -> Tags:
        """Tags of documents and executions."""
        return Tags(self.db, self.audit, TagStore(), DocumentStore(), self.executions, self.clock)

    @cached_property
    def automation(self) -> Automation:
        """The verbs of SSM's Automation API."""
        parts = AutomationParts(
            self.db,
            self.audit,
            self.executions,
            self.deciding,
            TagStore(),
            self.shelf,
            self.engines,
            self.documents,
            self.directory,
            self.reactions.question,
            self.clock,
            account=self.settings.api_account,
            guards=self.operations.guards,
            tell_at_once=self.reactions.tell_at_once,
            locations=self._locations,
            prepare=self.prepare,
        )
        return Automation(parts)

    @cached_property
    def alarm_watch(self) -> AlarmWatch:
        """Cancels executions whose alarm goes off."""
        return AlarmWatch(
            self.db, self.executions, TagStore(), self.engines,
            lambda state, service, operation, members: self._aws_for(state).call(service, operation, members),
        )  # fmt: skip

    @cached_property
    def automation_facts(self) -> AutomationFacts:
        """The facts of SSM's Automation API."""
        sources = AutomationSources(
            self.db,
            self.executions,
            self.shelf,
            TagStore(),
            PreviewStore(),
            self.documents,
            BY_NAME,
            self.directory,
            self.clock,
            account=self.settings.api_account,
            guards=self.operations.guards,
            approvals=self.approvals,
            locations=self._locations,
        )
        return AutomationFacts(sources)

    def _locations(self, url: str) -> list[dict[str, Any]]:
        endpoint = self.settings.aws_endpoint_url
        return target_locations(url, lambda each: s3_objects.at_url(each, largest=LARGEST, endpoint=endpoint))

    @cached_property
    def reactions(self) -> Reactions:
        """What follows from what happened."""
        return Reactions(
            executions=self.executions,
            approvals=self.approvals,
            engine=self.engines,
            catalog=self.catalog,
            clock=self.clock,
            new_id=lambda: uuid.uuid4().hex[:12],
            watch=self.expiry.watch,
            speaks_as=self.settings.ssm_principals,
            is_attested=lambda: self.recognise is not None or self.settings.slack_mode != "off",
            looks=self.looks,
            starters=self.starters,
            also=self._also,
            hold=self._why_aws_is_held,
        )

    def _also(self, tx: Transaction, entry: Entry) -> None:
        self.operations.guarding.handle(tx, entry)

    @cached_property
    def expiry(self) -> Expiry:
        """Closes questions whose time is up."""
        return Expiry(self.db, self.approvals, self._tend, self.clock)

    def _tend(self, request_id: str) -> None:
        self.operations.expire(request_id)


def session_name(state: Execution) -> str:
    """RoleSessionName: the human (or the alarm) and the execution, as CloudTrail will show it."""
    who = state.started_by.name or state.started_by.id.rpartition(":")[2]
    return NOT_IN_SESSION_NAMES.sub("-", f"{who[:40]}@{state.id[:8]}").strip("-") or "playbook-bot"
