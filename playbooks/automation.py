"""The verbs of SSM's Automation API: start, signal and stop executions of named documents, as AWS would."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, Protocol

from sqlalchemy.exc import IntegrityError

from approvals import policy
from approvals.request import ApprovalRequest, Verdict
from audit.events import Event
from audit.store import AuditStore
from engine.conductor import InvalidStatus
from engine.document import Document
from engine.execution import Execution, StepExecution
from engine.parameters import ParametersInvalid
from engine.protocol import Engine, ExecutionNotFound, StartOrder
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from engine.stored_parameters import Prepare, as_it_is
from infra.aws_models import partition_of
from infra.canonical import Json, digest
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks import automation_alarms
from playbooks.access import Verb
from playbooks.access import Wish as AccessWish
from playbooks.asking import top_of
from playbooks.automation_targets import checked, fanned_out
from playbooks.deciding import Deciding, Then, leave_it
from playbooks.documents.refusals import SsmRefused
from playbooks.documents.store import TagStore
from playbooks.guards import CALLER, Guards, about, kept_caller
from playbooks.people import Directory, Identity, actor_of
from playbooks.refusals import Denied, HeldBack, NoLongerOpen, NotAllowed, SituationChanged
from playbooks.steering import why_not_at_aws, why_not_to

KIND: Final = "Automation"
ANSWERS: Final[Mapping[SignalType, Verdict]] = {
    SignalType.APPROVE: "Approve",
    SignalType.REJECT: "Reject",
}

NOT_NOW: Final = "InvalidAutomationSignalException"
SEEN: Final = "Seen"
"""The entry of a signal's Payload that says which situation its sender knows of."""
GOING_ON: Final = frozenset({SignalType.APPROVE, SignalType.RESUME, SignalType.START_STEP})
"""Signals after which an execution goes on."""


def no_locations(_url: str) -> list[dict[str, Any]]:
    """Used where no file can be read."""
    raise SsmRefused("InvalidTarget", "TargetLocationsURL cannot be read here; give TargetLocations.")


class DocumentFinder(Protocol):
    """Where the documents to start are."""

    def wanted(self, name: str, version: str) -> Document:
        """The document of that name or ARN. Raises SsmRefused with StartAutomationExecution's codes."""


Locations = Callable[[str], list[dict[str, Any]]]
"""The TargetLocations in the file of a URL. Raises SsmRefused."""
Question = Callable[[Transaction, Execution, StepExecution], ApprovalRequest]
"""The approval request of a waiting step, asked now if it was not before."""


@dataclass
class AutomationParts:
    """What the composition root gives the verbs."""

    db: Database
    audit: AuditStore
    executions: ExecutionStore
    deciding: Deciding
    tags: TagStore
    shelf: DocumentShelf
    engine: Engine
    documents: DocumentFinder
    directory: Directory
    question: Question
    clock: Clock
    account: str
    guards: Guards
    """What starts, answers and stops have to pass."""
    tell_at_once: Then = leave_it
    """Has the step hear at once of a question that is closed, where it may."""
    locations: Locations = no_locations
    prepare: Prepare = as_it_is
    """Reads ahead what a start needs of Parameter Store."""


@dataclass(frozen=True, slots=True)
class Wish:
    """StartAutomationExecution, as a caller says it. `parameters` are lists of strings, `region` is where to run."""

    document: str
    region: str
    version: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    mode: Literal["Auto", "Interactive"] = "Auto"
    token: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, Any] = field(default_factory=dict)
    """The members that say what to run on, and how fast (playbooks/automation_targets.py); {} = it runs once."""
    locations_url: str = ""
    """Where a file says the TargetLocations; it is read once, when it starts."""
    alarms: Mapping[str, Any] = field(default_factory=dict)
    """AlarmConfiguration: which alarm cancels it; {} = none."""
    fingerprint: str = ""
    """Digest of everything that was said but the token: the same token may only say the same again."""


