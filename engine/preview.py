"""A runbook walked without running it: the steps that would run, their calls, and what would be lost.

Everything that questions can answer is asked; the rest is said to be unknown, and both sides of what cannot be decided
are walked. Nothing is changed: the only AWS that this has is engine/preview_aws.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from engine.action import Action
from engine.document import CONTINUE, MISSING, Document, Missing, Step
from engine.edges import EdgeKind, choices_of, edges
from engine.graph import Kind, condition_words, kind_of_step
from engine.parameters import ParametersInvalid, bind, initial_variables
from engine.performing import assumed_role
from engine.preview_aws import LookingAws
from engine.preview_result import Failing, Preview, PreviewStep, Reach
from engine.preview_state import UNTOLD, Known, met, verdict
from engine.preview_steps import Effect, StepPreview
from infra.canonical import Json

DEEPEST: Final = 5
"""Levels of nested automations (SSM quota)."""
MOST_CHILDREN: Final = 30
"""Runbooks that are previewed within one preview: each may start several, and these again."""
MOST_ITERATIONS: Final = 5
"""Iterations of a loop that are shown one by one."""
OTHERWISE: Final = "otherwise"
Documents = Callable[[str, str], Document | None]
"""Finds a runbook by name and version; None = it cannot be had."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a preview may consult."""

    aws: LookingAws
    actions: Mapping[str, Action[Any]]
    now: datetime
    documents: Documents = lambda _name, _version: None


@dataclass
class _Allowance:
    """How many children may still be previewed."""

    children: int = MOST_CHILDREN


def preview(document: Document, supplied: Mapping[str, Json], around: Surroundings) -> Preview:
    """Walk a document as it would run. Raises ParametersInvalid."""
    return _preview(document, supplied, around, depth=1, allowance=_Allowance())


