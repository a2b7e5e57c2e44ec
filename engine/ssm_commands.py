"""Telling AWS what was recorded: starts, signals and stops, each looked at before it is repeated.

SendAutomationSignal has no ClientToken and is addressed to the execution, not to a step: a late Approve could land on
the next gate. So the waiting step is read first, must be the one that was answered, and a signal whose answer got lost
is sent again only when that step still waits after a while.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection

from audit.events import Actor, Event
from engine.execution import Change, Execution
from engine.exporting import NotExportable
from engine.performing import RecordingAws
from engine.shelf import DocumentShelf
from engine.signals import SignalType
from engine.ssm import ANSWERS, client_token
from engine.ssm_documents import ensure, named
from engine.ssm_mirror import lost
from engine.ssm_store import Command, Look, SsmStore
from engine.store import ExecutionStore
from infra.aws_errors import AwsRefused
from infra.canonical import Json
from infra.clock import Clock
from infra.db import Database, Transaction

SETTLE: Final = timedelta(seconds=15)
"""So long after a signal whose answer got lost the step is only read, never signalled again."""
LONGEST_COMMENT: Final = 500
GOING_ON: Final = frozenset({SignalType.APPROVE, SignalType.RESUME, SignalType.START_STEP})
"""Signals after which AWS does more."""
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
Changes = Callable[[Execution], Change]
Sent = tuple[Sequence[Command], str, dict[str, list[str]]]
"""Commands that one call carries out, the role that signs it ("" = our own), its payload."""


@dataclass
class Telling:
    """What telling needs. `signer` gives the role by which a person signs their own signal at AWS, "" = none."""

    db: Database
    store: ExecutionStore
    shelf: DocumentShelf
    ssm: SsmStore
    aws_for: Callable[[Look, str], RecordingAws]
    clock: Clock
    signer: Callable[[Actor], str] = lambda _: ""
    hold: Callable[[Connection], str] = lambda _connection: ""
    """Why AWS may not be told now to go on, in a sentence; "" = it may."""


class Teller:
    """Carries out the commands of one execution at a time. Raises AwsRefused and AwsUnreachable for its runner."""

    def __init__(self, here: Telling) -> None:
        self._here = here

    def tell(self, look: Look) -> Look:
        """Tell AWS everything that is wanted; returns the look, with AWS's id once there is one."""
        with self._here.db.reading() as connection:
            commands = self._here.ssm.commands(connection, look.execution_id)
            if self._here.hold(connection):
                commands = [each for each in commands if not _goes_on(each)]
        while commands:
            command = commands[0]
            if command.kind == "start":
                look = self._start(look, command)
                done: Sequence[Command] = (command,)
            elif not look.aws_id:
                break
            elif command.kind == "stop":
                self._stop(look, command)
                done = (command,)
            else:
                done = self._signal(look, [each for each in commands if _is_same_gate(each, command)])
            if not done:
                break
            commands = [each for each in commands if each not in done]
        return look

    # -- starts

    def _start(self, look: Look, command: Command) -> Look:
        with self._here.db.reading() as connection:
            state = self._here.store.get(connection, look.execution_id)
            document = self._here.shelf.of(connection, state) if state else None
        if state is None or document is None or state.is_over:
            self._conclude([command], "refused", look, Change, [])
            return look
        aws = self._here.aws_for(look, "")
        try:
            reference = str(command.data.get("document") or "")
            place = named(reference) if reference else ensure(aws, document)
            self._sending(command)
            answer = aws.call("ssm", "StartAutomationExecution", {**place.members(), **_start_members(state, command)})
        except (AwsRefused, NotExportable) as error:
            if isinstance(error, AwsRefused) and (error.is_throttling or error.code in EXPIRED):
                raise
            message = f"AWS did not accept the start: {error}"
            now = self._here.clock()
            self._conclude([command], "refused", look, lambda each: lost(each, message, now), _called(aws, look))
            return look
        aws_id = str(answer["AutomationExecutionId"])
        event = Event("execution.accepted", look.execution_id, data={"aws_id": aws_id, "document": place.name})
        self._conclude([command], "done", look, lambda each: _accepted(each, aws_id, event), _called(aws, look), aws_id)
        return Look(look.execution_id, aws_id, look.region, look.account, 0.0, None)

    # -- signals

    def _signal(self, look: Look, batch: Sequence[Command]) -> Sequence[Command]:
        """Answer one gate; what has been dealt with is returned, nothing while AWS is still to be waited for."""
        aws, first, now = self._here.aws_for(look, ""), batch[0], self._here.clock()
        execution = _read(aws, look)
        kind = str(first.data["type"])
        if kind not in ANSWERS:
            return self._send(look, [(batch, "", _payload(batch))], kind)
        waiting = _waiting(execution, str(first.data["step_execution_id"]))
        if waiting is None:
            return self._gone(look, batch, execution)
        if first.sent_at is not None and now - first.sent_at < SETTLE:
            return ()
        signals = self._signals(waiting, batch, kind)
        return self._impossible(look, batch, waiting) if signals is None else self._send(look, signals, kind)

    def _signals(self, waiting: Mapping[str, Any], batch: Sequence[Command], kind: str) -> list[Sent] | None:
        """(commands, role, payload) of each call; None when AWS wants more identities than there are."""
        minimum = int(str((waiting.get("Inputs") or {}).get("MinRequiredApprovals") or 1).strip('"') or 1)
        if kind != "Approve" or minimum <= 1:
            return [(batch, "", _payload(batch))]
        roles = [self._here.signer(_actor(command)) for command in batch]
        known = [(command, role) for command, role in zip(batch, roles, strict=True) if role]
        ours = next((command for command, role in zip(batch, roles, strict=True) if not role), None)
        if len(known) + (ours is not None) < minimum:
            return None
        calls: list[Sent] = [((command,), role, _payload((command,))) for command, role in known[:minimum]]
        if ours is not None and len(known) < minimum:
            calls.append(((ours,), "", _payload((ours,))))
        return calls

    def _send(self, look: Look, signals: Sequence[Sent], kind: str) -> Sequence[Command]:
        done: list[Command] = []
        for commands, role, payload in signals:
            aws = self._here.aws_for(look, role)
            for command in commands:
                self._sending(command)
            members = {"AutomationExecutionId": look.aws_id, "SignalType": kind, "Payload": payload}
            try:
                aws.call("ssm", "SendAutomationSignal", members)
            except AwsRefused as error:
                if error.is_throttling or error.is_denied:
                    raise
                self._refused(look, commands, str(error), _called(aws, look))
            else:
                events = [_told(look, "signal.accepted", command) for command in commands]
                self._conclude(commands, "done", look, _taken, [*_called(aws, look), *events])
            done += commands
        return done

    def _gone(self, look: Look, batch: Sequence[Command], execution: Mapping[str, Any]) -> Sequence[Command]:
        """The step waits no more: our signal has arrived after all, or somebody else was quicker."""
        sent = [command for command in batch if command.sent_at is not None]
        if sent:
            events = [_told(look, "signal.accepted", command) for command in sent]
            self._conclude(sent, "done", look, Change, events)
        late = [command for command in batch if command.sent_at is None]
        if late:
            status = execution.get("AutomationExecutionStatus")
            self._refused(look, late, f"the step does not wait any more (the execution is {status})", [])
        return batch

    def _impossible(self, look: Look, batch: Sequence[Command], waiting: Mapping[str, Any]) -> Sequence[Command]:
        minimum = (waiting.get("Inputs") or {}).get("MinRequiredApprovals")
        reason = (
            f"AWS wants {minimum} approvals by different identities for this step; "
            "give the approvers roles of their own (people: signs_as), or lower MinRequiredApprovals"
        )
        self._refused(look, batch, reason, [])
        return batch

    def _refused(self, look: Look, commands: Sequence[Command], reason: str, events: list[Event]) -> None:
        told = [_told(look, "signal.refused", command, reason=reason) for command in commands]
        sentence = f"The answer did not reach the step: {reason}."
        self._conclude(commands, "refused", look, lambda each: _noticed(each, sentence), [*events, *told])

    # -- stops

    def _stop(self, look: Look, command: Command) -> None:
        aws = self._here.aws_for(look, "")
        self._sending(command)
        try:
            members = {"AutomationExecutionId": look.aws_id, "Type": str(command.data["type"])}
            aws.call("ssm", "StopAutomationExecution", members)
        except AwsRefused as error:
            if error.is_throttling or error.is_denied:
                raise
            # It is over already: what AWS says of it next is the truth.
        self._conclude([command], "done", look, Change, _called(aws, look))

    # -- rows

    def _sending(self, command: Command) -> None:
        with self._here.db.transaction() as tx:
            self._here.ssm.sending(tx, command, self._here.clock())

    def _conclude(
        self, commands: Sequence[Command], state: Any, look: Look, change: Changes, events: Sequence[Event],
        aws_id: str = "",
    ) -> None:  # fmt: skip
        """One transaction: the commands' end, what it means for the execution, and its events."""
        now = self._here.clock()
        with self._here.db.transaction() as tx:
            self._here.ssm.conclude(tx, [command.id for command in commands], state)
            if aws_id:
                self._here.ssm.accepted(tx, look.execution_id, aws_id)
            save(tx, self._here.store, look.execution_id, change, events, now)


