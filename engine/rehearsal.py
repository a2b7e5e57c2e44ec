"""Plays a runbook with canned outcomes, without AWS and without waiting, and says what was not as expected.

The conductor and the actions are the real ones; only AWS's answers, people's words and the clock are made up. Time
leaps to the next moment at which something is due, so an hour's wait costs nothing.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from audit.events import Actor
from engine import conductor
from engine.action import Action, Failed, Outcome, Succeeded, Waiting
from engine.canned_aws import ACCOUNT, REGION, Behind, CannedAws, Made
from engine.conductor import Call
from engine.document import MISSING, Document, Problem
from engine.execution import Change, Execution
from engine.expressions import references
from engine.parameters import ParametersInvalid, bind, initial_variables
from engine.performing import Performer, assumed_role
from engine.rehearsal_file import Ends, Rehearsal, Word, spelled
from engine.rehearsal_fixtures import Imitate, NotPrepared, prepared
from engine.rules import Rules, scope_of, system_values
from engine.signals import Signal, SignalRefused, SignalType
from infra.aws_errors import AwsRefused
from infra.canonical import Json

BEGIN: Final = datetime(2026, 1, 5, 3, 0, tzinfo=UTC)
POLL: Final = timedelta(seconds=15)
MOST_MOVES: Final = 20_000
EXECUTION: Final = str(uuid.uuid5(uuid.NAMESPACE_URL, "rehearsal"))
STARTER: Final = Actor("person", "rehearsal:starter", "starter")
WORDS: Final[Mapping[str, SignalType]] = {
    "Approve": SignalType.APPROVE,
    "Reject": SignalType.REJECT,
    "Resume": SignalType.RESUME,
}


@dataclass(frozen=True, slots=True)
class Played:
    """What came of one rehearsal; without problems all was as expected."""

    rehearsal: Rehearsal
    state: Execution | None
    """None when the parameters were refused."""
    problems: tuple[Problem, ...]
    calls: tuple[Made, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict)
    """Step -> the question that people got."""


def play(
    document: Document, rehearsal: Rehearsal, *, actions: Mapping[str, Action[Any]], imitate: Imitate | None = None
) -> Played:
    """Play one rehearsal to its end. `imitate` opens an imitated AWS for those that prepare one."""
    if rehearsal.moto is None:
        return _played(document, rehearsal, actions)
    if imitate is None:
        text = "it prepares an imitated AWS, which is moto: pip install 'moto[all]'"
        return Played(rehearsal, None, (rehearsal.problem(text, "moto"),))
    with imitate() as behind:
        try:
            filled = prepared(rehearsal, behind)
        except NotPrepared as error:
            return Played(rehearsal, None, (rehearsal.problem(str(error), "moto", error.index),))
        return _played(document, filled, actions, behind)


def _played(
    document: Document, rehearsal: Rehearsal, actions: Mapping[str, Action[Any]], behind: Behind | None = None
) -> Played:
    try:
        state = _bound(document, rehearsal)
    except ParametersInvalid as error:
        problem = rehearsal.problem(f"the parameters are refused: {error}", "parameters")
        return Played(rehearsal, None, (problem,))
    stage = _Stage(document, rehearsal, actions, state, behind)
    stage.play()
    problems = (*stage.problems, *_differences(rehearsal, stage))
    return Played(rehearsal, stage.state, problems, tuple(stage.aws.made), stage.asked)


def _bound(document: Document, rehearsal: Rehearsal) -> Execution:
    state = Execution(EXECUTION, document.name, document.version, document.digest, {}, STARTER, REGION, ACCOUNT)
    system = system_values(state, BEGIN)
    parameters = bind(document, rehearsal.parameters, system=system, parameter_store=_no_store)
    variables = initial_variables(document, parameters, system=system)
    return replace(
        state, parameters=parameters, variables=variables, assume_role=assumed_role(document, parameters, system)
    )


def _no_store(name: str) -> Json:
    raise AwsRefused("NotRehearsed", f'give the parameter itself; the rehearsal has no Parameter Store with "{name}"')


class _Stage:
    """One execution, a clock that leaps, and everybody's lines."""

    def __init__(
        self,
        document: Document,
        rehearsal: Rehearsal,
        actions: Mapping[str, Action[Any]],
        state: Execution,
        behind: Behind | None,
    ) -> None:
        self._document, self._rehearsal, self._actions = document, rehearsal, actions
        self._now = BEGIN
        self._spoken: Counter[str] = Counter()
        self.aws = CannedAws(rehearsal.aws, rehearsal.aws_of_step, behind=behind)
        self._performer = Performer(actions, lambda _: self.aws, lambda: self._now, poll=POLL)
        self.problems: list[Problem] = []
        self.asked: dict[str, str] = {}
        self.state = state
        self._keep(conductor.start(state, self._rules, actor=STARTER))

    @property
    def _rules(self) -> Rules:
        return Rules(self._document, self._actions, self._now)

    def _keep(self, change: Change) -> None:
        self.state = change.state
        for event in change.events:
            inputs = event.data.get("inputs")
            if event.name == "step.waiting" and isinstance(inputs, dict):
                name = str(event.data["step"])
                self.asked[name] = str(inputs.get("Message") or "")
                self._look_for_holes(name)

    def _look_for_holes(self, name: str) -> None:
        """A question in which a value is missing misleads whoever reads it."""
        scope = scope_of(self.state, self._rules)
        for reference in references(self._rules.step(name).inputs.get("Message")):
            if scope.lookup(reference) is MISSING:
                text = f'the question of step "{name}" has a hole: {{{{ {reference} }}}} has no value'
                self.problems.append(self._rehearsal.problem(f'{text}; it reads "{self.asked[name]}"'))

    def play(self) -> None:
        """Move until it is over, or until nothing can move it."""
        for _ in range(MOST_MOVES):
            self._keep(conductor.advance(self.state, self._rules))
            if self.state.is_over:
                return
            if not (self._called() or self._answered() or self._leapt()):
                return
        self.problems.append(self._rehearsal.problem("it comes to no end: the steps run in a circle, or poll for ever"))

    def _called(self) -> bool:
        call = conductor.wants(self.state)
        if call is None:
            return False
        self.aws.step = call.step.name
        outcome = self._canned(call) if call.kind == "run" else None
        if outcome is None:
            outcome, _ = self._performer.perform(self.state, self._document, call, may_have_run=False, child=None)
        wanted = (outcome.child, *(outcome.children or ())) if isinstance(outcome, Waiting) else ()
        child = next((order for order in wanted if order is not None), None)
        if child is not None:
            outcome = self._unrehearsed(f"starts the runbook {child.document_name}")
        self._keep(conductor.report(self.state, call.id, outcome, self._rules))
        return True

    def _canned(self, call: Call) -> Outcome | None:
        lines = self._rehearsal.steps.get(call.step.name, ())
        if not lines:
            is_script = call.step.action == "aws:executeScript"
            return self._unrehearsed("runs a script") if is_script else None
        number = self._spoken[call.step.name]
        self._spoken[call.step.name] += 1
        return _outcome(lines[min(number, len(lines) - 1)])

    def _unrehearsed(self, what: str) -> Failed:
        name = self.aws.step
        text = f'step "{name}" {what}: say under steps: what it gives, or that it fails'
        self.problems.append(self._rehearsal.problem(text, "steps"))
        return Failed("not rehearsed", is_final=True)

    def _answered(self) -> bool:
        """Let people say their next word to the step that waits for them."""
        step = self.state.step
        if step is None or self.state.phase != "signal":
            return False
        words, number = self._rehearsal.people.get(step.name, ()), self._spoken[f"people:{step.id}"]
        if number >= len(words):
            return False
        self._spoken[f"people:{step.id}"] += 1
        try:
            self._keep(
                self._told(words[number], step.id, Actor("person", f"rehearsal:{number + 1}", f"person {number + 1}"))
            )
        except SignalRefused as error:
            self.problems.append(self._rehearsal.problem(f"{words[number]} does not fit: {error}", "people", step.name))
            return False
        return True

    def _told(self, word: Word, step_id: str, who: Actor) -> Change:
        if word == "Cancel":
            return conductor.stop(self.state, who, self._rules)
        return conductor.receive(self.state, Signal(WORDS[word], who, step_id), self._rules)

    def _leapt(self) -> bool:
        """Let time pass until something is due."""
        due = self.state.due_at
        if due is None:
            return False
        self._now = max(self._now, due)
        return True