class Automation:
    """The verbs. Composed in bot/service.py."""

    def __init__(self, parts: AutomationParts) -> None:
        self._parts = parts

    # -- start

    def start(self, wish: Wish, by: Identity, *, principal: str = "") -> str:
        """Start an execution, once per token; returns its id. Raises SsmRefused."""
        key = f"api:{wish.token.lower()}" if wish.token else ""
        known = self._known(key, wish)
        if known is not None:
            return known
        document = self._parts.documents.wanted(wish.document, wish.version)
        wish = located(wish, self._parts.locations)
        try:
            return self._start(self._parts.prepare(self._order(wish, document, key, by, principal)), wish, by)
        except Denied as error:
            raise SsmRefused("AccessDeniedException", str(error)) from error
        except HeldBack as error:
            raise SsmRefused("AutomationExecutionLimitExceededException", str(error)) from error
        except ParametersInvalid as error:
            raise SsmRefused("InvalidAutomationExecutionParametersException", str(error)) from error
        except IntegrityError:
            # Another process was quicker with the same token.
            known = self._known(key, wish)
            if known is None:
                raise
            return known

    def _order(self, wish: Wish, document: Document, key: str, by: Identity, principal: str) -> StartOrder:
        parameters = wish.parameters
        context: dict[str, Json] = {"door": "api", "principal": principal, "request": wish.fingerprint}
        if wish.alarms:
            context["alarms"] = dict(wish.alarms)
        if wish.targets:
            checked(document, parameters, wish.targets)
            document, parameters = fanned_out(document, parameters, wish.targets)
            context |= {"fan_out": "targets", CALLER: kept_caller(by)}
            if wish.locations_url:
                context["locations_url"] = wish.locations_url.partition("?")[0]
        return StartOrder(
            document,
            parameters,
            actor_of(by),
            wish.region,
            self._parts.account,
            partition_of(wish.region),
            mode=wish.mode,
            request_key=key,
            execution_id=str(uuid.uuid4()),
            engine="embedded",
            tags=wish.tags,
            context=context,
        )

    def _start(self, order: StartOrder, wish: Wish, by: Identity) -> str:
        guards = self._parts.guards
        with guards.audited(), self._parts.db.transaction() as tx:
            execution_id = guards.start_document(tx, order, by)
            if execution_id == order.execution_id:
                self._parts.tags.put(tx, KIND, execution_id, wish.tags)
                automation_alarms.watch(tx, self._parts.tags, execution_id, wish.alarms)
                return execution_id
            state = self._parts.executions.get(tx, execution_id)
        return _same(state, wish)

    def _known(self, key: str, wish: Wish) -> str | None:
        if not key:
            return None
        with self._parts.db.reading() as connection:
            execution_id = self._parts.executions.by_request_key(connection, key)
            if execution_id is None:
                return None
            return _same(self._parts.executions.get(connection, execution_id), wish)

    # -- signal

    def signal(self, execution_id: str, kind: SignalType, payload: Mapping[str, str], by: Identity) -> None:
        """Give a signal; an answer counts as a click would, by the same policy. Raises SsmRefused."""
        refusal: SsmRefused | None = None
        try:
            with self._parts.guards.audited(), self._parts.db.transaction() as tx:
                state = self._locked(tx, execution_id)
                document = self._parts.shelf.of(tx, state)
                self._pass_guards(tx, state, kind, by)
                _check_names(state, document, payload)
                if kind in ANSWERS:
                    request, refusal = self._question(tx, state, kind, payload)
                else:
                    _check_order(state, document, kind, payload)
                    self._parts.engine.signal(tx, execution_id, Signal(kind, actor_of(by), payload=payload))
        except SignalRefused as error:
            refusal = SsmRefused(NOT_NOW, _sentence(error))
            self._note(Event("signal.refused", execution_id, actor_of(by), _refused_signal(kind, error)))
        except Denied as error:
            raise SsmRefused("AccessDeniedException", str(error)) from error
        except HeldBack as error:
            raise SsmRefused(NOT_NOW, str(error)) from error
        if refusal is not None:
            raise refusal
        if kind in ANSWERS:
            self._answer(request, ANSWERS[kind], payload, by)

    def _pass_guards(self, tx: Transaction, state: Execution, kind: SignalType, by: Identity) -> None:
        """Raises Denied; HeldBack for what would let it go on while everything is paused."""
        guards = self._parts.guards
        verb: Verb = "approve" if kind in ANSWERS else "stop" if kind is SignalType.STOP_STEP else "resume"
        guards.permit_in(tx, self._about(tx, state, by, verb), by, subject=state.id)
        if kind in GOING_ON:
            guards.not_paused(tx, actor_of(by), f"{kind} {state.id}", subject=state.id)

    def _question(
        self, tx: Transaction, state: Execution, kind: SignalType, payload: Mapping[str, str]
    ) -> tuple[ApprovalRequest, SsmRefused | None]:
        """The question that such an answer is for, and why it cannot be: its plan has changed. Raises SignalRefused."""
        step = state.step
        if step is None or state.phase != "signal" or kind not in step.signals:
            raise SignalRefused(f"no step of execution {state.id} waits for {kind}")
        if payload.get("StepName", step.name) != step.name:
            raise SignalRefused(f'step "{payload["StepName"]}" does not wait; "{step.name}" does')
        asked = self._parts.deciding.approvals.of_step(tx, step.id)
        request = self._parts.question(tx, state, step)
        if asked is None or asked.id == request.id or not asked.is_open:
            return request, None
        text = "What would run has changed since it was asked about, so nothing was decided. It is asked anew."
        return request, SsmRefused(NOT_NOW, text)

    def _answer(self, request: ApprovalRequest, verdict: Verdict, payload: Mapping[str, str], by: Identity) -> None:
        """Count an answer; what is repeated, as clients do, changes nothing. Raises SsmRefused."""
        parts = self._parts
        if request.is_open and parts.deciding.has_said(request, by, verdict):
            return
        comment, seen = payload.get("Comment", ""), payload.get(SEEN, "")
        try:
            found = parts.deciding.find(request.id, by, verdict)
            parts.deciding.decide(found, by, verdict, comment, seen=seen, then=parts.tell_at_once)
        except SituationChanged as error:
            text = (
                f"{error.sentence} To {verdict} all the same, send the signal with {SEEN}={error.mark} in its Payload."
            )
            raise SsmRefused(NOT_NOW, text) from error
        except NotAllowed as error:
            code = NOT_NOW if isinstance(error.__cause__, policy.ReasonMissing) else "AccessDeniedException"
            who = by.name or by.id
            raise SsmRefused(code, f"{who} may not decide step {request.step_name}: {error}") from error
        except NoLongerOpen as error:
            raise SsmRefused(NOT_NOW, str(error)) from error
        except SignalRefused as error:
            raise SsmRefused(NOT_NOW, _sentence(error)) from error

    # -- stop

    def stop(self, execution_id: str, kind: Literal["Cancel", "Complete"], by: Identity) -> None:
        """Stop an execution. Raises SsmRefused."""
        try:
            guards = self._parts.guards
            with guards.audited(), self._parts.db.transaction() as tx:
                state = self._locked(tx, execution_id)
                guards.permit_in(tx, self._about(tx, state, by, "stop"), by, subject=execution_id)
                self._parts.engine.stop(tx, execution_id, actor_of(by), kind)
        except Denied as error:
            raise SsmRefused("AccessDeniedException", str(error)) from error
        except InvalidStatus as error:
            raise SsmRefused("InvalidAutomationStatusUpdateException", _sentence(error)) from error
        except ExecutionNotFound as error:
            raise not_found(execution_id) from error

    def _about(self, tx: Transaction, state: Execution, by: Identity, verb: Verb) -> AccessWish:
        """A wish about an execution, judged as one about what started it."""
        return about(top_of(self._parts.executions, tx, state), by, verb)

    def _locked(self, tx: Transaction, execution_id: str) -> Execution:
        claimed = self._parts.executions.lock(tx, execution_id)
        if claimed is None:
            raise not_found(execution_id)
        return claimed.execution

    def _note(self, event: Event) -> None:
        with self._parts.db.transaction() as tx:
            self._parts.audit.append(tx, [event], self._parts.clock())