def _preview(
    document: Document, supplied: Mapping[str, Json], around: Surroundings, *, depth: int, allowance: _Allowance
) -> Preview:
    system = {
        "global:DATE": f"{around.now:%Y-%m-%d}",
        "global:DATE_TIME": f"{around.now:%Y-%m-%d_%H.%M.%S}",
        "global:REGION": around.aws.region,
        "global:ACCOUNT_ID": around.aws.account,
        "global:AWS_PARTITION": around.aws.partition,
    }
    told = {**system, UNTOLD: "(made when it runs)"}
    parameters = bind(document, supplied, system=told, parameter_store=around.aws.parameter)
    variables = initial_variables(document, parameters, system=told)
    names = frozenset(step.name for step in document.all_steps())
    known = Known(parameters, system, names, variables=variables)
    walk = _Walk(document, around, depth, allowance)
    ends, _ = walk.along(document.steps, _Arrival(known, Reach.SURE))
    walk.ends += [("Success", end.reach, end.source) for end in ends]
    reached = {step.name for step in walk.steps}
    missed = tuple(step.name for step in document.all_steps() if step.name not in reached)
    role = assumed_role(document, parameters, told)
    return Preview(document, parameters, tuple(walk.steps), missed, tuple(dict.fromkeys(walk.ends)), role)


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One way of coming to a step."""

    known: Known
    reach: Reach
    why: str = ""
    source: str = ""


def _merged(arrivals: Sequence[_Arrival]) -> _Arrival:
    best = max(each.reach for each in arrivals)
    whys = dict.fromkeys(each.why for each in arrivals if each.why)
    why = "" if best is Reach.SURE else ", or ".join(whys)
    return _Arrival(met(each.known for each in arrivals), best, why)


class _Walk:
    """One document; `steps` and `ends` fill as it goes."""

    def __init__(self, document: Document, around: Surroundings, depth: int, allowance: _Allowance) -> None:
        self._document, self._around, self._depth, self._allowance = document, around, depth, allowance
        self._looking = StepPreview(document, around.actions, around.aws, around.now)
        self._order = _ordered(document)
        self._inside: tuple[str, int] = ("", 0)
        self.steps: list[PreviewStep] = []
        self.ends: list[tuple[str, Reach, str]] = []

    def along(self, steps: Sequence[Step], entry: _Arrival) -> tuple[list[_Arrival], dict[str, list[_Arrival]]]:
        """Walk a list of steps: how it ends, and where it jumps out of the list."""
        names = {step.name for step in steps}
        arrivals: dict[str, list[_Arrival]] = defaultdict(list)
        arrivals[steps[0].name].append(entry)
        ends: list[_Arrival] = []
        exits: dict[str, list[_Arrival]] = defaultdict(list)
        for step in sorted(steps, key=lambda each: self._order[each.name]):
            if not arrivals[step.name]:
                continue
            for target, arrival in self._ways(step, _merged(arrivals[step.name]), steps):
                if target is None:
                    ends.append(replace(arrival, source=step.name))
                else:
                    (arrivals if target in names else exits)[target].append(arrival)
        return ends, exits

    def _ways(self, step: Step, at: _Arrival, steps: Sequence[Step]) -> Iterator[tuple[str | None, _Arrival]]:
        """Where the flow goes from a step, and with what."""
        index = next(i for i, each in enumerate(steps) if each.name == step.name)
        following = steps[index + 1].name if index + 1 < len(steps) else None
        onward = None if step.is_end else step.next_step or following
        if step.action == "aws:branch":
            yield from self._branch(step, at, onward)
            return
        if step.action == "aws:loop":
            yield from self._loop(step, at, onward)
            return
        effect = self._looking.look(step, at.known)
        self._note(step, at, effect)
        if effect.fails is not Failing.SURELY:
            yield onward, replace(at, known=effect.after)
        if effect.fails is not Failing.NO:
            yield from self._failed(step, at, effect, onward)

    def _failed(
        self, step: Step, at: _Arrival, effect: Effect, onward: str | None
    ) -> Iterator[tuple[str | None, _Arrival]]:
        """Where a failure leads: nowhere, on, or to another step."""
        is_sure = effect.fails is Failing.SURELY
        reach = at.reach if is_sure else Reach.ON_FAILURE
        why = at.why if is_sure else f"if {step.name} fails"
        known = at.known.changed() if effect.calls else at.known
        if step.on_failure == CONTINUE:
            yield onward, _Arrival(known, at.reach, at.why)
        elif step.on_failure.startswith("step:"):
            yield step.on_failure.removeprefix("step:"), _Arrival(known, reach, why)
            if is_sure and step.is_critical:
                self.ends.append(("Failed", reach, step.name))
        elif is_sure:
            self.ends.append(("Failed", reach, step.name))

    def _note(self, step: Step, at: _Arrival, effect: Effect) -> None:
        loop, iteration = self._inside
        outputs = {} if step.name in effect.after.open else effect.after.outputs.get(step.name, {})
        child = self._child(effect)
        says = effect.says
        if step.action == "aws:executeAutomation" and child is None and effect.fails is not Failing.SURELY:
            says = (*says, "that runbook is not looked into here: preview it by itself")
        self.steps.append(
            PreviewStep(
                step.name, step.action, at.reach, at.why, effect.fails, says, effect.calls, outputs, effect.unknown,
                loop, iteration, child,
            )
        )  # fmt: skip

    def _child(self, effect: Effect) -> Preview | None:
        if effect.child is None or self._depth >= DEEPEST or self._allowance.children <= 0:
            return None
        self._allowance.children -= 1
        name, version, parameters = effect.child
        document = self._around.documents(name, version)
        if document is None:
            return None
        try:
            return _preview(document, parameters, self._around, depth=self._depth + 1, allowance=self._allowance)
        except ParametersInvalid:
            return None

    # -- branches

    def _branch(self, step: Step, at: _Arrival, onward: str | None) -> Iterator[tuple[str | None, _Arrival]]:
        """The choices in order: up to the first that holds, and every one that nobody can decide yet."""
        says: list[str] = []
        ways: list[tuple[str | None, str]] = []
        is_open = False
        for choice in choices_of(step):
            condition: dict[str, Json] = {key: value for key, value in choice.items() if key != "NextStep"}
            found = verdict(condition, at.known)
            words = condition_words(condition)
            target: str | None = str(choice.get("NextStep"))
            said = {True: "yes", False: "no", None: "only the run will tell"}[found]
            says.append(
                f"{words}: {said}{_values(condition, at.known)}" + (f" → {target}" if found is not False else "")
            )
            if found is not False:
                ways.append((target, words))
            is_open = is_open or found is None
            if found:
                break
        else:
            default = step.inputs.get("Default")
            target = str(default) if default is not None else onward
            says.append(f"{OTHERWISE} → {target or 'the end'}")
            ways.append((target, OTHERWISE))
        unknown = at.known.unknown_in(dict(step.inputs))
        after = at.known.gave_something(step.name)
        self._note(step, at, Effect(after, Failing.NO, tuple(says), unknown=unknown if is_open else ()))
        for target, words in ways:
            reach = min(at.reach, Reach.MAYBE) if is_open else at.reach
            why = f"if no choice of {step.name} holds" if words == OTHERWISE else f"if {words}"
            yield target, _Arrival(after, reach, why if is_open and at.reach is Reach.SURE else at.why)

    # -- loops

    def _loop(self, step: Step, at: _Arrival, onward: str | None) -> Iterator[tuple[str | None, _Arrival]]:
        items = self._items(step, at.known)
        outer = self._inside
        if items is not None and len(items) <= MOST_ITERATIONS:
            self._note(step, at, Effect(at.known, says=(f"{len(items)} iterations: {items}",)))
            rounds: list[tuple[int, Json]] = list(enumerate(items, start=1))
        else:
            said = f"{len(items)} iterations" if items is not None else "how often it repeats, only the run will tell"
            condition = step.inputs.get("LoopCondition")
            said = f"repeats while {condition_words(condition)}" if isinstance(condition, dict) else said
            self._note(step, at, Effect(at.known, says=(said,)))
            at = replace(at, known=_any_iteration(step, at.known))
            rounds = [(0, None)]
        ends = [at]
        for number, item in rounds:
            entry = _merged(ends)
            if number:
                values = {"CurrentIteration": number, "CurrentIteratorValue": item}
                entry = replace(entry, known=entry.known.gave(step.name, values))
            self._inside = (step.name, number)
            ends, exits = self.along(step.steps, entry)
            for target, arrivals in exits.items():
                for arrival in arrivals:
                    yield target, arrival
            if not ends:
                break
        self._inside = outer
        if ends:
            yield onward, _merged(ends)

    def _items(self, step: Step, known: Known) -> list[Json] | None:
        """The items of a for-each, where they are known."""
        raw = step.inputs.get("Iterators")
        if raw is None or known.unknown_in(raw) or known.is_doubtful_in(raw):
            return None
        found = known.resolve(raw)
        if isinstance(found, Missing) or found is None:
            return []
        return found if isinstance(found, list) else [found]


def _any_iteration(step: Step, known: Known) -> Known:
    """What holds in every iteration: nothing that an earlier one may have set or changed."""
    found = known.gave_something(step.name)
    for inner in step.steps:
        if inner.action == "aws:updateVariable":
            name = str(inner.inputs.get("Name") or "").strip(" {}").removeprefix("variable:")
            found = found.with_variable(name, MISSING)
    changes = any(kind_of_step(inner) in (Kind.CHANGES, Kind.RUNS) for inner in step.steps)
    return found.changed() if changes or known.has_changed else found


def _values(condition: Mapping[str, Json], known: Known) -> str:
    """The values that a condition compares, where they are known and not written in it."""
    variable = condition.get("Variable")
    if not isinstance(variable, str) or "{{" not in variable or known.unknown_in(variable):
        return ""
    found = known.resolve(variable)
    return " (it has no value)" if isinstance(found, Missing) else f" (now: {found})"


def _ordered(document: Document) -> dict[str, int]:
    """A number for each step, larger than those of all steps that may lead to it."""
    homes = {inner.name: step.name for step in document.steps for inner in step.steps}
    before: dict[str, set[str]] = {step.name: set() for step in document.all_steps()}
    for edge in edges(document):
        if edge.target is None or edge.kind in (EdgeKind.CANCEL, EdgeKind.AGAIN, EdgeKind.BODY):
            continue
        is_same_list = homes.get(edge.source) == homes.get(edge.target)
        before[edge.target].add(edge.source if is_same_list else homes.get(edge.source, edge.source))
    order: dict[str, int] = {}
    waiting = [step.name for step in document.all_steps()]
    while waiting:
        ready = [name for name in waiting if before[name] <= order.keys()] or waiting[:1]
        for name in ready:
            order[name] = len(order)
        waiting = [name for name in waiting if name not in order]
    return order
