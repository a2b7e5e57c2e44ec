"""Telling AWS what was recorded: starts and stops here, signals in `ssm_signals.py`; in the order of the wishes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from audit.events import Event
from engine.execution import Change, Execution
from engine.exporting import NotExportable
from engine.guarded_aws import RecordingAws
from engine.signals import SignalType
from engine.ssm import client_token
from engine.ssm_documents import ensure, named
from engine.ssm_mirror import lost
from engine.ssm_signals import Signaller, noticed
from engine.ssm_store import Command, Look
from engine.ssm_telling import Telling, called
from infra.aws_errors import AwsRefused

NOT_TO_BE_STOPPED: Final = "InvalidAutomationStatusUpdateException"
GOING_ON: Final = frozenset({SignalType.APPROVE, SignalType.RESUME, SignalType.START_STEP})
"""Signals after which AWS does more."""


class Teller:
    """Carries out the commands of one execution at a time. Raises NotLeading, AwsRefused and AwsUnreachable."""

    def __init__(self, here: Telling) -> None:
        self._here, self._signaller = here, Signaller(here)

    def tell(self, look: Look) -> Look:
        """Tell AWS everything that is wanted; returns the look, with AWS's id once there is one."""
        with self._here.db.reading() as connection:
            commands = self._here.ssm.commands(connection, look.execution_id)
            if self._here.hold(connection):
                commands = [each for each in commands if not _goes_on(each)]
        while commands:
            command = commands[0]
            done: Sequence[Command] = (command,)
            if command.kind == "start":
                look = self._start(look, command)
            elif not look.aws_id:
                break
            elif command.kind == "stop":
                self._stop(look, command)
            else:
                done = self._signaller.give(look, [each for each in commands if each.kind == "signal"])
            if not done:
                break
            commands = [each for each in commands if each not in done]
        return look

    # -- starts

    def _start(self, look: Look, command: Command) -> Look:
        with self._here.db.reading() as connection:
            state = self._here.store.get(connection, look.execution_id)
        if state is None or state.is_over:
            self._here.conclude(look, [command], "refused", Change)
            return look
        aws = self._here.aws(look)
        try:
            members = command.sent.get("members") or self._members(aws, state, command)
            with self._here.transaction() as tx:
                self._here.ssm.sending(tx, command, self._here.clock(), {"members": members})
            answer = aws.call("ssm", "StartAutomationExecution", members)
        except (AwsRefused, NotExportable) as error:
            if isinstance(error, AwsRefused) and error.is_passing:
                raise
            message, now = f"AWS did not accept the start: {error}", self._here.clock()
            events = called(aws, look)
            self._here.conclude(look, [command], "refused", lambda each: lost(each, message, now), events)
            return look
        aws_id = str(answer["AutomationExecutionId"])
        event = Event("execution.accepted", state.id, data={"aws_id": aws_id, "document": members["DocumentName"]})
        events = called(aws, look)
        self._here.conclude(look, [command], "done", lambda each: _accepted(each, aws_id, event), events, aws_id=aws_id)
        return replace(look, aws_id=aws_id, pause=0.0, failing_since=None)

    def _members(self, aws: RecordingAws, state: Execution, command: Command) -> dict[str, Any]:
        """What the start says; a repetition says exactly the same, or AWS would take it for another wish."""
        reference = str(command.data.get("document") or "")
        if reference:
            place = named(reference)
        else:
            with self._here.db.reading() as connection:
                document = self._here.shelf.of(connection, state)
            place = ensure(aws, document)
        members: dict[str, Any] = {**place.members(), "ClientToken": client_token(state.id), "Mode": state.mode}
        if command.data.get("parameters"):
            members["Parameters"] = dict(command.data["parameters"])
        if state.tags:
            members["Tags"] = [{"Key": key, "Value": value} for key, value in state.tags.items()]
        return members

    # -- stops

    def _stop(self, look: Look, command: Command) -> None:
        aws = self._here.aws(look)
        with self._here.transaction() as tx:
            self._here.ssm.sending(tx, command, self._here.clock(), {})
        try:
            members = {"AutomationExecutionId": look.aws_id, "Type": str(command.data["type"])}
            aws.call("ssm", "StopAutomationExecution", members)
        except AwsRefused as error:
            if error.code != NOT_TO_BE_STOPPED:
                raise
            # A cancelled one is over already, and what AWS says of it next is the truth.
            if command.data["type"] == "Complete":
                sentence, events = f"AWS does not call it done: {error}", called(aws, look)
                self._here.conclude(look, [command], "refused", lambda state: noticed(state, sentence), events)
                return
        self._here.conclude(look, [command], "done", Change, called(aws, look))


def _goes_on(command: Command) -> bool:
    return command.kind == "signal" and command.data["type"] in GOING_ON


def _accepted(state: Execution, aws_id: str, event: Event) -> Change:
    return Change(replace(state, aws_id=aws_id, notice=""), (event,))