def _outcome(ends: Ends) -> Outcome:
    if ends.fails is not None:
        return Failed(ends.fails)
    if ends.times_out:
        return Waiting(memo={"rehearsed": True}, say="does not end")
    given = ends.gives or {}
    return Succeeded(given, root=given)


# -- comparing


def _differences(rehearsal: Rehearsal, stage: _Stage) -> Iterator[Problem]:
    expect, state = rehearsal.expect, stage.state
    for made in stage.aws.lacking:
        text = f'step "{made.step}" calls {made.operation}, and the rehearsal has no answer to it'
        yield rehearsal.problem(text, "aws")
    found = str(state.status) if state.is_over else "Waiting"
    if found != expect.status:
        why = f": {state.failure_message}" if state.failure_message else ""
        yield rehearsal.problem(f"it ended {found}, expected {expect.status}{why}", "expect", "status")
    if expect.says is not None and expect.says not in state.failure_message:
        text = f'it says "{state.failure_message}", expected to find "{expect.says}"'
        yield rehearsal.problem(text, "expect", "says")
    yield from _steps(rehearsal, state)
    yield from _calls(rehearsal, [made for made in stage.aws.made if made.changes])
    yield from _outputs(rehearsal, state)
    yield from _questions(rehearsal, stage.asked)


