"""The verbs of somebody who steers one execution: start or skip its next step, finish it, go on after a failure."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from audit.events import Actor
from engine.conductor import InvalidStatus
from engine.document import Document, Step
from engine.execution import Execution, Status
from engine.parameters import ParametersInvalid
from engine.protocol import Engine, ExecutionNotFound, StartOrder
from engine.resumption import CannotResume
from engine.shelf import DocumentShelf
from engine.signals import Signal, SignalRefused, SignalType
from engine.store import ExecutionStore
from infra.clock import Clock
from infra.db import Database, Transaction
from playbooks.access import Verb
from playbooks.guards import Guards
from playbooks.people import Identity, actor_of
from playbooks.playbook import Playbook
from playbooks.refusals import Refused
from playbooks.retry import retry_of
from playbooks.shelf import Shelf
from playbooks.starters import ACCOUNT

BRANCH: Final = "aws:branch"
NOT_SKIPPED: Final[Mapping[str, str]] = {
    "aws:approve": "asks people, and nobody may go past a question",
    "aws:executeAutomation": "runs another runbook, which may ask people, and nobody may go past a question",
    BRANCH: "decides where to go on, so without it there is no next step",
}


def next_after(document: Document, name: str) -> Step | None:
    """The step that would follow a step of the main list after its success."""
    names = [step.name for step in document.steps]
    if name not in names:
        return None
    spec = document.steps[names.index(name)]
    if spec.is_end:
        return None
    place = names.index(name) + 1
    following = spec.next_step or (names[place] if place < len(names) else "")
    return document.step(following) if following else None


def why_kept(spec: Step) -> str:
    """Why nobody may leave out a step, or a loop for what is in it; "" where they may."""
    inner = (each.action for each in spec.steps if each.action != BRANCH)
    return next((NOT_SKIPPED[action] for action in (spec.action, *inner) if action in NOT_SKIPPED), "")


def why_not_to(state: Execution, document: Document, target: str) -> str:
    """Why an execution that is held before a step may not be started at another one; "" where it may.

    What lies between is left out, so that it may lie ahead only, and behind no question.
    """
    spec, passed = document.step(state.upcoming or ""), list[str]()
    while spec is not None and spec.name != target and spec.name not in passed:
        why = why_kept(spec)
        if why:
            return f"step {spec.name} {why}"
        passed.append(spec.name)
        spec = next_after(document, spec.name)
    is_ahead = spec is not None and spec.name == target
    return "" if is_ahead else f"step {target} does not come after {state.upcoming or 'the last one'}"


def why_not_at_aws(state: Execution, document: Document, target: str) -> str:
    """Why an execution that AWS carries step by step may not be started at a step; "" for the one that comes next.

    AWS alone knows where branches and failures have led, so that nothing is left out there.
    """
    ended = [step for step in state.steps if document.step(step.name) is not None]
    if not ended:
        following = next(iter(document.steps), None)
    elif ended[-1].status is not Status.SUCCESS or ended[-1].action == BRANCH:
        return f"what comes after step {ended[-1].name} is known to AWS only, so start it there"
    else:
        following = next_after(document, ended[-1].name)
    if following is None:
        return "no step is left; end it with Complete"
    return (
        "" if target == following.name else f"step {following.name} comes next, and none is left out at AWS from here"
    )


def skip_to(state: Execution, document: Document) -> str | None:
    """What follows when the step that is waited for is left out ("" = nothing); None where it cannot be left out."""
    spec = document.step(state.upcoming) if state.phase == "held" and state.upcoming else None
    if spec is None or why_kept(spec):
        return None
    following = next_after(document, spec.name)
    return following.name if following else ""


def on_stop(state: Execution, document: Document) -> str:
    """The step that a stop would still run: the onCancel of the running one."""
    spec = document.step(state.step.name) if state.step and not state.is_over else None
    return spec.on_cancel.removeprefix("step:") if spec and spec.on_cancel.startswith("step:") else ""


@dataclass(frozen=True)
class Steering:
    """Each verb is one transaction. `controllable` gives the execution if this person may steer it."""

    db: Database
    executions: ExecutionStore
    engine: Engine
    catalog: Shelf
    clock: Clock
    guards: Guards
    controllable: Callable[[str, Identity, Verb], Execution]

    def run_step(self, execution_id: str, by: Identity, step: str) -> None:
        """Start the next step, which is the one that was shown. Raises Refused, NotAllowed (audited)."""
        self.controllable(execution_id, by, "resume")
        with self.guards.audited(), _refusing(), self.db.transaction() as tx:
            state = self._held(tx, execution_id, step)
            self.guards.not_paused(tx, actor_of(by), f"run a step of {state.id}", subject=state.id)
            self.engine.signal(tx, state.id, Signal(SignalType.START_STEP, actor_of(by)))

    def skip_step(self, execution_id: str, by: Identity, step: str) -> str:
        """Leave the next step out and start the one after it, whose name is returned ("" = there was none).

        Raises Refused, NotAllowed (audited).
        """
        self.controllable(execution_id, by, "resume")
        with self.guards.audited(), _refusing(), self.db.transaction() as tx:
            state = self._held(tx, execution_id, step)
            document = DocumentShelf(self.executions).of(tx, state)
            spec = document.step(step)
            why = why_kept(spec) if spec else "is not known"
            if why:
                raise Refused(f"`{step}` cannot be skipped: it {why}.")
            following = next_after(document, step)
            self.guards.not_paused(tx, actor_of(by), f"skip a step of {state.id}", subject=state.id)
            if following is None:
                self.engine.stop(tx, state.id, actor_of(by), "Complete")
                return ""
            payload = {"StepName": following.name}
            self.engine.signal(tx, state.id, Signal(SignalType.START_STEP, actor_of(by), payload=payload))
            return following.name

    def run_on(self, execution_id: str, by: Identity) -> None:
        """Let the remaining steps run without asking. Raises Refused, NotAllowed (audited)."""
        self.controllable(execution_id, by, "resume")
        with self.guards.audited(), _refusing(), self.db.transaction() as tx:
            state = self._held(tx, execution_id, None)
            self.guards.not_paused(tx, actor_of(by), f"resume {state.id}", subject=state.id)
            self.engine.signal(tx, state.id, Signal(SignalType.RESUME, actor_of(by)))

    def finish(self, execution_id: str, by: Identity) -> None:
        """Call an execution done whose steps are all done. Raises Refused, NotAllowed (audited)."""
        self.controllable(execution_id, by, "resume")
        with _refusing(), self.db.transaction() as tx:
            state = self._held(tx, execution_id, None)
            if state.upcoming is not None:
                raise Refused(f"Step `{state.upcoming}` is still to come.")
            self.engine.stop(tx, state.id, actor_of(by), "Complete")

    def retry(self, execution_id: str, by: Identity, *, said_in: str) -> str:
        """Go on from the step that failed, in a new execution, whose id is returned. One failure has one retry.

        `said_in` is the channel where it is asked for, which access rules may speak of.
        Raises Refused, NotAllowed (audited).
        """
        with self.db.reading() as connection:
            state = self.executions.get(connection, execution_id)
        if state is None:
            raise Refused(f"There is no execution `{execution_id}`.")
        playbook = self.catalog.get(str(state.context.get("playbook") or ""))
        order = self._retry_order(state, playbook, actor_of(by))
        order = replace(order, context={**order.context, ACCOUNT: by.account})
        if playbook is None:
            raise Refused("The playbook that started it is not here any more.")
        with self.guards.audited(), self.db.transaction() as tx:
            try:
                return self.guards.start(tx, playbook, order, by, said_in=said_in)
            except ParametersInvalid as error:
                raise Refused(f"{playbook.name} does not take the earlier values any more: {error}") from error

    def _retry_order(self, state: Execution, playbook: Playbook | None, actor: Actor) -> StartOrder:
        with self.db.reading() as connection:
            document = DocumentShelf(self.executions).of(connection, state)
        try:
            return retry_of(state, document, playbook, actor, self.clock())
        except CannotResume as error:
            raise Refused(f"It cannot be retried from where it failed. {error}") from error

    def _held(self, tx: Transaction, execution_id: str, step: str | None) -> Execution:
        """The execution that waits for somebody to start its next step. Raises Refused."""
        claimed = self.executions.lock(tx, execution_id)
        state = claimed.execution if claimed else None
        if state is None or state.phase != "held":
            raise Refused("It does not wait for a step to be started; nothing was done.")
        if step is not None and state.upcoming != step:
            coming = f"`{state.upcoming}`" if state.upcoming else "none"
            raise Refused(f"Step `{step}` is not the next one any more ({coming} is); nothing was done.")
        return state


@contextmanager
def _refusing() -> Iterator[None]:
    """What the engine refuses is refused in the person's words."""
    try:
        yield
    except (SignalRefused, ExecutionNotFound, InvalidStatus) as error:
        raise Refused(f"Nothing was done: {error}.") from error