def located(wish: Wish, locations: Locations) -> Wish:
    """The wish with the TargetLocations that its URL leads to. Raises SsmRefused."""
    if not wish.locations_url:
        return wish
    if wish.targets.get("TargetLocations"):
        raise SsmRefused("InvalidTarget", "Give either TargetLocations or TargetLocationsURL, not both.")
    return replace(wish, targets={**wish.targets, "TargetLocations": locations(wish.locations_url)})


def fingerprint(said: Mapping[str, Any]) -> str:
    """What a start says, without its token."""
    return digest({name: value for name, value in said.items() if name != "ClientToken"})


def not_found(execution_id: str) -> SsmRefused:
    """There is no such execution."""
    return SsmRefused(
        "AutomationExecutionNotFoundException", f"There is no automation execution with the id {execution_id}."
    )


def _same(state: Execution | None, wish: Wish) -> str:
    """The id of what the token has started. Raises SsmRefused when it was something else."""
    if state is None or state.context.get("request") != wish.fingerprint:
        text = f"The ClientToken {wish.token} was used before, for a start with other parameters. Use a new one."
        raise SsmRefused("IdempotentParameterMismatch", text)
    return state.id


def _check_names(state: Execution, document: Document, payload: Mapping[str, str]) -> None:
    """A step that the signal names must be there. Raises SsmRefused."""
    name, step_id = payload.get("StepName"), payload.get("StepExecutionId")
    if name and document.step(name) is None:
        text = f'{document.name} has no step "{name}".'
        raise SsmRefused("AutomationStepNotFoundException", text)
    if step_id and all(step.id != step_id for step in state.steps):
        text = f"Execution {state.id} has no step execution {step_id}."
        raise SsmRefused("AutomationStepNotFoundException", text)


def _check_order(state: Execution, document: Document, kind: SignalType, payload: Mapping[str, str]) -> None:
    """A person may leave out steps, but no question. Raises SignalRefused."""
    if kind is not SignalType.START_STEP:
        return
    name, is_at_aws = payload.get("StepName"), state.engine == "ssm"
    if state.mode != "Interactive" or (state.phase != "held" and not is_at_aws):
        raise SignalRefused(f"execution {state.id} does not wait for a step to be started")
    if is_at_aws and not name:
        raise SignalRefused("AWS wants to be told which step: send its StepName")
    judge = why_not_at_aws if is_at_aws else why_not_to
    why = judge(state, document, name) if name else ""
    if why:
        raise SignalRefused(why)


def _refused_signal(kind: SignalType, error: SignalRefused) -> dict[str, Json]:
    return {"signal": str(kind), "reason": str(error)}


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