def save(
    tx: Transaction, store: ExecutionStore, execution_id: str, change: Changes, events: Sequence[Event], now: Any
) -> Execution | None:
    """Apply a change to the row as it is now; a row that does not change gets no new version."""
    claimed = store.lock(tx, execution_id)
    if claimed is None:
        return None
    found = change(claimed.execution)
    found = Change(found.state, (*events, *found.events))
    if found.state == claimed.execution:
        store.record(tx, found, now)
        return claimed.execution
    return store.save(tx, found, now)


def _is_same_gate(one: Command, other: Command) -> bool:
    names = ("type", "step_execution_id")
    return one.kind == other.kind and all(one.data.get(name) == other.data.get(name) for name in names)


def _goes_on(command: Command) -> bool:
    return command.kind == "signal" and command.data["type"] in GOING_ON


def _start_members(state: Execution, command: Command) -> dict[str, Any]:
    members: dict[str, Any] = {"ClientToken": client_token(state.id), "Mode": state.mode}
    if command.data.get("parameters"):
        members["Parameters"] = dict(command.data["parameters"])
    if state.tags:
        members["Tags"] = [{"Key": key, "Value": value} for key, value in state.tags.items()]
    return members


def _accepted(state: Execution, aws_id: str, event: Event) -> Change:
    return Change(replace(state, aws_id=aws_id, notice=""), (event,))


