"""A tiny engine world for conductor tests: scripted actions, documents made of step tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from audit.events import Actor, Event
from engine import conductor
from engine.action import Action, ActionContext, ActionInputs, Failed, Outcome, Succeeded, Waiting
from engine.actions import BY_NAME
from engine.document import Document, Parameter, Step
from engine.execution import Change, Execution
from engine.rules import Rules
from engine.signals import Signal, SignalType
from infra.canonical import Json, digest

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LEE = Actor("person", "person:lee", "Lee")


class AnyInputs(ActionInputs):
    """Takes everything."""

    model_config = ConfigDict(extra="allow", alias_generator=None)


class Scripted(Action[AnyInputs]):
    """An action whose outcomes the test hands out through the conductor's `report`."""

    name: ClassVar[str] = "aws:scripted"
    impact: ClassVar[Literal["Mutating", "NonMutating", "Undetermined"]] = "Mutating"
    Inputs: ClassVar[type[ActionInputs]] = AnyInputs
    default_timeout = timedelta(hours=1)

    def run(self, inputs: AnyInputs, context: ActionContext) -> Outcome:
        """Never called: the test reports."""
        raise AssertionError("the conductor must not run an impure action")


class Stoppable(Scripted):
    """A scripted action that has something of its own to cancel."""

    name: ClassVar[str] = "aws:stoppable"

    def cancel(self, inputs: AnyInputs, context: ActionContext) -> None:
        """Something to stop."""


ACTIONS: Mapping[str, Action[Any]] = {**BY_NAME, "aws:scripted": Scripted(), "aws:stoppable": Stoppable()}


def step(name: str, action: str = "aws:scripted", **fields: Any) -> Step:
    """A step, scripted unless said otherwise."""
    fields.setdefault("is_critical", fields.get("on_failure", "Abort") != "Continue")
    return Step(name, action, **fields)


def runbook(*steps: Step, outputs: Sequence[str] = (), variables: Mapping[str, Parameter] | None = None) -> Document:
    """A document of these steps."""
    text = digest([repr(step) for step in steps])
    return Document("Test", text, digest(text), tuple(steps), outputs=tuple(outputs), variables=variables or {})


@dataclass
class World:
    """Plays one execution: every call is answered from `outcomes` (step name -> outcomes in order)."""

    document: Document
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    mode: Literal["Auto", "Interactive"] = "Auto"
    now: datetime = NOON
    hold: str = ""
    parameters: Mapping[str, Json] = field(default_factory=dict)
    variables: Mapping[str, Json] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    began: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        state = Execution(
            "11111111-1111-4111-8111-111111111111", "Test", "1", self.document.digest, self.parameters, LEE,
            "eu-west-1", "123456789012", mode=self.mode, variables=self.variables,
        )  # fmt: skip
        self.state = state
        self.keep(conductor.start(state, self.rules, actor=LEE))

    @property
    def rules(self) -> Rules:
        """Rules at this moment, without pauses between attempts."""
        return Rules(self.document, ACTIONS, self.now, backoff=lambda _: timedelta(0), hold=self.hold)

    def keep(self, change: Change) -> None:
        """Adopt a change."""
        self.state = change.state
        self.events += change.events
        self.began += [str(event.data["step"]) for event in change.events if event.name == "step.started"]

    def play(self) -> Execution:
        """Run until nothing is due."""
        for _ in range(1000):
            self.keep(conductor.advance(self.state, self.rules))
            call = conductor.wants(self.state)
            if call is None:
                if conductor.is_due(self.state, self.now):
                    continue
                return self.state
            scripted = self.outcomes.get(call.step.name, [])
            if call.kind == "run" and not scripted:
                return self.state
            outcome = scripted.pop(0) if call.kind == "run" else None
            self.keep(conductor.report(self.state, call.id, outcome, self.rules))
        raise AssertionError("the execution does not come to rest")

    def later(self, **delta: float) -> Execution:
        """Let time pass, then play on."""
        self.now += timedelta(**delta)
        return self.play()

    def signal(self, kind: SignalType, **payload: str) -> Execution:
        """Give a signal, then play on."""
        self.keep(conductor.receive(self.state, Signal(kind, LEE, "", payload), self.rules))
        return self.play()

    def cancel(self) -> Execution:
        """Stop it, then play on."""
        self.keep(conductor.stop(self.state, LEE, self.rules))
        return self.play()

    @property
    def statuses(self) -> dict[str, str]:
        """Latest status of every step that began."""
        return {step.name: str(step.status) for step in self.state.steps}


OK = Succeeded()
BAD = Failed("it broke")
FINAL_BAD = Failed("no", is_final=True)


def poll(world_now: datetime, seconds: int = 5) -> Waiting:
    """Look again in a while."""
    return Waiting(until=world_now + timedelta(seconds=seconds), memo={"polls": 1})
