"""Random runbooks of every kind of flow, and fates for their steps; for properties that hold of all."""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from engine.action import Failed, Outcome, Succeeded, Waiting
from engine.document import Document
from engine.signals import SignalType
from engine.validation import parse
from infra.canonical import Json
from tests.conformance.oracle_flow import Ran
from tests.engine.worlds import World

LETTERS: Final = ("a", "b", "c")
MOST_MOVES: Final = 5000
Fate = str
FATES: Final = ("good", "good", "bad", "final", "hang", "wait")


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Json]:
    """The tree of a document whose jumps lead onward, so that it has no circle."""
    count = draw(st.integers(2, 6))
    names = [f"s{index}" for index in range(count)]
    steps: list[Json] = [draw(_steps(name, names[index + 1 :], is_inner=False)) for index, name in enumerate(names)]
    return {
        "schemaVersion": "0.3",
        "variables": {"V": {"type": "String", "default": draw(st.sampled_from(LETTERS))}},
        "mainSteps": steps,
    }


@st.composite
def _steps(draw: st.DrawFn, name: str, later: list[str], *, is_inner: bool, body: tuple[str, ...] = ()) -> Json:
    kinds = ["scripted", "scripted", "scripted", "sleep", "updateVariable"]
    kinds += ["branch"] if later else []
    kinds += [] if is_inner else ["loop", "pause"]
    kind = draw(st.sampled_from(kinds))
    step: dict[str, Json] = {"name": name, "action": f"aws:{kind}", "inputs": draw(_inputs(kind, name, later))}
    target = st.sampled_from(later) if later else None
    if target is not None and draw(st.booleans()):
        step["nextStep"] = draw(target)
    elif draw(st.integers(0, 3)) == 0:
        step["isEnd"] = draw(st.sampled_from([True, "true"]))
    failures = ["Abort", "Continue", "continue", *(f"step:{each}" for each in later)]
    if kind != "loop" and draw(st.booleans()):
        step["onFailure"] = draw(st.sampled_from(failures))
    if draw(st.integers(0, 2)) == 0:
        step["isCritical"] = draw(st.sampled_from([True, False, "false"]))
    if draw(st.integers(0, 2)) == 0:
        step["maxAttempts"] = draw(st.integers(1, 3))
    return step


@st.composite
def _inputs(draw: st.DrawFn, kind: str, name: str, later: list[str]) -> Json:
    letter = st.sampled_from(LETTERS)
    match kind:
        case "sleep":
            return {"Duration": "PT5S"}
        case "updateVariable":
            return {"Name": "variable:V", "Value": draw(letter)}
        case "branch":
            choices: list[Json] = [
                {"NextStep": target, "Variable": "{{ variable:V }}", "StringEquals": draw(letter)}
                for target in draw(st.lists(st.sampled_from(later), min_size=1, max_size=3))
            ]
            default = draw(st.sampled_from([None, *later]))
            return {"Choices": choices, "Default": default} if default else {"Choices": choices}
        case "loop":
            inner = [f"{name}x{index}" for index in range(draw(st.integers(1, 3)))]
            steps: list[Json] = [
                draw(_steps(each, [*inner[index + 1 :], *later], is_inner=True)) for index, each in enumerate(inner)
            ]
            limit: dict[str, Json] = {"MaxIterations": draw(st.integers(1, 3))}
            if draw(st.booleans()):
                items: list[Json] = [*draw(st.lists(letter, max_size=3))]
                return {"Iterators": items, "Steps": steps, **limit}
            condition: Json = {"Variable": "{{ variable:V }}", "StringEquals": draw(letter)}
            return {"LoopCondition": condition, "Steps": steps, **limit}
    return {}


fates = st.dictionaries(
    st.sampled_from([f"s{index}" for index in range(6)] + [f"s{i}x{j}" for i in range(6) for j in range(3)]),
    st.lists(st.sampled_from(FATES), min_size=1, max_size=4),
    max_size=12,
)
"""Step -> what becomes of its attempts in turn, again and again; the others succeed."""


class _Endless(list[Outcome]):
    """Outcomes that never run out."""

    def __init__(self, kinds: list[Fate], world: "Played") -> None:
        super().__init__([Succeeded()])
        self._kinds: Iterator[Fate] = itertools.cycle(kinds)
        self._world = world

    def pop(self, index: object = 0) -> Outcome:
        """The next one."""
        until = self._world.now + timedelta(seconds=5)
        outcomes: dict[Fate, Outcome] = {
            "good": Succeeded({"Out": "x"}),
            "bad": Failed("it broke"),
            "final": Failed("it broke for good", is_final=True),
            "hang": Waiting(until=self._world.now + timedelta(days=400), memo={"n": 1}),
            "wait": Waiting(until=until, memo={"n": 1}),
        }
        return outcomes[next(self._kinds)]


@dataclass
class Played(World):
    """One random execution; time leaps to what is due next, people resume what pauses."""

    chosen: Mapping[str, list[Fate]] | None = None

    def __post_init__(self) -> None:
        for step in self.document.all_steps():
            self.outcomes[step.name] = _Endless((self.chosen or {}).get(step.name, ["good"]), self)
        super().__post_init__()

    def to_the_end(self, *, cancel_after: int | None = None) -> None:
        """Play until it is over. Raises AssertionError when it does not end."""
        for move in range(MOST_MOVES):
            if self.state.is_over:
                return
            if move == cancel_after:
                self.cancel()
                continue
            self.play()
            if self.state.is_over:
                return
            if self.state.phase == "signal":
                self.signal(SignalType.RESUME)
            elif self.state.due_at is not None:
                self.now = max(self.now, self.state.due_at)
            else:
                raise AssertionError(f"nothing can move it: {self.state.phase}")
        raise AssertionError("it does not end")

    @property
    def record(self) -> list[Ran]:
        """What the second reading of the rules needs to know."""
        return [Ran(step.name, str(step.status), step.inputs, step.outputs) for step in self.state.steps]


def document_of(tree: Mapping[str, Any]) -> Document:
    """The document of a tree."""
    return parse(json.dumps(tree), name="Random")


def played(tree: Mapping[str, Any], chosen: Mapping[str, list[Fate]], *, cancel_after: int | None = None) -> Played:
    """A document played to its end."""
    document = document_of(tree)
    variables = {name: variable.default for name, variable in document.variables.items()}
    world = Played(document, variables=variables, chosen=chosen)  # type: ignore[arg-type]  # all have a default
    world.to_the_end(cancel_after=cancel_after)
    return world