def _steps(rehearsal: Rehearsal, state: Execution) -> Iterator[Problem]:
    if rehearsal.expect.steps is None:
        return
    wanted = [
        next(iter(each.items())) if isinstance(each, dict) else (each, "Success") for each in rehearsal.expect.steps
    ]
    found = [(step.name, str(step.status)) for step in state.steps]
    for index, (name, status) in enumerate(wanted):
        if index >= len(found):
            text = f'step "{name}" was expected, and nothing ran any more'
        elif found[index] == (name, status):
            continue
        else:
            why = f" ({state.steps[index].failure_message})" if state.steps[index].failure_message else ""
            ran, ended = found[index]
            text = f'step {index + 1} was "{ran}" {ended}{why}, expected "{name}" {status}'
        yield rehearsal.problem(text, "expect", "steps", index)
        return
    if len(found) > len(wanted):
        ran = ", ".join(f'"{name}" {status}' for name, status in found[len(wanted) :])
        yield rehearsal.problem(f"more steps ran than expected: {ran}", "expect", "steps")


def _calls(rehearsal: Rehearsal, made: list[Made]) -> Iterator[Problem]:
    if rehearsal.expect.calls is None:
        return
    wanted = [next(iter(each.items())) if isinstance(each, dict) else (each, {}) for each in rehearsal.expect.calls]
    for index, (operation, params) in enumerate(wanted):
        if index >= len(made):
            text = f"{operation} was expected, and nothing was called any more"
        else:
            found = made[index]
            unlike = {name: found.params.get(name) for name, value in params.items() if found.params.get(name) != value}
            if found.operation == spelled(operation) and not unlike:
                continue
            text = f'call {index + 1} was {found.operation} of step "{found.step}", expected {operation}'
            text += f"; of its parameters these differ: {unlike}" if unlike else ""
        yield rehearsal.problem(text, "expect", "calls", index)
        return
    if len(made) > len(wanted):
        more = ", ".join(f'{call.operation} of step "{call.step}"' for call in made[len(wanted) :])
        yield rehearsal.problem(f"more was changed than expected: {more}", "expect", "calls")


def _outputs(rehearsal: Rehearsal, state: Execution) -> Iterator[Problem]:
    for name, value in (rehearsal.expect.outputs or {}).items():
        if state.outputs.get(name) != value:
            shown = state.outputs.get(name, "not there")
            yield rehearsal.problem(f"output {name} is {shown}, expected {value}", "expect", "outputs", name)


def _questions(rehearsal: Rehearsal, asked: Mapping[str, str]) -> Iterator[Problem]:
    for name, part in (rehearsal.expect.asks or {}).items():
        if part not in asked.get(name, ""):
            found = f'asks "{asked[name]}"' if name in asked else "was not asked"
            yield rehearsal.problem(f'step "{name}" {found}, expected to find "{part}"', "expect", "asks", name)