def _taken(state: Execution) -> Change:
    """The running step says how far the answer has come: AWS has it, and has not acted on it yet."""
    step, say = state.step, "AWS has taken the answer"
    if step is None:
        return Change(state)
    steps = tuple(replace(each, say=say) if each.id == step.id else each for each in state.steps)
    return Change(replace(state, steps=steps))


def _noticed(state: Execution, notice: str) -> Change:
    return Change(state if state.is_over else replace(state, notice=notice))


def _told(look: Look, name: str, command: Command, *, reason: str = "") -> Event:
    data: dict[str, Json] = {
        "signal": command.data["type"],
        "step": command.data["step"],
        "step_execution_id": command.data["step_execution_id"],
    }
    return Event(name, look.execution_id, _actor(command), {**data, **({"reason": reason} if reason else {})})


def _called(aws: RecordingAws, look: Look) -> list[Event]:
    """What was called, for the trail; reads are left out, there are too many of them."""
    calls = [call.facts() for call in aws.drain()]
    told = [call for call in calls if not str(call.get("operation", "")).startswith(("Get", "Describe", "List"))]
    return [Event("aws.called", look.execution_id, data=call) for call in told]


def _actor(command: Command) -> Actor:
    kind, identity, name = command.data["actor"]
    return Actor(kind, identity, name)


def _payload(commands: Sequence[Command]) -> dict[str, list[str]]:
    """The signal's payload; the comment of an answer names the people who gave it."""
    first = commands[0].data
    given = {name: [str(value)] for name, value in first["payload"].items() if name != "Comment"}
    if first["type"] == "Resume" and first["step"]:
        given.setdefault("StepName", [str(first["step"])])
    if first["type"] not in ("Approve", "Reject"):
        return given
    people = ", ".join(str(_actor(command)) for command in commands)
    reasons = [
        str(command.data["payload"]["Comment"]) for command in commands if command.data["payload"].get("Comment")
    ]
    comment = f"{first['type']}: {people}, through playbook-bot{': ' if reasons else ''}{'; '.join(reasons)}"
    return {**given, "Comment": [comment[:LONGEST_COMMENT]]}


def _read(aws: RecordingAws, look: Look) -> Mapping[str, Any]:
    answer = aws.call("ssm", "GetAutomationExecution", {"AutomationExecutionId": look.aws_id})
    aws.drain()
    found: Mapping[str, Any] = answer["AutomationExecution"]
    return found


def _waiting(execution: Mapping[str, Any], step_execution_id: str) -> Mapping[str, Any] | None:
    """The step that was answered, if it is the one that waits now."""
    for step in execution.get("StepExecutions") or ():
        if step.get("StepStatus") == "Waiting" and step.get("StepExecutionId") == step_execution_id:
            found: Mapping[str, Any] = step
            return found
    return None
