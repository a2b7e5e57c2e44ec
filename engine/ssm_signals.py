"""Giving signals to the step that waits at AWS: looked at before each is sent, and longer before one is sent again.

SendAutomationSignal has no ClientToken and is addressed to the execution, not to a step: a late Approve could land on
the next gate. So what a signal would change is read first. One whose answer got lost has arrived when that has changed;
it has not when AWS, which is eventually consistent, shows no change for long enough in both of its ways to tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from audit.events import Actor, Event
from engine.execution import Change, Execution
from engine.guarded_aws import RecordingAws
from engine.ssm import ANSWERS
from engine.ssm_reading import Told, approvers, begun, is_said_to_wait, minimum, principal, read, waiting
from engine.ssm_store import Command, Look
from engine.ssm_telling import Telling, called
from infra.aws_errors import AwsRefused
from infra.canonical import Json

SETTLE: Final = timedelta(seconds=15)
"""How long AWS's answers may be behind: so long after a signal, and once more, no trace of it must be found."""
LONGEST_COMMENT: Final = 500


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: whose commands it carries out, the role that signs it ("" = our own), what AWS shows before it."""

    commands: Sequence[Command]
    role: str = ""
    before: Mapping[str, Json] = field(default_factory=dict)


class Signaller:
    """Gives the signals of one execution. Raises NotLeading, AwsRefused and AwsUnreachable."""

    def __init__(self, here: Telling) -> None:
        self._here = here

    def give(self, look: Look, wanted: Sequence[Command]) -> Sequence[Command]:
        """Give the first ones; those dealt with are returned, none while AWS is still to be waited for."""
        aws, first = self._here.aws(look), wanted[0]
        execution = read(aws, look.aws_id)
        if first.data["type"] not in ANSWERS:
            return self._steer(look, first, begun(execution))
        batch = [each for each in wanted if _is_same_gate(each, first)]
        gate = waiting(execution, str(first.data["step_execution_id"]))
        return self._gone(look, batch, execution) if gate is None else self._answer(look, aws, batch, gate)

    # -- to an execution that is gone through step by step

    def _steer(self, look: Look, command: Command, steps: list[Json]) -> Sequence[Command]:
        """Start or stop a step; never twice, as nothing tells a step begun late from one begun again."""
        if command.sent_at is None:
            return self._send(look, [_Call([command], before={"steps": steps})])
        if steps != command.sent.get("steps", steps):
            self._accepted(look, [command])
        elif self._here.clock() - command.sent_at < 2 * SETTLE:
            return ()
        else:
            self._refused(look, [command], "AWS did not answer, and nothing has changed since; ask again if it should")
        return [command]

    # -- to a gate

    def _answer(self, look: Look, aws: RecordingAws, batch: Sequence[Command], gate: Told) -> Sequence[Command]:
        arrived = [each for each in batch if self._is_shown(each, approvers(gate))]
        if arrived:
            self._accepted(look, arrived)
            return arrived
        if any(each.sent_at is not None and self._is_in_doubt(look, aws, each) for each in batch):
            return ()
        calls = self._calls(look, batch, gate)
        if calls is None:
            wanted = f"AWS wants {minimum(gate)} approvals by different identities for this step"
            remedy = "give the approvers roles of their own (people: signs_as), or lower MinRequiredApprovals"
            self._refused(look, batch, f"{wanted}; {remedy}")
            return batch
        counted = enumerate(calls, start=len(approvers(gate)))
        return self._send(look, [replace(call, before={"approvals": number}) for number, call in counted])

    def _is_shown(self, command: Command, shown: Sequence[str]) -> bool:
        """Whether AWS shows the approval: under the person's own name, or as one more than before it was sent."""
        if command.data["type"] != "Approve":
            return False
        is_one_more = command.sent_at is not None and len(shown) > command.sent.get("approvals", len(shown))
        return is_one_more or principal(self._role(command)) in shown

    def _is_in_doubt(self, look: Look, aws: RecordingAws, command: Command) -> bool:
        """Whether a signal that AWS shows no trace of may have arrived all the same."""
        now, doubted = self._here.clock(), command.sent.get("doubted_at")
        if now - (command.sent_at or now) < SETTLE:
            return True
        if doubted is None:
            with self._here.transaction() as tx:
                self._here.ssm.doubted(tx, command, now)
            return True
        is_long_ago = now - datetime.fromisoformat(doubted) >= SETTLE
        return not (is_long_ago and is_said_to_wait(aws, look.aws_id, str(command.data["step"])))

    def _calls(self, look: Look, batch: Sequence[Command], gate: Told) -> list[_Call] | None:
        """Each identity once, as many as AWS still wants; None when there are people enough, but not identities."""
        if batch[0].data["type"] != "Approve" or minimum(gate) <= 1:
            return [_Call(batch)]
        with self._here.db.reading() as connection:
            done = self._here.ssm.commands(connection, look.execution_id, "done")
        given = {self._role(each) for each in done if _is_same_gate(each, batch[0])}
        missing = max(minimum(gate) - max(len(approvers(gate)), len(given)), 1)
        signers: dict[str, list[Command]] = {}
        for each in sorted(batch, key=lambda each: self._role(each) == ""):
            signers.setdefault(self._role(each), []).append(each)
        fresh = [role for role in signers if role not in given]
        if len(fresh) < min(missing, len(batch)):
            return None
        *others, last = [_Call(signers.pop(role), role) for role in fresh[:missing]]
        further = [each for commands in signers.values() for each in commands]
        return [*others, replace(last, commands=[*last.commands, *further])]

    def _role(self, command: Command) -> str:
        return self._here.signer(_actor(command))

    def _send(self, look: Look, calls: Sequence[_Call]) -> Sequence[Command]:
        done: list[Command] = []
        for call in calls:
            aws, kind = self._here.aws(look, call.role), str(call.commands[0].data["type"])
            self._sending(call)
            members = {"AutomationExecutionId": look.aws_id, "SignalType": kind, "Payload": _payload(call.commands)}
            try:
                aws.call("ssm", "SendAutomationSignal", members)
            except AwsRefused as error:
                self._unless_final(call.commands, error)
                self._refused(look, call.commands, str(error), called(aws, look))
            else:
                self._accepted(look, call.commands, called(aws, look))
            done += call.commands
        return done

    def _sending(self, call: _Call) -> None:
        with self._here.transaction() as tx:
            for command in call.commands:
                self._here.ssm.sending(tx, command, self._here.clock(), call.before)

    def _unless_final(self, commands: Sequence[Command], error: AwsRefused) -> None:
        """Raise the refusal again where it does not answer the signal; what was not let in has not arrived."""
        if error.is_trouble_of_aws:
            raise error
        if not (error.is_passing or error.is_denied):
            return
        with self._here.transaction() as tx:
            for command in commands:
                self._here.ssm.unsent(tx, command)
        raise error

    def _gone(self, look: Look, batch: Sequence[Command], execution: Told) -> Sequence[Command]:
        """The step waits no more: our signal has arrived after all, or somebody else was quicker."""
        sent = [command for command in batch if command.sent_at is not None]
        late = [command for command in batch if command.sent_at is None]
        if sent:
            self._accepted(look, sent, change=Change)
        if late:
            status = execution.get("AutomationExecutionStatus")
            self._refused(look, late, f"the step does not wait any more (the execution is {status})")
        return batch

    # -- what became of it

    def _accepted(
        self, look: Look, commands: Sequence[Command], events: Sequence[Event] = (), *, change: Any = None
    ) -> None:
        told = [_told(look, "signal.accepted", command) for command in commands]
        self._here.conclude(look, commands, "done", change or _taken, [*events, *told])

    def _refused(self, look: Look, commands: Sequence[Command], reason: str, events: Sequence[Event] = ()) -> None:
        told = [_told(look, "signal.refused", command, reason=reason) for command in commands]
        sentence = f"The answer did not reach the step: {reason}."
        self._here.conclude(look, commands, "refused", lambda state: noticed(state, sentence), [*events, *told])


def _is_same_gate(one: Command, other: Command) -> bool:
    names = ("type", "step_execution_id")
    return one.kind == other.kind and all(one.data.get(name) == other.data.get(name) for name in names)


def _taken(state: Execution) -> Change:
    """The running step says how far the answer has come: AWS has it, and has not acted on it yet."""
    step, say = state.step, "AWS has taken the answer"
    if step is None:
        return Change(state)
    steps = tuple(replace(each, say=say) if each.id == step.id else each for each in state.steps)
    return Change(replace(state, steps=steps))


def noticed(state: Execution, notice: str) -> Change:
    """The state with a sentence for its card; none where all is over."""
    return Change(state if state.is_over else replace(state, notice=notice))


def _told(look: Look, name: str, command: Command, *, reason: str = "") -> Event:
    data: dict[str, Json] = {
        "signal": command.data["type"],
        "step": command.data["step"],
        "step_execution_id": command.data["step_execution_id"],
    }
    return Event(name, look.execution_id, _actor(command), {**data, **({"reason": reason} if reason else {})})


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
